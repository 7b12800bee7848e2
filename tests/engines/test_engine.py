"""The engine with the real starter model: what a user notices, through the model's own process."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from m3studio.engines import ChatRequest, llama
from m3studio.errors import BadInput, ContextFull, EngineError
from m3studio.messages import (
    Cancel,
    FinishReason,
    Message,
    Notice,
    PromptProgress,
    Queued,
    ReasoningDelta,
    Role,
    RoundFinished,
    TextDelta,
)
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

pytestmark = pytest.mark.model
GREEDY = Sampling(temperature=0)
PROMPT = "<|im_start|>user\nWrite a very long story about {}.<|im_end|>\n<|im_start|>assistant\n"
# Texts that the model goes on with for sure: rounding, which depends on what shares a batch, cannot change the answer.
SURE = (
    "1, 2, 3, 4, 5, 6, 7, 8,",
    "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, Monday, Tuesday,",
    ("do re mi fa " * 6).strip(),
    ("Monday morning, Monday evening, " * 4).strip(),
)
TOPICS = ("a dragon and a small robot", "the sea and a lighthouse", "a mountain and an eagle", "a city in the clouds")
LONG = "The quick brown fox jumps over the lazy dog. " * 330  # about 3,300 tokens: seconds of prefill


@pytest.fixture(scope="module")
def engine(starter):
    engine = llama.open(starter, LoadSettings(n_ctx=4096, threads=1))
    yield engine
    engine.close()


def run(engine, prompt, **options):
    """Complete `prompt`; returns its text, its last event and all events."""
    options = {"sampling": GREEDY, "max_tokens": 24} | options
    events = list(engine.complete(prompt, **options))
    assert isinstance(events[-1], RoundFinished)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == events[-1].message.content
    return text, events[-1], events


def in_thread(work, *args, **options):
    """Run `work` beside the test; returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work(*args, **options)))
    thread.start()

    def result():
        thread.join(60)
        return results[0]

    return result


# ------------------------------------------------------------------------------------------------- an answer


def test_a_chat_streams_its_answer(engine):
    question = Message(Role.USER, "What is the capital of France? Answer with one short sentence.")
    request = ChatRequest((question,), sampling=GREEDY, max_tokens=40, session="paris")
    events = list(engine.chat(request, Cancel()))
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    finished = events[-1]
    assert "Paris" in finished.message.content and "".join(deltas) == finished.message.content
    assert len(deltas) >= 5
    assert finished.finish_reason == FinishReason.STOP
    assert "<|im_end|>" not in finished.message.content
    assert not [event for event in events if isinstance(event, ReasoningDelta)]
    timings, usage = finished.timings, finished.usage
    assert usage.completion_tokens >= len(deltas) and usage.prompt_tokens > 20
    assert 0 < timings.prompt_ms <= timings.first_token_ms and timings.predicted_ms > 0


def test_the_next_turn_of_a_chat_computes_only_what_is_new(engine):
    first, *_ = run(engine, PROMPT.format("a river"), session="river")
    longer = (
        PROMPT.format("a river") + first + "<|im_end|>\n<|im_start|>user\nGo on.<|im_end|>\n<|im_start|>assistant\n"
    )
    _, finished, events = run(engine, longer, session="river")
    before = engine.count_tokens(PROMPT.format("a river") + first)
    assert before - 4 <= finished.usage.cached_tokens < finished.usage.prompt_tokens
    progress = [event for event in events if isinstance(event, PromptProgress)]
    assert progress[0].cached == finished.usage.cached_tokens and progress[-1].done == progress[-1].total


def test_another_chat_uses_the_prefix_that_both_share(engine):
    shared = "<|im_start|>system\n" + "You are a patient teacher who answers in rhymes. " * 8 + "<|im_end|>\n"
    run(engine, shared + PROMPT.format("a stone"), session="one", max_tokens=4)
    text, finished, _ = run(engine, shared + SURE[0], session="two", max_tokens=16)
    assert finished.usage.cached_tokens >= engine.count_tokens(shared) - 1
    assert text.startswith(" 9, 10, 11, 12,")
    _, finished, _ = run(engine, shared + PROMPT.format("a stone"), session="one", max_tokens=4)
    assert finished.usage.cached_tokens == finished.usage.prompt_tokens - 1, "the first chat lost its place"


def test_a_stop_string_ends_the_answer_and_does_not_show(engine):
    text, finished, _ = run(engine, SURE[0], stop=("never", " 11,"))
    assert text == " 9, 10," and finished.finish_reason == FinishReason.STOP


def test_the_same_seed_gives_the_same_answer(starter):
    """To the bit with one sequence; with more, rounding depends on which cells of the shared cache are used."""
    engine = llama.open(starter, LoadSettings(n_ctx=512, n_seq_max=1, threads=1))
    try:
        warm = Sampling(temperature=1.5, top_k=100, top_p=0.98, min_p=0.01, typical_p=0.99, seed=11)
        run(engine, PROMPT.format("the moon"), max_tokens=1)  # from here on each run computes the same last token
        first, second = (run(engine, PROMPT.format("the moon"), sampling=warm)[0] for _ in range(2))
        other, *_ = run(engine, PROMPT.format("the moon"), sampling=Sampling(temperature=1.5, seed=12))
        assert first == second != other
        unseeded = {run(engine, PROMPT.format("the moon"), sampling=Sampling(temperature=1.5))[0] for _ in range(3)}
        assert len(unseeded) > 1
    finally:
        engine.close()


def test_penalties_and_dry_keep_the_answer_from_repeating_the_prompt(engine):
    plain, *_ = run(engine, SURE[2], max_tokens=8)
    assert plain == " do re mi fa do re mi fa"
    for sampling in (
        Sampling(temperature=0, repeat_penalty=3.0),
        Sampling(temperature=0, dry_multiplier=5.0),
        Sampling(temperature=0, frequency_penalty=2.0, presence_penalty=2.0),
    ):
        text, *_ = run(engine, SURE[2], max_tokens=8, sampling=sampling)
        assert "do re mi fa" not in text, sampling
    xtc = Sampling(temperature=0.7, xtc_probability=1.0, xtc_threshold=0.05, seed=3)
    assert run(engine, SURE[2], max_tokens=6, sampling=xtc)[0]


def test_impossible_values_never_reach_the_native_samplers(engine):
    with pytest.raises(BadInput, match="repeat_penalty"):
        run(engine, "Hi", sampling=Sampling(repeat_penalty=0))
    with pytest.raises(BadInput, match="max_tokens"):
        run(engine, "Hi", max_tokens=0)
    with pytest.raises(BadInput, match="empty"):
        run(engine, "")


# -------------------------------------------------------------------------------------------- many at once


def test_four_chats_at_once_say_what_each_says_alone(engine):
    alone = [run(engine, prompt)[0] for prompt in SURE]
    waiting = [in_thread(run, engine, prompt, session=f"fresh {prompt}") for prompt in SURE]
    together = [result() for result in waiting]
    assert [text for text, *_ in together] == alone
    assert sum(finished.timings.queue_ms for _, finished, _ in together) < 2000


def test_who_finds_no_free_sequence_waits_and_hears_of_its_place(engine):
    started = [engine.complete(PROMPT.format(topic), sampling=GREEDY, max_tokens=40) for topic in TOPICS]
    for events in started:
        next(events)
    _, finished, events = run(engine, PROMPT.format("a queue"), max_tokens=4)
    for other in started:
        other.close()
    places = [event.place for event in events if isinstance(event, Queued)]
    assert places == [1] and finished.timings.queue_ms > 0


def test_a_long_prompt_does_not_stop_the_answers_that_run(engine):
    chat = engine.complete(SURE[2], sampling=GREEDY, session="flow")
    while not isinstance(next(chat), TextDelta):
        pass
    done = in_thread(run, engine, LONG[: len(LONG) // 6], max_tokens=1)
    tokens = 0
    while not (found := isinstance(next(chat), RoundFinished)) and tokens < 8:
        tokens += 1
    chat.close()
    assert not found
    _, finished, events = done()
    progress = [event.done for event in events if isinstance(event, PromptProgress)]
    assert len(progress) > 3 and progress == sorted(progress) and progress[-1] == finished.usage.prompt_tokens


def test_background_waits_for_what_the_user_waits_for(engine):
    order = []
    chat = engine.complete(PROMPT.format("patience"), sampling=GREEDY, max_tokens=48)
    next(chat)
    title = in_thread(lambda: (run(engine, "Title:", background=True, max_tokens=4), order.append("title")))
    list(chat)
    order.append("chat")
    title()
    assert order == ["chat", "title"]


def test_a_cancel_during_a_long_prefill_is_silent_at_once_and_disturbs_nobody(engine):
    expected, *_ = run(engine, SURE[2], max_tokens=80)
    other = in_thread(run, engine, SURE[2], max_tokens=80, session="calm")
    cancel = Cancel()
    long = engine.complete(LONG, sampling=GREEDY, cancel=cancel)
    while next(long).done == 0:
        pass
    started = time.monotonic()
    cancel.set()
    finished = list(long)[-1]
    seconds = time.monotonic() - started
    assert finished.finish_reason == FinishReason.CANCELLED and finished.usage.completion_tokens == 0
    assert seconds < 0.5
    assert other()[0] == expected


def test_a_cancel_of_the_only_answer_ends_it_with_what_it_has(engine):
    for wanted in (PromptProgress, TextDelta):
        cancel = Cancel()
        events = engine.complete(PROMPT.format("a stop") + LONG[:3000], sampling=GREEDY, cancel=cancel)
        while not isinstance(next(events), wanted):
            pass
        started = time.monotonic()
        threading.Timer(0.02, cancel.set).start()
        finished = list(events)[-1]
        assert time.monotonic() - started < 1
        assert finished.finish_reason == FinishReason.CANCELLED
        assert (finished.usage.completion_tokens > 0) == (wanted is TextDelta)
    assert list(engine.complete("Hi", cancel=cancel))[-1].finish_reason == FinishReason.CANCELLED


def test_closing_the_iterator_cancels(engine):
    events = engine.complete(PROMPT.format("the end"), sampling=GREEDY)
    while not isinstance(next(events), TextDelta):
        pass
    events.close()
    _, finished, _ = run(engine, PROMPT.format("now"), max_tokens=2)
    assert finished.timings.queue_ms < 500


# ------------------------------------------------------------------------------------------------ the context


def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(engine):
    with pytest.raises(ContextFull, match="characters"):
        run(engine, LONG * 100)
    tokens = engine.count_tokens(LONG + LONG)
    with pytest.raises(ContextFull, match=rf"{tokens:,} tokens.*4,096"):
        run(engine, LONG + LONG)


@pytest.fixture(scope="module")
def cramped(starter):
    """256 tokens for two sequences together."""
    engine = llama.open(starter, LoadSettings(n_ctx=256, n_seq_max=2, threads=1))
    yield engine
    engine.close()


def test_the_end_of_the_context_stops_the_answer_with_a_notice(cramped):
    text, finished, events = run(cramped, ("do re mi fa " * 58).strip(), max_tokens=None)
    assert finished.finish_reason == FinishReason.LENGTH and text.startswith(" do re mi fa")
    assert finished.usage.prompt_tokens + finished.usage.completion_tokens == 256
    assert [event for event in events if isinstance(event, Notice) and "256" in event.text]
    assert run(cramped, SURE[0], max_tokens=4)[0].startswith(" 9,")


def test_two_answers_that_outgrow_the_cache_both_end_as_they_would_alone(cramped):
    """The younger one gives up its cells, waits, and is computed again."""
    scales = ("do re mi fa", "fa mi re do")
    waiting = [in_thread(run, cramped, " ".join([scale] * 24), max_tokens=60, session=scale) for scale in scales]
    other = in_thread(run, cramped, SURE[0], max_tokens=16, session="c")
    together = [result() for result in waiting]
    assert [text for text, *_ in together] == [f" {scale}" * 15 for scale in scales]
    assert [finished.usage.completion_tokens for _, finished, _ in together] == [60, 60]
    assert any(isinstance(event, Queued) for _, _, events in together for event in events)
    assert other()[0].startswith(" 9, 10, 11,")


# ------------------------------------------------------------------------------------------------ the process


def test_a_killed_process_is_one_clear_error_and_a_new_one_works(starter):
    engine = llama.open(starter, LoadSettings(n_ctx=512, threads=1))
    events = engine.complete(PROMPT.format("a fall"), sampling=GREEDY)
    while not isinstance(next(events), TextDelta):
        pass
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match=r"SIGKILL.*memory") as caught:
        list(events)
    assert "llama" in caught.value.details
    assert not engine.alive
    with pytest.raises(EngineError, match="SIGKILL"):
        run(engine, "Hi")
    engine.close()
    engine = llama.open(starter, LoadSettings(n_ctx=512, threads=1))
    assert run(engine, PROMPT.format("a rise"), max_tokens=4)[0]
    engine.close()


def test_close_ends_the_process_and_running_calls_and_is_safe_to_repeat(starter):
    engine = llama.open(starter, LoadSettings(n_ctx=512, threads=1))
    events = engine.complete(PROMPT.format("an end"), sampling=GREEDY)
    next(events)
    started = time.monotonic()
    engine.close()
    engine.close()
    assert time.monotonic() - started < 2
    with pytest.raises(EngineError, match="unloaded"):
        list(events)
    with pytest.raises(ProcessLookupError):
        os.kill(engine.pid, 0)


def test_a_model_never_outlives_the_app(starter):
    """An app that is killed leaves no process behind."""
    script = (
        "import sys, pathlib; from m3studio.engines import llama; from m3studio.settings import LoadSettings;"
        "engine = llama.open(pathlib.Path(sys.argv[1]), LoadSettings(n_ctx=512, threads=1)); print(engine.pid, flush=True);"
        "print([n for n in ('numpy', 'llama_cpp', 'psutil') if n in sys.modules], flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, str(starter)], stdin=pipe, stdout=pipe) as app:
        pid = int(app.stdout.readline())
        assert app.stdout.readline().strip() == b"[]", "the app's own process imported native code"
        app.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the model's process lives on")


def test_the_process_gets_no_secrets(starter, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NVIDIA_API_KEY", "nv_secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    engine = llama.open(starter, LoadSettings(n_ctx=512, threads=1))
    try:
        environment = Path(f"/proc/{engine.pid}/environ").read_text()
    except FileNotFoundError:
        pytest.skip("this system does not show a process's environment")
    finally:
        engine.close()
    assert "secret" not in environment and "GGML_NO_BACKTRACE=1" in environment
    assert "CUDA_VISIBLE_DEVICES" in environment


def test_facts_say_what_was_loaded(engine):
    facts = engine.facts
    assert facts.architecture == "llama" and facts.n_ctx == 4096 and facts.n_ctx_train == 8192
    assert 90e6 < facts.size < 98_362_432 and 134e6 < facts.n_params < 135e6
    assert facts.devices and "<|im_start|>" in facts.chat_template
    assert facts.settings["n_seq_max"] == 4 and facts.settings["threads"] == 1
    assert engine.count_tokens("<|im_start|>Hello") == 2
