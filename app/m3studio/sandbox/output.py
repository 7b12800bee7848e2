"""One stream of output: shown live, kept at both ends, whole in a file when it is long. Knows no process."""

import codecs
import tempfile
from collections.abc import Callable
from typing import IO

_SPILL = 16 << 20  # bytes of a long output that the file holds at most


class Stream:
    """Takes bytes and keeps at most `limit` of them: three quarters from the start, one from the end."""

    def __init__(self, limit: int, emit: Callable[[str], None] | None) -> None:
        self.total = 0
        self._head_room, self._tail_room = limit - limit // 4, limit // 4
        self._head, self._tail = bytearray(), bytearray()
        self._limit, self._emit = limit, emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Take what came. The user sees it as long as it is no more than what is kept."""
        if self._emit and self.total <= self._limit and (text := self._decoder.decode(data[: self._limit])):
            self._emit(text)
        self.total += len(data)
        if self._file is None and self.total > self._limit:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the stream)
            self._file.write(self._head + self._tail)
        if self._file and self.total <= _SPILL:
            self._file.write(data)
        room = self._head_room - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if self._file:
            del self._tail[: -self._tail_room or None]

    @property
    def long(self) -> bool:
        """Whether something was left out."""
        return self._file is not None

    def whole(self) -> bytes:
        """Everything up to 16 MB, when it was long. Closes the file."""
        if not self._file:
            return b""
        with self._file as file:
            file.seek(0)
            return file.read()

    def text(self, saved_as: str = "") -> str:
        """What is kept. `saved_as` names the file that holds the rest."""
        if not self.long:
            return (self._head + self._tail).decode("utf-8", "replace")
        left_out = self.total - len(self._head) - len(self._tail)
        where = f"; the whole of it is in {saved_as}" if saved_as else ""
        mark = f"\n[... {left_out} bytes left out{where} ...]\n"
        return self._head.decode("utf-8", "replace") + mark + self._tail.decode("utf-8", "replace")
