"""The one-time token that proves, on the first visit from another machine, that one can read the app's terminal."""

import hmac
import secrets
from collections.abc import Callable
from threading import Lock

from m3studio.errors import NotAllowed

LIFE_SECONDS = 30 * 60
TRIES = 5


class SetupToken:
    """128 random bits for 30 minutes and 5 wrong tries."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()  # protects the three below
        self._token = b""
        self._ends_at = 0.0
        self._tries_left = 0

    def new(self) -> str:
        """A fresh token; an older one is void."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._token, self._ends_at, self._tries_left = token.encode(), self._clock() + LIFE_SECONDS, TRIES
        return token

    def check(self, text: str) -> None:
        """Raises `NotAllowed` unless `text` is the token. The right one stays good until `drop`."""
        with self._lock:
            if not self._token or self._clock() >= self._ends_at or self._tries_left <= 0:
                raise NotAllowed("This setup link has expired. Restart M3 Studio in its terminal: it prints a new one.")
            if not hmac.compare_digest(text.strip().encode("utf-8", "replace"), self._token):
                self._tries_left -= 1
                raise NotAllowed("This setup token is not right. Copy it from the terminal that M3 Studio runs in.")

    def drop(self) -> None:
        """The token has done its work."""
        with self._lock:
            self._token = b""
