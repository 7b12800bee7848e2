"""What a model's makers advise: sampling with its sources, system prompt. Knows files, no engine and no user."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from m3studio import gguf, presets
from m3studio.errors import BadModelFile
from m3studio.presets import Sourced

CONFIG = "generation_config.json"
LONGEST = 1 << 16  # bytes of such a file; real ones have some hundred


@dataclass(frozen=True, slots=True)
class Advice:
    """`sampling` has a value for every parameter but the seed; it is empty without a model."""

    sampling: Mapping[str, Sourced] = field(default_factory=dict)
    system_prompt: Sourced | None = None


def advice_for(header: gguf.Header, path: Path, models: Path, thinking: bool | None) -> Advice:
    """The advice for the file at `path`; `models` is the folder in which repositories lie as `owner/name`."""
    repo_id = repo_of(path, models)
    try:
        sampling = presets.sampling_for(header, repo_id, thinking=thinking, generation_config=_config(path.parent))
        return Advice(sampling, presets.system_prompt_for(header, repo_id))
    except BadModelFile:  # impossible entries in the header
        return Advice()


def repo_of(path: Path, models: Path) -> str | None:
    """The repository that the file was fetched from, where its place says so: `models/owner/name/...`."""
    if not path.is_relative_to(models):
        return None
    owner, name, *rest = [*path.relative_to(models).parts, "", ""]
    return f"{owner}/{name}" if any(rest) else None


def _config(folder: Path) -> Mapping[str, object]:
    """The generation_config.json that lies beside the model; empty without one that can be read."""
    try:
        file = folder / CONFIG
        found = json.loads(file.read_text("utf-8")) if file.stat().st_size <= LONGEST else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
