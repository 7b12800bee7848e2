"""KV states of chats as files under a quota: written whole, checked before they are used. Knows no native code.

A file is a line of JSON, the tokens, and the state. Its name comes from the chat's id and from the key, which says for
which model, build and cache it was made.
"""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

MOST = 4_000_000_000  # bytes, where the user names no quota
LEAST_FREE = 20  # of the free disk such a part at most
SAMPLE = 1 << 20  # bytes at the beginning of a model's file that its identity is made from
LONGEST_LINE = 10_000
Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Place:
    """Where states are kept: `folder`, `quota` in bytes (0: nowhere), and `model`, what identifies its files."""

    folder: str = ""
    quota: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a file, and the tokens behind it."""

    key: str
    size: int
    checksum: str
    tokens: bytes


def default_quota(folder: Path) -> int:
    """4 GB or a twentieth of the free disk, whichever is less."""
    try:
        return min(MOST, shutil.disk_usage(folder).free // LEAST_FREE)
    except OSError:
        return 0


def identity(files: Sequence[Path]) -> str:
    """What identifies a model's files: names, sizes, times of change, and a hash of the first MB of the first one.

    A hash of all of it would read hundreds of GB. Raises `OSError`.
    """
    stats = [(file.name, stat.st_size, stat.st_mtime_ns) for file in files for stat in [file.stat()]]
    with files[0].open("rb") as file:
        return hashlib.sha256(json.dumps(stats).encode() + file.read(SAMPLE)).hexdigest()


def keep_only(folder: Path, sessions: Collection[str]) -> int:
    """Delete the states of every chat that is not among `sessions`; returns how many files went."""
    known, gone = {_short(session) for session in sessions}, 0
    for path in folder.glob("*.kv"):
        if path.name.partition("-")[0] not in known:
            gone += _delete(path)
    return gone


class States:
    """The states that fit `key`. One thread calls; a file is written in another one."""

    def __init__(self, folder: Path, quota: int, key: str) -> None:
        """Raises `OSError` for a folder that cannot be made."""
        self._folder, self.quota, self._key = folder, quota, key
        self._writer: threading.Thread | None = None
        if quota > 0:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in folder.glob("*.part"):  # a process that was killed while it wrote
                _delete(left)

    def save(self, session: str, tokens: bytes, state: Bytes) -> None:
        """Keep a chat's state in place of its older one; older ones of others go where the quota asks for it.

        Returns at once, the file comes later; a disk that fails costs only this state.
        """
        self.settle()
        self._writer = threading.Thread(target=self._write, args=(session, tokens, state), name="states")
        self._writer.start()

    def settle(self) -> None:
        """Wait until what was saved is on disk."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None

    def tokens(self, session: str) -> bytes:
        """The tokens of the chat's state, without reading the state; empty if there is none."""
        with self._opened(session) as (_, head):
            return b"" if head is None else head.tokens

    def load(self, session: str) -> bytearray:
        """The chat's state, proved to be what was saved; empty if there is none. A damaged file is deleted."""
        with self._opened(session) as (file, head):
            if file is None or head is None:
                return bytearray()
            state = bytearray(head.size)
            whole = file.readinto(state) == head.size
            if whole and _checksum(head.tokens, state) == head.checksum:
                with contextlib.suppress(OSError):
                    os.utime(self._path(session))  # it was used
                return state
        self.drop(session)
        return bytearray()

    def drop(self, session: str) -> None:
        """Delete the chat's state."""
        self.settle()
        _delete(self._path(session))

    def _write(self, session: str, tokens: bytes, state: Bytes) -> None:
        path = self._path(session)
        line = {"m3studio": 1, "key": self._key, "tokens": len(tokens), "state": len(state)}
        sums = {"tokens_sha256": _checksum(tokens), "sha256": _checksum(tokens, state)}
        first = json.dumps({**line, **sums}).encode() + b"\n"
        part = path.with_suffix(".part")
        try:
            size = len(first) + len(tokens) + len(state)
            if size > self.quota:
                return
            self._make_room(size, path)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines((first, tokens, state))
            part.replace(path)
        except OSError:
            _delete(part)

    def _make_room(self, size: int, path: Path) -> None:
        found = [(stat.st_mtime, stat.st_size, other) for other in self._folder.glob("*.kv") for stat in [other.stat()]]
        taken = sum(entry[1] for entry in found if entry[2] != path)
        for _, freed, other in sorted(found):
            if other != path and taken + size > self.quota:
                _delete(other)
                taken -= freed

    @contextlib.contextmanager
    def _opened(self, session: str) -> Iterator[tuple[BufferedReader | None, Head | None]]:
        """The chat's file, read up to its state, and what its first line says; None for both without a good one."""
        self.settle()
        try:
            file = self._path(session).open("rb")
        except OSError:
            yield None, None
            return
        with file:
            head = _head(file)
            if head is not None and head.key == self._key:
                yield file, head
                return
        self.drop(session)
        yield None, None

    def _path(self, session: str) -> Path:
        return self._folder / f"{_short(session)}-{_short(self._key)}.kv"


def _head(file: BufferedReader) -> Head | None:
    """The first line and the tokens; None unless both are whole."""
    try:
        line = json.loads(file.readline(LONGEST_LINE))
        size = int(line["tokens"])
        if line["m3studio"] != 1 or not 0 < size <= 1 << 28:
            return None
        tokens = file.read(size)
        rest = os.fstat(file.fileno()).st_size - file.tell()
        if _checksum(tokens) != line["tokens_sha256"] or rest != line["state"]:
            return None
        return Head(str(line["key"]), rest, str(line["sha256"]), tokens)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksum(*parts: Bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _delete(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
