"""Keeps a chat's folder on disk and the file system inside the sandbox alike, before and after each call.

Copies only while nothing inside runs. Knows no process.
"""

import errno

from m3studio.sandbox import workspace
from m3studio.sandbox.limits import Limits


class Mirror:
    """Two open folders: `disk`, where files stay, and `inside`, where tools see them."""

    def __init__(self, disk: int, inside: int, limits: Limits, owner: int | None) -> None:
        """`owner` is the uid that files inside get."""
        self._disk, self._inside, self._limits, self._owner = disk, inside, limits, owner
        self._on_disk: workspace.Stamps = {}
        self._in_there: workspace.Stamps = {}
        self.cut = False  # the inside is over its bounds: it and the disk are no longer alike

    def bring(self) -> str:
        """Bring what the app put on the disk to the inside. A sentence when not all of it fits."""
        now, note = self._look(self._disk)
        new, gone = workspace.changed(self._on_disk, now)
        if not new and not gone:
            return note
        for path in gone:
            workspace.remove(self._inside, path)
        missed = self._copy(self._disk, self._inside, new, self._owner)
        self._on_disk, self._in_there = now, self._look(self._inside)[0]
        return note or (f"These files do not fit into the workspace: {_some(missed)}." if missed else "")

    def fetch(self) -> tuple[list[str], str]:
        """Keep on disk what changed inside: the files that did, and a sentence when some could not be kept."""
        now, note = self._look(self._inside)
        self.cut = bool(note)
        if note:  # what the look missed may be there all the same
            now = {**workspace.known(self._inside, self._in_there), **now}
        new, gone = workspace.changed(self._in_there, now)
        if not new and not gone:
            return [], note
        for path in gone:
            workspace.remove(self._disk, path)
        room = self._limits.workspace_files - len(self._in_there) + len(gone)
        added = [path for path in new if path not in self._in_there]
        missed = [*added[max(0, room) :], *self._too_large(now, new)]
        missed += self._copy(self._inside, self._disk, [path for path in new if path not in set(missed)], None)
        self._in_there, self._on_disk = now, self._look(self._disk)[0]
        kept = [path for path in new if now[path].regular and path not in set(missed)]
        return kept, note or (f"These files could not be kept: {_some(missed)}." if missed else "")

    def _too_large(self, now: workspace.Stamps, new: list[str]) -> list[str]:
        """Those of `new` that are beyond the bytes of a workspace; sparse files count in full, as their copies do."""
        total = sum(stamp.size for stamp in now.values() if stamp.regular)
        missed = []
        for path in reversed(new):
            if total > self._limits.workspace_bytes and now[path].regular:
                total -= now[path].size
                missed.append(path)
        self.cut = self.cut or bool(missed)
        return missed

    def _look(self, root: int) -> tuple[workspace.Stamps, str]:
        return workspace.stamps(root, self._limits.workspace_files, self._limits.workspace_depth)

    def _copy(self, source: int, target: int, paths: list[str], owner: int | None) -> list[str]:
        missed = []
        for path in paths:
            try:
                workspace.copy(source, target, path, owner)
            except OSError as error:
                missed.append(path)
                if error.errno == errno.ENOSPC:
                    missed += paths[paths.index(path) + 1 :]
                    break
        return missed


def _some(paths: list[str]) -> str:
    shown = ", ".join(printable(path) for path in paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"


def printable(path: str) -> str:
    """A file's name as it can be shown: whatever bytes it holds, it is text of one line."""
    return "".join(char if char.isprintable() else "�" for char in path)
