"""llama.cpp through the low-level API of llama-cpp-python: a process per model, many answers at once.

The app's own process never imports the native library, and a model's process never imports what only the app needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from m3studio.errors import BadInput
from m3studio.messages import Cancel
from m3studio.settings import LoadSettings

if TYPE_CHECKING:
    from m3studio.engines.llama.engine import LlamaEngine

__all__ = ["LlamaEngine", "open"]

_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
_RANGES = {
    "n_ctx": (1, 1 << 24),
    "n_gpu_layers": (-1, 1 << 20),
    "n_batch": (1, 1 << 16),
    "n_ubatch": (1, 1 << 16),
    "n_seq_max": (1, 256),  # LLAMA_MAX_SEQ
    "threads": (1, 512),  # GGML_MAX_N_THREADS
}


def open(
    path: Path,
    settings: LoadSettings,
    *,
    on_progress: Callable[[float], None] = lambda share: None,
    cancel: Cancel | None = None,
    name: str = "",
) -> "LlamaEngine":
    """Load the model at `path`; returns when it can answer. `on_progress` hears the share that is loaded, 0 to 1.

    Raises `BadModelFile`, `BadInput` for impossible settings, `OutOfMemory`, or `EngineError`, also when `cancel` is
    set while it loads.
    """
    from m3studio.engines.llama.engine import load

    _check(settings)
    return load(path, settings, on_progress, Cancel() if cancel is None else cancel, name)


def _check(settings: LoadSettings) -> None:
    """Impossible values would end the model's process with an assertion."""
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise BadInput(f"{name} must be from {least} to {most:,}, not {value}.")
    for name in ("type_k", "type_v"):
        value = getattr(settings, name)
        if value is not None and value not in _CACHE_TYPES:
            raise BadInput(f"{name} must be one of {', '.join(_CACHE_TYPES)}, not “{value}”.")
