"""One SQLite file in WAL mode: a single writer behind a lock, readers beside it, and errors as sentences.

Knows no table.
"""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from m3studio.errors import BadInput, NoRoom, StoreError, StudioError
from m3studio.store.rescue import Ballast

log = logging.getLogger(__name__)
SETTINGS = (
    "busy_timeout = 5000",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)
# FULL loses no acknowledged write when the power goes; a commit takes 1 to 2 ms, little for a write each 250 ms.
WRITER_SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 67108864")
MAC_SETTINGS = ("fullfsync = ON", "checkpoint_fullfsync = ON")
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DAMAGED_TEXT = (
    "The chat database is damaged. Restart M3 Studio: it keeps the damaged file aside and takes the newest good backup."
)


class Damaged(StoreError):
    """SQLite met a page that makes no sense."""


class Database:
    """The open file. Every method may be called from any thread; only one process may open it."""

    def __init__(self, path: Path, ballast: Ballast) -> None:
        self.path = path
        self.damaged = False  # set when SQLite met a broken page: the next start looks closer
        self._ballast = ballast
        self._writing = Lock()  # protects _writer and _closed: one write, or the close, at a time
        self._closed = False
        self._readers = _engine(path, write=False)
        self._writers = _engine(path, write=True)
        try:
            with self._translated():
                self._writer = self._writers.connect()
        except StudioError:
            self._writers.dispose()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed and on disk when the block ends. Never nest two of them."""
        with self._writing:
            if self._closed:
                raise StoreError("M3 Studio is closing; this was not saved.")
            with self._translated(), self._writer.begin():
                yield self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot that waits for no writer."""
        with self._translated(), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def plain(self) -> Iterator[sqlite3.Connection]:
        """A reader without a transaction, for what SQLite refuses inside one."""
        with self._translated(), self._readers.connect() as connection:
            try:
                yield _raw(connection)
            except sqlite3.Error as error:
                raise self._sentence(error) from error

    def close(self) -> None:
        """Move everything into the main file and let go of it. Safe to repeat."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            self._readers.dispose()
            try:
                _raw(self._writer).execute("PRAGMA wal_checkpoint(TRUNCATE)")  # not inside a transaction
            except sqlite3.Error as error:
                log.warning("the last checkpoint failed: %s", error)
            finally:
                self._writer.close()
                self._writers.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._sentence(error.orig) from error
        except SQLAlchemyError as error:
            raise StoreError("The chat database did not answer. Restart M3 Studio.", details=str(error)) from error
        except UnicodeDecodeError as error:  # SQLite's own words about a broken page
            self.damaged = True
            raise Damaged(DAMAGED_TEXT, details=error.reason) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise BadInput("This value cannot be stored: a number is too large, or a text is no text.") from error

    def _sentence(self, error: BaseException | None) -> StudioError:
        """What went wrong in words. A full disk gives the ballast back; a broken page is remembered."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        log.error("sqlite: %s (%s)", error, getattr(error, "sqlite_errorname", "unknown"))
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._ballast.disk_is_full()):
            self._ballast.drop()
            return NoRoom(
                "The disk is full, so this was not saved. Free some space (old models, for one) and try again."
            )
        if code in DAMAGED:
            self.damaged = True
            return Damaged(DAMAGED_TEXT, details=str(error))
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
            return StoreError(
                f"The chat database {self.path} cannot be written. Mend the permissions of its folder, or name another "
                "one with --data-dir.",
                details=str(error),
            )
        return StoreError("The chat database did not take this. Try again, or restart M3 Studio.", details=str(error))


def _engine(path: Path, *, write: bool) -> Engine:
    target = f"file:{quote(path.as_posix())}?mode={'rw' if write else 'ro'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(target, uri=True, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection, write=write)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    if write:
        engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    else:
        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=8, max_overflow=-1)
    begin = "BEGIN IMMEDIATE" if write else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def prepare(connection: sqlite3.Connection, *, write: bool) -> None:
    """Put the house's settings on a fresh connection."""
    connection.text_factory = _text
    connection.create_function("casefold", 1, lambda text: (text or "").casefold(), deterministic=True)
    mac = MAC_SETTINGS if sys.platform == "darwin" else ()
    for setting in (*SETTINGS, *(WRITER_SETTINGS + mac if write else ())):
        connection.execute(f"PRAGMA {setting}")


def _text(data: bytes) -> str:
    """Text from a page that a failing disk may have changed: readable beats an exception."""
    return data.decode("utf-8", "replace")


def create_file(path: Path) -> None:
    """An empty database file that only its owner can read, if there is none. Raises `StoreError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(
            f"The data folder {path.parent} cannot be written ({error.strerror}). Mend its permissions, or name "
            "another one with --data-dir."
        ) from error
