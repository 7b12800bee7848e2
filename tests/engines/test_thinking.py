"""Thinking on the real runtime: told apart in every mode, ended by a budget or from outside, never the whole answer."""

import threading

import pytest

import tiny_m3
from m3studio.engines import ChatRequest, llama
from m3studio.engines.llama.engine import EMPTY
from m3studio.messages import Cancel, FinishReason, Message, Notice, ReasoningDelta, Role, RoundFinished, TextDelta
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

QUESTION = Message(Role.USER, "What is 6 times 7?")
THOUGHT = [" hm", " so", " well"]
LOOP = {  # thinks for ever: the last piece leads back to the first
    "<mm:think>": [*THOUGHT, "<mm:think>"],
    "</mm:think>": ["The", " answer", " is", " **42**.", tiny_m3.END],
    "\n": ["<mm:think>"],
}
SILENT = {  # ends in the middle of its thought, or right behind it
    "<mm:think>": ["Hm.", tiny_m3.END],
    "</mm:think>": ["So", " it", " is.", tiny_m3.END],
    "\n": ["Sure.", tiny_m3.END],
}


def opened(tmp_path_factory, script, **options):
    path = tiny_m3.write(tmp_path_factory.mktemp("m3") / "model.gguf", script, **options)
    return llama.open(path, LoadSettings(threads=1, n_ctx=1024))


@pytest.fixture(scope="module")
def looping(tmp_path_factory):
    engine = opened(tmp_path_factory, LOOP)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    engine = opened(tmp_path_factory, SILENT)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    engine = opened(tmp_path_factory, tiny_m3.SCRIPT)
    yield engine
    engine.close()


def ask(engine, *messages, cancel=None, **options):
    request = ChatRequest(messages or (QUESTION,), sampling=Sampling(temperature=0), **options)
    events = list(engine.chat(request, cancel or Cancel()))
    assert isinstance(events[-1], RoundFinished)
    return events


@pytest.mark.parametrize(
    ("mode", "content", "reasoning"),
    [
        ("off", "The answer is **42**.", ""),
        ("auto", "Hello there.", ""),
        ("unknown", "Hello there.", ""),
        ("on", "Let me compute that.", "The user asks for a product; python knows."),
    ],
)
def test_reasoning_and_answer_are_told_apart_in_every_mode(scripted, mode, content, reasoning):
    *events, finished = ask(scripted, thinking=mode)
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert (finished.message.content.strip().partition("\n")[0][:21], finished.message.reasoning_content) == (
        content[:21],
        reasoning,
    )
    assert thought == reasoning and said.startswith(content[:5])


def test_the_engine_says_which_modes_there_are(scripted):
    assert scripted.facts.thinking == {"kind": "switch", "modes": ("auto", "on", "off"), "usual": "auto"}
    assert scripted.facts.template["fallback"] is False


@pytest.mark.parametrize("budget", [0, 1, 7, 20])
def test_a_budget_ends_the_thought_with_the_model_s_own_tag(looping, budget):
    finished = ask(looping, thinking="on", thinking_budget=budget)[-1]
    pieces = (THOUGHT * 10)[: budget - budget // 4]
    assert finished.message.reasoning_content.replace("<mm:think>", "") == "".join(pieces).lstrip() or budget == 0
    assert finished.message.content == "The answer is **42**."
    assert finished.finish_reason == FinishReason.STOP
    assert finished.usage.completion_tokens == budget + 1 + 4, "the closing tag counts as said"


def test_a_thought_that_the_model_began_itself_has_the_budget_too(looping):
    finished = ask(looping, thinking="auto", thinking_budget=5)[-1]
    assert finished.message.content == "The answer is **42**."


def test_answer_now_ends_a_thought_that_would_never_end(looping):
    now, events = Cancel(), []
    request = ChatRequest((QUESTION,), sampling=Sampling(temperature=0), thinking="on", answer_now=now)
    for event in looping.chat(request, Cancel()):
        events.append(event)
        if len(events) == 30:
            now.set()
    assert events[-1].message.content == "The answer is **42**."
    assert events[-1].message.reasoning_content.startswith("hm so well")


def test_answer_now_that_was_wished_before_is_heeded(looping):
    now = Cancel()
    now.set()
    finished = ask(looping, thinking="on", answer_now=now)[-1]
    assert finished.message.content == "The answer is **42**."
    assert len(finished.message.reasoning_content) < 100, "a few tokens may be sampled before it is heard"


def test_answer_now_changes_nothing_outside_a_thought(scripted):
    now = Cancel()
    now.set()
    assert ask(scripted, thinking="off", answer_now=now)[-1].message.content == "The answer is **42**."


def test_a_cancel_that_races_with_answer_now_ends_the_answer(looping):
    for delay in (0.0, 0.001, 0.01):
        now, cancel = Cancel(), Cancel()
        timers = [threading.Timer(0.05, now.set), threading.Timer(0.05 + delay, cancel.set)]
        for timer in timers:
            timer.start()
        events = ask(looping, thinking="on", answer_now=now, cancel=cancel)
        for timer in timers:
            timer.join()
        assert events[-1].finish_reason in (FinishReason.CANCELLED, FinishReason.STOP)
    assert ask(looping, thinking="off")[-1].message.content == "The answer is **42**.", "the engine goes on"


def test_several_answers_have_their_own_budgets(looping):
    found = {}

    def run(budget):
        found[budget] = ask(looping, thinking="on", thinking_budget=budget, session=str(budget))[-1]

    threads = [threading.Thread(target=run, args=(budget,)) for budget in (4, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {budget: end.usage.completion_tokens - 5 for budget, end in found.items()} == {4: 4, 40: 40}


def test_an_answer_that_is_empty_after_thinking_is_asked_for_once_more(silent):
    *events, finished = ask(silent, thinking="on")
    assert [event.text for event in events if isinstance(event, Notice)] == [EMPTY]
    assert (finished.message.content, finished.message.reasoning_content) == ("So it is.", "Hm.")
    assert finished.finish_reason == FinishReason.STOP


def test_a_thought_that_used_up_the_tokens_is_no_answer(looping):
    *events, finished = ask(looping, thinking="on", max_tokens=12)
    assert [event.text for event in events if isinstance(event, Notice)] == [EMPTY]
    assert finished.message.content == "The answer is **42**."


def test_without_a_switch_the_thought_is_closed_in_the_prompt(tmp_path_factory):
    always = tiny_m3.TEMPLATE.replace("thinking_mode == 'enabled'", "true")
    engine = opened(tmp_path_factory, SILENT, template=always)
    finished = ask(engine)[-1]
    assert engine.facts.thinking["kind"] == "always"
    engine.close()
    assert (finished.message.content, finished.message.reasoning_content) == ("So it is.", "Hm.")


def test_a_background_request_is_not_repeated(silent):
    *events, finished = ask(silent, thinking="on", background=True)
    assert not finished.message.content and not any(isinstance(event, Notice) for event in events)
