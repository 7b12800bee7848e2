"""Bytes of the compute buffer, from a model of the graph's widest moment. Knows no machine.

llama.cpp plans one buffer for all intermediate tensors of a batch and reuses what is no longer needed, so its size is
the peak over the graph. Per token (four bytes an element) the peaks are, measured on llama.cpp 0.5.0-dev by varying
one width at a time:

    dense feed-forward      3 embd + attention + 3 ff, with a q8_0 cache 3 embd + 3 ff where the attention is as wide
                            as the embedding, and once more the attention where it is narrower
    experts                 3 embd + attention + 3 used*ff, and used*embd where that does not fit into what gate and
                            up leave behind (2 used*ff)
    attention               3 embd + 2 attention
    state space (Mamba)     3 embd + 5 inner + time step rank + 2 state
    MLA                     4 embd + 2 heads * (compressed key + key part without position)
    MiniMax M3's sparse attention: 5.4 to 8.4 embd (see `_SPARSE`), and 6 + 32 / streams bytes for each cell

plus masks of 2 bytes for each cell (two masks where layers look through windows). Real sizes were within 5 % for
llama of eleven widths, qwen3moe, gemma3, gpt-oss, deepseek2, jamba, mamba, lfm2, qwen3next, and from 8k cells on for
minimax-m3; below that the holes that its allocator leaves have no order (up to 30 %, 50 MiB). The check by the real
llama.cpp before a load corrects what is left.
"""

from m3studio.offload.facts import ModelFacts
from m3studio.offload.kv import Cache

FLOAT = 4
# MiniMax M3: from how many cells on, how many embeddings' worth of floats; without and with a quantized cache.
_SPARSE = {False: ((24_576, 6.7), (12_288, 7.1), (0, 8.4)), True: ((24_576, 6.4), (0, 5.4))}
MASK = 2  # flash attention takes its mask in f16


def compute_bytes(model: ModelFacts, cache: Cache, *, flash_attn: bool = True) -> int:
    """Bytes of the compute buffer on a device that runs whole layers."""
    tokens = min(cache.n_ubatch, cache.cells * cache.streams)
    attention = _attention(model, cache, flash_attn)
    return tokens * (attention if model.sparse else max(_feed_forward(model, cache), attention))


def host_bytes(model: ModelFacts, cache: Cache, *, experts: bool, flash_attn: bool = True) -> int:
    """Bytes of the compute buffer in RAM when the layers run on a GPU: inputs, and the experts that stay in RAM."""
    tokens = min(cache.n_ubatch, cache.cells * cache.streams)
    row = 2 * FLOAT * model.widths.embd + _masks(model, cache, flash_attn)
    if experts:
        row += FLOAT * (2 * model.widths.experts_embd + 3 * model.widths.experts_ff)
    return tokens * row + logits_bytes(model, cache)


def logits_bytes(model: ModelFacts, cache: Cache) -> int:
    """One row of logits for each sequence, kept in RAM."""
    return FLOAT * model.vocab * cache.n_seq_max


def _masks(model: ModelFacts, cache: Cache, flash_attn: bool) -> int:
    if not any(layer.k for layer in model.layers):
        return 0
    size = MASK if flash_attn else FLOAT
    windows = cache.window_cells(model.window) if any(layer.window for layer in model.layers) else 0
    return size * (cache.cells + windows)


def _feed_forward(model: ModelFacts, cache: Cache) -> int:
    width = model.widths
    base = 3 * width.embd + _left_by_attention(model, cache)
    experts = 3 * width.experts_ff
    if width.experts_embd >= 2 * width.experts_ff:
        experts += width.experts_embd
    states = 3 * width.embd + width.state if width.state else 0
    return FLOAT * max(base + max(3 * width.ff, experts), states) + _masks(model, cache, True)


def _left_by_attention(model: ModelFacts, cache: Cache) -> int:
    """What stands between the feed-forward layer's tensors: memory that the allocator could not use again.

    It fits again where the attention's output is as wide as the embedding, and is needed twice where it is narrower;
    both only with a quantized cache, whose graph has more nodes, or between layers with a state.
    """
    width = model.widths
    uneven = _quantized(cache)
    if width.attention == width.embd and (uneven or model.recurrent):
        return 0
    return width.attention * (2 if uneven and width.attention < width.embd and not width.mla else 1)


def _quantized(cache: Cache) -> bool:
    return cache.type_k not in ("f16", "bf16", "f32")


def _attention(model: ModelFacts, cache: Cache, flash_attn: bool) -> int:
    width = model.widths
    if model.sparse:
        rows = next(rows for least, rows in _SPARSE[_quantized(cache)] if cache.cells >= least)
        return int(rows * FLOAT * width.embd) + (6 + 32 // cache.streams) * cache.cells
    row = 4 * width.embd + 2 * width.mla if width.mla else 3 * width.embd + 2 * width.attention
    scores = 0 if flash_attn else width.heads * cache.cells
    return FLOAT * (row + scores) + _masks(model, cache, flash_attn)
