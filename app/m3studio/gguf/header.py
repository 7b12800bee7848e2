"""What a GGUF header says: metadata and the tensor table as frozen values. Knows neither files nor their parsing."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from m3studio.errors import BadModelFile
from m3studio.gguf.tables import FILE_TYPE_GUESSED, FILE_TYPES, TENSOR_TYPES

MAX_LAYERS = 512  # LLAMA_MAX_LAYERS of llama.cpp's llama-hparams.h
MAX_NUMBER = 2**31 - 1  # counts and lengths are 32-bit in llama.cpp
TEMPLATE = "tokenizer.chat_template"


@dataclass(frozen=True, slots=True)
class Array:
    """A long array that was skipped: its GGUF element type, number of elements, and where they lie in the file."""

    type: int
    count: int
    start: int
    stop: int


Value = str | int | float | bool | tuple[str, ...] | tuple[int | float | bool, ...] | Array


class Tensor(NamedTuple):
    """A row of the tensor table. `dims` in ggml's order (row length first); `offset` from the data section on."""

    name: str
    dims: tuple[int, ...]
    type: int
    offset: int
    bytes: int

    @property
    def elements(self) -> int:
        count = 1
        for dim in self.dims:
            count *= dim
        return count


@dataclass(frozen=True, slots=True)
class Split:
    """Place in a split set: shard `no` (from 0) of `count`; `tensors` in all shards together."""

    no: int
    count: int
    tensors: int


@dataclass(frozen=True)
class Header:
    """One GGUF file without its data. `file_size` is None when only the first bytes were at hand.

    A property whose value has an impossible type or size in the file raises `BadModelFile`.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int
    alignment: int
    file_size: int | None

    @property
    def expected_size(self) -> int:
        """Least number of bytes that the file must have to hold its tensors."""
        last = self.tensors[-1] if self.tensors else None
        return self.data_offset + (last.offset + last.bytes if last else 0)

    @property
    def tensor_bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.tensors)

    @cached_property
    def n_params(self) -> int:
        """Elements of all tensors in this file."""
        return sum(tensor.elements for tensor in self.tensors)

    # Reading metadata

    def text(self, key: str, default: str = "") -> str:
        value = self.metadata.get(key, default)
        return value if isinstance(value, str) else default

    def integer(self, key: str, default: int = 0) -> int:
        """The architecture's own number, for example `integer("block_count")`. Raises `BadModelFile`."""
        return self._number(f"{self.architecture}.{key}", default)

    def per_layer(self, key: str, default: int = 0) -> tuple[int, ...]:
        """The architecture's number for each layer; one number in the file counts for all. Raises `BadModelFile`."""
        name = f"{self.architecture}.{key}"
        value = self.metadata.get(name, default)
        if not isinstance(value, tuple):
            return (self._number(name, default),) * self.block_count
        numbers = tuple(int(item) for item in value if isinstance(item, int) and 0 <= item <= MAX_NUMBER)
        if len(numbers) != len(value) or len(numbers) < self.block_count:
            raise BadModelFile(f"This GGUF file is damaged: {name} does not hold one number for each layer.")
        return numbers

    def _number(self, name: str, default: int) -> int:
        value = self.metadata.get(name, default)
        if not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
            raise BadModelFile(
                f"This GGUF file is damaged: {name} is not a number that makes sense ({str(value)[:60]})."
            )
        return int(value)

    # What the model is

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture; empty in the later shards of a split model."""
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        return self.text("general.name")

    @property
    def basename(self) -> str:
        return self.text("general.basename")

    @property
    def size_label(self) -> str:
        return self.text("general.size_label")

    @property
    def license(self) -> str:
        return self.text("general.license")

    @property
    def base_models(self) -> tuple[str, ...]:
        """What the model was made from: `organization/name`, or the name alone."""
        found = []
        for index in range(min(self._number("general.base_model.count", 0), 16)):
            stem = f"general.base_model.{index}"
            url = self.text(f"{stem}.repo_url")
            name, owner = self.text(f"{stem}.name"), self.text(f"{stem}.organization")
            if match := re.search(r"https?://[^/]+/([^/]+/[^/]+)/?$", url):
                found.append(match[1])
            elif name:
                found.append(f"{owner}/{name}" if owner else name)
        return tuple(found)

    @property
    def quant(self) -> str:
        """The type of most weights (Q4_K_M): `general.file_type`, else the tensor type with most bytes."""
        number = self._number("general.file_type", 0) & ~FILE_TYPE_GUESSED
        if "general.file_type" in self.metadata and number in FILE_TYPES:
            return FILE_TYPES[number]
        totals: Counter[int] = Counter()
        for tensor in self.tensors:
            totals[tensor.type] += tensor.bytes
        return TENSOR_TYPES[totals.most_common(1)[0][0]].name if totals else ""

    @property
    def context_length(self) -> int:
        """Tokens that the model was trained for; 0 when the file does not say."""
        return self.integer("context_length")

    @property
    def block_count(self) -> int:
        """Number of layers, at most `MAX_LAYERS`."""
        count = self.integer("block_count")
        if count > MAX_LAYERS:
            raise BadModelFile(
                f"This GGUF file is damaged: it claims {count} layers; llama.cpp knows {MAX_LAYERS} at most."
            )
        return count

    @property
    def embedding_length(self) -> int:
        return self.integer("embedding_length")

    @property
    def head_counts(self) -> tuple[int, ...]:
        """Query heads for each layer."""
        return self.per_layer("attention.head_count")

    @property
    def head_counts_kv(self) -> tuple[int, ...]:
        """Key/value heads for each layer; 0 in layers without attention."""
        return self.per_layer("attention.head_count_kv") if self._has("attention.head_count_kv") else self.head_counts

    @property
    def key_length(self) -> int:
        """Elements of one key head."""
        return self.integer("attention.key_length") if self._has("attention.key_length") else self._head_length()

    @property
    def value_length(self) -> int:
        """Elements of one value head."""
        return self.integer("attention.value_length") if self._has("attention.value_length") else self._head_length()

    @property
    def expert_count(self) -> int:
        return self.integer("expert_count")

    @property
    def expert_used_count(self) -> int:
        """Routed experts that a token uses."""
        return self.integer("expert_used_count")

    @property
    def sliding_window(self) -> int:
        """Tokens that a sliding-window layer looks back; 0 without such layers."""
        return self.integer("attention.sliding_window")

    @property
    def vocab_size(self) -> int:
        """Number of tokens in the file's vocabulary, else in its embedding; 0 when the file has neither."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, Array):
            return tokens.count
        if isinstance(tokens, tuple):
            return len(tokens)
        return next(
            (tensor.dims[-1] for tensor in self.tensors if tensor.name == "token_embd.weight" and tensor.dims), 0
        )

    @property
    def chat_template(self) -> str:
        """The default chat template; empty without one."""
        return self.text(TEMPLATE)

    @property
    def chat_templates(self) -> Mapping[str, str]:
        """All chat templates by name: `default`, and named ones such as `tool_use`."""
        found = {"default": self.chat_template} if self.chat_template else {}
        for key, value in self.metadata.items():
            if key.startswith(f"{TEMPLATE}.") and isinstance(value, str):
                found[key.removeprefix(f"{TEMPLATE}.")] = value
        return found

    @property
    def sampling(self) -> Mapping[str, int | float | str]:
        """The file's `general.sampling.*` under llama.cpp's names there (`temp`, `top_k`, `penalty_repeat`, ...)."""
        prefix = "general.sampling."
        return {
            key.removeprefix(prefix): value
            for key, value in self.metadata.items()
            if key.startswith(prefix) and isinstance(value, (int, float, str))
        }

    @property
    def split(self) -> Split | None:
        """Place in a split set, or None for a model in one file."""
        count = self._number("split.count", 0)
        if count < 2:
            return None
        return Split(self._number("split.no", 0), count, self._number("split.tensors.count", 0))

    def _has(self, key: str) -> bool:
        return f"{self.architecture}.{key}" in self.metadata

    def _head_length(self) -> int:
        # llama.cpp divides by the first layer's head count, and takes 0 where there is none
        heads = self.head_counts[0] if self.head_counts else 0
        return self.embedding_length // heads if heads else 0
