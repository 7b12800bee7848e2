"""Looks at what a call uses and says which limit it broke. Knows no sandbox."""

import os

from m3studio.sandbox import tree, workspace
from m3studio.sandbox.limits import Limits, size

_RESERVE = 8  # file entries that a file system has before anybody writes


class Watch:
    """The limits that only a look from outside can hold. Ask it every few hundredths of a second."""

    def __init__(self, pid: int, limits: Limits, folder: int, own_files: bool) -> None:
        """`folder` holds all that code can write; `own_files`: as a file system of its own, whose counts are exact."""
        self._pid, self._limits, self._folder, self._own_files = pid, limits, folder, own_files

    def breach(self) -> str:
        """A sentence when a limit is broken, else nothing."""
        seen = tree.look(self._pid)
        if seen.resident > self._limits.memory:
            return f"It used more than {size(self._limits.memory)} of memory."
        if len(seen.pids) > 2 * self._limits.processes + 4:
            return f"It started more than {self._limits.processes} processes."
        return self._counted() if self._own_files else self._walked(seen.pids)

    def _counted(self) -> str:
        info = os.fstatvfs(self._folder)
        if info.f_files - info.f_ffree > self._limits.workspace_files + _RESERVE:
            return f"It made more than {self._limits.workspace_files} files."
        return ""

    def _walked(self, pids: tuple[int, ...]) -> str:
        bounds = self._limits.workspace_files + _RESERVE, self._limits.workspace_depth + 1
        try:
            used = workspace.usage(self._folder, *bounds)[1]
        except workspace.TooMuch:
            files, depth = self._limits.workspace_files, self._limits.workspace_depth
            return f"It made more than {files} files, or folders deeper than {depth}."
        except OSError:
            return ""
        if used + tree.deleted(pids, self._limits.file_size) > self._limits.workspace_bytes:
            return f"The workspace holds more than {size(self._limits.workspace_bytes)}."
        return ""

    def full(self) -> str:
        """A sentence when the workspace has no room left, although nothing was stopped."""
        if self._own_files:
            info = os.fstatvfs(self._folder)
            if info.f_bavail * 100 < info.f_blocks:
                return f"The workspace is full: it holds {size(self._limits.workspace_bytes)}."
        return ""
