"""What holds for every model and machine: no device overfull, more memory never gives less, same in, same out."""

import time
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from m3studio import hardware, offload
from m3studio.hardware import Hardware
from m3studio.offload import Layer, ModelFacts, Verdict, Widths, Wishes
from m3studio.offload.place import margin
from m3studio.settings import LoadSettings

GIB = 2**30
MIB = 2**20


@st.composite
def models(draw):
    count = draw(st.integers(1, 40))
    weights, experts = draw(st.integers(1, 600)) * MIB, draw(st.sampled_from([0, 0, 100, 900, 4000])) * MIB
    width = draw(st.sampled_from([0, 256, 1024, 4096]))
    dense = draw(st.integers(0, min(3, count)))
    state = draw(st.sampled_from([0, 0, 0, MIB]))
    layers = [Layer(weights, experts if i >= dense else 0, width, width, state=state) for i in range(count)]
    used = draw(st.integers(1, 8))
    embd = draw(st.sampled_from([512, 4096, 8192]))
    return ModelFacts(
        name="any",
        architecture=draw(st.sampled_from(["llama", "minimax-m3"])),
        quant="Q",
        size=sum(layer.weights + layer.experts for layer in layers) + 2 * 200 * MIB,
        layers=tuple(layers),
        embedding=200 * MIB,
        output=200 * MIB,
        tied=draw(st.booleans()),
        n_ctx_train=draw(st.sampled_from([0, 2048, 8192, 131_072])),
        vocab=draw(st.sampled_from([32_000, 200_000])),
        window=0,
        experts=64 if experts else 0,
        experts_used=used if experts else 0,
        widths=Widths(embd, 32, embd, 4 * embd, used * 1024, used * embd, largest_expert=experts // 3),
    )


@st.composite
def machines(draw):
    if draw(st.booleans()):
        return hardware.imagined(unified=draw(st.integers(8, 512)))
    return hardware.imagined(draw(st.integers(8, 512)), draw(st.lists(st.integers(2, 96), max_size=4)))


loads = st.builds(
    LoadSettings,
    n_ctx=st.sampled_from([None, None, 4096, 100_000]),
    n_gpu_layers=st.sampled_from([None, None, None, -1, 0, 5]),
    n_ubatch=st.sampled_from([None, 64]),
)


def grown(machine: Hardware, gib: int) -> Hardware:
    """The same machine with `gib` more of everything."""
    more = gib * GIB
    devices = tuple(replace(one, free=one.free + more, total=one.total + more) for one in machine.devices)
    return replace(
        machine, ram_total=machine.ram_total + more, ram_available=machine.ram_available + more, devices=devices
    )


@given(models(), machines(), loads)
@settings(max_examples=150, deadline=None)
def test_a_plan_never_overfills_a_device(model, machine, load):
    plan = offload.plan(model, machine, Wishes(load))
    if plan.verdict is Verdict.TOO_BIG:
        assert plan.shortfall > 0
        return
    by_name = {device.name: device for device in machine.gpus}
    shared = 0
    for share in plan.devices:
        if share.name == "CPU":
            assert shared + share.bytes + margin(machine.ram_total) <= machine.ram_available
        else:
            device = by_name[share.name]
            assert share.bytes + margin(device.total) <= device.free
            shared += share.bytes if device.unified else 0
    assert plan.weights_bytes >= sum(layer.weights + layer.experts for layer in model.layers)
    assert sum(plan.placement.split) == plan.load.n_gpu_layers or not machine.gpus


@given(models(), machines(), st.integers(1, 64))
@settings(max_examples=150, deadline=None)
def test_more_memory_never_gives_less(model, machine, gib):
    less, more = offload.plan(model, machine), offload.plan(model, grown(machine, gib))
    if less.verdict is Verdict.TOO_BIG:
        return
    assert more.verdict is not Verdict.TOO_BIG
    assert more.load.n_gpu_layers >= less.load.n_gpu_layers
    assert more.load.n_ctx >= less.load.n_ctx


@given(models(), machines(), loads)
@settings(max_examples=30, deadline=None)
def test_the_same_question_has_the_same_answer(model, machine, load):
    assert offload.plan(model, machine, Wishes(load)) == offload.plan(model, machine, Wishes(load))


def test_25_quants_take_under_100_ms():
    quants = tuple(offload.minimax_m3((100 + 15 * index) * 10**9, f"Q{index}") for index in range(25))
    machine = hardware.imagined(256, [24] * 4)

    def seconds():
        start = time.process_time()
        for quant in quants:
            offload.plan(quant, machine)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.1
