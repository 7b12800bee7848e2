"""Plans on made-up machines: MiniMax M3 at every quant, dense models on cards, and what the user insists on."""

import json
from dataclasses import replace

import pytest

import gguf_files as files
import gguf_models as geometry
from m3studio import gguf, hardware, offload
from m3studio.errors import BadInput
from m3studio.offload import Verdict, Wishes
from m3studio.settings import LoadSettings

GIB = 2**30
SIZES = {"UD-IQ1_M": 128, "UD-IQ3_XXS": 159, "UD-IQ4_XS": 208, "UD-Q4_K_XL": 265, "Q5_K_M": 320, "Q8_0": 460}
M3 = {quant: offload.minimax_m3(size * 10**9, quant) for quant, size in SIZES.items()}
QUANTS = tuple(M3.values())
MAC_512, MAC_256 = hardware.imagined(unified=512), hardware.imagined(unified=256)
RAM_192 = hardware.imagined(192)
CARD = hardware.imagined(256, [24])
CARDS = hardware.imagined(256, [24] * 4)
SERVER = hardware.imagined(512, [141] * 8)
LAPTOP = hardware.imagined(64)


def planned(quant, machine, **load):
    return offload.plan(M3[quant], machine, Wishes(LoadSettings(**load), QUANTS))


def dense(layers=32):
    net = geometry.llama(layers)
    return offload.facts(gguf.read_header(files.build(net.keys, net.tensors, data=False)))


DENSE = dense()


# MiniMax M3: the guide's own answers


def verdicts(machine):
    return {quant: planned(quant, machine).verdict.value for quant in M3}


def test_512_gb_mac_runs_5_bit_and_names_the_wired_limit_for_8_bit():
    found = verdicts(MAC_512)
    assert all(found[quant] == "fits" for quant in SIZES if quant != "Q8_0")
    plan = planned("Q8_0", MAC_512)
    assert plan.verdict is not Verdict.FITS
    limit = next(text for text in plan.suggestions if "sudo sysctl iogpu.wired_limit_mb=" in text)
    megabytes = int(limit.split("wired_limit_mb=")[1].split("`")[0])
    raised = hardware.imagined(unified=512, wired=megabytes / 1024)
    after = planned("Q8_0", raised, n_ctx=plan.load.n_ctx)
    assert after.verdict is not Verdict.TOO_BIG and not after.placement.experts_in_ram
    assert planned("Q5_K_M", MAC_512).load.n_gpu_layers == 61


def test_256_gb_mac_runs_4_bit_but_not_5_bit():
    found = verdicts(MAC_256)
    assert found["UD-IQ1_M"] == found["UD-IQ3_XXS"] == "fits"
    assert found["UD-IQ4_XS"] in ("fits", "tight")
    assert found["Q5_K_M"] == found["Q8_0"] == "too_big"


def test_192_gb_of_ram_without_a_gpu_runs_1_bit():
    plan = planned("UD-IQ1_M", RAM_192)
    assert plan.verdict is Verdict.FITS and plan.load.n_gpu_layers == 0
    assert plan.load.n_ctx >= 32_768
    assert planned("UD-Q4_K_XL", RAM_192).verdict is Verdict.TOO_BIG


def test_one_card_takes_attention_and_leaves_experts_in_ram():
    plan = planned("UD-IQ1_M", CARD)
    assert plan.verdict is Verdict.FITS
    assert plan.load.n_gpu_layers == 61 and 40 < len(plan.placement.experts_in_ram) < 57
    assert plan.placement.experts_in_ram[0] == 3  # the three dense layers have no experts
    assert plan.tensor_buft_overrides.startswith(r"blk\.(3|4|5|")
    assert any("experts" in text and "RAM" in text for text in plan.reasons)
    assert planned("UD-Q4_K_XL", CARD).verdict is not Verdict.TOO_BIG
    assert planned("Q5_K_M", CARD).verdict is Verdict.TOO_BIG


def test_four_cards_share_the_layers_and_hold_more_experts():
    one, four = planned("UD-IQ1_M", CARD), planned("UD-IQ1_M", CARDS)
    assert len(four.placement.experts_in_ram) < len(one.placement.experts_in_ram)
    assert sum(four.tensor_split) == 61 and all(four.tensor_split)
    assert four.speed.high > one.speed.high
    assert one.tensor_split == ()


def test_eight_server_cards_hold_every_quant():
    for quant in M3:
        plan = planned(quant, SERVER)
        assert plan.verdict is Verdict.FITS and plan.placement.experts_in_ram == ()
        assert plan.load.n_gpu_layers == 61


def test_a_64_gb_laptop_runs_none_and_says_so():
    for quant in M3:
        plan = planned(quant, LAPTOP)
        assert plan.verdict is Verdict.TOO_BIG and plan.shortfall > 50e9
        assert plan.reasons[0].startswith("It does not fit: it needs ")
        assert plan.reasons[1].startswith("This is the least it can do with: a context of 8,192 tokens")
        assert not any("would fit" in text for text in plan.suggestions)


def test_the_largest_smaller_quant_that_fits_is_named():
    assert "UD-IQ3_XXS (159 GB) would fit." in planned("Q8_0", RAM_192).suggestions


def test_m3_wants_flash_attention_and_a_split_cache():
    plan = planned("UD-IQ1_M", CARD)
    assert plan.load.flash_attn is True and plan.to_json()["kv_unified"] is False


# What is given up, and in which order


def room_for(extra, *, cards=1):
    """A machine whose cards hold the dense model's weights and `extra` bytes more."""
    weights = sum(layer.weights for layer in DENSE.layers) + DENSE.output
    total = (weights + extra) / 0.95 + 600 * 2**20 + GIB
    return hardware.imagined(64, [total / GIB / cards] * cards)


def test_a_model_that_fits_gives_nothing_up():
    plan = offload.plan(DENSE, hardware.imagined(64, [80]))
    assert plan.verdict is Verdict.FITS
    assert (plan.load.n_gpu_layers, plan.load.n_ctx, plan.load.n_ubatch, plan.load.type_k) == (33, 32_768, 512, "f16")


def test_the_cache_becomes_q8_before_layers_leave_the_gpu():
    cache = 32_768 * 131_072
    half = offload.plan(DENSE, room_for(int(0.7 * cache)))
    assert (half.load.n_gpu_layers, half.load.type_k, half.load.n_ctx) == (33, "q8_0", 32_768)
    assert half.verdict is Verdict.TIGHT and any("q8_0" in text for text in half.reasons)
    none = offload.plan(DENSE, room_for(-2 * GIB))
    assert 0 < none.load.n_gpu_layers < 33 and none.load.n_ctx == 32_768


def test_context_goes_last():
    small = hardware.imagined(11.8)
    plan = offload.plan(DENSE, small)
    assert plan.verdict is Verdict.TIGHT and 8192 <= plan.load.n_ctx < 32_768 and plan.load.type_k == "q8_0"
    assert any(f"{plan.load.n_ctx:,} tokens, because" in text for text in plan.reasons)


@pytest.mark.parametrize(
    "load", [{"n_ctx": 131_072}, {"n_ubatch": 2048}, {"type_k": "f16", "type_v": "f16"}, {"n_gpu_layers": 7}]
)
def test_what_the_user_set_is_never_changed(load):
    for machine in (hardware.imagined(16, [8]), hardware.imagined(64, [24]), hardware.imagined(unified=16)):
        plan = offload.plan(DENSE, machine, Wishes(LoadSettings(**load)))
        assert {name: getattr(plan.load, name) for name in load} == load


def test_a_context_that_does_not_fit_is_refused_with_one_that_does():
    wishes = Wishes(LoadSettings(n_ctx=131_072))
    machine = hardware.imagined(18)
    plan = offload.plan(DENSE, machine, wishes)
    assert plan.verdict is Verdict.TOO_BIG
    text = next(text for text in plan.suggestions if text.startswith("A context of "))
    n_ctx = int(text.split()[3].replace(",", ""))
    assert offload.plan(DENSE, machine, Wishes(LoadSettings(n_ctx=n_ctx))).verdict is not Verdict.TOO_BIG
    assert offload.plan(DENSE, machine, Wishes(LoadSettings(n_ctx=n_ctx + 256))).verdict is Verdict.TOO_BIG


def test_no_gpu_layers_means_the_cpu():
    plan = offload.plan(DENSE, hardware.imagined(64, [80]), Wishes(LoadSettings(n_gpu_layers=0)))
    assert plan.load.n_gpu_layers == 0 and [share.name for share in plan.devices] == ["CPU"]


def test_the_starter_fits_on_a_small_laptop(starter):
    facts = offload.facts(gguf.check(starter))
    plan = offload.plan(facts, hardware.imagined(8))
    assert plan.verdict is Verdict.FITS and plan.load.n_ctx == 8192
    assert plan.weights_bytes == facts.size


@pytest.mark.parametrize(
    "load", [{"type_k": "q9"}, {"n_ctx": 0}, {"n_ubatch": -1}, {"flash_attn": False, "type_v": "q8_0"}]
)
def test_wishes_that_make_no_sense_are_refused(load):
    with pytest.raises(BadInput):
        offload.plan(DENSE, LAPTOP, Wishes(LoadSettings(**load)))


def test_a_measured_compute_buffer_replaces_the_estimate():
    before, after = (offload.plan(DENSE, CARD, Wishes(compute_factor=factor)) for factor in (1.0, 1.5))
    assert after.devices[0].compute == round(1.5 * before.devices[0].compute)
    assert after.kv_bytes == before.kv_bytes


def test_layers_that_are_not_loaded_count_for_llama_cpp():
    net = geometry.qwen3moe(6)
    net.set(nextn_predict_layers=2)
    model = offload.facts(gguf.read_header(files.build(net.keys, net.tensors, data=False)))
    plan = offload.plan(model, hardware.imagined(64, [5, 5]))
    assert plan.placement.n_gpu_layers == 5 and plan.load.n_gpu_layers == 7
    assert sum(plan.tensor_split) == 7
    assert offload.plan(model, CARD, Wishes(LoadSettings(n_gpu_layers=7))).load.n_gpu_layers == 7


# Unified memory, and the shape


def test_nothing_is_counted_twice_on_unified_memory():
    plan = planned("UD-IQ1_M", MAC_256)
    assert plan.weights_bytes == sum(
        (sum(x.weights + x.experts for x in M3["UD-IQ1_M"].layers), M3["UD-IQ1_M"].embedding, M3["UD-IQ1_M"].output)
    )
    assert plan.total_bytes < MAC_256.ram_available
    crowded = replace(MAC_256, ram_available=100 * GIB)
    assert offload.plan(M3["UD-IQ1_M"], crowded).verdict is Verdict.TOO_BIG


def test_json_has_llama_cpps_names_and_adds_up():
    shape = json.loads(json.dumps(planned("UD-IQ1_M", CARDS).to_json()))
    assert shape["verdict"] == "fits"
    assert shape["total_bytes"] == shape["weights_bytes"] + shape["kv_bytes"] + shape["compute_bytes"]
    for key in ("total_bytes", "weights_bytes", "kv_bytes", "compute_bytes"):
        assert shape[key] == sum(device[key] for device in shape["devices"])
    assert {"n_ctx", "n_gpu_layers", "n_ubatch", "type_k", "flash_attn", "tensor_split", "use_mmap"} <= set(shape)
    assert shape["tokens_per_second"][0] < shape["tokens_per_second"][1]
    assert [device["name"] for device in shape["devices"]] == ["CUDA0", "CUDA1", "CUDA2", "CUDA3", "CPU"]


def test_speed_grows_with_smaller_quants_and_better_memory():
    speeds = [planned(quant, SERVER).speed.high for quant in ("Q8_0", "UD-Q4_K_XL", "UD-IQ1_M")]
    assert speeds == sorted(speeds)
    slow, fast = (replace(RAM_192, bandwidth=rate, threads=64) for rate in (40e9, 400e9))
    assert offload.plan(DENSE, fast).speed.low > 3 * offload.plan(DENSE, slow).speed.low
