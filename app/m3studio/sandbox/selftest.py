"""Ten attempts to escape, made for real before a level is trusted. Knows no mechanism."""

import contextlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from m3studio.sandbox.sandbox import Sandbox

_ATTEMPTS = r"""
import ctypes, os, socket, subprocess, sys
TOKEN, CANARY, OUTSIDE, PATH, TCP, UDP = {token!r}, {canary!r}, {outside!r}, {path!r}, {tcp}, {udp}
libc = ctypes.CDLL(None, use_errno=True)

def read_the_apps_files():
    return TOKEN in open(CANARY).read()

def write_outside():
    open(OUTSIDE, "w").write("x")
    return os.path.exists(OUTSIDE) and HOST_SEES_IT

def read_the_environment_of_others():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"M3STUDIO" in open(f"/proc/{{pid}}/environ", "rb").read():
                return True
        except OSError:
            pass
    return any(name.startswith("M3STUDIO") for name in os.environ)

def connect(family, kind, address):
    with socket.socket(family, kind) as client:
        client.settimeout(0.2)
        client.connect(address)
        client.send(b"x")

def reach_the_app():
    connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TCP))
    return True

def send_a_datagram():
    connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", UDP))

def reach_a_socket_file():
    connect(socket.AF_UNIX, socket.SOCK_STREAM, PATH)
    return True

def trace_the_parent():
    return libc.ptrace(16, os.getppid(), 0, 0) == 0

def mount_something():
    return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.unshare(0x10000000) == 0

def take_too_much_memory():
    return bool(bytearray(64 << 30))

def leave_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for _ in range(600):
                open("alive", "a").write("x")
                __import__("time").sleep(0.05)
        os._exit(0)

HOST_SEES_IT = False
escaped = []
for attempt in (read_the_apps_files, write_outside, read_the_environment_of_others, reach_the_app, send_a_datagram,
                reach_a_socket_file, trace_the_parent, mount_something, take_too_much_memory, leave_a_daemon):
    try:
        if attempt():
            escaped.append(attempt.__name__)
    except (OSError, MemoryError, ValueError):
        pass
print("TRIED", *escaped)
"""


@dataclass(slots=True)
class _Listeners:
    """What the app could be reached by, and who came."""

    tcp: int
    udp: int
    path: str
    came: list[str] = field(default_factory=list)


def escapes(box: Sandbox, place: Path) -> list[str]:
    """The names of the attempts that were not held. `place` is an empty folder outside the box's workspace."""
    token = secrets.token_hex(16)
    canary, outside = place / "canary", place / "outside"
    canary.write_text(token)
    with _listening(place) as listeners:
        code = _ATTEMPTS.format(
            token=token,
            canary=str(canary),
            outside=str(outside),
            path=listeners.path,
            tcp=listeners.tcp,
            udp=listeners.udp,
        )
        result = box.python(code)
        escaped = list(listeners.came)
    if result.exit_code or not result.stdout.startswith("TRIED"):
        return [f"it does not run Python ({(result.limit or result.stderr).strip()[-300:]})"]
    escaped += result.stdout.split()[1:]
    if outside.exists():
        escaped.append("write_outside")
    # The second call shows what was left behind: the daemon would have gone on writing.
    count = "import os; os.path.getsize('alive') if os.path.exists('alive') else 0"
    first, second = box.python(count).stdout, box.python(f"__import__('time').sleep(0.12); {count}").stdout
    if first != second:
        escaped.append("leave_a_daemon")
    return sorted(set(escaped))


@contextlib.contextmanager
def _listening(place: Path) -> Iterator[_Listeners]:
    """A TCP port, a UDP port and a socket file that note who comes."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        local = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        path = str(place / "socket")
        local.bind(path)
        local.listen()
        listeners = _Listeners(tcp.getsockname()[1], udp.getsockname()[1], path)
        yield listeners
        for name, each in (("reach_the_app", tcp), ("send_a_datagram", udp), ("reach_a_socket_file", local)):
            each.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                if each is udp:
                    each.recv(16)
                else:
                    each.accept()[0].close()
                listeners.came.append(name)
