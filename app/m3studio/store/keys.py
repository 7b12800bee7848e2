"""API keys, as hashes: a key itself is shown once and never kept."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from m3studio.store.columns import clean
from m3studio.store.database import Database

FIELDS = "id, name, created_at, last_used_at, scopes"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of an API key. Times in seconds since 1970; `last_used_at` None: never."""

    id: str
    name: str
    created_at: float
    last_used_at: float | None
    scopes: tuple[str, ...]


class Keys:
    """All API keys, by their SHA-256."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key_hash: bytes, name: str, scopes: Sequence[str], now: float) -> StoredKey:
        """Keep a new key."""
        row = StoredKey(secrets.token_urlsafe(9), clean(name), now, None, tuple(scopes))
        put = f"INSERT INTO api_keys (key_hash, {FIELDS}) VALUES (:hash, :id, :name, :now, NULL, :scopes)"
        values = {"hash": key_hash, "id": row.id, "name": row.name, "now": now, "scopes": " ".join(scopes)}
        with self._database.write() as connection:
            connection.execute(text(put), values)
        return row

    def find(self, key_hash: bytes) -> StoredKey | None:
        """The key with this hash."""
        with self._database.read() as connection:
            wanted = text(f"SELECT {FIELDS} FROM api_keys WHERE key_hash = :hash")
            row = connection.execute(wanted, {"hash": key_hash}).first()
        return _key(row) if row else None

    def touch(self, id: str, now: float) -> StoredKey | None:
        """Note that the key was used. Returns it as it is now, None if it is gone."""
        with self._database.write() as connection:
            connection.execute(text("UPDATE api_keys SET last_used_at = :now WHERE id = :id"), {"now": now, "id": id})
            row = connection.execute(text(f"SELECT {FIELDS} FROM api_keys WHERE id = :id"), {"id": id}).first()
            return _key(row) if row else None

    def list(self) -> list[StoredKey]:
        """All of them, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(text(f"SELECT {FIELDS} FROM api_keys ORDER BY created_at DESC, rowid DESC"))
            return [_key(row) for row in rows]

    def delete(self, id: str) -> bool:
        """Revoke one; False if there is none."""
        with self._database.write() as connection:
            return connection.execute(text("DELETE FROM api_keys WHERE id = :id"), {"id": id}).rowcount > 0


def _key(row: Row[Any]) -> StoredKey:
    return StoredKey(row.id, row.name, row.created_at, row.last_used_at, tuple(row.scopes.split()))
