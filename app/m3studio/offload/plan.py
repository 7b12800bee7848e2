"""Chooses how a model is loaded on a machine: what goes where, and what is given up so that it fits. Pure.

Order of concessions: experts of the first layers to RAM; a smaller batch; the cache as q8_0; on unified memory a
smaller context, then whole layers to the CPU; on cards whole layers to the CPU, and a smaller context only when RAM
is short too. What the user set is never changed: it fits, or the plan says that it does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from m3studio.errors import BadInput
from m3studio.hardware import Device, Hardware
from m3studio.offload.facts import ModelFacts
from m3studio.offload.kv import TYPES, Cache, padded
from m3studio.offload.place import Board, Placement, board
from m3studio.offload.result import OffloadPlan, Verdict
from m3studio.offload.speed import expected
from m3studio.offload.words import reasons, suggestions
from m3studio.settings import LoadSettings

N_CTX = 32_768  # tokens, unless the user asks for more or the model has less
FLOOR = 8_192
N_UBATCH, SMALL_UBATCH = 512, 128
SEQUENCES = 4  # conversations at once that share a cache
SPARSE_SEQUENCES = 2  # and those that each need their own


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants: load settings (None: free to choose), and the model's other quants to suggest from.

    `compute_factor` corrects the compute buffer after llama.cpp was asked: its answer over the plan's.
    """

    load: LoadSettings = LoadSettings()
    siblings: tuple[ModelFacts, ...] = field(default=(), repr=False)
    swa_full: bool = True
    compute_factor: float = 1.0


def plan(model: ModelFacts, hardware: Hardware, wishes: Wishes = Wishes()) -> OffloadPlan:
    """The best plan for this machine. Raises `BadInput` for wishes that contradict each other."""
    _check(wishes.load)
    wanted = first_cache(model, wishes)
    placement = _choose(model, hardware, wishes, wanted)
    fits = placement is not None
    if placement is None:
        placement = _smallest(model, hardware, wishes, wanted)
    told = suggestions(model, hardware, placement) if not fits or _strained(placement, hardware) else ()
    if not fits:
        told += tuple(_alternatives(model, hardware, wishes, placement))
    by_name = {device.name: device for device in hardware.gpus}
    on_gpus = [(by_name[share.name], share.touched) for share in placement.gpus]
    return OffloadPlan(
        verdict=_verdict(placement, fits, wanted, hardware),
        placement=placement,
        load=_settings(model, hardware, wishes, placement),
        reasons=reasons(model, hardware, placement, wanted, fits),
        suggestions=told,
        speed=expected(model, hardware, on_gpus, placement.ram.touched),
        shortfall=0 if fits else -placement.spare,
    )


def largest_context(model: ModelFacts, hardware: Hardware, wishes: Wishes = Wishes()) -> int:
    """The longest context in tokens that fits with these wishes otherwise; 0 when the model does not fit at all."""
    top = max(model.n_ctx_train, 256) // 256

    def fits(steps: int) -> bool:
        load = replace(wishes.load, n_ctx=256 * steps)
        wanted = first_cache(model, replace(wishes, load=load))
        return _choose(model, hardware, replace(wishes, load=load), wanted) is not None

    low = 0
    while low < top:
        middle = (low + top + 1) // 2
        low, top = (middle, top) if fits(middle) else (low, middle - 1)
    return 256 * low


def first_cache(model: ModelFacts, wishes: Wishes) -> Cache:
    """The cache before anything is given up."""
    load = wishes.load
    usual = 1 if model.recurrent else SPARSE_SEQUENCES if model.sparse else SEQUENCES
    return Cache(
        n_ctx=padded(load.n_ctx or min(model.n_ctx_train or N_CTX, N_CTX)),
        n_seq_max=load.n_seq_max or usual,
        unified=not model.sparse,
        type_k=load.type_k or "f16",
        type_v=load.type_v or "f16",
        swa_full=wishes.swa_full,
        n_ubatch=load.n_ubatch or N_UBATCH,
    )


def _check(load: LoadSettings) -> None:
    for name in (load.type_k, load.type_v):
        if name and name not in TYPES:
            raise BadInput(f"There is no cache type “{name}”. Known ones: {', '.join(TYPES)}.")
    for name in ("n_ctx", "n_ubatch", "n_seq_max"):
        value = getattr(load, name)
        if value is not None and not 1 <= value <= 2**31 - 1:
            raise BadInput(f"{name} must be a positive number, not {value}.")
    if load.flash_attn is False and load.type_v not in (None, "f16", "f32", "bf16"):
        raise BadInput(f"A cache of type {load.type_v} needs flash attention. Turn it on, or use f16.")


def _concessions(model: ModelFacts, load: LoadSettings, first: Cache) -> Iterator[Cache]:
    """The cache, each one a little smaller than the one before, with the same context."""
    cache = first
    yield cache
    if load.n_ubatch is None and cache.n_ubatch > SMALL_UBATCH:
        yield (cache := replace(cache, n_ubatch=SMALL_UBATCH))
    if model.sparse and load.n_seq_max is None and cache.n_seq_max > 1:
        yield (cache := replace(cache, n_seq_max=1))
    free = load.type_k is None and load.type_v is None
    if free and (load.flash_attn is not False or model.sparse):
        yield (cache := replace(cache, type_k="q8_0", type_v="q8_0"))


def _contexts(load: LoadSettings, first: Cache) -> Iterator[int]:
    yield first.n_ctx
    if load.n_ctx is None:
        yield from (n_ctx for n_ctx in (24_576, 16_384, 12_288, FLOOR) if n_ctx < first.n_ctx)


def _caches(model: ModelFacts, load: LoadSettings, wanted: Cache) -> Iterator[Cache]:
    """Every cache to try: the context is the last thing to give up."""
    smallest = list(_concessions(model, load, wanted))
    yield from smallest
    yield from (replace(smallest[-1], n_ctx=n_ctx) for n_ctx in list(_contexts(load, wanted))[1:])


@dataclass(frozen=True, slots=True)
class _Case:
    model: ModelFacts
    hardware: Hardware
    wishes: Wishes

    @property
    def gpus(self) -> tuple[Device, ...]:
        return () if self.wishes.load.n_gpu_layers == 0 else self.hardware.gpus

    def board(self, cache: Cache) -> Board:
        flash = self.wishes.load.flash_attn is not False or self.model.sparse
        factor = self.wishes.compute_factor
        return board(self.model, self.hardware, cache, self.gpus, flash_attn=flash, compute_factor=factor)

    def fixed_layers(self) -> int | None:
        """`n_gpu_layers` that the user set, at most all; None when free."""
        asked, slots = self.wishes.load.n_gpu_layers, len(self.model.layers) + 1
        if not self.gpus:
            return 0
        return None if asked is None else slots if asked < 0 else max(0, min(asked - self.model.n_skipped, slots))


def _choose(model: ModelFacts, hardware: Hardware, wishes: Wishes, wanted: Cache) -> Placement | None:
    if model.size - model.skipped > hardware.memory:  # no layout helps: spare the search
        return None
    case = _Case(model, hardware, wishes)
    caches = list(_caches(model, wishes.load, wanted))
    if hardware.unified and case.gpus:
        return _on_unified(case, caches)
    layers = _layers_on_cards(case, caches, wanted)
    for cache in caches:
        if (placement := _placed(case.board(cache), layers)) and placement.spare >= 0:
            return placement
    return None


def _layers_on_cards(case: _Case, caches: list[Cache], wanted: Cache) -> int:
    """`n_gpu_layers` by the cards' memory alone: all if any concession but the context allows it."""
    if (fixed := case.fixed_layers()) is not None:
        return fixed
    for cache in caches:
        if cache.n_ctx != wanted.n_ctx:
            break
        ready = case.board(cache)
        if ready.fewest_experts_in_ram(ready.slots) is not None:
            return ready.slots
    return case.board(wanted).most_layers()


def _on_unified(case: _Case, caches: list[Cache]) -> Placement | None:
    """Everything on the GPU if any cache allows it; else what is beyond the GPU's limit stays with the CPU."""
    fixed = case.fixed_layers()
    for cache in caches:
        ready = case.board(cache)
        placement = ready.place(ready.slots if fixed is None else fixed, 0)
        if placement and placement.spare >= 0:
            return placement
    ready = case.board(caches[-1])
    layers = fixed if fixed is not None else ready.slots
    placement = _placed(ready, layers) if layers else None
    if placement is None and fixed is None:
        placement = _placed(ready, ready.most_layers())
    return placement if placement and placement.spare >= 0 else None


def _placed(ready: Board, layers: int) -> Placement | None:
    moved = ready.fewest_experts_in_ram(layers)
    return None if moved is None else ready.place(layers, moved)


def _smallest(model: ModelFacts, hardware: Hardware, wishes: Wishes, wanted: Cache) -> Placement:
    """What comes nearest to fitting, for its numbers."""
    case = _Case(model, hardware, wishes)
    cache = list(_caches(model, wishes.load, wanted))[-1]
    ready = case.board(cache)
    layers = case.fixed_layers()
    if layers is None:
        layers = ready.slots if hardware.unified else ready.most_layers()
    moved = ready.fewest_experts_in_ram(layers) or 0
    placement = ready.place(layers, moved, force=True)
    if placement is None:  # cannot be with `force`
        raise BadInput("This model cannot be placed on this machine.")
    return placement


def _alternatives(model: ModelFacts, hardware: Hardware, wishes: Wishes, shown: Placement) -> Iterator[str]:
    """What would fit instead, in sentences: a smaller quant by name, a shorter context."""
    bare = replace(wishes, siblings=())
    if wishes.load.n_ctx and (n_ctx := largest_context(model, hardware, bare)):
        yield f"A context of {n_ctx:,} tokens would fit."
    smaller = sorted((one for one in wishes.siblings if one.size < model.size), key=lambda one: -one.size)
    for sibling in smaller:
        if _choose(sibling, hardware, bare, first_cache(sibling, bare)):
            yield f"{sibling.quant} ({sibling.size / 1e9:.0f} GB) would fit."
            return
    if smaller:
        yield "No smaller quant of this model fits either."


def _strained(placement: Placement, hardware: Hardware) -> bool:
    return hardware.unified and bool(placement.experts_in_ram or placement.ram.kv)


def _verdict(placement: Placement, fits: bool, wanted: Cache, hardware: Hardware) -> Verdict:
    if not fits:
        return Verdict.TOO_BIG
    given_up = placement.cache != wanted or _strained(placement, hardware)
    crowded = placement.ram.spare - sum(share.bytes for share in placement.gpus if share.unified)
    return Verdict.TIGHT if given_up or crowded < placement.ram.margin else Verdict.FITS


def _settings(model: ModelFacts, hardware: Hardware, wishes: Wishes, placement: Placement) -> LoadSettings:
    load, cache = wishes.load, placement.cache
    quantized = cache.type_v not in ("f16", "f32", "bf16")
    # llama.cpp counts layers that it does not load too
    layers = placement.n_gpu_layers + model.n_skipped if placement.n_gpu_layers else 0
    return LoadSettings(
        n_ctx=cache.n_ctx,
        n_gpu_layers=layers,
        n_batch=load.n_batch or max(N_UBATCH, cache.n_ubatch),
        n_ubatch=cache.n_ubatch,
        n_seq_max=cache.n_seq_max,
        threads=load.threads or hardware.threads,
        type_k=cache.type_k,
        type_v=cache.type_v,
        flash_attn=True if model.sparse or quantized else load.flash_attn,
        use_mmap=load.use_mmap if load.use_mmap is not None else True,
        use_mlock=load.use_mlock if load.use_mlock is not None else False,
    )
