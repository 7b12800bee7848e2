"""Limits that a container sets on memory and CPU (cgroup v1 and v2). Knows only the files that say so."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc/self/cgroup")
T = TypeVar("T")
NO_LIMIT = 2**60  # cgroup v1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory` bytes in all and `free` of them now, `cpus` worth of time; None where nothing limits."""

    memory: int | None = None
    free: int | None = None
    cpus: int | None = None


def read_limits(root: Path = ROOT, proc: Path = PROC) -> Limits:
    """The tightest limits on the way from this process's group to the root."""
    memories: list[tuple[int, int]] = []
    cpus: list[int] = []
    for line in _text(proc).splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        controllers = names.split(",")
        if number == "0" and not names:
            for folder in _upward(_mount(root, "unified"), path):
                _add(memories, _memory(folder, "memory.max", "memory.current", "inactive_file"))
                _add(cpus, _quota(*(_text(folder / "cpu.max").split() or ["max"])))
        if "memory" in controllers:
            for folder in _upward(_mount(root, "memory"), path):
                found = _memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                _add(memories, found)
        if "cpu" in controllers:
            for folder in _upward(_mount(root, "cpu", "cpu,cpuacct"), path):
                _add(cpus, _quota(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")))
    return Limits(
        memory=min((limit for limit, _ in memories), default=None),
        free=min((free for _, free in memories), default=None),
        cpus=min(cpus, default=None),
    )


def _mount(root: Path, *names: str) -> Path:
    return next((root / name for name in names if (root / name).is_dir()), root)


def _upward(root: Path, path: str) -> list[Path]:
    """The group's folder and those above it. A container may see only its own group, mounted as the root."""
    folder = root / path.strip().lstrip("/")
    if ".." in folder.parts:
        return [root]
    return [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]


def _memory(folder: Path, limit_name: str, used_name: str, cache_name: str) -> tuple[int, int] | None:
    limit = _number(_text(folder / limit_name))
    if limit is None or limit >= NO_LIMIT:
        return None
    used = _number(_text(folder / used_name)) or 0
    cache = next(
        (
            _number(line.split()[1])
            for line in _text(folder / "memory.stat").splitlines()
            if line.startswith(cache_name)
        ),
        0,
    )
    return limit, max(0, limit - max(0, used - (cache or 0)))  # the kernel gives up inactive file pages first


def _quota(quota: str, period: str = "100000") -> int | None:
    share, length = _number(quota), _number(period)
    return max(1, math.ceil(share / length)) if share and share > 0 and length else None


def _add(found: list[T], value: T | None) -> None:
    if value is not None:
        found.append(value)


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
