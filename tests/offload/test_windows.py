"""Which layers look through a window, and what a window's cache takes."""

import pytest

import gguf_files as files
import gguf_models as geometry
from m3studio import gguf, offload
from m3studio.offload import Cache


def header(net):
    return gguf.read_header(files.build(net.keys, net.tensors, data=False))


def windows(net):
    return [layer.window for layer in offload.facts(header(net)).layers]


def test_gemma3_has_full_attention_in_every_sixth_layer():
    assert windows(geometry.gemma3(12)) == ([True] * 5 + [False]) * 2


def test_gpt_oss_alternates():
    assert windows(geometry.gpt_oss(4)) == [True, False, True, False]


def test_a_pattern_in_the_file_wins():
    net = geometry.gemma3(6)
    net.set(attention__sliding_window_pattern=[False, True, True, False, False, True])
    assert windows(net) == [False, True, True, False, False, True]


def test_a_window_that_llama_cpp_ignores_is_ignored():
    net = geometry.llama(3)
    net.set(attention__sliding_window=4096)
    assert windows(net) == [False] * 3


def test_a_window_keeps_window_and_batch_when_not_full():
    facts = offload.facts(header(geometry.gemma3(6)))
    full = offload.cache_bytes(facts, Cache(32_768))
    small = offload.cache_bytes(facts, Cache(32_768, n_seq_max=4, swa_full=False))
    cell = 2 * 8 * 256 * 2
    assert full == (32_768 * cell,) * 6
    assert small == (5 * (((4 * 1024 + 512 + 255) // 256 * 256) * cell,)) + (32_768 * cell,)


@pytest.mark.parametrize("n_ctx, cells", [(1, 256), (256, 256), (257, 512)])
def test_cells_come_in_steps_of_256(n_ctx, cells):
    assert Cache(n_ctx).cells == cells


def test_experts_and_prediction_heads_are_told_apart():
    net = geometry.qwen3moe(3)
    net.set(nextn_predict_layers=1)
    facts = offload.facts(header(net))
    assert len(facts.layers) == 2 and facts.skipped > 0
    experts = facts.layers[0].experts
    assert experts == 3 * 128 * 2048 * 768 * 34 // 32
    assert facts.touched < facts.size // 3
