"""`m3studio doctor`: checks what the app stands on, and says how to mend what is broken. Mends nothing."""

import argparse
import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from m3studio import __version__
from m3studio.cli import _flags
from m3studio.errors import StoreError
from m3studio.paths import Home, static_dir
from m3studio.settings import Settings

ROOM_MB = 500  # for chats, logs, and the first model with its archive
# In a process of its own: a library built for another processor ends its process without an exception.
PROBE = "import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.__version__)"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `fix` is empty when it is well."""

    name: str
    found: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        return not self.fix


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to look at, and how to say it."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    _flags.add(parser, "data_dir", "host", "port")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print every check; 1 if one failed."""
    checks = list(all_checks(settings))
    if args.json:
        sys.stdout.write(
            json.dumps({"checks": [{**asdict(check), "ok": check.ok} for check in checks]}, indent=2) + "\n"
        )
    else:
        for check in checks:
            sys.stdout.write(f"{'ok  ' if check.ok else 'BAD '} {check.name:<12} {check.found}\n")
            if check.fix:
                sys.stdout.write(f"     {'':<12} {check.fix}\n")
    return 0 if all(check.ok for check in checks) else 1


def all_checks(settings: Settings) -> Iterator[Check]:
    """Every check, one after the other."""
    home = _flags.home(settings)
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("app", f"m3studio {__version__}, Python {python}, {sys.prefix}")
    yield engine()
    yield page()
    yield folder(home)
    yield disk(home)
    yield port(settings.host, settings.port)


def engine(probe: str = PROBE) -> Check:
    """Can llama.cpp be loaded here?"""
    fix = "Install it again: `sh install.sh` in the app's folder, or `pip install --force-reinstall llama-cpp-python`."
    try:
        answer = subprocess.run(
            [sys.executable, "-c", probe],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Check("engine", "llama-cpp-python did not answer within 60 s", fix)
    if answer.returncode == 0:
        return Check("engine", f"llama-cpp-python {answer.stdout.strip()}")
    last = (answer.stderr.strip().splitlines() or [f"it ended with code {answer.returncode}"])[-1]
    return Check("engine", f"llama-cpp-python cannot be loaded: {last}", fix)


def page() -> Check:
    """Are the page's files there?"""
    if (static_dir() / "starting.html").is_file():
        return Check("page", str(static_dir()))
    return Check("page", f"{static_dir()} is not complete", "Install the app again.")


def folder(home: Home) -> Check:
    """Can the data folder be written?"""
    try:
        home.prepare()
    except StoreError as error:
        return Check("data folder", str(home.root), str(error))
    return Check("data folder", str(home.root))


def disk(home: Home) -> Check:
    """Is there room for chats and a model?"""
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free >> 20
    found = f"{free / 1024:.1f} GB free in {place}"
    if free >= ROOM_MB:
        return Check("disk", found)
    return Check("disk", found, f"Free some space: {ROOM_MB} MB are needed. Or name another folder with --data-dir.")


def port(host: str, number: int) -> Check:
    """Is the port free, or does M3 Studio itself hold it?"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, number))
            listener.listen()
    except (OSError, OverflowError) as error:
        if runs_at(number):
            return Check("port", f"{number}: M3 Studio runs there")
        return Check("port", f"{host} port {number} cannot be had: {error}", f"Choose another one: -p {number + 1}.")
    return Check("port", f"{host} port {number} is free")


def runs_at(number: int) -> bool:
    """Does M3 Studio answer on this machine's port `number`?"""
    try:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", number, timeout=2)) as connection:
            connection.request("GET", "/healthz")
            answer = json.loads(connection.getresponse().read(10_000))
        return isinstance(answer, dict) and "instance" in answer
    except (OSError, OverflowError, http.client.HTTPException, ValueError):
        return False
