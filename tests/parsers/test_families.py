"""Every family's syntax, by cases written by hand: whole, cut at every place, character by character."""

import json

import pytest

from m3studio import parsers
from m3studio.messages import ReasoningDelta, TextDelta, ToolCallDelta
from parsers.cases import CASES, TOOLS

each_case = pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case.family}" for number, case in enumerate(CASES)])


def read(case, pieces):
    parser = parsers.for_family(case.family, tools=TOOLS, given=case.given)
    events = [event for piece in pieces for event in parser.feed(piece)]
    message = parser.finish()
    return parser, message, [*events, *parser.tail]


@each_case
def test_an_answer_means_what_it_should(case):
    parser, message, _ = read(case, [case.text])
    assert message.content == case.content
    assert message.reasoning_content == case.reasoning
    assert [(call.name, json.loads(call.arguments)) for call in message.tool_calls] == list(case.calls)
    assert [call.id for call in message.tool_calls] == list(case.ids or [""] * len(case.calls))
    assert parser.failed == ()


@each_case
def test_it_means_the_same_wherever_it_is_cut(case):
    _, whole, _ = read(case, [case.text])
    for place in range(1, len(case.text)):
        _, cut, events = read(case, [case.text[:place], case.text[place:]])
        assert cut == whole, f"cut at {place}"
    _, single, events = read(case, case.text)
    assert single == whole
    assert_events_tell_the_message(events, single, parsers.for_family(case.family, given=case.given).given)


def assert_events_tell_the_message(events, message, given):
    """The deltas, joined, are the message: nothing flashed that is not in it, and nothing is missing."""
    assert given.content + joined(events, TextDelta) == message.content
    assert given.reasoning_content + joined(events, ReasoningDelta) == message.reasoning_content
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    for index, call in enumerate(message.tool_calls):
        mine = [delta for delta in deltas if delta.index == index]
        assert "".join(delta.name for delta in mine) == call.name
        assert "".join(delta.id for delta in mine) == call.id
        arguments = "".join(delta.arguments for delta in mine)
        assert call.repaired or json.loads(arguments or "{}") == json.loads(call.arguments)


def joined(events, kind):
    return "".join(event.text for event in events if isinstance(event, kind))


def test_every_family_has_a_case():
    assert {case.family for case in CASES} == {family.name for family in parsers.families()}


def test_no_marker_of_a_family_is_the_beginning_of_another():
    for family in parsers.families():
        full = parsers.for_family(family.name, tools=TOOLS).family
        marks = [*full.calls, *full.borrowed, *full.thinking, *full.thinking.values(), *full.drop, *full.ends, "```"]
        assert not [(one, other) for one in marks for other in marks if one != other and other.startswith(one)]


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("]~b]ai ]<]minimax[>[<tool_call>", "minimax_m3"),
        ("]~b]ai <minimax:tool_call>", "minimax_m2"),
        ("<|im_start|> <tool_call> {\"name\"", "hermes"),
        ("<|im_start|> <tool_call> <function=f> <parameter=p>", "qwen3_coder"),
        ("[gMASK] <|assistant|> <tool_call> <arg_key> <arg_value>", "glm"),
        ("<role>ASSISTANT</role> <tool_call> <arg_key> <arg_value>", "ling"),
        ("<｜Assistant｜> <｜tool▁calls▁begin｜>", "deepseek"),
        ("<｜Assistant｜> ｜DSML｜ <think>", "deepseek_dsml"),
        ("<|im_assistant|> <|tool_calls_section_begin|>", "kimi"),
        ("<|open|> <|close|> <|sep|>", "kimi_k3"),
        ("<|start|>assistant <|channel|>analysis<|message|>", "harmony"),
        ("<|turn>model <|tool_call>call: <|channel>thought", "gemma"),
        ("<start_of_turn>model", "generic"),
        ("<|start_header_id|> \"parameters\" <|python_tag|>", "llama3"),
        ("[INST] [/INST] [TOOL_CALLS]", "mistral"),
        ("<|start_of_role|>assistant<|end_of_role|> <tool_call>", "granite"),
        ("<|CHATBOT_TOKEN|> <|START_ACTION|>", "command"),
        ("<|CHATBOT_TOKEN|> Action:", "command_r"),
        ("<|start_header_id|> <function=f> </function>", "functionary_v3_1"),
        ("<|start_header_id|> >>>all", "functionary_v3_2"),
        ("<|im_start|> <|tool_call_start|>", "lfm2"),
        ("<seed:bos> <seed:tool_call>", "seed_oss"),
        ("<function_calls> <invoke name=", "invoke"),
        ("", "generic"),
    ],
)  # fmt: skip
def test_a_template_is_recognised_by_its_marks(template, family):
    assert parsers.family_of(template).name == family
