"""Says in sentences why a plan is as it is, and what would make it fit. Decides nothing."""

from collections.abc import Iterator

from m3studio.hardware import Hardware
from m3studio.offload.facts import ModelFacts
from m3studio.offload.kv import Cache
from m3studio.offload.place import Placement, margin

GIB = 2**30
SYSTEM = 8 * GIB  # what macOS needs for itself, whatever the wired limit


def size(count: int) -> str:
    """Bytes for people: 12.3 GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.0f} MB"


def reasons(model: ModelFacts, hardware: Hardware, placement: Placement, wanted: Cache, fits: bool) -> tuple[str, ...]:
    """A sentence for each choice; or why there is none."""
    if fits:
        return (*_places(model, hardware, placement), *_cache(model, placement.cache, wanted))
    return (_short(placement), *_least(placement.cache, wanted), *filter(None, [hardware.note]))


def _least(cache: Cache, wanted: Cache) -> Iterator[str]:
    if cache != wanted:
        yield (
            f"This is the least it can do with: a context of {cache.n_ctx:,} tokens, a cache of type {cache.type_k}, "
            f"batches of {cache.n_ubatch} tokens."
        )


def _places(model: ModelFacts, hardware: Hardware, placement: Placement) -> Iterator[str]:
    used = [share for share in placement.gpus if share.bytes]
    layers, count = placement.n_gpu_layers, len(model.layers)
    if not hardware.gpus:
        yield "No GPU was found, so the CPU runs the whole model."
    elif not layers:
        yield "Not even one layer fits on the GPU, so the CPU runs the whole model."
    elif layers > count:
        where = "the GPU" if len(used) < 2 else f"{len(used)} GPUs"
        yield f"All {count} layers run on {where}: {', '.join(f'{size(one.bytes)} on {one.name}' for one in used)}."
    else:
        yield f"{layers - 1} of {count} layers run on the GPU; the first {count - layers + 1} stay with the CPU."
    if moved := placement.experts_in_ram:
        held = sum(model.layers[index].experts for index in moved)
        yield (
            f"The experts of {len(moved)} layers ({size(held)}) stay in RAM: a token uses only "
            f"{model.experts_used} of {model.experts} experts, so they lose least there."
        )
    if hardware.note:
        yield hardware.note


def _short(placement: Placement) -> str:
    gpu = min(placement.gpus, key=lambda share: share.spare, default=placement.ram)
    pool = placement.ram if placement.ram.spare < min(gpu.spare, 0) else gpu
    shared = sum(share.bytes for share in placement.gpus if share.unified)
    if pool is placement.ram or pool.spare >= 0:
        needed = placement.ram.bytes + shared
        return (
            f"It does not fit: it needs {size(needed)} of RAM and {size(placement.ram.margin)} to spare, "
            f"and {size(placement.ram.room)} are free."
        )
    return (
        f"It does not fit: {pool.name} would need {size(pool.bytes)} and {size(pool.margin)} to spare, "
        f"and {size(pool.room)} are free."
    )


def _cache(model: ModelFacts, cache: Cache, wanted: Cache) -> Iterator[str]:
    if cache.n_ctx < wanted.n_ctx:
        yield f"The context is {cache.n_ctx:,} tokens, because {wanted.n_ctx:,} would need more memory than there is."
    elif model.n_ctx_train > cache.n_ctx:
        yield f"The context is {cache.n_ctx:,} tokens; the model can use up to {model.n_ctx_train:,}."
    if cache.type_k != wanted.type_k:
        yield "The cache is kept as q8_0, which halves it at almost no loss."
    if cache.n_ubatch < wanted.n_ubatch:
        yield f"Prompts are read {cache.n_ubatch} tokens at a time, which makes the compute buffer smaller."
    if model.sparse:
        yield "Flash attention is on and conversations do not share cells: M3's sparse attention needs both."
        if cache.n_seq_max < wanted.n_seq_max:
            yield "One conversation runs at a time, because each needs a cache of its own."
    elif model.recurrent:
        yield "One conversation runs at a time, because the model keeps a state instead of a cache."


def suggestions(model: ModelFacts, hardware: Hardware, placement: Placement) -> tuple[str, ...]:
    """What the user could do on this machine, besides another quant or context."""
    return tuple(_suggestions(model, hardware, placement))


def _suggestions(model: ModelFacts, hardware: Hardware, placement: Placement) -> Iterator[str]:
    if hardware.unified and hardware.gpus[0].name.startswith(("MTL", "Metal")):
        gpu = hardware.gpus[0]
        whole = sum(share.bytes for share in placement.devices)
        # the margin grows with the limit: 5 % of it
        limit = -(-max(whole + margin(gpu.total), whole * 20 // 19) // GIB) * GIB
        if gpu.total < limit <= hardware.ram_total - SYSTEM and whole <= hardware.ram_available:
            yield (
                f"macOS lets the GPU use {size(gpu.total)}. After `sudo sysctl iogpu.wired_limit_mb={limit // 2**20}` "
                "(until the next restart) it can hold the whole model."
            )
    if placement.ram.spare < 0 and not hardware.unified:
        yield (
            f"Loaded anyway (--force), {size(-placement.ram.spare)} of the file are read from disk again and again: "
            "expect less than a token per second."
        )
    taken = hardware.ram_total - hardware.ram_available
    if taken > hardware.ram_total // 3 and placement.spare < 0:
        yield f"Other programs use {size(taken)} of RAM: close what is not needed and try again."
