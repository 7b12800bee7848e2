"""A tree of processes seen from outside: how much memory it holds, and its end. Knows no sandbox."""

import contextlib
import os
import signal
import stat
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Tree:
    """Process ids with the root first, and the resident bytes of all of them."""

    pids: tuple[int, ...]
    resident: int


def look(pid: int) -> Tree:
    """The tree below `pid`. Linux is read directly: it is asked many times a second."""
    if not os.path.isdir(f"/proc/{pid}/task"):  # noqa: PTH112 (asked often)
        return _look_slowly(pid)
    todo, resident = [pid], 0
    alive: list[int] = []
    while todo and len(alive) < _MOST:
        current = todo.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{current}/statm", "rb") as file:  # noqa: PTH123
                resident += int(file.read().split()[1]) * _PAGE
            alive.append(current)
            for thread in os.listdir(f"/proc/{current}/task"):  # noqa: PTH208
                with open(f"/proc/{current}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                    todo += [int(child) for child in file.read().split()]
    return Tree(tuple(alive), resident)


def _look_slowly(pid: int) -> Tree:
    pids, resident = [], 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
                pids.append(process.pid)
    return Tree(tuple(pids), resident)


def deleted(pids: Iterable[int], each: int) -> int:
    """Bytes on disk of files that have no name any more but are held open; Linux only, elsewhere 0.

    A deleted file that is only mapped counts as `each` bytes, the most that it can be.
    """
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    info = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                    if stat.S_ISREG(info.st_mode) and not info.st_nlink:
                        held[info.st_dev, info.st_ino] = info.st_blocks * 512
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.endswith(b"(deleted)\n"):
                    major, minor = (int(part, 16) for part in line.split()[3].split(b":"))
                    held.setdefault((os.makedev(major, minor), int(line.split()[4])), each)
    return sum(held.values())


def kill(pid: int) -> None:
    """Kill a tree, leaves first, until nothing of it is left."""
    for _ in range(100):
        pids = look(pid).pids
        for each in reversed(pids):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if len(pids) <= 1:
            return


def first_to_go(pid: int) -> None:
    """When memory runs out, Linux shall end this tree before anything else."""
    for each in look(pid).pids:
        with contextlib.suppress(OSError), open(f"/proc/{each}/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("1000")
