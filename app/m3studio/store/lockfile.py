"""A lock file that lets one process at a time own a data folder. Knows nothing of what is in the folder."""

import os
import sys
from pathlib import Path

from m3studio.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FAR = 1 << 30  # Windows locks bytes, and a locked byte cannot be read: lock one behind the text


class FolderLock:
    """Held from `__init__` to `release`, or to the end of the process, however it ends.

    The file holds the owner's pid while it runs and is empty after a clean end; `unclean` tells that it was not.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"The data folder {path.parent} cannot be written ({error.strerror}). Mend its permissions, or name "
                "another one with --data-dir."
            ) from error
        before = os.pread(self._file, 32, 0) if sys.platform != "win32" else os.read(self._file, 32)
        try:
            _lock(self._file)
        except OSError:
            os.close(self._file)
            owner = before.decode("ascii", "replace").strip() or "unknown"
            raise StoreError(
                f"M3 Studio already runs with the data folder {path.parent} (process {owner}). Use that one, stop it, "
                "or start this one with another --data-dir."
            ) from None
        self.unclean = bool(before.strip())
        self._write(str(os.getpid()).encode())

    def release(self, *, clean: bool = True) -> None:
        """Let the next process in. `clean` False makes it look closer at what it finds."""
        if clean:
            self._write(b"")
        os.close(self._file)

    def _write(self, text: bytes) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, text)
        except OSError:  # a full disk: the lock holds all the same
            pass


def _lock(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
