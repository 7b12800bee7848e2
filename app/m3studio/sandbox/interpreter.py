"""The Python that tool code gets: never the app's own environment. Knows no sandbox.

By default the plain interpreter that the app's environment was made from; better, an environment of its own with
everyday packages.
"""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_ASK = "import sys; print(sys.prefix, sys.base_prefix, sys.base_exec_prefix, sep='\\n')"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`executable` as it is called, and the folders beside /usr that it must be able to read."""

    executable: str
    roots: tuple[str, ...]

    def open_to_others(self) -> bool:
        """Whether another user of this machine could run it."""
        return all(
            _traversable(Path(path)) for path in (self.executable, os.path.realpath(self.executable), *self.roots)
        )


@functools.cache
def base() -> Interpreter:
    """The interpreter below the app's environment."""
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return Interpreter(executable, _outside_usr((sys.base_prefix, sys.base_exec_prefix)))


@functools.cache
def ask(executable: str) -> Interpreter:
    """Any interpreter, by asking it where its folders are. Raises `OSError` or `SubprocessError`."""
    found = subprocess.run([executable, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=30)
    return Interpreter(executable, _outside_usr(tuple(found.stdout.split("\n")[:3])))


def system() -> Interpreter | None:
    """The operating system's own Python, which every user can read."""
    return ask("/usr/bin/python3") if Path("/usr/bin/python3").exists() else None


def _outside_usr(paths: tuple[str, ...]) -> tuple[str, ...]:
    every = {os.path.realpath(path) for path in paths} | set(paths)
    return tuple(sorted(path for path in every if path and not path.startswith("/usr/") and path not in ("/usr", "/")))


def _traversable(path: Path) -> bool:
    try:
        return all(place.stat().st_mode & 0o005 == 0o005 for place in (path, *path.parents))
    except OSError:
        return False
