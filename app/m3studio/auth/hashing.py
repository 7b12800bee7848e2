"""Passwords as argon2id hashes. Knows not where a hash is kept."""

import logging
import unicodedata
from threading import BoundedSemaphore

from passlib.hash import argon2

from m3studio.errors import BadInput

log = logging.getLogger(__name__)
SHORTEST, LONGEST = 8, 1024  # bytes of UTF-8


class Hasher:
    """argon2id with 64 MiB, 3 passes and 4 lanes by default, above OWASP's minimum; two hashes at a time."""

    def __init__(self, *, memory_kib: int = 64 * 1024, passes: int = 3, lanes: int = 4) -> None:
        self._kind = argon2.using(type="ID", memory_cost=memory_kib, rounds=passes, parallelism=lanes)
        self._slots = BoundedSemaphore(2)  # bounds the memory that sign-ins can take: 128 MiB

    def hash(self, password: str) -> str:
        """A salted hash. Raises `BadInput` for a password that is too short, too long or no text."""
        data = _bytes(password)
        if len(data) < SHORTEST:
            raise BadInput(f"This password is too short. Take at least {SHORTEST} characters.")
        if len(data) > LONGEST:
            raise BadInput(f"This password is too long. Take at most {LONGEST} bytes.")
        with self._slots:
            return str(self._kind.hash(data))

    def verify(self, password: str, hash: str) -> bool:
        """Whether the hash is this password's."""
        try:
            data = _bytes(password)
        except BadInput:
            return False
        if len(data) > LONGEST:
            return False
        try:
            with self._slots:
                return bool(self._kind.verify(data, hash))
        except ValueError as error:  # a damaged hash lets nobody in
            log.error("the stored password hash is unreadable: %s", error)
            return False

    def is_old(self, hash: str) -> bool:
        """Whether the hash was made with other costs than today's."""
        return bool(self._kind.needs_update(hash))


def _bytes(password: str) -> bytes:
    """UTF-8 of the composed form: an é typed on a Mac and one typed on Linux are the same password."""
    try:
        return unicodedata.normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput("This password holds characters that are no text. Choose another one.") from error
