"""Users of the operating system, as sandboxes need them: a uid that nobody has, and how much one runs. Linux only."""

import os
import pwd
import secrets
from pathlib import Path

_FIRST, _COUNT = 61_300, 4_000  # within systemd's range for passing users, which no package gives to anybody


def own_uid() -> int:
    """A uid that nobody has and nothing runs under, by chance. Raises `OSError` when there is none."""
    used = running_uids()
    for _ in range(1000):
        uid = _FIRST + secrets.randbelow(_COUNT)
        if uid not in used and not _named(uid):
            return uid
    raise OSError("no user number is free for a sandbox")


def _named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def running_uids() -> set[int]:
    """The owners of all processes."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add(process.stat().st_uid)
        except OSError:
            continue
    return found


def threads_of(uid: int) -> int:
    """Threads that run under a uid: what RLIMIT_NPROC counts."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == uid:
                count += len(os.listdir(process / "task"))  # noqa: PTH208
        except OSError:
            continue
    return count
