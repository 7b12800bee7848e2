"""What keeps chats from getting lost: checks, backups, setting a damaged file aside, and a reserve for a full disk.

Works on files alone; knows no table.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)
BALLAST_BYTES = 8 * 1024 * 1024
SPARE_BYTES = 64 * 1024 * 1024  # room that neither a backup nor the ballast may take
KEPT_BACKUPS = 7
SMALL_BYTES = 64 * 1024 * 1024  # a check of this much takes well under 0.1 s, so it is done at every start
CHECK_SECONDS = 7 * 86400
# SQLITE_ERROR is what an unknown file format gives.
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
PARTS = ("", "-wal", "-shm")


class Ballast:
    """8 MB beside the database, given up when the disk is full: deleting a chat needs room as well."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self) -> None:
        """Put the ballast there, unless it is or the disk is nearly full."""
        try:
            if self._path.exists() or shutil.disk_usage(self._path.parent).free < SPARE_BYTES:
                return
            with self._path.open("xb") as file:  # random, for a file system that stores zeros in no space
                self._path.chmod(0o600)
                file.write(os.urandom(BALLAST_BYTES))
        except OSError as error:
            log.info("no ballast: %s", error)
            self.drop()

    def drop(self) -> None:
        """Give the room back."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def disk_is_full(self) -> bool:
        """Whether the disk has less than a megabyte left."""
        try:
            return shutil.disk_usage(self._path.parent).free < 1024 * 1024
        except OSError:
            return False


def needs_check(path: Path, *, unclean: bool, now: float) -> bool:
    """Whether to read the whole file at start: after an unclean end, each week, and always while it is small."""
    try:
        if unclean or path.stat().st_size <= SMALL_BYTES:
            return True
        return now - _stamp(path).stat().st_mtime > CHECK_SECONDS
    except OSError:
        return True


def note_check(path: Path) -> None:
    """Remember that a check was done now."""
    with contextlib.suppress(OSError):
        _stamp(path).touch(mode=0o600)


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".checked")


def problem_of(path: Path) -> str:
    """What is wrong with the database file, in SQLite's words; empty if nothing is. Takes 1 ms per MB."""
    check = "integrity_check" if path.stat().st_size <= SMALL_BYTES else "quick_check"  # the former reads indexes too
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.text_factory = bytes
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA cell_size_check = ON")
            rows = [row[0].decode("utf-8", "replace") for row in connection.execute(f"PRAGMA {check}(5)")]
            connection.execute("BEGIN IMMEDIATE")  # a header with a changed version byte would be read-only
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in DAMAGED or (code == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK)):
            return str(error)
        return ""  # busy, full, not allowed: says nothing about the file
    except UnicodeDecodeError as error:
        return f"SQLite's complaint quotes broken text ({error.reason})"
    return "" if rows == ["ok"] else "; ".join(rows) or "no answer"


def set_aside(path: Path, now: float) -> Path:
    """Rename a damaged database and its journal; nothing is deleted. Returns the new name. Raises `OSError`."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    target, number = path.with_name(f"{path.name}.corrupt-{stamp}"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    for part in PARTS:
        source = path.with_name(path.name + part)
        if source.exists():
            source.rename(target.with_name(target.name + part))
    return target


class Backups:
    """Dated copies of the database in a folder beside it, the newest seven of them."""

    def __init__(self, database: Path) -> None:
        self._folder = database.parent / "backups"
        self._stem = database.stem

    def newest_first(self) -> list[Path]:
        """All copies."""
        return sorted(self._folder.glob(f"{self._stem}-*.db"), reverse=True)

    def due(self, now: float) -> bool:
        """Whether the newest copy is over a day old."""
        newest = next(iter(self.newest_first()), None)
        try:
            return newest is None or now - newest.stat().st_mtime >= 86400
        except OSError:
            return True

    def make(self, connection: sqlite3.Connection, now: float) -> Path | None:
        """Copy the database as `connection` sees it; only a copy that passes the check is kept.

        Returns None when there is too little room, or the copy is bad. Raises `sqlite3.Error`.
        """
        (size,) = connection.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
        target = self._folder / f"{self._stem}-{stamp}.db"
        with _partial(target) as partial:
            if partial is None or shutil.disk_usage(self._folder).free < size + SPARE_BYTES:
                log.warning("no backup of the chats: too little room in %s", self._folder)
                return None
            connection.execute("VACUUM INTO ?", (str(partial),))
            if problem := problem_of(partial):
                log.error("the backup of the chats is bad and was dropped: %s", problem)
                return None
            partial.chmod(0o600)
            sync(partial)
            partial.replace(target)
            sync(self._folder)
        for old in self.newest_first()[KEPT_BACKUPS:]:
            old.unlink(missing_ok=True)
        return target

    def restore(self, database: Path) -> Path | None:
        """Put the newest good copy in the place of `database`. Returns that copy, or None if there is none."""
        for backup in self.newest_first():
            if problem := problem_of(backup):
                log.warning("backup %s is bad: %s", backup.name, problem)
                continue
            with _partial(database) as partial:
                if partial is None:
                    return None
                shutil.copyfile(backup, partial)
                partial.chmod(0o600)
                sync(partial)
                partial.replace(database)
                sync(database.parent)
            return backup
        return None


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[Path | None]:
    """A name beside `target` for work in progress, gone at the end; None if the folder cannot be made."""
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
    except OSError as error:
        log.warning("cannot write to %s: %s", target.parent, error)
        yield None
        return
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
            partial.with_name(partial.name + "-journal").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the file, or the folder's list of names, on the disk itself."""
    if os.name == "nt" and path.is_dir():
        return
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
