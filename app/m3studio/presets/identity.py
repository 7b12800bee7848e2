"""Which model a file is, as names to look up. Knows no presets.

A file names itself; a quantizer's repository usually repeats that name; the model that it was made from is another
model, unless the file is a mere conversion of it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

# Trailing words that say how weights are stored, not which model they are.
_STORED = re.compile(
    r"-(?:gguf|ggml|i1|imatrix|imat|ud|unsloth|bnb|[48]bit|bf16|f(?:p)?(?:8|16|32)|fp4|nvfp4|mxfp[48]|awq|gptq|int[48]"
    r"|mlx|hf|qat|dynamic|mtp|128k|256k|1m|(?:ud-)?i?q\d(?:-(?:k|0|1|xs|xxs|nl|s|m|l|xl))*)$"
)
# Words for weights with the refusals taken out, which leaves the rest of the model as it was; and what stands beside.
_UNBOUND = {"abliterated", "uncensored", "heretic", "derestricted"}
_BESIDE = {"huihui", "v1", "v2", "v3"}


class ModelHeader(Protocol):
    """What a GGUF header tells of its model."""

    @property
    def metadata(self) -> Mapping[str, object]: ...
    @property
    def architecture(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def basename(self) -> str: ...
    @property
    def size_label(self) -> str: ...
    @property
    def base_models(self) -> Sequence[str]: ...
    @property
    def sampling(self) -> Mapping[str, object]: ...


def names(header: ModelHeader, repo_id: str | None = None) -> list[str]:
    """The model's possible names, best first: from the file's metadata, then from the repository."""
    own = [plain(header.name), plain(_composed(header))]
    found = [*own, *_converted(header, own), *(_from_repo(repo_id) if repo_id else ())]
    return list(dict.fromkeys(name for name in found if name))


def unbound(name: str) -> str:
    """The name of the model whose refusals were taken out to make this one; "" when it is none."""
    words = name.split("-")
    return "-".join(word for word in words if word not in _UNBOUND | _BESIDE) if _UNBOUND & set(words) else ""


def plain(text: str) -> str:
    """A name in lower case with hyphens, without the words for the way it is stored."""
    name = re.sub(r"[\s_/-]+", "-", text.strip().lower()).strip("-")
    while (shorter := _STORED.sub("", name)) != name:
        name = shorter
    return name


def _composed(header: ModelHeader) -> str:
    """The name from its parts: `Qwen3` `30B-A3B` `Thinking` `2507`."""
    parts = [header.basename, header.size_label]
    parts += [str(header.metadata.get(f"general.{key}", "")) for key in ("finetune", "version")]
    name = ""
    for part in parts:
        if part and plain(part) not in plain(name):
            name = f"{name}-{part}" if name else part
    return name if header.basename else ""


def _converted(header: ModelHeader, own: Sequence[str]) -> list[str]:
    """The base model's name, if the file does not claim to be anything else than its conversion."""
    if not header.base_models:
        return []
    base = plain(header.base_models[0].rpartition("/")[2])
    mine = {word for name in own for word in name.split("-") if name}
    return [base] if mine <= set(base.split("-")) else []


def _from_repo(repo_id: str) -> list[str]:
    """`Qwen3-8B` from `unsloth/Qwen3-8B-GGUF`, `bartowski/Qwen_Qwen3-8B-GGUF` and `other/Qwen.Qwen3-8B-GGUF`."""
    name = repo_id.rpartition("/")[2]
    _, _, after = name.partition("_")
    owner, _, rest = name.partition(".")
    return [plain(name), plain(after), plain(rest) if owner.replace("-", "").isalpha() else ""]
