"""How the database came to its shape: one function a step, in order. A step that was released is never changed.

A new column is one more function here and its field in the subject's file.
"""

from collections.abc import Callable

from sqlalchemy import Connection, create_engine

from m3studio.errors import StoreError


def m001_first(connection: Connection) -> None:
    """Chats, their messages, settings, sign-ins, API keys and the password."""
    for statement in (
        """CREATE TABLE chats (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, titled_by TEXT NOT NULL, head_id INTEGER, settings TEXT NOT NULL,
            created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL
        )""",
        "CREATE INDEX chats_by_update ON chats (updated_at) WHERE deleted_at IS NULL",
        # The parent is checked at commit and does not cascade: a long chat would nest too deep for SQLite's triggers.
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
            parent_id INTEGER REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
            role TEXT NOT NULL, content TEXT NOT NULL, reasoning_content TEXT NOT NULL, tool_calls TEXT NOT NULL,
            tool_call_id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL,
            stats TEXT NOT NULL, error TEXT NOT NULL, extra TEXT NOT NULL, created_at REAL NOT NULL
        )""",
        "CREATE INDEX messages_by_chat ON messages (chat_id)",
        "CREATE INDEX messages_by_parent ON messages (parent_id)",
        "CREATE INDEX messages_streaming ON messages (state) WHERE state = 'streaming'",
        "CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY, token_hash BLOB NOT NULL UNIQUE, created_at REAL NOT NULL, last_seen_at REAL NOT NULL,
            expires_at REAL NOT NULL, user_agent TEXT NOT NULL, address TEXT NOT NULL
        )""",
        """CREATE TABLE api_keys (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, key_hash BLOB NOT NULL UNIQUE, created_at REAL NOT NULL,
            last_used_at REAL, scopes TEXT NOT NULL
        )""",
        "CREATE TABLE password (id INTEGER PRIMARY KEY CHECK (id = 1), hash TEXT NOT NULL)",
    ):
        connection.exec_driver_sql(statement)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (m001_first,)


def version_of(connection: Connection) -> int:
    """How many steps the database has been through."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def refuse_newer(version: int) -> None:
    """Raises `StoreError` for a database that a newer M3 Studio has changed."""
    if not 0 <= version <= len(MIGRATIONS):
        raise StoreError(
            "These chats were last opened by a newer M3 Studio. Install that version again, or name another folder "
            "with --data-dir. Nothing was changed."
        )


def migrate(connection: Connection) -> None:
    """Run the steps that are missing, all of them or none: `connection` is inside one transaction."""
    version = version_of(connection)
    refuse_newer(version)
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        step(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {number}")


def missing(connection: Connection) -> list[str]:
    """Names of tables and indexes that a database of this version has and this one lacks, or has in another form."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as fresh:
            migrate(fresh)
            wanted = _schema(fresh)
    finally:
        engine.dispose()
    return sorted(name for name, _ in wanted - _schema(connection))


def _schema(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {(name, sql) for name, sql in rows}
