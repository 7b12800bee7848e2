"""What is offered where the wished load does not fit, and what a failed or measured load teaches."""

from dataclasses import replace

import pytest

import gguf_files as files
import gguf_models as geometry
from m3studio import gguf, hardware, offload
from m3studio.offload import Verdict, Wishes
from m3studio.settings import LoadSettings

MIB = 2**20


def facts_of(net):
    return offload.facts(gguf.read_header(files.build(net.keys, net.tensors, data=False)))


DENSE = facts_of(geometry.llama(32))
M3 = offload.minimax_m3(128 * 10**9, "UD-IQ1_M")
MACHINES = [
    hardware.imagined(16),
    hardware.imagined(64, [8]),
    hardware.imagined(unified=16),
    hardware.imagined(24, [6, 6]),
]
WISHES = [
    LoadSettings(n_ctx=500_000, type_k="f16", type_v="f16"),
    LoadSettings(n_ctx=130_000, n_gpu_layers=33, type_k="f16", type_v="f16"),
    LoadSettings(n_ctx=200_000, flash_attn=False),
]


@pytest.mark.parametrize("machine", MACHINES, ids=["ram", "card", "mac", "cards"])
@pytest.mark.parametrize("load", WISHES, ids=["context", "layers", "no flash attention"])
def test_every_offer_fits(machine, load):
    if offload.plan(DENSE, machine, Wishes(load)).verdict is not Verdict.TOO_BIG:
        pytest.skip("this fits")
    offers = offload.alternatives(DENSE, machine, Wishes(load))
    assert offers and len({one.label for one in offers}) == len(offers)
    for one in offers:
        plan = offload.plan(DENSE, machine, Wishes(LoadSettings(**one.settings)))
        assert plan.verdict is not Verdict.TOO_BIG
        if "tokens" in one.label:
            assert f"{plan.load.n_ctx:,}" in one.label


def test_nothing_is_offered_where_nothing_fits():
    assert offload.alternatives(M3, hardware.imagined(64), Wishes(LoadSettings(n_ctx=4096))) == ()


@pytest.mark.parametrize("machine", [hardware.imagined(16), hardware.imagined(64, [12]), hardware.imagined(unified=16)])
def test_after_a_failure_the_next_plan_takes_less(machine):
    failed = offload.plan(DENSE, machine)
    smaller = offload.after_failure(machine, failed)
    again = offload.plan(DENSE, smaller)
    assert again.devices[0].bytes <= failed.devices[0].bytes
    assert again.verdict is Verdict.TOO_BIG or again.devices[0].bytes <= 0.9 * failed.devices[0].bytes
    assert "A load failed" in smaller.note


def measured(plan, factor):
    """What llama.cpp would say if every compute buffer were so much larger than planned."""
    logits = 4 * DENSE.vocab * plan.placement.cache.n_seq_max
    memory = {
        share.name: {"weights": 0, "kv": 0, "compute": round(factor * share.compute), "output": 0}
        for share in plan.placement.gpus
        if share.bytes
    }
    ram = plan.placement.ram.compute
    return {**memory, "CPU": {"weights": 0, "kv": 0, "compute": round(factor * (ram - logits)), "output": logits}}


@pytest.mark.parametrize("machine", [hardware.imagined(64), hardware.imagined(64, [24])])
@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3])
def test_a_measured_buffer_takes_the_place_of_the_planned_one(machine, factor):
    plan = offload.plan(DENSE, machine)
    found = offload.correction(DENSE, plan, measured(plan, factor))
    assert found == pytest.approx(factor, rel=0.001)
    after = offload.plan(DENSE, machine, Wishes(compute_factor=found))
    told = measured(plan, factor)
    first = plan.devices[0].name
    assert after.devices[0].compute == pytest.approx(told[first]["compute"] + told[first]["output"], rel=0.001)


def test_an_answer_about_other_devices_corrects_nothing():
    plan = offload.plan(DENSE, hardware.imagined(64, [24]))
    assert offload.correction(DENSE, plan, {"Vulkan7": {"weights": 0, "kv": 0, "compute": 5 * MIB, "output": 0}}) == 1.0
    assert offload.correction(DENSE, plan, {}) == 1.0


def test_experts_that_pass_through_a_card_are_not_taken_for_buffers():
    machine = hardware.imagined(256, [24])
    plan = offload.plan(M3, machine)
    assert plan.placement.experts_in_ram
    card = plan.devices[0]
    told = {card.name: {"weights": 0, "kv": 0, "compute": card.compute, "output": 0}}
    assert offload.correction(M3, plan, told) == pytest.approx(1.0)


# Sizes that are known offline


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("UD-IQ1_M", "UD-IQ1_M"),
        ("ud-iq3_xxs", "UD-IQ3_XXS"),
        ("Q8_0", "8-bit"),
        ("UD-Q5_K_XL", "5-bit"),
        ("Q2_K", "2-bit"),
    ],
)
def test_a_quant_is_known_by_name_or_by_its_bits(name, quant):
    quants = offload.known("unsloth/minimax-m3-gguf")
    assert offload.of_quant(quants, name).quant == quant


def test_what_is_not_known_is_not_guessed():
    assert offload.known("someone/else") == ()
    assert offload.of_quant(offload.known("minimax-m3"), "Q6_K") is None
    assert offload.of_quant(offload.known("minimax-m3"), "best") is None


def test_a_machine_with_less_than_the_weights_is_answered_at_once():
    plan = offload.plan(M3, replace(hardware.imagined(64), note="small"), Wishes(siblings=(M3,)))
    assert plan.verdict is Verdict.TOO_BIG and plan.shortfall > 60e9
