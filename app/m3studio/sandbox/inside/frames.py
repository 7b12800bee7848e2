"""Messages on a byte stream: a kind, a length, a payload. Knows no message; both sides distrust what they read."""

import struct

_HEAD = struct.Struct("<cI")
LARGEST = 4 << 20


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """One message. `kind` is one byte; the payload at most 4 MB. Raises `ValueError`."""
    if len(payload) > LARGEST:
        raise ValueError(f"a message holds at most {LARGEST} bytes, this one has {len(payload)}")
    return _HEAD.pack(kind, len(payload)) + payload


class Reader:
    """Takes bytes as they come and gives whole messages; never holds more than one message and one read."""

    def __init__(self, kinds: bytes, largest: int = LARGEST) -> None:
        """`kinds` are the bytes that may stand for a kind."""
        self._kinds, self._largest, self._buffer = kinds, largest, bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Messages that are complete now. Raises `ValueError` for an unknown kind or one that is too large."""
        self._buffer += data
        found = []
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            if kind not in self._kinds or length > self._largest:
                raise ValueError(f"no message: {bytes(self._buffer[:16])!r}")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            found.append((kind, bytes(self._buffer[_HEAD.size : end])))
            del self._buffer[:end]
        return found
