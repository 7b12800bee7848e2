"""Prompts: where the answer begins, how one goes on, and what stays the same from turn to turn."""

from datetime import date, datetime
from itertools import pairwise

import pytest

from m3studio.messages import Message, Role, Tool, ToolCall
from m3studio.templates.environment import Template, TemplateFailed
from m3studio.templates.prompts import build
from m3studio.templates.shape import probe
from templates import samples

ASK = Message(Role.USER, "Hi")
TOOL = Tool("clock", "Tells the time", {"type": "object", "properties": {}})


def built(source, messages, tools=(), variables=None, continue_final=False):
    template = Template(source)
    return build(template, probe(template), messages, tools, variables or {}, continue_final)


@pytest.mark.parametrize(
    ("source", "variables", "tail"),
    [
        (samples.PLAIN, {}, "[assistant]"),
        (samples.PLAIN, {"add_generation_prompt": False}, ""),
        (samples.MODES, {"thinking_mode": "enabled"}, "[assistant]<mm:think>"),
        (samples.MODES, {"thinking_mode": "disabled"}, "[assistant]</mm:think>"),
        (samples.FLAG, {"enable_thinking": False}, "[assistant]<think>\n\n</think>\n\n"),
        (samples.ALWAYS, {}, "[assistant]<think>\n"),
    ],
)
def test_the_tail_is_what_belongs_to_the_answer(source, variables, tail):
    prompt = built(source, [ASK], variables=variables)
    assert prompt.generation_prompt == tail
    assert prompt.text.endswith("[user]Hi[end]" + ("" if source is samples.MODES else "\n") + tail)


@pytest.mark.parametrize(
    ("source", "variables", "answer", "part", "tail"),
    [
        (samples.PLAIN, {}, ("Well, ", ""), True, "[assistant]Well, "),
        (samples.PLAIN, {}, ("Well, ", "hm"), "content", "[assistant]Well, "),
        (samples.MODES, {}, ("Well, ", "hm"), True, "[assistant]<mm:think>hm</mm:think>Well, "),
        (samples.MODES, {}, ("", "hm"), True, "[assistant]<mm:think>hm"),
        (samples.MODES, {}, ("", "hm"), "content", "[assistant]<mm:think>hm</mm:think>"),
        (samples.MODES, {"thinking_mode": "disabled"}, ("Well, ", ""), True, "[assistant]</mm:think>Well, "),
        (samples.MODES, {"thinking_mode": "enabled"}, ("Well, ", ""), True, "[assistant]<mm:think></mm:think>Well, "),
        (samples.ALWAYS, {}, ("", "hm"), True, "[assistant]<think>hm"),
        (samples.ALWAYS, {}, ("Well, ", "hm"), True, "[assistant]<think>hm</think>Well, "),
        (samples.FLAG, {"enable_thinking": False}, ("Well, ", ""), True, "[assistant]<think>\n\n</think>\n\nWell, "),
    ],
)
def test_an_unfinished_answer_goes_on(source, variables, answer, part, tail):
    content, reasoning = answer
    last = Message(Role.ASSISTANT, content, reasoning_content=reasoning)
    prompt = built(source, [ASK, last], variables=variables, continue_final=part)
    assert prompt.generation_prompt == tail
    assert prompt.text.endswith(tail)


def test_the_clock_can_be_pinned_and_days_are_given_as_text():
    source = "{{ date_string }}|{{ datetime }}|{{ strftime_now('%Y-%m-%d') }}"
    for now in (datetime(2026, 11, 20), date(2026, 11, 20), "2026-11-20T00:00:00"):
        assert built(source, [ASK], variables={"now": now}).text == "20 Nov 2026|Nov 20 2026|2026-11-20"
    assert built(source, [ASK], variables={"date_string": "today", "now": "2026-11-20"}).text.startswith("today|")
    named = {"date_string": "20 Nov 2026"}
    assert built(source, [ASK], variables=named).text == "20 Nov 2026|Nov 20 2026|2026-11-20"
    clock = {"strftime_now": datetime(2026, 11, 20).strftime}
    assert built(source, [ASK], variables=clock).text == "20 Nov 2026|Nov 20 2026|2026-11-20"


def test_variables_that_are_not_given_are_undefined():
    source = "{{ [tools is defined, enable_thinking is defined, add_generation_prompt is defined, bos_token] }}"
    assert built(source, [ASK]).text == "[False, False, True, '']"
    given = {"enable_thinking": False, "add_generation_prompt": False, "bos_token": "<s>"}
    assert built(source, [ASK], [TOOL], given).text == "[True, True, False, '<s>']"


def test_switch_words_stand_in_the_system_prompt():
    for system in ([], [Message(Role.SYSTEM, "Be brief.")]):
        text = built(samples.WORDS, [*system, ASK], variables={"thinking_words": "/no_think"}).text
        assert text.endswith("[user]Hi[end][assistant]<think></think>")
        assert ("Be brief." in text) == bool(system)


@pytest.mark.parametrize("source", [samples.PLAIN, samples.MODES, samples.FLAG, samples.LEVELS])
def test_a_turn_is_the_beginning_of_the_next_one(source):
    """What the cache holds after an answer stays good: earlier words, tools and system prompt keep their bytes."""
    system = Message(Role.SYSTEM, "Be brief.")
    call = Message(Role.ASSISTANT, "", tool_calls=(ToolCall("clock", "{}", "c1"),))
    talk = [system, ASK, call, Message(Role.TOOL, "noon", tool_call_id="c1"), Message(Role.ASSISTANT, "It is noon.")]
    closed = {"add_generation_prompt": False}
    texts = [built(source, talk[:count], [TOOL], closed).text for count in range(2, len(talk) + 1)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert texts[-1] != texts[0]


def test_a_refusal_names_the_line():
    with pytest.raises(TemplateFailed, match=r"failed at line 4: Roles must alternate\. "):
        built(samples.STRICT, [ASK, ASK])
