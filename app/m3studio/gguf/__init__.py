"""GGUF model files: headers of local and remote files, split sets, and the check before llama.cpp opens one.

Knows no hardware, no engine and no network. `read_header` is for one file, `read_model` for a model of any number of
shards, `check` for a model that is about to be loaded.
"""

from m3studio.gguf.header import Array, Header, Split, Tensor
from m3studio.gguf.model import Model, check, display_name, join, read_model, shard_names
from m3studio.gguf.reader import NeedMore, read_header, read_remote
from m3studio.gguf.tables import ARCHITECTURES, FILE_TYPES, TENSOR_TYPES

__all__ = [
    "ARCHITECTURES",
    "FILE_TYPES",
    "TENSOR_TYPES",
    "Array",
    "Header",
    "Model",
    "NeedMore",
    "Split",
    "Tensor",
    "check",
    "display_name",
    "join",
    "read_header",
    "read_model",
    "read_remote",
    "shard_names",
]
