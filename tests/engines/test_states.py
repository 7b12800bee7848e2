"""Chats' KV states on disk: what is kept, what is never trusted, and that a reopened chat goes on where it was."""

import json
import os
import signal
import time

import pytest

import tiny_m3
from m3studio.engines import llama
from m3studio.engines.llama import Place, keep_only
from m3studio.engines.llama.states import States, default_quota, identity
from m3studio.messages import RoundFinished
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

GREEDY = Sampling(temperature=0)
TEXT = "The old man went down to the sea, and the sea was calm, and the sky was wide. " * 12
TOKENS, STATE = b"\1\0\0\0\2\0\0\0", b"state" * 100


def run(engine, prompt, **options):
    finished = list(engine.complete(prompt, **{"sampling": GREEDY, "max_tokens": 8} | options))[-1]
    assert isinstance(finished, RoundFinished)
    return finished


# ------------------------------------------------------------------------------------------------- files


@pytest.fixture
def states(tmp_path):
    return States(tmp_path / "kv", 10_000, "key")


def saved(states, session="chat", state=STATE):
    states.save(session, TOKENS, state)
    states.settle()


def test_what_is_saved_comes_back_for_its_own_chat_alone(states):
    saved(states)
    assert states.tokens("chat") == TOKENS and states.load("chat") == STATE
    assert states.tokens("other") == b"" and not states.load("other")
    saved(states, state=b"newer" * 50)
    assert states.load("chat") == b"newer" * 50


@pytest.mark.parametrize("place", [0, 5, 60, -STATE.__len__() - 3, -1])
def test_one_wrong_byte_anywhere_makes_it_worthless_and_it_is_deleted(states, tmp_path, place):
    saved(states)
    (path,) = (tmp_path / "kv").iterdir()
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    assert not states.load("chat")
    assert not path.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_cut_file_is_worthless_and_is_deleted(states, tmp_path, keep):
    saved(states)
    (path,) = (tmp_path / "kv").iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert states.tokens("chat") == b"" and not states.load("chat")
    assert not path.exists()


def test_states_of_another_model_are_not_seen_and_not_trusted_under_the_own_name(states, tmp_path):
    folder = tmp_path / "kv"
    other = States(folder, 10_000, "other model")
    saved(other)
    assert not states.load("chat") and other.load("chat") == STATE
    saved(states)
    own, foreign = sorted(folder.iterdir(), key=lambda path: b"other" in path.read_bytes())
    own.write_bytes(foreign.read_bytes())
    assert not states.load("chat") and not own.exists()


def test_the_quota_costs_the_state_that_was_not_used_for_the_longest_time(states, tmp_path):
    for age, session in enumerate(("old", "used", "young")):
        saved(states, session, b"x" * 2500)
        for path in (tmp_path / "kv").iterdir():
            if path.stat().st_mtime > time.time() - 10:
                os.utime(path, (1000 + age, 1000 + age))
    assert states.load("old")  # from now on it is the youngest
    saved(states, "new", b"x" * 2500)
    assert [bool(states.load(name)) for name in ("old", "used", "young", "new")] == [True, False, True, True]
    saved(states, "huge", b"x" * 20_000)
    assert not states.load("huge") and states.load("new")
    assert sum(path.stat().st_size for path in (tmp_path / "kv").iterdir()) <= 10_000


def test_states_of_chats_that_are_gone_are_deleted_and_half_files_too(states, tmp_path):
    saved(states, "kept")
    saved(states, "gone")
    assert keep_only(tmp_path / "kv", {"kept"}) == 1
    assert states.load("kept") and not states.load("gone")
    (tmp_path / "kv" / "half.part").write_bytes(b"half")
    States(tmp_path / "kv", 10_000, "key")
    assert not (tmp_path / "kv" / "half.part").exists()


def test_a_model_is_identified_by_its_files(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    before = identity([path])
    assert identity([path]) == before
    path.write_bytes(b"Weights")
    assert identity([path]) != before
    assert 0 < default_quota(tmp_path) <= 4_000_000_000


# ------------------------------------------------------------------------------------------------- chats


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_m3.write(tmp_path_factory.mktemp("states") / "m3.gguf")


@pytest.fixture
def opened(tiny, tmp_path):
    """Opens the model with a folder for states; what is opened is closed in the end."""
    engines = []

    def build(path=tiny, quota=100_000_000, **settings):
        settings = LoadSettings(**{"threads": 1, "n_ctx": 2048, "n_seq_max": 1} | settings)
        engines.append(llama.open(path, settings, states=Place(str(tmp_path / "kv"), quota)))
        return engines[-1]

    yield build
    for engine in engines:
        engine.close()


def test_a_chat_that_is_reopened_goes_on_with_the_same_tokens(opened):
    engine = opened()
    first = run(engine, TEXT, session="chat")
    longer = TEXT + first.message.content + "And then? "
    engine.close()
    engine = opened()
    again = run(engine, longer, session="chat", max_tokens=24)
    assert again.usage.cached_tokens >= first.usage.prompt_tokens
    fresh = run(opened(quota=0), longer, session="chat", max_tokens=24)
    assert fresh.usage.cached_tokens == 0
    assert again.message.content == fresh.message.content, "a split cache gives the same to the bit"


def test_a_chat_that_another_one_pushes_out_comes_back_from_disk(opened):
    engine = opened()
    run(engine, TEXT, session="one")
    run(engine, "Something else entirely. " * 40, session="two")
    finished = run(engine, TEXT, session="one")
    assert finished.usage.cached_tokens == finished.usage.prompt_tokens - 1


def test_without_a_chat_nothing_is_kept(opened, tmp_path):
    engine = opened()
    run(engine, TEXT)
    engine.close()
    assert not list((tmp_path / "kv").iterdir())


def test_a_pause_is_used_to_save(opened, tmp_path):
    engine = opened()
    run(engine, TEXT, session="chat")
    deadline = time.monotonic() + 10
    while not list((tmp_path / "kv").glob("*.kv")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(engine.pid, signal.SIGKILL)
    assert run(opened(), TEXT, session="chat").usage.cached_tokens >= 899


def test_closing_in_the_middle_of_an_answer_keeps_what_is_there(opened):
    engine = opened()
    events = engine.complete(TEXT, sampling=GREEDY, session="chat", max_tokens=500)
    while type(next(events)).__name__ != "TextDelta":
        pass
    engine.close()
    assert run(opened(), TEXT, session="chat").usage.cached_tokens >= 899


def test_a_damaged_state_and_one_of_another_model_are_computed_again(opened, tiny, tmp_path):
    engine = opened()
    run(engine, TEXT, session="chat")
    engine.close()
    (path,) = (tmp_path / "kv").glob("*.kv")
    other = tiny_m3.write(tmp_path / "other.gguf", seed=1)
    assert run(opened(other), TEXT, session="chat").usage.cached_tokens == 0
    assert run(opened(type_k="q8_0"), TEXT, session="chat").usage.cached_tokens == 0
    raw = bytearray(path.read_bytes())
    raw[-5000] ^= 255
    path.write_bytes(raw)
    assert run(opened(), TEXT, session="chat").usage.cached_tokens == 0


def test_a_state_that_the_library_refuses_is_deleted(opened, tmp_path, tiny):
    """Right by its checksum, and yet no state: as if another build had written it."""
    engine = opened()
    run(engine, TEXT, session="chat")
    engine.close()
    (path,) = (tmp_path / "kv").glob("*.kv")
    key = json.loads(path.read_bytes().split(b"\n")[0])["key"]
    states = States(tmp_path / "kv", 100_000_000, key)
    states.save("chat", states.tokens("chat"), b"\0" * 1000)
    states.settle()
    engine = opened()
    assert run(engine, TEXT, session="chat").usage.cached_tokens == 0
    assert engine.alive
