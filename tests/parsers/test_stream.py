"""The seam: text in, events and a message out, whatever the pieces."""

import pytest

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
