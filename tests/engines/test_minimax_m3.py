"""MiniMax M3 on the real native runtime, as a tiny model: sparse attention, markers, the tool-call loop."""

import pytest

import tiny_m3
from m3studio.engines import ChatRequest, llama
from m3studio.errors import BadModelFile
from m3studio.messages import Cancel, FinishReason, Message, ReasoningDelta, Role, RoundFinished, Tool
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

PYTHON = Tool("python", "Runs Python.", {"type": "object", "properties": {"code": {"type": "string"}}})
QUESTION = Message(Role.USER, "What is 6 times 7?")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    path = tiny_m3.write(tmp_path_factory.mktemp("m3") / "scripted.gguf", tiny_m3.SCRIPT)
    engine = llama.open(path, LoadSettings(threads=1, n_ctx=2048))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    path = tiny_m3.write(tmp_path_factory.mktemp("m3") / "random.gguf")
    engine = llama.open(path, LoadSettings(threads=1, n_ctx=1024))
    yield engine
    engine.close()


def ask(engine, *messages, mode=None, temperature=1.0, **options):
    variables = {"thinking_mode": mode} if mode else {}
    request = ChatRequest(messages, variables=variables, sampling=Sampling(temperature=temperature), **options)
    events = list(engine.chat(request, Cancel()))
    assert isinstance(events[-1], RoundFinished)
    return events


def test_sparse_attention_is_on(random):
    log = "\n".join(random.native_log())
    assert "llama_kv_cache_msa" in log, "the log does not reach back to the cache"
    assert "DENSE" not in log
    assert random.facts.settings["kv_unified"] is False and random.facts.settings["flash_attn"] is True
    assert random.facts.n_ctx == 1024, "n_ctx is for each sequence"


def test_without_thinking_it_answers_at_once(scripted):
    message = ask(scripted, QUESTION, mode="disabled")[-1].message
    assert (message.content, message.reasoning_content) == ("The answer is **42**.", "")


def test_adaptive_mode_leaves_it_to_the_model(scripted):
    assert ask(scripted, QUESTION)[-1].message.content == "Hello there."


def test_thinking_is_told_apart_and_a_tool_call_is_read(scripted):
    *events, finished = ask(scripted, QUESTION, mode="enabled", tools=(PYTHON,))
    thinking = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert thinking == finished.message.reasoning_content == "The user asks for a product; python knows."
    assert finished.message.content.strip() == "Let me compute that."
    (call,) = finished.message.tool_calls
    assert (call.name, call.arguments) == ("python", '{"code": "print(6*7)"}')
    assert finished.finish_reason == FinishReason.TOOL_CALLS


def test_the_tool_loop_goes_on_with_the_result(scripted):
    said = ask(scripted, QUESTION, mode="enabled", tools=(PYTHON,), session="loop")[-1].message
    answer = Message(Role.ASSISTANT, said.content, said.reasoning_content, said.tool_calls)
    result = Message(Role.TOOL, "42", tool_call_id=said.tool_calls[0].id, name="python")
    finished = ask(scripted, QUESTION, answer, result, mode="disabled", tools=(PYTHON,), session="loop")[-1]
    assert finished.message.content == "The answer is **42**." and finished.finish_reason == FinishReason.STOP
    assert finished.usage.cached_tokens > 20


def test_a_limit_within_a_call_makes_no_call(scripted):
    finished = ask(scripted, QUESTION, mode="enabled", tools=(PYTHON,), max_tokens=8)[-1]
    assert finished.finish_reason == FinishReason.LENGTH


def test_tokens_of_any_length_and_control_tokens_come_out_whole(tmp_path):
    """llama-cpp-python's own class loses tokens over 32 bytes, and control tokens before a parser can see them."""
    pieces = ["<<", "=" * 33, "é" * 200, "]~b]", "x" * 1000, "🎉", tiny_m3.END]
    engine = llama.open(tiny_m3.write(tmp_path / "long.gguf", {"\n": pieces}), LoadSettings(threads=1, n_ctx=256))
    finished = list(engine.complete("]~b]ai\n"))[-1]
    engine.close()
    assert finished.message.content == "".join(pieces[:-1])
    assert finished.finish_reason == FinishReason.STOP and finished.usage.completion_tokens == 6


def test_a_prefix_copied_to_another_sequence_gives_the_same_tokens(random):
    """A split cache is exact: own prefix and copied prefix lead to the same answer, byte for byte."""
    prompt = "]~!b[" + "abc " * 150

    def run(session):
        events = random.complete(prompt, sampling=Sampling(temperature=0), max_tokens=30, session=session)
        finished = list(events)[-1]
        return finished.message.content, finished.usage.cached_tokens

    run("first")
    own, copied = run("first"), run("second")
    assert own[1] == copied[1] == random.count_tokens(prompt) - 1
    assert own == copied == run("first")


def test_a_file_without_indexer_tensors_is_explained_before_it_is_loaded(tmp_path):
    path = tiny_m3.write(tmp_path / "old.gguf", indexer=False)
    with pytest.raises(BadModelFile, match="indexer tensors"):
        llama.open(path, LoadSettings())
