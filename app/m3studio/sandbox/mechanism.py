"""What a mechanism is: a way to start the warden behind walls. Knows none of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Level, Limits

PACKAGE = Path(__file__).resolve().parent  # holds `inside`, which the sandbox's interpreter imports
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from inside import warden; del sys.path[0]; warden.main()"


# What programs read of the system's settings; nothing in them is secret.
ETC = (
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime", "/etc/mime.types", "/etc/ssl/certs"),
    *("/etc/debian_version", "/etc/os-release", "/etc/lsb-release", "/etc/nsswitch.conf"),
)
FILES, SCRATCH = "files", "tmp"  # below a box's private place, where a mechanism has no file system of its own


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start. `policy` is the warden's (see inside/warden.py).

    `uid` is the owner that files for tools must have, if not the app's own. `{0}` in `argv` stands for the descriptor
    on which the first of `inputs` can be read.
    """

    argv: tuple[str, ...]
    policy: Mapping[str, object]
    uid: int | None = None
    inputs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A level's way of holding code. `missing` says in a sentence why it cannot be used here, or nothing.

    `own_files`: the warden hands out a file system of its own for the workspace. Without it, tools work in the folder
    `FILES` of the private place that `launch` is given. Either way it is a copy, kept alike by `Mirror`.
    """

    level: Level
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]
    own_files: bool
    missing: Callable[[], str]
    launch: Callable[[Path, Limits, Interpreter], Launch]


def environment(interpreter: Interpreter, home: str, scratch: str) -> dict[str, str]:
    """The variables of tool code, built from nothing: none of the app's reaches it."""
    return {
        "PATH": f"{Path(interpreter.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": scratch,
        "USER": "user",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{scratch}/matplotlib",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def resource_limits(limits: Limits, processes: int) -> dict[str, int]:
    """For `setrlimit`; `processes` counts what the system counts, the warden and the interpreter too."""
    return {
        "AS": limits.address_space,
        "FSIZE": limits.file_size,
        "NPROC": processes,
        "NOFILE": limits.open_files,
        "CORE": 0,
        "MEMLOCK": 1 << 16,
        "SIGPENDING": 1024,
    }
