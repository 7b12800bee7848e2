"""Parses GGUF headers from a file, from bytes, or from the first bytes of something remote. Knows no split sets.

Nothing in the input is trusted: every count and length is held against what can be there before it is used, long
arrays are skipped, and a header may take `MAX_HEADER` bytes at most, which bounds time and memory.
"""

import io
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from m3studio.errors import BadModelFile
from m3studio.gguf.header import Array, Header, Tensor, Value
from m3studio.gguf.tables import TENSOR_TYPES

Buffer = bytes | bytearray | memoryview | mmap.mmap

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UNPACK = {kind: struct.Struct(f"<{form}") for kind, form in SCALARS.items()}
U32, U64 = UNPACK[4], UNPACK[10]
STRING, ARRAY = 8, 9

MAX_HEADER = 128 * 2**20  # bytes; a vocabulary of 262k tokens with its merges takes about 15 MB
MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_STRINGS = 2_000_000  # in one array; merges are the longest list, at most three for each token
MAX_KEY = 65_535  # bytes; the GGUF specification
MAX_NAME = 63  # bytes; GGML_MAX_NAME - 1
MAX_DIMS = 4  # GGML_MAX_DIMS
MAX_BYTES = 2**63 - 1
KEPT = 1024  # numbers, or strings, of an array that is built and not skipped: per-layer values, tags

FIRST_RANGE = 256 * 2**10
# Bytes of header for each token: text, type, score and merge with their lengths. 37 for a vocabulary of 49k English
# tokens; many-language ones have longer texts. 200k tokens then make a second range of 11.5 MB.
PER_TOKEN = 56
PER_TENSOR = 96


class NeedMore(Exception):
    """The buffer ends inside the header: `least` bytes are needed at once, `likely` are needed in all."""

    def __init__(self, least: int, likely: int) -> None:
        super().__init__(f"{least} bytes of the file are needed")
        self.least = least
        self.likely = max(least, likely)


def read_header(source: Path | Buffer, *, size: int | None = None) -> Header:
    """The header of one GGUF file.

    `source` is a path or the file's first bytes; `size` is the whole file's length where bytes are only its
    beginning. Raises `BadModelFile`, and `NeedMore` when the bytes end inside the header.
    """
    if not isinstance(source, Path):
        return _Parser(source, size).header()
    try:
        if not source.is_file():
            raise BadModelFile(f"There is no file {source}. Check the path, or choose a model from the library.")
        size = source.stat().st_size
        with source.open("rb", buffering=0) as file:  # read, not mapped: a file that shrinks must not kill us
            return _grow(lambda start, stop: _read(file, start, stop), size, source.name)
    except OSError as error:
        raise BadModelFile(f"{source.name} cannot be read ({error.strerror}). Choose another .gguf model.") from error


def read_remote(read: Callable[[int, int], bytes], size: int, name: str = "") -> Header:
    """The header of a file of `size` bytes elsewhere; `read(start, stop)` fetches a range of it.

    The first range is 256 KiB; the second one reaches the end of the header for usual vocabularies. Raises
    `BadModelFile`, and what `read` raises.
    """
    return _grow(read, size, name)


def read_strings(path: Path, array: Array) -> list[bytes]:
    """The elements of a string array that `read_header` skipped. Raises `BadModelFile`."""
    try:
        with path.open("rb", buffering=0) as file:
            data = _read(file, array.start, array.stop)
    except OSError as error:
        raise BadModelFile(f"{path.name} cannot be read ({error.strerror}). Choose another .gguf model.") from error
    found, place = [], 0
    for _ in range(array.count):
        if place + 8 > len(data):
            raise BadModelFile(f"{path.name} changed while it was read. Wait until it is written, and try again.")
        start = place + 8
        place = start + int(U64.unpack_from(data, place)[0])
        found.append(data[start:place])
    return found


def _grow(read: Callable[[int, int], bytes], size: int, name: str) -> Header:
    data = bytearray()
    wanted = min(FIRST_RANGE, size)
    while True:
        part = read(len(data), wanted)
        if len(part) != wanted - len(data):
            raise BadModelFile(f"{name or 'The file'} ended sooner than expected while it was read. Try again later.")
        data += part
        try:
            return _Parser(data, size, name).header()
        except NeedMore as more:
            wanted = min(size, max(more.likely, 2 * len(data)))


def _read(file: io.FileIO, start: int, stop: int) -> bytes:
    file.seek(start)
    parts = []
    while start < stop and (part := file.read(stop - start)):  # one read returns 2 GiB at most, and may return less
        parts.append(part)
        start += len(part)
    return b"".join(parts)


class _Parser:
    """A position in a buffer. `size` is the file's length, or None when only some of it is known."""

    def __init__(self, data: Buffer, size: int | None, name: str = "") -> None:
        self.data = data
        self.have = len(data)
        self.size = size
        self.place = 0
        self.likely = 0
        self.name = name or "This file"

    def header(self) -> Header:
        version, n_tensors, n_keys = self._start()
        metadata: dict[str, Value] = {}
        for _ in range(n_keys):
            key = self._text(MAX_KEY, "a key")
            if not key or key in metadata:
                raise self._damaged(f"the key “{key[:80]}” " + ("stands in it twice" if key else "is empty"))
            metadata[key] = self._value(key, n_tensors)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > MAX_HEADER:
            raise self._damaged("its alignment is not a power of two")
        tensors = self._tensors(n_tensors, alignment)
        data_offset = self.place + -self.place % alignment
        return Header(version, MappingProxyType(metadata), tensors, data_offset, alignment, self.size)

    def _start(self) -> tuple[int, int, int]:
        begin = bytes(self.data[:4])
        if begin != MAGIC[: len(begin)]:
            seen = begin.decode("latin-1").encode("unicode_escape").decode()
            raise BadModelFile(f"{self.name} is not a GGUF file (it starts with “{seen}”). Choose a .gguf model.")
        self._take(4)
        version = self._number(U32)
        if not version & 0xFFFF:
            raise BadModelFile(f"{self.name} was written for big-endian machines. Choose a little-endian GGUF.")
        if version not in VERSIONS:
            step = "Download a newer conversion of the model." if version < 2 else "Update M3 Studio."
            raise BadModelFile(f"{self.name} is GGUF version {version}; versions 2 and 3 can be read. {step}")
        n_tensors, n_keys = self._number(U64), self._number(U64)
        if n_tensors > MAX_TENSORS or n_keys > MAX_KEYS:
            raise self._damaged(f"it claims {n_tensors} tensors and {n_keys} keys")
        self._must_exist(n_tensors * 24 + n_keys * 13)  # the least that so many rows take
        return version, n_tensors, n_keys

    def _value(self, key: str, n_tensors: int) -> Value:
        kind = self._number(U32)
        if kind == STRING:
            return self._text(MAX_HEADER, key)
        if kind in UNPACK:
            value: int | float | bool = UNPACK[kind].unpack_from(self.data, self._take(UNPACK[kind].size))[0]
            return value
        if kind != ARRAY:
            raise self._damaged(f"{key[:80]} is of the unknown type {kind}")
        item, count = self._number(U32), self._number(U64)
        if item == STRING:
            return self._strings(key, count, n_tensors)
        if item not in UNPACK:
            raise self._damaged(f"{key[:80]} is an array of the {'nested' if item == ARRAY else 'unknown'} type {item}")
        width = UNPACK[item].size
        if count > MAX_HEADER // width:
            raise self._damaged(f"{key[:80]} claims {count} elements")
        start = self._take(count * width)
        if count > KEPT:
            return Array(item, count, start, self.place)
        return struct.unpack_from(f"<{count}{SCALARS[item]}", self.data, start)

    def _strings(self, key: str, count: int, n_tensors: int) -> Value:
        if count > MAX_STRINGS:
            raise self._damaged(f"{key[:80]} claims {count} strings")
        self._must_exist(count * 8)
        if key == "tokenizer.ggml.tokens":
            self.likely = self.place + count * PER_TOKEN + n_tensors * PER_TENSOR + 65_536
        if count <= KEPT:
            return tuple(self._text(MAX_HEADER, key) for _ in range(count))
        start = self.place
        self._skip_strings(count)
        return Array(STRING, count, start, self.place)

    def _skip_strings(self, count: int) -> None:
        data, place, unpack, end = self.data, self.place, U64.unpack_from, min(self.have, MAX_HEADER)
        for _ in range(count):
            start = place + 8
            if start > end:
                raise self._beyond(start)
            place = start + unpack(data, place)[0]
            if place > end:
                raise self._beyond(place)
        self.place = place

    def _tensors(self, count: int, alignment: int) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        names: set[str] = set()
        expected = 0
        for _ in range(count):
            tensor = self._tensor()
            if tensor.name in names:
                raise self._damaged(f"the tensor “{tensor.name}” stands in it twice")
            if tensor.offset != expected:  # llama.cpp wants tensors back to back too
                raise self._damaged(f"the tensor “{tensor.name}” is at {tensor.offset}, not at {expected}")
            names.add(tensor.name)
            found.append(tensor)
            expected += tensor.bytes + -tensor.bytes % alignment
            if expected > MAX_BYTES:
                raise self._damaged("its tensors claim more bytes than a file can have")
        return tuple(found)

    def _tensor(self) -> Tensor:
        name = self._text(MAX_NAME, "a tensor's name")
        n_dims = self._number(U32)
        if n_dims > MAX_DIMS:
            raise self._damaged(f"the tensor “{name}” has {n_dims} dimensions")
        dims = struct.unpack_from(f"<{n_dims}Q", self.data, self._take(8 * n_dims))
        kind, offset = self._number(U32), self._number(U64)
        if kind not in TENSOR_TYPES:
            raise self._damaged(f"the tensor “{name}” is of the unknown type {kind}")
        _, block, width = TENSOR_TYPES[kind]
        row = dims[0] if dims else 1
        elements = 1
        for dim in dims:
            elements *= dim
        if not 0 < elements <= MAX_BYTES or row % block or elements // block * width > MAX_BYTES:
            raise self._damaged(f"the tensor “{name}” cannot have the shape {' x '.join(map(str, dims))}")
        return Tensor(name, dims, kind, offset, elements // block * width)

    def _text(self, most: int, what: str) -> str:
        length = self._number(U64)
        if length > most:
            raise self._damaged(f"{what[:80]} claims {length} bytes of text")
        start = self._take(length)
        try:
            return bytes(self.data[start : self.place]).decode()
        except UnicodeDecodeError:
            raise self._damaged(f"{what[:80]} is not UTF-8 text") from None

    def _number(self, form: struct.Struct) -> int:
        value: int = form.unpack_from(self.data, self._take(form.size))[0]
        return value

    def _take(self, count: int) -> int:
        """Step over `count` bytes that must be there; returns where they start."""
        start, stop = self.place, self.place + count
        if stop > self.have or stop > MAX_HEADER:
            raise self._beyond(stop)
        self.place = stop
        return start

    def _must_exist(self, count: int) -> None:
        """Refuse a claim of so many bytes to come before any work is spent on it."""
        stop = self.place + count
        if stop > MAX_HEADER or (self.size is not None and stop > self.size):
            raise self._beyond(stop)

    def _beyond(self, stop: int) -> Exception:
        """What to raise for a header that goes on to `stop`, which is not at hand."""
        if stop > MAX_HEADER:
            return self._damaged(f"its header claims {stop} bytes")
        if self.size is not None and stop > self.size:
            return BadModelFile(
                f"{self.name} is cut short: its header alone needs {stop} bytes, but the file ends after {self.size}. "
                "Download it again."
            )
        return NeedMore(stop, self.likely)

    def _damaged(self, what: str) -> BadModelFile:
        return BadModelFile(f"{self.name} is damaged: {what}. Download it again, or choose another .gguf model.")
