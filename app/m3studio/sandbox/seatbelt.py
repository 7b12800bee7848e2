"""macOS: a seatbelt profile that the code enters before it runs. Written from public policies; never run yet.

Covered by the profile's words: files outside the workspace, every network, signals and information of other processes.
Not covered: an exact limit of memory (macOS ignores RLIMIT_AS; the tree is watched), a burst past the disk limit,
`stat` of any path. The self-test decides on the machine itself whether this level counts.
"""

import os
import sys
from pathlib import Path

from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.mechanism import BOOT, FILES, PACKAGE, SCRATCH, Launch, Mechanism, environment, resource_limits

_PROFILE = """
(version 1)
(deny default)
(allow process-fork)
(allow process-exec (subpath "/usr") (subpath "/bin") (subpath (param "WORKSPACE")) {roots})
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-read* (subpath "/usr") (subpath "/bin") (subpath "/System") (subpath "/Library/Frameworks")
    (subpath "/Library/Developer/CommandLineTools") (subpath "/private/var/db/dyld") {roots}
    (literal "/") (literal "/dev/null") (literal "/dev/urandom") (literal "/dev/random")
    (literal "/private/etc/localtime"))
(allow file-read* file-write* (subpath (param "WORKSPACE")))
(allow file-write* (literal "/dev/null") (literal "/dev/zero"))
(allow file-ioctl (literal "/dev/null"))
(allow ipc-posix-sem)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo") (global-name "com.apple.system.logger"))
"""


def missing() -> str:
    """Why seatbelt cannot be used here."""
    return "" if sys.platform == "darwin" else "Seatbelt is a part of macOS."


def launch(place: Path, limits: Limits, interpreter: Interpreter) -> Launch:
    """The command line and the policy for one chat."""
    folder = os.path.realpath(place)  # seatbelt compares real paths: /tmp is /private/tmp
    files, scratch = f"{folder}/{FILES}", f"{folder}/{SCRATCH}"
    roots = {f"ROOT{number}": os.path.realpath(root) for number, root in enumerate(interpreter.roots)}
    text = _PROFILE.format(roots=" ".join(f'(subpath (param "{name}"))' for name in roots))
    wanted = resource_limits(limits, limits.processes + 400)  # counted for the user, who runs some hundreds already
    policy = {
        "around": False,
        "first": False,
        "cwd": files,
        "uid": None,
        "env": environment(interpreter, scratch, scratch),
        "limits": {name: wanted[name] for name in ("FSIZE", "NPROC", "NOFILE", "CORE")},
        "seatbelt": {"text": text, "parameters": {**roots, "WORKSPACE": folder}},
    }
    return Launch((interpreter.executable, "-I", "-c", BOOT, str(PACKAGE)), policy)


MECHANISM = Mechanism(
    Level.SEATBELT,
    covered=("files outside the workspace", "every network", "other processes' memory and signals"),
    not_covered=(
        "memory is watched, not bounded",
        "names and sizes of files outside can be seen",
        "a fast writer can pass the disk limit for a moment",
    ),
    own_files=False,
    missing=missing,
    launch=launch,
)
