"""The hash of the one password. Knows neither the password nor how it is hashed."""

from sqlalchemy import text

from m3studio.store.database import Database


class Password:
    """One row, or none while no password is set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> str:
        """The hash; empty while no password is set."""
        with self._database.read() as connection:
            return str(connection.execute(text("SELECT hash FROM password WHERE id = 1")).scalar() or "")

    def set_first(self, hash: str) -> bool:
        """Set the hash if there is none: of any number of racing callers exactly one gets True."""
        first = "INSERT INTO password (id, hash) SELECT 1, :hash WHERE NOT EXISTS (SELECT 1 FROM password)"
        with self._database.write() as connection:
            return connection.execute(text(first), {"hash": hash}).rowcount == 1

    def set(self, hash: str) -> None:
        """Set the hash, whatever was there."""
        put = "INSERT INTO password (id, hash) VALUES (1, :hash) ON CONFLICT (id) DO UPDATE SET hash = :hash"
        with self._database.write() as connection:
            connection.execute(text(put), {"hash": hash})
