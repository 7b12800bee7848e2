"""Bytes of the compute buffer, from a model of the graph's widest moment. Knows no machine.

llama.cpp plans one buffer for all intermediate tensors of a batch and reuses what is no longer needed, so its size is
the peak over the graph. Per token (four bytes an element) the peaks are, measured on llama.cpp 0.5.0-dev by varying
one width at a time:

    dense feed-forward      3 embd + attention + 3 ff
    experts                 3 embd + attention + 3 used*ff, and used*embd where that does not fit into what gate and
                            up leave behind (2 used*ff)
    attention               3 embd + 2 attention
    state space (Mamba)     3 embd + 5 inner + time step rank + 2 state
    MLA                     4 embd + 2 heads * (compressed key + key part without position)
    MiniMax M3's sparse attention, with f16 or q8_0: 6.7 embd, and 6 + 32 / streams bytes for each cell

plus masks of 2 bytes for each cell (two masks where layers look through windows). Real sizes were within 6 % for
llama, qwen3moe, gemma3, gpt-oss, deepseek2, jamba, mamba, lfm2, qwen3next and (from 16k cells on) minimax-m3. The
check by the real llama.cpp before a load corrects what is left.
"""

from m3studio.offload.facts import ModelFacts
from m3studio.offload.kv import Cache

FLOAT = 4
MASK = 2  # flash attention takes its mask in f16


def compute_bytes(model: ModelFacts, cache: Cache, *, flash_attn: bool = True) -> int:
    """Bytes of the compute buffer on a device that runs whole layers."""
    tokens = min(cache.n_ubatch, cache.cells * cache.streams)
    return tokens * max(_feed_forward(model, cache), _attention(model, cache, flash_attn))


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
    base = 3 * width.embd + width.attention
    experts = 3 * width.experts_ff
    if model.sparse:  # maps between positions and cells, and block scores, live through the whole graph
        return FLOAT * (base + max(3 * width.ff, experts)) + 24 * cache.cells // cache.streams
    if width.experts_embd >= 2 * width.experts_ff:
        experts += width.experts_embd
    states = 3 * width.embd + width.state if width.state else 0
    return FLOAT * max(base + max(3 * width.ff, experts), states) + _masks(model, cache, True)


def _attention(model: ModelFacts, cache: Cache, flash_attn: bool) -> int:
    width = model.widths
    if model.sparse:
        return int(6.7 * FLOAT * width.embd) + (6 + 32 // cache.streams) * cache.cells
    row = 4 * width.embd + 2 * width.mla if width.mla else 3 * width.embd + 2 * width.attention
    scores = 0 if flash_attn else width.heads * cache.cells
    return FLOAT * (row + scores) + _masks(model, cache, flash_attn)
