"""No walls at all, for a single call that the user allows after a plain warning: only limits, and killing afterwards.

Covered: limits of memory, processes, files and output; what a call leaves behind in its own tree is killed. Not
covered: everything else. The code can do what the user can do, network included.
"""

import os
from pathlib import Path

from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.mechanism import BOOT, FILES, PACKAGE, SCRATCH, Launch, Mechanism, environment, resource_limits


def missing() -> str:
    """Why it cannot be used here."""
    return "" if os.name == "posix" else "Tools do not run on Windows yet."


def launch(place: Path, limits: Limits, interpreter: Interpreter) -> Launch:
    """The command line and the policy for one chat."""
    files, scratch = str(place / FILES), str(place / SCRATCH)
    wanted = resource_limits(limits, 0)
    policy = {
        "around": False,
        "first": False,
        "cwd": files,
        "uid": None,
        "env": environment(interpreter, scratch, scratch),
        "limits": {name: wanted[name] for name in ("AS", "FSIZE", "NOFILE", "CORE")},
    }
    return Launch((interpreter.executable, "-I", "-c", BOOT, str(PACKAGE)), policy)


MECHANISM = Mechanism(
    Level.NONE,
    covered=("limits of memory, files and output",),
    not_covered=("everything else: the code can do whatever you can do on this machine",),
    own_files=False,
    missing=missing,
    launch=launch,
)
