"""Chats, settings and sign-ins in one SQLite file that survives crashes. Knows no model and no page."""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from m3studio.errors import NoRoom, StoreError, StudioError
from m3studio.store import migrations
from m3studio.store.chats import Chat, Chats
from m3studio.store.database import Damaged, Database, create_file
from m3studio.store.keys import Keys, StoredKey
from m3studio.store.lockfile import FolderLock
from m3studio.store.messages import Messages, State, StoredMessage
from m3studio.store.passwords import Password
from m3studio.store.rescue import Backups, Ballast, needs_check, note_check, problem_of, set_aside
from m3studio.store.sessions import Sessions, SignIn
from m3studio.store.values import Values

__all__ = ["Chat", "SignIn", "State", "Store", "StoredKey", "StoredMessage", "open"]
log = logging.getLogger(__name__)
UPKEEP_SECONDS = 3600.0


class Store:
    """The open database, a subject an attribute. `notices` are sentences for the user about what the start found."""

    def __init__(self, database: Database, lock: FolderLock, notices: list[str], clock: Callable[[], float]) -> None:
        self.notices = notices
        self.chats = Chats(database, clock)
        self.messages = Messages(database, clock)
        self.values = Values(database)
        self.sessions = Sessions(database)
        self.keys = Keys(database)
        self.password = Password(database)
        self._database = database
        self._lock = lock
        self._clock = clock
        self._ballast = _ballast(database.path)
        self._backups = Backups(database.path)
        self._copying = Lock()  # protects the folder of backups
        self._ended = Event()
        self._upkeep = Thread(target=self._keep_up, name="store-upkeep", daemon=True)
        self._upkeep.start()

    def backup(self) -> Path | None:
        """Copy everything into `backups/`; None if there is too little room. Writers do not wait for it."""
        with self._copying, self._database.plain() as connection:
            return self._backups.make(connection, self._clock())

    def close(self) -> None:
        """Finish what is being written and let the next process in. Safe to repeat."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._upkeep.join(timeout=30)
        self._database.close()
        self._lock.release(clean=not self._database.damaged)

    def _keep_up(self) -> None:
        """A backup a day and the ballast back in its place, as long as the app runs."""
        while True:
            try:
                self._ballast.fill()
                if self._backups.due(self._clock()):
                    self.backup()
            except (StudioError, OSError) as error:
                log.warning("no backup of the chats today: %s", error)
            if self._ended.wait(UPKEEP_SECONDS):
                return


def open(path: Path, *, clock: Callable[[], float] = time.time) -> Store:
    """Open the database at `path`, or make it: lock its folder, check it, mend what can be mended, migrate it.

    A damaged file is renamed and kept, and the newest good backup takes its place; `Store.notices` tells. Raises
    `StoreError` when another process has the folder, it cannot be written, or a newer M3 Studio changed it; `NoRoom`.
    """
    create_file(path)
    lock = FolderLock(path.with_name(path.name + ".lock"))
    try:
        notices = _mended(path, unclean=lock.unclean, now=clock())
        database = _opened(path, notices, clock())
        return Store(database, lock, notices, clock)
    except BaseException:
        lock.release(clean=False)
        raise


def _ballast(path: Path) -> Ballast:
    return Ballast(path.with_name(path.name + ".ballast"))


def _mended(path: Path, *, unclean: bool, now: float) -> list[str]:
    """Check the file if it is time to. A damaged one makes room for a backup; returns sentences about that."""
    if not needs_check(path, unclean=unclean, now=now):
        return []
    if problem := problem_of(path):
        log.error("the chat database is damaged: %s", problem)
        return [_replaced(path, now)]
    note_check(path)
    return []


def _replaced(path: Path, now: float) -> str:
    try:
        kept = set_aside(path, now)
        backup = Backups(path).restore(path)
    except OSError as error:
        raise StoreError(
            f"The chat database {path} is damaged, and no other can take its place ({error.strerror}). Free some space "
            "or mend the folder's permissions, then start again. Nothing was deleted."
        ) from error
    create_file(path)
    if backup is None:
        return (
            f"The chat database was damaged. It is kept as {kept.name}. There was no backup yet, so the app starts "
            "without chats and asks for a new password."
        )
    made = time.strftime("%d %B %Y, %H:%M", time.localtime(backup.stat().st_mtime))
    return (
        f"The chat database was damaged. It is kept as {kept.name}, and the backup of {made} is in use: what was "
        "written after that is only in the damaged file."
    )


def _opened(path: Path, notices: list[str], now: float) -> Database:
    """The migrated database. Damage that only shows now is treated like damage found by the check."""
    try:
        return _migrated(path, now)
    except Damaged:
        notices.append(_replaced(path, now))
        return _migrated(path, now)


def _migrated(path: Path, now: float) -> Database:
    database = Database(path, _ballast(path))
    try:
        with database.read() as connection:
            version = migrations.version_of(connection)
        migrations.refuse_newer(version)
        if version < len(migrations.MIGRATIONS):
            if version:
                with database.plain() as raw:
                    if Backups(path).make(raw, now) is None:
                        raise NoRoom(
                            "There is too little room for a backup of the chats, without which they are not brought "
                            "to this version. Free some space and start again."
                        )
            with database.write() as connection:
                migrations.migrate(connection)
        with database.read() as connection:
            if missing := migrations.missing(connection):
                raise Damaged(f"The chat database lacks {missing[0]}.")
        log.info("sqlite %s, schema %d", sqlite3.sqlite_version, len(migrations.MIGRATIONS))
        return database
    except StudioError:
        database.close()
        raise
