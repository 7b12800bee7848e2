"""Loads a model and gives it a cache: what `LoadSettings` leaves open is decided here. Knows no request."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m3studio.engines.llama import bindings
from m3studio.engines.llama.bindings import Batch, Context, Vocab, Weights, native
from m3studio.engines.llama.memory import Layout, buffers
from m3studio.hardware.limits import read_limits
from m3studio.hardware.probe import run, usable_threads
from m3studio.settings import LoadSettings

N_CTX = 8192  # tokens, where neither the user nor the model asks for less or more
CHUNK = 512  # rows of a decode call: a cancel and the other streams wait for one call at most
WARM_UP = 512  # rows that are computed once after loading, at most
CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}  # ggml_type
QUANTIZED = CACHE_TYPES.keys() - {"f32", "f16", "bf16"}


@dataclass(frozen=True, slots=True)
class CachePlan:
    """Shape of the cache. `n_ctx` is what one sequence can hold. Unified: the sequences share these cells; else each
    has its own. `flash_attn` is llama.cpp's: -1 automatic, 0 off, 1 on."""

    n_ctx: int
    n_seq_max: int
    kv_unified: bool
    flash_attn: int

    @property
    def cells(self) -> int:
        return self.n_ctx if self.kv_unified else self.n_ctx * self.n_seq_max


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model with its cache; a batch has `n_batch` rows at most.

    `facts` are fields of `EngineFacts`, `variables` go to the chat template.
    """

    weights: Weights
    context: Context
    plan: CachePlan
    n_batch: int
    facts: dict[str, object]
    variables: dict[str, str]


def measure(path: str, settings: LoadSettings, layout: Layout) -> dict[str, dict[str, int]]:
    """The memory that `load` would take, in bytes by device and kind, found out without taking it: `kv` and `weights`
    are 0. Raises as `load` does."""
    log: list[str] = []
    bindings.start(log.append)
    parameters = _model_parameters(settings, layout)
    parameters.no_alloc, parameters.load_mode = True, 0
    weights = Weights(path, parameters, lambda share: None)
    Context(weights, _context_parameters(plan_cache(weights, settings), settings))
    return buffers(log)


def load(path: str, settings: LoadSettings, layout: Layout, on_progress: Callable[[float], None]) -> Model:
    """Load the file and make its cache.

    Raises `OSError` (the weights) or `MemoryError` (the cache) when the library refuses; its log on stderr says why.
    Raises `ValueError` with a sentence for a model that writes no text.
    """
    started = time.monotonic()
    log: list[str] = []
    bindings.start(lambda line: log.append(line) if "buffer size" in line else None)
    weights = Weights(path, _model_parameters(settings, layout), on_progress)
    if not weights.writes_text:
        raise ValueError("This model does not write text from left to right, so it cannot chat. Choose another model.")
    plan = plan_cache(weights, settings)
    parameters = _context_parameters(plan, settings)
    context = Context(weights, parameters)
    warm_up(context, weights.vocab, parameters.n_batch)
    architecture = weights.meta("general.architecture")
    used = {name: getattr(parameters, name) for name in ("n_batch", "n_ubatch", "n_seq_max", "kv_unified")}
    facts = {
        "name": weights.meta("general.name") or Path(path).stem,
        "architecture": architecture,
        "n_ctx": context.n_ctx,
        "n_ctx_train": weights.n_ctx_train,
        "n_params": weights.n_params,
        "size": weights.size,
        "chat_template": weights.chat_template,
        "devices": bindings.devices(),
        "settings": {
            **used,
            "n_ctx": context.n_ctx,
            "n_gpu_layers": -1 if settings.n_gpu_layers is None else settings.n_gpu_layers,
            "threads": parameters.n_threads,
            "flash_attn": {-1: None, 0: False, 1: True}[plan.flash_attn],
            "type_k": settings.type_k or "f16",
            "type_v": settings.type_v or "f16",
        },
        "load_seconds": round(time.monotonic() - started, 3),
        "memory": buffers(log),
    }
    vocab = weights.vocab
    variables = {"bos_token": vocab.text(vocab.bos), "eos_token": vocab.text(vocab.eos)}
    return Model(weights, context, plan, parameters.n_batch, facts, variables)


def warm_up(context: Context, vocab: Vocab, n_batch: int) -> None:
    """Compute something and forget it, so that the first prompt meets warm pages and buffers that are there.

    A token first; then as many as a second has room for by its time, `WARM_UP` at most.
    """
    batch = Batch(min(n_batch, WARM_UP, context.n_ctx))
    started = time.monotonic()
    for rows in (1, batch.capacity):
        seconds = max(time.monotonic() - started, 1e-3)
        rows = min(rows, max(1, int(1 / seconds)))
        batch.clear()
        batch.add(np.full(rows, max(vocab.bos, 0), np.int32), 0, 0, logits=True)
        context.decode(batch)
        context.forget(0)


def plan_cache(weights: Weights, settings: LoadSettings) -> CachePlan:
    """The cache that suits the model's kind of attention.

    Plain attention shares its cells: a prefix is copied at no cost, and one long chat can use them all. With flash
    attention the same tokens in other cells differ in the last digits of f16, so an answer at temperature 0 that was
    continued after others ran is equal in meaning, not to the bit; a split cache would be.

    MiniMax M3's sparse attention needs a split cache (or one sequence) and flash attention; else llama.cpp falls back
    to dense attention, which the model was not trained for. A recurrent state serves one sequence.
    """
    n_ctx = settings.n_ctx or min(weights.n_ctx_train or N_CTX, N_CTX)
    flash = -1 if settings.flash_attn is None else int(settings.flash_attn)
    if settings.type_v in QUANTIZED and settings.flash_attn is None:
        flash = 1  # llama.cpp reads a quantized V cache only with flash attention
    if weights.meta(f"{weights.meta('general.architecture')}.attention.indexer.block_size"):
        return CachePlan(n_ctx, settings.n_seq_max or 2, kv_unified=False, flash_attn=1)
    if weights.has_state:
        return CachePlan(n_ctx, 1, kv_unified=True, flash_attn=flash)
    return CachePlan(n_ctx, settings.n_seq_max or 4, kv_unified=True, flash_attn=flash)


def _model_parameters(settings: LoadSettings, layout: Layout) -> Any:
    parameters = native.llama_model_default_params()
    if layout.tensor_split:
        bindings.split(parameters, layout.tensor_split)
    if layout.pattern:
        bindings.keep_in_ram(parameters, layout.pattern)
    if settings.n_gpu_layers is not None:
        parameters.n_gpu_layers = settings.n_gpu_layers
    if settings.use_mmap is not None or settings.use_mlock is not None:
        # llama_load_mode: bit 0 maps the file, bit 1 locks it into memory
        parameters.load_mode = (settings.use_mmap is not False) + 2 * bool(settings.use_mlock)
    return parameters


def _context_parameters(plan: CachePlan, settings: LoadSettings) -> Any:
    parameters = native.llama_context_default_params()
    parameters.n_ctx, parameters.n_seq_max, parameters.kv_unified = plan.cells, plan.n_seq_max, plan.kv_unified
    parameters.n_batch = max(settings.n_batch or CHUNK, plan.n_seq_max)
    parameters.n_ubatch = min(settings.n_ubatch or CHUNK, parameters.n_batch)
    # One row per sequence is sampled. The default, a row per token of a batch, would set aside 400 MB for M3's words.
    parameters.n_outputs_max = plan.n_seq_max
    parameters.n_threads = parameters.n_threads_batch = settings.threads or usable_threads(run, read_limits())
    parameters.flash_attn_type, parameters.no_perf = plan.flash_attn, True
    parameters.type_k = CACHE_TYPES[settings.type_k or "f16"]
    parameters.type_v = CACHE_TYPES[settings.type_v or "f16"]
    return parameters
