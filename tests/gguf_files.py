"""Writes small GGUF files for tests: any metadata, any tensors, right or wrong on purpose."""

import struct

from m3studio.gguf import TENSOR_TYPES

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
TYPE_NUMBERS = {kind.name: number for number, kind in TENSOR_TYPES.items()}


class Typed:
    """A value with an explicit GGUF type; `item` is the element type of an array."""

    def __init__(self, kind, value, item=None):
        self.kind, self.value, self.item = kind, value, item


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def typed(value):
    """The GGUF type that converters use for a Python value."""
    if isinstance(value, Typed):
        return value
    if isinstance(value, bool):
        return Typed(BOOL, value)
    if isinstance(value, int):
        return Typed(U32 if 0 <= value < 2**32 else I64, value)
    if isinstance(value, float):
        return Typed(F32, value)
    if isinstance(value, (str, bytes)):
        return Typed(STRING, value)
    return Typed(ARRAY, value, typed(value[0]).kind if value else I32)


def encoded(kind, value, item=None):
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        return struct.pack("<IQ", item, len(value)) + b"".join(encoded(item, each) for each in value)
    return struct.pack(f"<{FORMS[kind]}", value)


def pair(key, value):
    value = typed(value)
    return text(key) + struct.pack("<I", value.kind) + encoded(value.kind, value.value, value.item)


def tensor_bytes(dims, kind):
    elements = 1
    for dim in dims:
        elements *= dim
    return elements // TENSOR_TYPES[kind].block * TENSOR_TYPES[kind].size


def info(name, dims, kind, offset):
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def build(metadata, tensors=(), *, alignment=32, version=3, data=True, fill=None):
    """A GGUF file as bytes. `tensors` are (name, dims in ggml's order, type's name); `fill(name, bytes)` gives data."""
    infos, offset, bodies = [], 0, []
    for name, dims, kind in tensors:
        number = TYPE_NUMBERS[kind]
        size = tensor_bytes(dims, number)
        infos.append(info(name, dims, number, offset))
        if data:
            body = fill(name, dims, kind) if fill else bytes(size)
            assert len(body) == size, name
            bodies.append(body + bytes(-size % alignment))
        offset += size + -size % alignment
    head = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(metadata))
    head += b"".join(pair(*item) for item in metadata.items()) + b"".join(infos)
    return head + bytes(-len(head) % alignment) + b"".join(bodies)


LLAMA = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 7,
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "c"],
}
LLAMA_TENSORS = [("token_embd.weight", (64, 3), "Q8_0"), ("blk.0.attn_q.weight", (64, 64), "Q4_0")]


def split(folder, stem, metadata, tensors, count):
    """Write a model as `count` shards, as llama.cpp's gguf-split does; returns their paths."""
    paths = []
    for no in range(count):
        mine = tensors[no::count]
        keys = {"split.no": Typed(U16, no), "split.count": Typed(U16, count)}
        keys["split.tensors.count"] = Typed(I32, len(tensors))
        path = folder / f"{stem}-{no + 1:05}-of-{count:05}.gguf"
        path.write_bytes(build({**(metadata if no == 0 else {}), **keys}, mine))
        paths.append(path)
    return paths
