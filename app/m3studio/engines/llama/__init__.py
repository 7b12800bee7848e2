"""llama.cpp through the low-level API of llama-cpp-python: a process per model, many answers at once.

The app's own process never imports the native library, and a model's process never imports what only the app needs.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from m3studio.engines.llama import wire
from m3studio.engines.llama.memory import Layout
from m3studio.engines.llama.process import environment
from m3studio.engines.llama.states import Place, default_quota, keep_only
from m3studio.errors import BadInput, EngineError
from m3studio.messages import Cancel
from m3studio.settings import LoadSettings

if TYPE_CHECKING:
    from m3studio.engines.llama.engine import LlamaEngine

__all__ = ["Layout", "LlamaEngine", "Place", "default_quota", "keep_only", "measure", "open"]

MEASURE_SECONDS = 20.0  # the header of a large model is read from a slow disk
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
    layout: Layout = Layout(),
    on_progress: Callable[[float], None] = lambda share: None,
    cancel: Cancel | None = None,
    name: str = "",
    states: Place = Place(),
) -> "LlamaEngine":
    """Load the model at `path`; returns when it can answer. `on_progress` hears the share that is loaded, 0 to 1.
    What the chats leave in the cache is kept in `states`.

    Raises `BadModelFile`, `BadInput` for impossible settings, `OutOfMemory`, or `EngineError`, also when `cancel` is
    set while it loads.
    """
    from m3studio.engines.llama.engine import load

    _check(settings)
    return load(path, settings, layout, on_progress, Cancel() if cancel is None else cancel, name, states)


def measure(
    path: Path, settings: LoadSettings, layout: Layout, cancel: Cancel, seconds: float = MEASURE_SECONDS
) -> Mapping[str, Mapping[str, int]]:
    """Bytes of buffers that `open` would take, by device and kind, from llama.cpp itself in a process that ends.

    Nothing is allocated, so `weights` and `kv` are 0; `compute` and `output` are real. Raises `EngineError`.
    """
    request = wire.Load(str(path), asdict(settings), asdict(layout))
    command = [sys.executable, "-P", "-m", "m3studio.engines.llama.measure"]
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment()) as child:
            cancel.on_set(child.kill)
            try:
                output, _ = child.communicate(wire.encode(request), timeout=seconds)
            finally:
                child.kill()
        found: Mapping[str, Mapping[str, int]] = json.loads(output)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EngineError(f"llama.cpp did not say what {path.name} takes.", details=str(error)) from error
    return found


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
