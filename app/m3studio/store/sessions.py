"""Sign-ins: which browser is signed in, until when. Keeps only a hash of the cookie; knows no rule about time."""

import secrets
from dataclasses import dataclass

from sqlalchemy import text

from m3studio.store.columns import clean
from m3studio.store.database import Database

FIELDS = "id, created_at, last_seen_at, expires_at, user_agent, address"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A signed-in browser. `id` is safe to show; times in seconds since 1970."""

    id: str
    created_at: float
    last_seen_at: float
    expires_at: float
    user_agent: str
    address: str


class Sessions:
    """All sign-ins, by the hash of their token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token_hash: bytes, now: float, expires_at: float, user_agent: str, address: str) -> SignIn:
        """Keep a new sign-in."""
        row = SignIn(secrets.token_urlsafe(9), now, now, expires_at, clean(user_agent)[:300], clean(address)[:100])
        put = f"INSERT INTO sessions (token_hash, {FIELDS}) VALUES (:hash, :id, :now, :now, :expires, :agent, :address)"
        values = {"hash": token_hash, "id": row.id, "now": now, "expires": expires_at}
        with self._database.write() as connection:
            connection.execute(text(put), {**values, "agent": row.user_agent, "address": row.address})
        return row

    def find(self, token_hash: bytes) -> SignIn | None:
        """The sign-in of a token, expired or not."""
        wanted = text(f"SELECT {FIELDS} FROM sessions WHERE token_hash = :hash")
        with self._database.read() as connection:
            row = connection.execute(wanted, {"hash": token_hash}).first()
        return SignIn(*row) if row else None

    def touch(self, id: str, last_seen_at: float, expires_at: float) -> SignIn | None:
        """Note that the browser was here. Returns the sign-in as it is now, None if it is gone."""
        change = text("UPDATE sessions SET last_seen_at = :seen, expires_at = :expires WHERE id = :id")
        with self._database.write() as connection:
            connection.execute(change, {"seen": last_seen_at, "expires": expires_at, "id": id})
            row = connection.execute(text(f"SELECT {FIELDS} FROM sessions WHERE id = :id"), {"id": id}).first()
            return SignIn(*row) if row else None

    def list(self, now: float) -> list[SignIn]:
        """Those that have not expired, the last seen first."""
        wanted = text(f"SELECT {FIELDS} FROM sessions WHERE expires_at > :now ORDER BY last_seen_at DESC, rowid DESC")
        with self._database.read() as connection:
            return [SignIn(*row) for row in connection.execute(wanted, {"now": now})]

    def delete(self, id: str) -> bool:
        """End one; False if there is none."""
        with self._database.write() as connection:
            return connection.execute(text("DELETE FROM sessions WHERE id = :id"), {"id": id}).rowcount > 0

    def delete_all(self, but: str = "") -> None:
        """End all, or all but one."""
        with self._database.write() as connection:
            connection.execute(text("DELETE FROM sessions WHERE id <> :id"), {"id": but})

    def delete_expired(self, now: float) -> None:
        """Forget those that have expired."""
        with self._database.write() as connection:
            connection.execute(text("DELETE FROM sessions WHERE expires_at <= :now"), {"now": now})
