"""Models of one or many GGUF files, and the check before a native load. Knows no engine."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from m3studio.errors import BadModelFile
from m3studio.gguf.header import Array, Header, Tensor
from m3studio.gguf.reader import STRING, read_header, read_strings
from m3studio.gguf.tables import ARCHITECTURES

SHARD = re.compile(r"^(?P<stem>.+)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
TOKENS = "tokenizer.ggml.tokens"
SHARD_AND_QUANT = re.compile(
    r"(-\d{5}-of-\d{5})?$|[-._](UD-)?(I?Q\d\w*|TQ\d\w*|BF16|F16|F32|FP16|MXFP4\w*)(-\d{5}-of-\d{5})?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Model:
    """A whole model: the first shard's header, and every shard's in order. `names` are file names."""

    header: Header
    shards: tuple[Header, ...]
    names: tuple[str, ...]
    path: Path | None = None  # the first shard, which llama.cpp is given; None for a remote model

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors of all shards. Offsets count within a tensor's own shard."""
        return tuple(tensor for shard in self.shards for tensor in shard.tensors)

    @property
    def n_params(self) -> int:
        return sum(shard.n_params for shard in self.shards)

    @property
    def file_size(self) -> int:
        """Bytes of all files together."""
        return sum(shard.file_size or shard.expected_size for shard in self.shards)

    @property
    def tensor_bytes(self) -> int:
        return sum(shard.tensor_bytes for shard in self.shards)


def display_name(path: Path) -> str:
    """The file's name as people say it: without shard number and quant, which are shown apart.

    The name in a GGUF's own metadata is often a training run's, so it is not used.
    """
    return SHARD_AND_QUANT.sub("", path.stem) or path.stem


def shard_names(name: str) -> tuple[str, ...]:
    """File names of the set that the file `name` belongs to; only itself when it is no shard."""
    match = SHARD.match(name)
    if not match or not 1 <= int(match["no"]) <= int(match["count"]):
        return (name,)
    return tuple(f"{match['stem']}-{no:05}-of-{match['count']}.gguf" for no in range(1, int(match["count"]) + 1))


def read_model(path: Path) -> Model:
    """The model that the file belongs to, complete: any shard selects its set.

    Raises `BadModelFile` for missing, foreign or cut shards, with their names.
    """
    given = read_header(path)
    if given.split is None:
        _must_be_whole(given, path.name)
        return Model(given, (given,), (path.name,), path)
    names = shard_names(path.name)
    if len(names) != given.split.count:
        raise BadModelFile(
            f"{path.name} is shard {given.split.no + 1} of {given.split.count}, but its name does not say so. "
            "Give all shards their names back (model-00001-of-00004.gguf), or download them again."
        )
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise BadModelFile(f"The model is not complete: {_listed(missing)} missing. Download the rest first.")
    shards = {name: given if name == path.name else read_header(path.with_name(name)) for name in names}
    for name, shard in shards.items():
        _must_be_whole(shard, name)
    return join(shards, path.with_name(names[0]))


def join(shards: Mapping[str, Header], path: Path | None = None) -> Model:
    """A model from its files' headers in order, by file name. Raises `BadModelFile` if they do not belong together."""
    names, headers = tuple(shards), tuple(shards.values())
    if len(headers) == 1 and headers[0].split is None:
        return Model(headers[0], headers, names, path)
    seen: set[str] = set()
    for index, (name, header) in enumerate(shards.items()):
        split = header.split
        if split is None or (split.no, split.count) != (index, len(headers)):
            told = f"shard {split.no + 1} of {split.count}" if split else "a model of its own"
            raise BadModelFile(f"{name} does not belong to the other files: it is {told}. Download it again.")
        mine = {tensor.name for tensor in header.tensors}
        if split.tensors != (headers[0].split or split).tensors or mine & seen:
            raise BadModelFile(f"{name} belongs to another model than {names[0]}. Download it again.")
        seen |= mine
    expected = headers[0].split.tensors if headers[0].split else 0
    if len(seen) != expected:
        raise BadModelFile(
            f"The {len(names)} files hold {len(seen)} of {expected} tensors: one of them is another conversion's. "
            f"Download all shards of {names[0]} again."
        )
    return Model(headers[0], headers, names, path)


def check(path: Path) -> Model:
    """The model at `path`, checked for everything known to make llama.cpp fail or abort at load.

    Raises `BadModelFile` with what is wrong and what to do.
    """
    model = read_model(path)
    header = model.header
    name = model.names[0]
    architecture = header.architecture
    if not architecture:
        raise BadModelFile(f"{name} does not say what architecture it is. Choose another conversion of the model.")
    if architecture == "clip" or header.text("general.type") == "mmproj":
        raise BadModelFile(f"{name} is the vision part of a model (mmproj). Choose the model's own .gguf file.")
    if header.text("general.type") == "adapter":
        raise BadModelFile(f"{name} is a LoRA adapter, not a model. Choose the model that it was made for.")
    if architecture not in ARCHITECTURES:
        raise BadModelFile(
            f"{name} has the architecture “{architecture[:80]}”, which the installed llama.cpp does not know. "
            "Update M3 Studio, or choose another model."
        )
    if architecture == "minimax-m3" and not any(".indexer." in tensor.name for tensor in model.tensors):
        raise BadModelFile(
            f"{name} was converted before llama.cpp knew MiniMax M3's sparse attention: its indexer tensors are "
            "missing and it cannot be loaded. Download a newer conversion of the model."
        )
    _must_have_unique_tokens(model)
    return model


def _must_be_whole(header: Header, name: str) -> None:
    size = header.file_size
    if size is not None and size < header.expected_size:
        raise BadModelFile(
            f"{name} is cut short: {size:,} bytes are there, {header.expected_size:,} belong to it. "
            "Download it again, or let the download finish."
        )


def _must_have_unique_tokens(model: Model) -> None:
    # llama.cpp asserts that no two tokens have the same text, which would end the process; it renames empty ones
    tokens = model.header.metadata.get(TOKENS)
    texts: Sequence[object] = ()
    if isinstance(tokens, Array) and tokens.type == STRING and model.path:
        texts = [text for text in read_strings(model.path, tokens) if text]
    elif isinstance(tokens, tuple):
        texts = [text for text in tokens if text]
    if len(set(texts)) != len(texts):
        raise BadModelFile(
            f"{model.names[0]} has two tokens with the same text, which llama.cpp refuses. "
            "Choose another conversion of the model."
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"
