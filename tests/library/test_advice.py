"""What a model's makers advise, found by the file, its folder and what lies beside it."""

from pathlib import Path

import pytest

import tiny_m3
from m3studio import gguf, store
from m3studio.library import Library
from m3studio.library.advice import advice_for, repo_of
from m3studio.paths import Home
from m3studio.settings import LoadSettings

MODELS = Path("/home/me/models")
M3_PAGE = "https://huggingface.co/MiniMaxAI/MiniMax-M3"


@pytest.mark.parametrize(
    ("path", "repo_id"),
    [
        ("unsloth/MiniMax-M3-GGUF/UD-IQ1_M/part.gguf", "unsloth/MiniMax-M3-GGUF"),
        ("unsloth/MiniMax-M3-GGUF/m3.gguf", "unsloth/MiniMax-M3-GGUF"),
        ("mine/m3.gguf", None),
        ("m3.gguf", None),
        ("/elsewhere/owner/name/m3.gguf", None),
    ],
)
def test_the_repository_is_known_by_the_place_of_the_file(path, repo_id):
    assert repo_of(MODELS / path, MODELS) == repo_id


@pytest.fixture(scope="module")
def header(tmp_path_factory):
    return gguf.read_header(tiny_m3.write(tmp_path_factory.mktemp("m3") / "tiny.gguf", tiny_m3.SCRIPT))


def test_a_repository_says_which_model_it_is(header, tmp_path):
    named = advice_for(header, tmp_path / "unsloth" / "MiniMax-M3-GGUF" / "x.gguf", tmp_path, None)
    assert (named.sampling["top_k"].value, named.sampling["top_k"].source) == (40, M3_PAGE)
    assert named.system_prompt.source == M3_PAGE


def test_a_generation_config_beside_the_file_counts_for_an_unknown_model(header, tmp_path):
    before = advice_for(header, tmp_path / "x.gguf", tmp_path, None).sampling["typical_p"]
    (tmp_path / "generation_config.json").write_text('{"do_sample": true, "typical_p": 0.5}')
    after = advice_for(header, tmp_path / "x.gguf", tmp_path, None).sampling["typical_p"]
    assert before.source == "neutral value"
    assert (after.value, after.source) == (0.5, "generation_config.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"typical_p": "much"}'])
def test_a_broken_generation_config_is_no_harm(header, tmp_path, text):
    (tmp_path / "generation_config.json").write_text(text)
    found = advice_for(header, tmp_path / "x.gguf", tmp_path, None)
    assert found.sampling["typical_p"].source == "neutral value"


def test_without_a_model_there_is_no_advice(tmp_path):
    home = Home(tmp_path)
    home.prepare()
    kept = store.open(home.database)
    library = Library(home, kept, LoadSettings())
    assert dict(library.advice().sampling) == {} and library.system_prompt() == "" and dict(library.recommended()) == {}
    library.close()
    kept.close()
