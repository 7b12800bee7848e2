"""Linux where namespaces are locked (containers, hardened systems): Landlock, seccomp, limits, and a parent outside.

Covered: reading and writing outside the workspace, the whole network (no socket can be made), tracing, signals to
other processes, memory that no limit counts, watching files, daemons. Not covered: `stat` of any path (size,
existence), names of running processes, a burst of a fast writer past the disk limit (looked at every 30 ms: a fast
disk writes some 100 MB in that time), and for a normal user a crash of the warden, after which a daemon may live on.
Lost by design: loopback servers, multiprocessing pools (no /dev/shm); for a normal user changes of file modes and
times are only pretended, and with kernels before 6.12 `kill` and `timeout` do not work. /mnt/data cannot exist: tools
work in a private copy of the workspace below the system's temporary folder.
"""

import os
from pathlib import Path

from m3studio.sandbox import interpreter as interpreters
from m3studio.sandbox import seccomp
from m3studio.sandbox.inside import walls
from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.mechanism import (
    BOOT,
    ETC,
    FILES,
    PACKAGE,
    SCRATCH,
    Launch,
    Mechanism,
    environment,
    resource_limits,
)
from m3studio.sandbox.users import own_uid, threads_of

_PROGRAMS = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/sbin")
_DATA = (
    *ETC,
    *("/dev/zero", "/dev/urandom", "/dev/random", "/sys/devices/system/cpu"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self"),
)
_SIGNALS_SCOPED, _TRUNCATE_HELD = 6, 3  # since these versions of Landlock


def missing() -> str:
    """Why Landlock cannot be used here."""
    if os.name != "posix" or not walls.landlock_abi():
        return "Landlock needs Linux 5.13 or newer with Landlock switched on."
    if os.getuid() == 0 and not _interpreter_for_root(interpreters.base()):
        return (
            f"As root, tool code runs as another user, who cannot read {interpreters.base().executable}. "
            "Install Python where every user can read it (the system package “python3” will do), or do not run as root."
        )
    return ""


def _interpreter_for_root(wanted: Interpreter) -> Interpreter | None:
    return wanted if wanted.open_to_others() else interpreters.system()


def launch(place: Path, limits: Limits, interpreter: Interpreter) -> Launch:
    """The command line and the policy for one chat."""
    abi, root = walls.landlock_abi(), os.getuid() == 0
    uid = own_uid() if root else None
    interpreter = (_interpreter_for_root(interpreter) or interpreter) if root else interpreter
    refuse = "" if abi >= _SIGNALS_SCOPED or root else seccomp.SIGNALS
    refuse += "" if abi >= _TRUNCATE_HELD else f" {seccomp.TRUNCATE}"
    files, scratch = str(place / FILES), str(place / SCRATCH)
    policy = {
        "around": False,
        "first": False,
        "cwd": files,
        "uid": uid,
        "env": environment(interpreter, scratch, scratch),
        "limits": resource_limits(limits, limits.processes + (1 if root else threads_of(os.getuid()))),
        "seccomp": seccomp.program(refuse=refuse, alone=True, same_uid=not root).hex(),
        "tcp": False,
        "landlock": [
            *((path, "rx") for path in (*_PROGRAMS, *interpreter.roots)),
            *((path, "ro") for path in _DATA),
            *((path, "dev") for path in ("/dev/null", "/dev/full")),
            (files, "rw"),
            (scratch, "rw"),
        ],
    }
    argv = (interpreter.executable, "-I", "-c", BOOT, str(PACKAGE))
    return Launch(argv, policy, uid)


MECHANISM = Mechanism(
    Level.LANDLOCK,
    covered=("files outside the workspace", "every network", "other processes' memory and signals", "limits"),
    not_covered=(
        "names and sizes of files outside can be seen",
        "a fast writer can pass the disk limit for a moment",
        "no loopback servers and no multiprocessing pools",
    ),
    own_files=False,
    missing=missing,
    launch=launch,
)
