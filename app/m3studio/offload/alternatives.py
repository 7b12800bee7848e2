"""Load settings that would fit where the wished ones do not: the least change first. Pure; decides for nobody."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from m3studio.hardware import Device, Hardware
from m3studio.offload.facts import ModelFacts
from m3studio.offload.place import margin
from m3studio.offload.plan import Wishes, first_cache, largest_context, plan
from m3studio.offload.result import OffloadPlan, Verdict
from m3studio.settings import LoadSettings

STEP = 1024  # tokens: contexts are offered as round numbers
LEAST = 512  # tokens; a shorter context is of no use
FAILED_SHARE = 0.85  # of what could not be had, for the next try


@dataclass(frozen=True, slots=True)
class Alternative:
    """`settings` are load settings that fit, as a page or the API sends them; `label` says what is different."""

    label: str
    settings: Mapping[str, object]


def alternatives(model: ModelFacts, hardware: Hardware, wishes: Wishes) -> tuple[Alternative, ...]:
    """What would fit on this machine instead of `wishes`; empty when nothing of this model does."""
    found: dict[str, Alternative] = {}
    for label, load in _candidates(model, hardware, replace(wishes, siblings=())):
        chosen = plan(model, hardware, replace(wishes, siblings=(), load=load))
        if chosen.verdict is not Verdict.TOO_BIG:
            settings = {name: value for name, value in asdict(load).items() if value is not None}
            text = label.format(n_ctx=chosen.load.n_ctx)
            taken = (chosen.load.n_ctx, chosen.load.type_k, chosen.load.n_gpu_layers)
            found.setdefault(str(taken), Alternative(text, settings))
    return tuple(found.values())


def after_failure(hardware: Hardware, failed: OffloadPlan) -> Hardware:
    """The machine as a load that failed has shown it: no device has as much as was asked of it."""
    asked = {share.name: share for share in failed.devices}
    shared = sum(share.bytes for share in failed.devices if share.unified)
    ram = int(FAILED_SHARE * (failed.placement.ram.bytes + shared)) + margin(hardware.ram_total)

    def shrunk(device: Device) -> Device:
        share = asked.get(device.name)
        if share is None:
            return device
        return replace(device, free=min(device.free, int(FAILED_SHARE * share.bytes) + margin(device.total)))

    gpus = {device.name for device in hardware.gpus}
    on_gpu = any(share.name in gpus for share in failed.devices)
    devices = tuple(shrunk(device) if device.name in gpus else device for device in hardware.devices)
    # with cards it is most often a card that was too small
    ram_left = hardware.ram_available if on_gpu and not shared else min(hardware.ram_available, ram)
    note = "A load failed for want of memory, so less of it is counted on for some minutes."
    return replace(hardware, ram_available=ram_left, devices=devices, note=f"{hardware.note} {note}".strip())


def correction(model: ModelFacts, failed: OffloadPlan, memory: Mapping[str, Mapping[str, int]]) -> float:
    """How much larger the compute buffer is than planned, from llama.cpp's own bytes by device and kind.

    1.0 when they say nothing of a device that the plan uses.
    """
    expert = model.widths.largest_expert if failed.placement.experts_in_ram else 0
    used = [share for share in failed.placement.gpus if share.bytes]
    factors = [
        (memory[share.name]["compute"] - expert) / (share.compute - expert)
        for share in used
        if share.name in memory and share.compute > expert
    ]
    if not used and (ram := memory.get("CPU")) and failed.placement.ram.compute > ram["output"]:
        factors = [ram["compute"] / (failed.placement.ram.compute - ram["output"])]
    return max((factor for factor in factors if factor > 0), default=1.0)


def _candidates(model: ModelFacts, hardware: Hardware, wishes: Wishes) -> Iterator[tuple[str, LoadSettings]]:
    load = wishes.load
    most = first_cache(model, wishes).n_ctx
    yield "The same in less memory: a context of {n_ctx:,} tokens", load  # fits only after a failure
    small = replace(
        load, type_k="q8_0", type_v="q8_0", flash_attn=None if load.flash_attn is False else load.flash_attn
    )
    if load.n_ctx and (load.type_k, load.type_v) != ("q8_0", "q8_0"):
        yield "The same context with a q8_0 cache", small
    if n_ctx := _round(min(most, largest_context(model, hardware, wishes))):
        yield "A context of {n_ctx:,} tokens", replace(load, n_ctx=n_ctx)
    if load.n_gpu_layers is not None:
        yield "As many layers on the GPU as fit", replace(load, n_gpu_layers=None)
    if n_ctx := _round(min(most, largest_context(model, hardware, replace(wishes, load=small)))):
        yield "A context of {n_ctx:,} tokens with a q8_0 cache", replace(small, n_ctx=n_ctx)
    yield "Automatic: a context of {n_ctx:,} tokens", LoadSettings(threads=load.threads)


def _round(n_ctx: int) -> int:
    rounded = n_ctx // STEP * STEP if n_ctx >= STEP else n_ctx
    return rounded if rounded >= LEAST else 0
