"""The planner's bytes against llama.cpp's own, measured without allocating, for models of ten architectures."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import gguf_models as geometry
from m3studio import gguf, offload
from m3studio.offload import Cache
from m3studio.offload.compute import compute_bytes

MEASURE = Path(__file__).with_name("measure.py")
MIB = 2**20
ROUNDING = 0.0051 * MIB  # the log has two decimals; recurrent models log several lines
# Far apart, so that a byte too many in a cell shows: 2**20 cells make it a MiB.
SETTINGS = [
    {"n_ctx": 32_768},
    {"n_ctx": 1_048_576, "n_ubatch": 128},
    {"n_ctx": 131_072, "kv": "q8_0"},
    {"n_ctx": 8192},
    {"n_ctx": 16_384, "kv": "q8_0"},
    {"n_ctx": 65_536, "n_seq_max": 2, "unified": False},
]


def layout(n_ctx, n_ubatch=512, n_seq_max=1, unified=True, kv="f16"):
    return Cache(n_ctx if unified else n_ctx // n_seq_max, n_seq_max, unified, kv, kv, True, n_ubatch)


def measured(path, settings):
    done = subprocess.run(
        [sys.executable, MEASURE, path, json.dumps(settings)], capture_output=True, text=True, timeout=60, check=True
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, list), answer["error"]
    return answer


@pytest.fixture(scope="module")
def model(tmp_path_factory, starter):
    """Facts and measured sizes of a model by name, measured once."""
    folder = tmp_path_factory.mktemp("models")

    @cache
    def find(name):
        path = starter if name == "starter" else geometry.ALL[name]().write(folder / f"{name}.gguf")
        return offload.facts(gguf.check(path)), measured(path, SETTINGS)

    return find


@pytest.mark.parametrize("name", ["starter", *geometry.ALL])
def test_the_cache_is_exact(model, name):
    facts, sizes = model(name)
    for settings, real in zip(SETTINGS, sizes, strict=True):
        assert abs(sum(offload.cache_bytes(facts, layout(**settings))) - real["kv"] - real["state"]) <= ROUNDING


@pytest.mark.parametrize("name", ["starter", *geometry.ALL])
def test_the_compute_buffer_is_within_5_percent(model, name):
    facts, sizes = model(name)
    for settings, real in zip(SETTINGS, sizes, strict=True):
        assert compute_bytes(facts, layout(**settings)) == pytest.approx(real["compute"], rel=0.05), settings


@pytest.mark.parametrize("name", ["starter", *geometry.ALL])
def test_cache_and_compute_together_are_within_2_percent_of_the_whole(model, name):
    facts, sizes = model(name)
    for settings, real in zip(SETTINGS, sizes, strict=True):
        ours = sum(offload.cache_bytes(facts, layout(**settings))) + compute_bytes(facts, layout(**settings))
        theirs = real["kv"] + real["state"] + real["compute"]
        assert abs(ours - theirs) <= 0.02 * (facts.size + theirs)


@pytest.mark.parametrize("name", ["starter", *geometry.ALL])
def test_every_byte_of_the_weights_has_one_place(model, name):
    facts, _ = model(name)
    layers = sum(layer.weights + layer.experts for layer in facts.layers)
    assert layers + facts.embedding + facts.output + facts.skipped == facts.size


def test_windows_that_keep_only_what_they_see_are_exact(tmp_path):
    facts = offload.facts(gguf.check(path := geometry.gemma3().write(tmp_path / "gemma3.gguf")))
    real = measured(path, [{"n_ctx": 131_072, "n_seq_max": 4, "swa_full": False}])[0]
    ours = sum(offload.cache_bytes(facts, Cache(131_072, 4, swa_full=False)))
    assert abs(ours - real["kv"]) <= ROUNDING


def test_minimax_m3_before_the_download_is_the_real_cache(tmp_path):
    whole = offload.facts(gguf.read_header(geometry.minimax_m3(60).write(tmp_path / "m3.gguf")))
    listed = offload.minimax_m3(whole.size, "Q8_0")
    for n_ctx in (32_768, 1_048_576):
        assert offload.cache_bytes(listed, Cache(n_ctx)) == offload.cache_bytes(whole, Cache(n_ctx))
        assert compute_bytes(listed, Cache(n_ctx)) == compute_bytes(whole, Cache(n_ctx))
    assert sum(offload.cache_bytes(listed, Cache(1_048_576))) == (122_880 + 29_184) * MIB
    assert listed.expert_bytes == pytest.approx(whole.expert_bytes, rel=0.02)
    assert listed.touched == pytest.approx(whole.touched, rel=0.05)
