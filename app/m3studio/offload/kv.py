"""Bytes of the cache: attention cells and recurrent states, layer by layer. Knows no machine.

Formulas of llama.cpp's llama-kv-cache*.cpp and llama-memory-recurrent.cpp, exact to the byte.
"""

from dataclasses import dataclass
from fractions import Fraction

from m3studio.offload.facts import Layer, ModelFacts

# Bytes of an element in the cache: block bytes over block length.
TYPES = {
    "f32": Fraction(4),
    "f16": Fraction(2),
    "bf16": Fraction(2),
    "q8_0": Fraction(34, 32),
    "q5_1": Fraction(24, 32),
    "q5_0": Fraction(22, 32),
    "q4_1": Fraction(20, 32),
    "q4_0": Fraction(18, 32),
    "iq4_nl": Fraction(18, 32),
}
PAD = 256  # cells


@dataclass(frozen=True, slots=True)
class Cache:
    """How the cache is laid out. `n_ctx` is what one sequence can use; a unified cache is shared by all sequences."""

    n_ctx: int
    n_seq_max: int = 1
    unified: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    swa_full: bool = True  # windows keep all cells, so that any prefix can be reused: llama.cpp's own default
    n_ubatch: int = 512

    @property
    def streams(self) -> int:
        return 1 if self.unified else self.n_seq_max

    @property
    def cells(self) -> int:
        """Cells of one stream."""
        return padded(self.n_ctx)

    def window_cells(self, window: int) -> int:
        """Cells of one stream in a sliding-window layer."""
        if self.swa_full or not window:
            return self.cells
        slots = self.n_seq_max if self.unified else 1
        return min(self.cells, padded(min(self.cells, window * slots + self.n_ubatch)))


def padded(cells: int) -> int:
    return cells + -cells % PAD


def layer_bytes(layer: Layer, cache: Cache, window: int) -> int:
    """Bytes of one layer's cache and state."""
    cells = cache.streams * (cache.window_cells(window) if layer.window else cache.cells)
    cell = (layer.k + layer.index_k) * TYPES[cache.type_k] + (layer.v + layer.index_v) * TYPES[cache.type_v]
    return int(cell * cells) + layer.state * cache.n_seq_max


def cache_bytes(model: ModelFacts, cache: Cache) -> tuple[int, ...]:
    """Bytes of the cache for each layer."""
    known: dict[tuple[int, int, int, int, bool, int], int] = {}
    found = []
    for layer in model.layers:  # layers come in a few kinds only
        kind = (layer.k, layer.v, layer.index_k, layer.index_v, layer.window, layer.state)
        if kind not in known:
            known[kind] = layer_bytes(layer, cache, model.window)
        found.append(known[kind])
    return tuple(found)
