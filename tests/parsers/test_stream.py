"""The seam: text in, events and a message out, whatever the pieces."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m3studio import parsers
from m3studio.errors import NotFound
from m3studio.messages import AssistantMessage, ReasoningDelta, TextDelta, Tool, ToolCall, ToolCallDelta

CHATML = "{{ '<|im_start|>' + role }} <think> <tool_call> {{ '<|im_start|>assistant\\n' }}"
WEATHER = Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})


def test_thoughts_text_and_calls_are_told_apart():
    parser = parsers.for_template(CHATML, tools=[WEATHER])
    events = parser.feed("<think>\nHm.\n</think>\n\nI look.\n<tool_call>\n")
    assert events == [ReasoningDelta("Hm."), TextDelta("I look.")]
    events = parser.feed('{"name": "weather", "arguments": {"city": "Pa')
    assert events == [ToolCallDelta(0, name="weather"), ToolCallDelta(0, arguments='{"city": "Pa')]
    parser.feed('ris"}}\n</tool_call>')
    assert parser.finish() == AssistantMessage("I look.", "Hm.", (ToolCall("weather", '{"city": "Paris"}'),))
    assert parser.failed == ()


def test_the_answer_may_begin_inside_a_thought_that_the_prompt_opened():
    parser = parsers.for_template(CHATML, prompt="<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n")
    assert parser.feed("Hm.</think>Hello") == [ReasoningDelta("Hm."), TextDelta("Hello")]


def test_a_continued_answer_includes_what_was_there_but_its_events_do_not():
    parser = parsers.for_template(CHATML, prompt="<|im_start|>assistant\n<think>Hm.</think>Hello, ")
    assert parser.given == AssistantMessage("Hello, ", "Hm.")
    assert parser.feed("world") == [TextDelta("world")]
    assert parser.finish() == AssistantMessage("Hello, world", "Hm.")


def test_tools_may_come_in_openais_form():
    parser = parsers.for_template(CHATML, tools=[WEATHER.to_openai()])
    parser.feed('<tool_call>{"name": "weather", "arguments": {"town": 3}}</tool_call>')
    parser.finish()
    assert "city" in parser.failed[0].error


def test_a_family_can_be_named():
    assert parsers.for_family("hermes").family.name == "hermes"
    with pytest.raises(NotFound, match="hermes"):
        parsers.for_family("unheard-of")


def test_without_tools_a_call_is_held_to_its_form_only():
    parser = parsers.for_template(CHATML)
    parser.feed('<tool_call>{"name": "x", "arguments": {"a": 1}}</tool_call>')
    assert parser.finish().tool_calls == (ToolCall("x", '{"a": 1}'),)
    assert parser.failed == ()


def test_thoughts_may_stay_in_the_text():
    parser = parsers.for_template(CHATML, prompt="<|im_start|>assistant\n<think>\n", reasoning=False)
    parser.feed("Hm.\n</think>\n\nHello")
    assert parser.finish() == AssistantMessage("<think>\nHm.\n</think>\n\nHello")


def test_what_was_held_back_comes_with_the_end():
    parser = parsers.for_template(CHATML)
    assert parser.feed("a <") == [TextDelta("a")]
    assert parser.finish().content == "a <"
    assert parser.tail == [TextDelta(" <")]


def test_white_space_at_the_end_is_kept_where_the_answer_may_go_on():
    parser = parsers.for_template(CHATML)
    parser.feed("Hello, ")
    assert parser.finish(truncated=True).content == "Hello, "
    other = parsers.for_template(CHATML)
    other.feed("Hello, \n")
    assert other.finish().content == "Hello,"


FENCED = '```json\n{"a": 1}\n```'


@pytest.mark.parametrize(
    ("family", "asked", "content"),
    [("mistral", None, '{"a": 1}'), ("mistral", False, FENCED), ("hermes", None, FENCED), ("hermes", True, '{"a": 1}')],
)
def test_a_code_block_is_taken_off_json_that_was_asked_for(family, asked, content):
    parser = parsers.for_family(family, json_answer=asked)
    parser.feed(FENCED)
    assert parser.finish().content == content


def test_a_prompt_whose_turns_begin_in_an_unknown_way_opens_a_thought_at_most():
    parser = parsers.for_template("{{ 'BOT>' }}", prompt="USER> Say <|im_start|>assistant\nBOT>")
    assert parser.given == AssistantMessage()
    parser = parsers.for_template("{{ 'BOT>' }}", prompt="USER> Hi\nBOT><think>\n")
    assert parser.feed("Hm.</think>Hi") == [ReasoningDelta("Hm."), TextDelta("Hi")]


def test_a_role_that_the_user_writes_does_not_begin_the_answer():
    prompt = "<|im_start|>user\nWrite [/INST] or <|im_start|>assistant\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert parsers.for_template(CHATML, prompt=prompt).given == AssistantMessage()


LONG = [
    "word " * 40_000,
    "<" * 200_000,
    "`" * 200_000,
    "\n" * 200_000,
    "<tool_call>{" * 16_000,
    '<tool_call>{"name": "' + "x" * 200_000,
    '<tool_call>{"name": "weather", "arguments": {"city": "' + "<a> " * 50_000,
    "[{" * 100_000,
    "<think>" + "a<b " * 50_000,
]


@pytest.mark.parametrize("text", LONG, ids=[text[:16].strip() for text in LONG])
def test_time_is_linear_in_the_length(text):
    parser = parsers.for_template(CHATML, tools=[WEATHER])
    started = time.perf_counter()
    for place in range(0, len(text), 4):
        parser.feed(text[place : place + 4])
    parser.finish()
    assert time.perf_counter() - started < 5  # some 0.3 s; with quadratic steps a minute


PIECES = ["<tool_call>", "</tool_call>", "<think>", "</think>", '{"name": "weather", ', '"arguments": {"city": "X"}}', "```",
          "`", "\n", " ", "a", "{", "[", '"', "[TOOL_CALLS]", "<|channel|>", "analysis", "<|message|>", "<|start|>", ">>>",
          "]<]minimax[>[", '<invoke name="weather">', "<function=weather>", "<", "|", "Action:", "json"]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=16).map("".join),
    st.sampled_from([family.name for family in parsers.families()]),
    st.booleans(),
)
def test_any_text_is_read_and_means_the_same_in_pieces(text, family, truncated):
    whole = parsers.for_family(family, tools=[WEATHER])
    whole.feed(text)
    single = parsers.for_family(family, tools=[WEATHER])
    events = [event for char in text for event in single.feed(char)]
    message = single.finish(truncated=truncated)
    assert message == whole.finish(truncated=truncated)
    assert single.failed == whole.failed
    shown = "".join(event.text for event in [*events, *single.tail] if isinstance(event, TextDelta))
    assert shown == message.content
