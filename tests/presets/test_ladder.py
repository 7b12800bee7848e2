"""The rungs: vendor, file, generation_config.json, family, neutral. And who a file is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio import gguf
from m3studio.presets import (
    FAMILIES,
    FILE,
    GENERATION_CONFIG,
    NEUTRAL,
    PRESETS,
    sampling_for,
    system_prompt_for,
)
from m3studio.presets.identity import names, plain, unbound
from m3studio.sampling import NAMES, RANGES, Sampling, change
from presets.test_repos import Header


def header(name="", architecture="llama", **fields):
    return Header(name, architecture, **fields)


def test_every_parameter_has_a_value_with_its_source():
    found = sampling_for(header("Something Unknown"))
    assert set(found) == set(NAMES) - {"seed"}
    assert {item.source for item in found.values()} == {NEUTRAL}
    assert change(Sampling(), {name: item.value for name, item in found.items()}) == Sampling()


def test_minimax_m3():
    m3 = header("MiniMax M3", "minimax-m3")
    found = sampling_for(m3)
    assert [found[name].value for name in ("temperature", "top_p", "top_k")] == [1.0, 0.95, 40]
    assert found["min_p"].source == found["repeat_penalty"].source == NEUTRAL
    prompt = system_prompt_for(m3)
    assert prompt.value == "You are a helpful assistant. Your name is MiniMax-M3 and is built by MiniMax."
    assert prompt.source == "https://huggingface.co/MiniMaxAI/MiniMax-M3"
    assert prompt.date
    assert system_prompt_for(header("Qwen3 8B", "qwen3")) is None


def test_the_ladder_for_each_parameter():
    file = {"temp": 0.11, "top_k": 7}
    config = {"do_sample": True, "temperature": 0.22, "top_k": 9, "top_p": 0.33}
    unknown = sampling_for(header("Nobodys Model", sampling=file), generation_config=config)
    assert (unknown["temperature"].value, unknown["temperature"].source) == (0.11, FILE)
    assert (unknown["top_k"].value, unknown["top_k"].source) == (7, FILE)
    assert (unknown["top_p"].value, unknown["top_p"].source) == (0.33, GENERATION_CONFIG)
    assert unknown["min_p"].source == NEUTRAL
    vendor = sampling_for(header("GPT OSS 20B", "gpt-oss", sampling=file), generation_config=config)
    assert (vendor["temperature"].value, vendor["top_p"].value) == (1.0, 1.0)
    assert (vendor["top_k"].value, vendor["top_k"].source) == (7, FILE)
    family = sampling_for(header("Somebodys Tune", "gpt-oss", sampling={"temp": 0.11}))
    assert (family["temperature"].source, family["top_p"].value) == (FILE, 1.0)
    assert family["top_p"].source.startswith("the same family: https://")


def test_values_differ_by_mode_where_the_vendor_says_so():
    def pair(thinking, name="Qwen3 8B"):
        found = sampling_for(header(name, "qwen3"), thinking=thinking)
        return found["temperature"].value, found["top_p"].value

    assert pair(None) == pair(True) == (0.6, 0.95)
    assert pair(False) == (0.7, 0.8)
    assert pair(False, "Qwen3 4B Thinking 2507") == (0.6, 0.95)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"do_sample": False, "temperature": 0.7}, {"temperature": 0.0}),
        ({"do_sample": True, "top_k": 64}, {"temperature": 1.0, "top_k": 64}),
        ({"temperature": 0.7, "repetition_penalty": 1.1}, {"temperature": 0.7, "repeat_penalty": 1.1}),
        ({"temperature": "hot", "top_p": 7, "seed": 3, "eos_token_id": [1, 2], "top_k": True}, {}),
    ],
)
def test_generation_config_is_read_as_its_inventor_means_it(values, expected):
    found = sampling_for(header("x"), generation_config=values)
    assert {name: item.value for name, item in found.items() if item.source == GENERATION_CONFIG} == expected


def test_values_of_a_file_are_rounded_and_checked():
    stored = {"temp": 0.699999988079071, "top_p": float("nan"), "min_p": 7.0, "penalty_last_n": 128, "mirostat": 2}
    found = sampling_for(header("x", sampling=stored))
    assert {name: item.value for name, item in found.items() if item.source == FILE} == {
        "temperature": 0.7,
        "repeat_last_n": 128,
    }


@pytest.mark.parametrize(
    ("made", "page"),
    [
        # Names that hold another model's name, and what a table of substrings makes of them.
        (header("Llama 3.1 Nemotron 70B Instruct HF", base_models=("meta-llama/Llama-3.1-70B-Instruct",)), "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF"),
        (header("DeepSeek R1 Distill Llama 70B", base_models=("meta-llama/Llama-3.3-70B-Instruct",)), "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"),
        (header("Llama 3.1 8B Instruct", base_models=("meta-llama/Llama-3.1-8B",)), "meta-llama/Llama-3.1-8B-Instruct"),
        (header("Qwen3 30B A3B Instruct 2507", "qwen3moe", base_models=("Qwen/Qwen3-30B-A3B-Instruct-2507",)), "Qwen/Qwen3-30B-A3B-Instruct-2507"),
        (header("Qwen3 30B A3B Thinking 2507", "qwen3moe"), "Qwen/Qwen3-30B-A3B-Thinking-2507"),
        (header("Hunyuan 7B Instruct", "hunyuan-dense"), "tencent/Hunyuan-7B-Instruct"),
        (header("Step3", "step3"), ""),
        (header("Phi 2", "phi2"), ""),
        (header("Dolphin 3.0 Llama 3.1 8B", base_models=("meta-llama/Llama-3.1-8B-Instruct",)), ""),
        (header("Gemma 2b It", "gemma", base_models=("google/gemma-2b",)), ""),
        (header("Llama 3.1 8B", base_models=()), ""),
        (header("Qwen3 8B Base", "qwen3"), ""),
        (header("My Qwen3 8B Roleplay", "qwen3", base_models=("Qwen/Qwen3-8B",)), ""),
    ],
    ids=lambda value: value.name if isinstance(value, Header) else "",
)  # fmt: skip
def test_no_model_gets_the_values_of_one_whose_name_it_holds(made, page):
    source = sampling_for(made)["temperature"].source
    assert source == ("https://huggingface.co/" + page if page else NEUTRAL)


@pytest.mark.parametrize(
    ("made", "repo", "expected"),
    [
        (header("Qwen3-8B"), None, ["qwen3-8b"]),
        (
            header(
                basename="Qwen3",
                size_label="30B-A3B",
                metadata={"general.finetune": "Thinking", "general.version": "2507"},
            ),
            None,
            ["qwen3-30b-a3b-thinking-2507"],
        ),
        (header(base_models=("Qwen/Qwen3-8B",)), None, ["qwen3-8b"]),
        (header("Tuned Qwen3 8B", base_models=("Qwen/Qwen3-8B",)), None, ["tuned-qwen3-8b"]),
        (header("Model"), "bartowski/Qwen_Qwen3-8B-GGUF", ["model", "qwen-qwen3-8b", "qwen3-8b"]),
        (header(size_label="8B"), None, []),
    ],
)
def test_who_a_file_is(made, repo, expected):
    assert names(made, repo) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Qwen3-8B-UD-Q4_K_XL", "qwen3-8b"),
        ("gemma-3-4b-it-qat-q4_0-gguf", "gemma-3-4b-it"),
        ("Llama-2-7b-Chat-HF", "llama-2-7b-chat"),
        ("Foo-i1-GGUF", "foo"),
        ("  GPT  OSS 20b ", "gpt-oss-20b"),
        ("Model-IQ2_XXS", "model"),
        ("", ""),
    ],
)
def test_storage_is_no_part_of_a_name(text, expected):
    assert plain(text) == expected


def test_taken_out_refusals_leave_the_family():
    assert unbound("huihui-qwen3-8b-abliterated-v2") == "qwen3-8b"
    assert unbound("qwen3-8b-v2") == ""
    found = sampling_for(header("Huihui Qwen3 8B Abliterated v2", "qwen3"))
    assert found["temperature"].value == 0.6
    assert found["temperature"].source == "the same family: https://huggingface.co/Qwen/Qwen3-8B"
    assert system_prompt_for(header("MiniMax M3 Abliterated", "minimax-m3")) is None


def test_the_starter_knows_itself(starter):
    found = sampling_for(gguf.read_header(starter))
    assert (found["temperature"].value, found["top_p"].value) == (0.2, 0.9)


def test_the_data_is_sound():
    assert len(PRESETS) >= 60
    for preset in PRESETS:
        assert preset.url.startswith("https://")
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", preset.date)
        for values in (preset.values, preset.direct or {}):
            change(Sampling(), values)
        assert preset.names == preset.names.lower()
    assert all(any(preset.fits(name) for preset in PRESETS) for name in FAMILIES.values())
    assert not {"llama", "qwen2", "qwen3", "qwen3moe", "mistral3", "deepseek2"} & set(FAMILIES)
    assert set(FAMILIES) <= set(gguf.ARCHITECTURES)


def test_every_name_belongs_to_one_preset():
    for preset in PRESETS:
        for name in re.sub(r"\[([^]]*)\]", r"\1", preset.names).replace("#", "7b").split("|"):
            assert preset.fits(name)
            assert next(other for other in PRESETS if other.fits(name)) is preset


@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.dictionaries(st.sampled_from([*RANGES, "temp"]), st.floats() | st.text()),
)
def test_nothing_in_a_header_breaks_it(name, repo, sampling):
    found = sampling_for(
        header(name, repo, basename=repo, sampling=sampling), f"{name}/{repo}", generation_config=sampling
    )
    change(Sampling(), {name: item.value for name, item in found.items()})
