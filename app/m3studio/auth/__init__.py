"""Who may come in: the one password, signed-in browsers, API keys. Knows no request, no cookie and no page."""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from threading import Lock

from m3studio.auth.hashing import Hasher
from m3studio.auth.records import ApiKey, Records, Session
from m3studio.auth.setup import SetupToken
from m3studio.auth.throttle import Throttle
from m3studio.errors import BadInput, Busy, NotAllowed, NotFound, StudioError

__all__ = ["ApiKey", "Auth", "Hasher", "Session"]
log = logging.getLogger(__name__)
SLIDING_SECONDS = 30 * 86400
LONGEST_SECONDS = 90 * 86400
SEEN_EVERY = 60.0  # seconds between two notes that a session or a key was used
SCOPES = ("chat", "admin")
KEY_PREFIX = "m3-"
WRONG = "This password is wrong."


class Auth:
    """Sign-in. Every method may be called from any thread; those that check a password take 0.1 to 0.5 s.

    It is the only one that writes these records, so what it has in memory is true.
    """

    def __init__(self, store: Records, *, clock: Callable[[], float] = time.time, hasher: Hasher | None = None) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher or Hasher()
        self._throttle = Throttle(clock)
        self._setup = SetupToken(clock)
        self._first = Lock()  # held while the first password is hashed: the losers need not be
        self._lock = Lock()  # protects the two below, the records behind them and the password's hash, as one
        self._sessions: dict[bytes, Session] = {}
        self._keys: dict[bytes, ApiKey] = {}
        self._has_password = False

    # ---------------------------------------------------------------------------------------------- password

    def has_password(self) -> bool:
        """False until the first password is set. Costs nothing once it is."""
        if not self._has_password:
            self._has_password = bool(self._store.password.get())
        return self._has_password

    def setup_token(self) -> str:
        """A new one-time token for the first visit from another machine; an older one is void."""
        return self._setup.new()

    def check_setup_token(self, text: str) -> None:
        """Raises `NotAllowed` unless `text` is the token that the terminal shows: 30 minutes, 5 wrong tries."""
        self._setup.check(text)

    def set_first_password(self, password: str) -> None:
        """Of any number of racing callers exactly one wins; the others get `Busy`. Raises `BadInput`."""
        with self._first:
            if self.has_password():
                raise _late()
            if not self._store.password.set_first(self._hasher.hash(password)):
                raise _late()
            self._has_password = True
        self._setup.drop()

    def change_password(self, old: str, new: str, *, keep: str = "", address: str = "") -> None:
        """Every browser but the session with the id `keep` is signed out; API keys stay.

        Raises `NotAllowed` if `old` is wrong, `TooManyTries`, or `BadInput` for a `new` that is no good.
        """
        self._throttle.enter(address, stranger=False)
        before = self._store.password.get()
        if not before or not self._hasher.verify(old, before):
            raise NotAllowed("The old password is wrong.")
        self._throttle.forgive(address)
        self._put(self._hasher.hash(new), keep)

    def reset_password(self, new: str) -> None:
        """Set the password without the old one, for whoever owns the data folder; signs every browser out."""
        self._put(self._hasher.hash(new), "")
        self._setup.drop()

    def _put(self, hash: str, keep: str) -> None:
        with self._lock:
            self._store.password.set(hash)
            self._store.sessions.delete_all(but=keep)
            self._sessions = {key: row for key, row in self._sessions.items() if row.id == keep}
        self._has_password = True

    # ----------------------------------------------------------------------------------------------- sign-in

    def login(self, password: str, address: str, user_agent: str) -> str:
        """A new session's token for the cookie. Raises `NotAllowed` or `TooManyTries`."""
        if not self.has_password():
            raise NotAllowed("No password is set yet. Set one first.")
        known = any(row.address == address for row in self.sessions())
        self._throttle.enter(address, stranger=not known)
        hash = self._store.password.get()
        if not self._hasher.verify(password, hash):
            log.warning("wrong password from %s", address)
            raise NotAllowed(WRONG)
        self._throttle.forgive(address)
        newer = self._hasher.hash(password) if self._hasher.is_old(hash) else ""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            if self._store.password.get() != hash:  # changed while this one was being checked
                raise NotAllowed(WRONG)
            if newer:
                self._store.password.set(newer)
            self._store.sessions.delete_expired(now)
            row = self._store.sessions.add(_hash(token), now, now + SLIDING_SECONDS, user_agent, address)
            self._sessions[_hash(token)] = row
        return token

    def known_session(self, token: str) -> Session | None:
        """The session if memory alone can tell (microseconds, never blocks). None means: ask `session`."""
        row = self._sessions.get(_hash(token))
        return row if row and self._is_fresh(row) else None

    def session(self, token: str) -> Session | None:
        """The session of a token, which lives on for 30 days after each visit, and for 90 days in all."""
        key = _hash(token)
        with self._lock:
            row = self._sessions.get(key) or self._store.sessions.find(key)
            if row and row.expires_at <= self._clock():
                self._store.sessions.delete(row.id)
                row = None
            if row and not self._is_fresh(row):
                row = self._seen(row)
            if row:
                self._sessions[key] = row
            else:
                self._sessions.pop(key, None)
            return row

    def _seen(self, row: Session) -> Session | None:
        now = self._clock()
        try:
            ends = min(now + SLIDING_SECONDS, row.created_at + LONGEST_SECONDS)
            return self._store.sessions.touch(row.id, now, ends)
        except StudioError as error:  # a full disk must not lock out who wants to free some
            log.warning("a visit was not noted: %s", error)
            return row

    def _is_fresh(self, row: Session) -> bool:
        now = self._clock()
        return now < row.expires_at and now - row.last_seen_at < SEEN_EVERY

    def logout(self, token: str) -> None:
        """End the session of a token; nothing happens if there is none."""
        if row := self.session(token):
            self._end(row.id)

    def sessions(self) -> Sequence[Session]:
        """Everyone signed in, the last seen first."""
        return self._store.sessions.list(self._clock())

    def revoke(self, id: str) -> None:
        """End a session by its id. Raises `NotFound`."""
        if not self._end(id):
            raise NotFound("This device is not signed in any more.")

    def _end(self, id: str) -> bool:
        with self._lock:
            self._sessions = {key: row for key, row in self._sessions.items() if row.id != id}
            return self._store.sessions.delete(id)

    # ---------------------------------------------------------------------------------------------- API keys

    def create_key(self, name: str, scopes: Sequence[str] = ("chat",)) -> tuple[ApiKey, str]:
        """A new key and its text, `m3-` and 256 random bits, which is shown now and never again. Raises `BadInput`."""
        name = name.strip()
        if not 1 <= len(name) <= 100:
            raise BadInput("Give the key a name of 1 to 100 characters, so that you know it again.")
        if not scopes or set(scopes) - set(SCOPES):
            raise BadInput(f"A key's scopes are among {' and '.join(SCOPES)}.")
        text = KEY_PREFIX + secrets.token_urlsafe(32)
        return self._store.keys.add(_hash(text), name, tuple(dict.fromkeys(scopes)), self._clock()), text

    def known_key(self, text: str) -> ApiKey | None:
        """The key if memory alone can tell (microseconds, never blocks). None means: ask `key`."""
        row = self._keys.get(_hash(text))
        return row if row and self._is_noted(row) else None

    def key(self, text: str) -> ApiKey | None:
        """The API key with this text."""
        if not text.startswith(KEY_PREFIX):
            return None
        hash = _hash(text)
        with self._lock:
            row = self._keys.get(hash) or self._store.keys.find(hash)
            if row and not self._is_noted(row):
                row = self._used(row)
            if row:
                self._keys[hash] = row
            return row

    def _used(self, row: ApiKey) -> ApiKey | None:
        try:
            return self._store.keys.touch(row.id, self._clock())
        except StudioError as error:
            log.warning("the use of a key was not noted: %s", error)
            return row

    def _is_noted(self, row: ApiKey) -> bool:
        return row.last_used_at is not None and self._clock() - row.last_used_at < SEEN_EVERY

    def api_keys(self) -> Sequence[ApiKey]:
        """All API keys, the newest first."""
        return self._store.keys.list()

    def revoke_key(self, id: str) -> None:
        """The key opens nothing from now on. Raises `NotFound`."""
        with self._lock:
            self._keys = {key: row for key, row in self._keys.items() if row.id != id}
            if not self._store.keys.delete(id):
                raise NotFound("There is no such API key any more.")


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _late() -> Busy:
    return Busy("The password was just set from another device. Sign in with it.")
