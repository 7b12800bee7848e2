"""Settings that the app remembers: a JSON value for a key. Knows no key by name."""

from sqlalchemy import text

from m3studio.store.columns import clean, from_json, to_json
from m3studio.store.database import Database


class Values:
    """Values by key. A key is plain text; a group of keys shares a prefix (`ui.theme`, `ui.font`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str, default: object = None) -> object:
        """The value, or `default` if there is none."""
        with self._database.read() as connection:
            found = connection.execute(text("SELECT value FROM entries WHERE key = :key"), {"key": clean(key)}).scalar()
        return default if found is None else from_json(found, default)

    def set(self, key: str, value: object) -> None:
        """Keep a value that JSON can hold."""
        put = "INSERT INTO entries (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value"
        data = to_json(value)
        with self._database.write() as connection:
            connection.execute(text(put), {"key": clean(key), "value": data})

    def all(self, prefix: str = "") -> dict[str, object]:
        """Every value whose key begins with `prefix`."""
        wanted = text("SELECT key, value FROM entries WHERE substr(key, 1, length(:prefix)) = :prefix ORDER BY key")
        with self._database.read() as connection:
            rows = connection.execute(wanted, {"prefix": clean(prefix)}).all()
        return {key: from_json(value) for key, value in rows}

    def delete(self, key: str) -> None:
        """Forget the value; nothing happens if there is none."""
        with self._database.write() as connection:
            connection.execute(text("DELETE FROM entries WHERE key = :key"), {"key": clean(key)})
