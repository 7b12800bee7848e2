"""What the planner must know of a model: bytes by layer, the cache's geometry, the widths of its graph.

Made from a GGUF header, or from MiniMax M3's published geometry before anything is downloaded. Knows no machine.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from m3studio.gguf import TENSOR_TYPES, Header, Model, Tensor

BLOCK = re.compile(r"^blk\.(\d+)\.(.+)$")
EXPERTS = re.compile(r"^ffn_(?:up|down|gate_up|gate)_(?:ch|)exps")
INPUT = ("token_embd.", "per_layer_token_embd.", "token_types.", "position_embd.")  # llama.cpp keeps these in RAM
# Every how many layers one has full attention where others look through a window, and whether it is the first of
# them: `load_swa_pattern` in llama.cpp's models/*.cpp. Files may hold a pattern of their own.
WINDOW_PATTERNS = {
    "afmoe": (4, False),
    "cohere2": (4, False),
    "cohere2moe": (4, True),
    "exaone-moe": (4, False),
    "exaone4": (4, False),
    "gemma2": (2, False),
    "gemma3": (6, False),
    "gemma3n": (5, False),
    "gpt-oss": (2, False),
    "laguna": (4, True),
    "llama4": (4, False),
    "mellum": (4, False),
    "olmo2": (4, False),
    "plamo3": (8, False),
    "smallthinker": (4, True),
}
DEFAULT_WINDOWS = {"gemma2": 4096, "llama4": 8192, "exaone-moe": 128, "exaone4": 4096, "smallthinker": 4096}
# Bytes per second that one core (Zen 5, AVX-512) gets through at decode, measured on one-type models with nothing else
# running: F16, BF16 and Q8_0 are bound by one core's memory bandwidth there. IQ1 to IQ3, but for IQ2_XXS, are guesses.
CORE_RATES = {
    "F32": 38e9,
    "F16": 40e9,
    "BF16": 40e9,
    "Q8_0": 34e9,
    "Q6_K": 31e9,
    "Q4_K": 28e9,
    "Q4_0": 27e9,
    "Q4_1": 20.5e9,
    "IQ4_XS": 19e9,
    "IQ4_NL": 19e9,
    "MXFP4": 7.8e9,
    "IQ3_XXS": 5.5e9,
    "IQ3_S": 5.5e9,
    "IQ2_S": 4.5e9,
    "IQ2_XS": 4.5e9,
    "IQ2_XXS": 4e9,
    "IQ1_M": 3.5e9,
    "IQ1_S": 3.5e9,
}


@dataclass(frozen=True, slots=True)
class Layer:
    """Bytes of `weights` without routed `experts`, and what a cell of the cache holds here, in elements.

    `k` and `v` are for attention, `index_k` and `index_v` for a sparse attention's own cache; `window` says that the
    layer looks through a sliding window. `state` is a recurrent layer's bytes for each sequence.
    """

    weights: int
    experts: int = 0
    k: int = 0
    v: int = 0
    index_k: int = 0
    index_v: int = 0
    window: bool = False
    state: int = 0


@dataclass(frozen=True, slots=True)
class Widths:
    """Elements of one token in the graph: see `compute`. `ff` is the widest dense or shared feed-forward layer."""

    embd: int = 0
    heads: int = 0
    attention: int = 0  # output of the attention: query heads times value length
    ff: int = 0
    experts_ff: int = 0  # used experts times their inner width
    experts_embd: int = 0  # used experts times `embd`
    mla: int = 0  # key length of the compressed cache plus the part of a key without position; 0 without MLA
    state: int = 0  # the inner tensors of a state-space layer
    largest_expert: int = 0  # bytes of the largest tensor of experts


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as the planner sees it. `embedding` bytes stay in RAM, `output` bytes go with the last layer.

    `tied` means that the embedding serves as the output too: beside it on a GPU there is a copy. `size` counts all
    bytes of tensors, `skipped` those of the `n_skipped` last layers, which predict further tokens and are not loaded.
    `core_rate` is how many bytes of its weights one CPU core gets through in a second.
    """

    name: str
    architecture: str
    quant: str
    size: int
    layers: tuple[Layer, ...]
    embedding: int
    output: int
    tied: bool
    n_ctx_train: int
    vocab: int
    window: int
    experts: int
    experts_used: int
    widths: Widths
    core_rate: float = 20e9
    skipped: int = 0
    n_skipped: int = 0

    @property
    def sparse(self) -> bool:
        """MiniMax M3's sparse attention: wants flash attention and a cache that sequences do not share."""
        return self.architecture == "minimax-m3"

    @property
    def recurrent(self) -> bool:
        """Some layers keep a state instead of a cache, so one sequence runs at a time."""
        return any(layer.state for layer in self.layers)

    @property
    def expert_bytes(self) -> int:
        return sum(layer.experts for layer in self.layers)

    @property
    def touched(self) -> int:
        """Bytes of weights that one token of an answer reads."""
        shared = sum(layer.weights for layer in self.layers) + (self.output if not self.tied else self.embedding)
        return shared + (self.expert_bytes * self.experts_used // self.experts if self.experts else 0)


def facts(source: Header | Model) -> ModelFacts:
    """Facts of a model from its header, or from all of its shards. Raises `BadModelFile` for impossible values."""
    header = source.header if isinstance(source, Model) else source
    tensors = source.tensors
    count = max(0, header.block_count - header.integer("nextn_predict_layers"))
    blocks: list[list[Tensor]] = [[] for _ in range(count)]
    ends: list[Tensor] = []
    skipped = 0
    for tensor in tensors:
        match = BLOCK.match(tensor.name)
        if match and int(match[1]) < count:
            blocks[int(match[1])].append(tensor)
        elif match:
            skipped += tensor.bytes
        else:
            ends.append(tensor)
    embedding = sum(tensor.bytes for tensor in ends if tensor.name.startswith(INPUT))
    return ModelFacts(
        name=header.name or header.architecture,
        architecture=header.architecture,
        quant=header.quant,
        size=sum(tensor.bytes for tensor in tensors),
        layers=tuple(_layers(header, blocks)),
        embedding=embedding,
        output=sum(tensor.bytes for tensor in ends) - embedding,
        tied=not any(tensor.name == "output.weight" for tensor in ends),
        n_ctx_train=header.context_length,
        vocab=header.vocab_size or header.integer("vocab_size"),
        window=window_of(header),
        experts=header.expert_count,
        experts_used=header.expert_used_count,
        widths=_widths(header, blocks),
        core_rate=_core_rate(tensors),
        skipped=skipped,
        n_skipped=header.block_count - count,
    )


def window_of(header: Header) -> int:
    """Tokens that sliding-window layers look back; 0 where llama.cpp uses no window for the architecture."""
    patterned = header.architecture in WINDOW_PATTERNS or _pattern(header) is not None
    return (header.sliding_window or DEFAULT_WINDOWS.get(header.architecture, 0)) if patterned else 0


def _pattern(header: Header) -> tuple[bool, ...] | None:
    value = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    return tuple(bool(item) for item in value) if isinstance(value, tuple) else None


def _windowed(header: Header, index: int) -> bool:
    if not window_of(header):
        return False
    if (pattern := _pattern(header)) is not None:
        return index < len(pattern) and pattern[index]
    every, first = WINDOW_PATTERNS[header.architecture]
    every = header.integer("attention.sliding_window_pattern", every)
    return every == 0 or (index % every != 0 if first else index % every < every - 1)


def _layers(header: Header, blocks: list[list[Tensor]]) -> Iterator[Layer]:
    heads = header.head_counts_kv
    mla = bool(header.integer("attention.key_length_mla"))
    index = header.integer("attention.indexer.key_length")
    shared = header.integer("attention.shared_kv_layers")
    with_cache = 20 if header.architecture == "gemma3n" else header.block_count - shared
    for number, tensors in enumerate(blocks):
        names = {tensor.name.partition(f"blk.{number}.")[2] for tensor in tensors}
        experts = sum(tensor.bytes for tensor in tensors if EXPERTS.match(tensor.name.split(".", 2)[2]))
        recurrent = any(name.startswith(("ssm_", "shortconv", "time_mix")) for name in names)
        attends = number < with_cache and (_attends(names) or not recurrent)
        windowed = _windowed(header, number)
        key, value = _head_lengths(header, windowed)
        sparse = bool(index) and any(name.startswith("indexer.") for name in names)
        yield Layer(
            weights=sum(tensor.bytes for tensor in tensors) - experts,
            experts=experts,
            k=heads[number] * key if attends else 0,
            v=heads[number] * value if attends and not mla else 0,
            index_k=index if sparse else 0,
            index_v=value if sparse and not mla else 0,
            window=windowed,
            state=_state(header) if recurrent else 0,
        )


def _attends(names: Iterable[str]) -> bool:
    return any(name.startswith(("attn_k.", "attn_kv_a_mqa.", "attn_k_b.")) for name in names)


def _head_lengths(header: Header, windowed: bool) -> tuple[int, int]:
    key, value = header.key_length, header.value_length
    if windowed:
        key = header.integer("attention.key_length_swa", key)
        value = header.integer("attention.value_length_swa", value)
    return key, value


def _state(header: Header) -> int:
    """Bytes of a recurrent layer's state for one sequence, f32: `n_embd_r` and `n_embd_s` of llama-hparams.cpp."""
    embd = header.embedding_length
    if head := header.integer("wkv.head_size"):
        return 4 * (header.integer("token_shift_count", 2) * embd + embd * head)
    if length := header.integer("shortconv.l_cache"):
        return 4 * embd * (length - 1)
    kernel = header.integer("ssm.conv_kernel")
    heads = header.head_counts[0] if header.head_counts else 0
    if size := header.integer("kda.head_dim"):
        return 4 * (3 * (kernel - 1 if kernel else 3) * heads * size + size * size * heads)
    inner, state = header.integer("ssm.inner_size"), header.integer("ssm.state_size")
    convolution = (kernel - 1 if kernel else 0) * (inner + 2 * header.integer("ssm.group_count") * state)
    return 4 * (convolution + state * inner)


def _core_rate(tensors: Iterable[Tensor]) -> float:
    total, seconds = 0, 0.0
    for tensor in tensors:
        total += tensor.bytes
        seconds += tensor.bytes / CORE_RATES.get(TENSOR_TYPES[tensor.type].name, 20e9)
    return total / seconds if total else 20e9


def _widths(header: Header, blocks: list[list[Tensor]]) -> Widths:
    heads = max(header.head_counts, default=0)
    used = header.expert_used_count
    rows: dict[str, int] = {}
    largest = 0
    for block in blocks:
        for tensor in block:
            name = tensor.name.split(".", 2)[2]
            if EXPERTS.match(name):
                largest = max(largest, tensor.bytes)
            if len(tensor.dims) > 1:
                rows[name] = max(rows.get(name, 0), tensor.dims[1])
    key_mla, value_mla = header.integer("attention.key_length_mla"), header.integer("attention.value_length_mla")
    inner = header.integer("ssm.inner_size")
    expert_ff = max(rows.get("ffn_up_exps.weight", 0), rows.get("ffn_gate_up_exps.weight", 0) // 2)
    return Widths(
        embd=header.embedding_length,
        heads=heads,
        attention=heads * (value_mla or header.value_length),
        ff=max(rows.get("ffn_up.weight", 0), rows.get("ffn_up_shexp.weight", 0)),
        experts_ff=used * expert_ff,
        experts_embd=used * header.embedding_length if expert_ff else 0,
        mla=heads * (header.key_length + key_mla - header.integer("rope.dimension_count")) if key_mla else 0,
        state=5 * inner + header.integer("ssm.time_step_rank") + 2 * header.integer("ssm.state_size") if inner else 0,
        largest_expert=largest,
    )


# MiniMax M3 before the download: parameters from the published geometry (60 layers, 3 of them dense; hidden 6144;
# 128 experts of 3072, 4 used; vocabulary 200,064).
M3_LAYERS, M3_DENSE, M3_EMBD = 60, 3, 6144
M3_EXPERTS = 128 * 3 * 6144 * 3072  # in a layer
M3_ATTENTION = 6144 * (64 + 4 + 4) * 128 + 64 * 128 * 6144
M3_SHARED = 3 * 6144 * 3072
M3_FF = 3 * 6144 * 12288
M3_INDEXER_BYTES = 4 * 6144 * (4 + 1) * 128  # kept in f32
M3_VOCABULARY = 200_064 * 6144
M3_LEAST_BITS = 4.9  # what quantizers leave to attention and embeddings when experts go below it


def minimax_m3(size: int, quant: str) -> ModelFacts:
    """Facts of MiniMax M3 at a quant of `size` bytes, when only its listing is known. Accurate to about two percent."""
    sparse = M3_LAYERS - M3_DENSE
    dense = M3_LAYERS * M3_ATTENTION + sparse * M3_SHARED + M3_DENSE * M3_FF + 2 * M3_VOCABULARY
    indexer = sparse * M3_INDEXER_BYTES
    mean = 8 * (size - indexer) / (dense + sparse * M3_EXPERTS)
    bits = max(mean, M3_LEAST_BITS)

    def sized(parameters: int) -> int:
        return round(parameters * bits / 8)

    experts = max(0, size - indexer - sized(dense)) // sparse
    first = Layer(sized(M3_ATTENTION + M3_FF), 0, 512, 512)
    other = Layer(sized(M3_ATTENTION + M3_SHARED) + M3_INDEXER_BYTES, experts, 512, 512, 128, 128)
    return ModelFacts(
        name="MiniMax-M3",
        architecture="minimax-m3",
        quant=quant,
        size=size,
        layers=(first,) * M3_DENSE + (other,) * sparse,
        embedding=sized(M3_VOCABULARY),
        output=sized(M3_VOCABULARY),
        tied=False,
        n_ctx_train=1_048_576,
        vocab=200_064,
        window=0,
        experts=128,
        experts_used=4,
        widths=Widths(M3_EMBD, 64, 8192, 12288, 4 * 3072, 4 * 6144, largest_expert=experts // 3),
        core_rate=5e9 if mean < 4 else 25e9,
    )
