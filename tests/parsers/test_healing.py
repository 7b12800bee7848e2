"""Damaged calls: what was meant is recovered or nothing is, and what cannot be known is never made up."""

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m3studio import parsers
from m3studio.parsers import healing
from parsers.cases import NS, PYTHON, TOOLS, WEATHER
from parsers.damage import KINDS, MEANT, tagged
from parsers.damage import TOOLS as FIFTEEN
from parsers.damage import call as written


def calls_to_run(text, *, tools, family="hermes", truncated=False):
    """What may run, as pairs of name and arguments, and the parser."""
    parser = parsers.for_family(family, tools=tools)
    parser.feed(text)
    message = parser.finish(truncated=truncated)
    bad = {failed.index for failed in parser.failed}
    good = [call for index, call in enumerate(message.tool_calls) if index not in bad]
    assert all(parsers.validate(call, tools) == "" for call in good)
    return good, parser


@pytest.mark.parametrize("family", ["hermes", "minimax_m3", "qwen3_coder", "llama3", "generic"])
def test_nineteen_of_twenty_damaged_calls_are_recovered_and_none_is_wrong(family):
    recovered, lost, wrong = 0, [], []
    for kind, damage in KINDS.items():
        for tool, meant in MEANT:
            text = damage(tool.name, meant, random.Random(kind + tool.name))
            calls, _ = calls_to_run(text, tools=FIFTEEN, family=family)
            if [(call.name, json.loads(call.arguments)) for call in calls] == [(tool.name, meant)]:
                recovered += 1
            else:
                (wrong if calls else lost).append((kind, tool.name, text))
    assert len(KINDS) * len(MEANT) >= 300
    assert wrong == []
    assert recovered >= 0.95 * (recovered + len(lost)), lost


def well_formed(name, meant):
    return tagged(written(name, meant))


def test_what_was_mended_is_said():
    for kind, damage in KINDS.items():
        for tool, meant in MEANT:
            text = damage(tool.name, meant, random.Random(1))
            calls, _ = calls_to_run(text, tools=FIFTEEN)
            assert all(call.repaired for call in calls) or text == well_formed(tool.name, meant), kind


OSLO = '{"name": "weather", "arguments": {"city": "Oslo"}}'
SHAPES = {
    "no closing tag": f"<tool_call>{OSLO}",
    "parameters": '<tool_call>{"name": "weather", "parameters": {"city": "Oslo"}}</tool_call>',
    "arguments as a text": '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>',
    "name in the wrong case": '<tool_call>{"name": "Weather", "arguments": {"city": "Oslo"}}</tool_call>',
    "trailing comma": '<tool_call>{"name": "weather", "arguments": {"city": "Oslo",}}</tool_call>',
    "single quotes": "<tool_call>{'name': 'weather', 'arguments': {'city': 'Oslo'}}</tool_call>",
    "brackets missing": '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"',
    "json code block": f"```json\n{OSLO}\n```",
    "native call in a code block": f"```\n<tool_call>{OSLO}</tool_call>\n```",
    "tool_code block": '```tool_code\nprint(weather(city="Oslo"))\n```',
    "invoke": '<function_calls>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n</function_calls>',
    "invoke in the wrong tag": '<tool_call>\n<invoke name="weather"><city>Oslo</city></invoke>\n</tool_call>',
    "minimax m2": '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n</invoke>\n</minimax:tool_call>',
    "minimax m3": f'{NS}<tool_call>\n{NS}<invoke name="weather">{NS}<city>Oslo{NS}</city>{NS}</invoke>\n{NS}</tool_call>',
    "minimax m3, tokens missing": f'{NS}<tool_call>\n{NS}<invoke name="weather"><city>Oslo</city>{NS}</invoke>\n{NS}</tool_call>',
    "minimax m3, end missing": f'{NS}<tool_call>\n{NS}<invoke name="weather">{NS}<city>Oslo{NS}</city>',
    "function tag": '<function=weather>{"city": "Oslo"}</function>',
    "parameter not closed": "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</function>\n</tool_call>",
    "mistral": '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
    "bare object": OSLO,
    "bare object in Python": "{'name': 'weather', 'arguments': {'city': 'Oslo'}}",
    "bare list": f"[{OSLO}]",
    "Python list": '[weather(city="Oslo")]',
    "name as the key": '<tool_call>{"weather": {"city": "Oslo"}}</tool_call>',
    "wrapped call": '<tool_call>{"tool_call": {"name": "weather", "arguments": {"city": "Oslo"}}}</tool_call>',
    "wrapped calls": '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}',
    "arguments in arguments": '<tool_call>{"name": "weather", "arguments": {"arguments": {"city": "Oslo"}}}</tool_call>',
    "prefix to the name": '<tool_call>{"name": "functions.weather", "arguments": {"city": "Oslo"}}</tool_call>',
    "bare value": '<tool_call>{"name": "weather", "arguments": "Oslo"}</tool_call>',
}


@pytest.mark.parametrize("family", ["hermes", "minimax_m3", "llama3", "mistral", "harmony"])
@pytest.mark.parametrize("shape", SHAPES)
def test_common_shapes_are_read(shape, family):
    calls, parser = calls_to_run(SHAPES[shape], tools=TOOLS, family=family)
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "Oslo"})]
    assert parser.finish().content == ""


@pytest.mark.parametrize(
    "text",
    [
        '```python\nweather(city="Oslo")\n```',
        f"A call looks like this:\n```json\n{OSLO}\n```\nNow you know.",
        f"```json\n{OSLO}\n```\nThat is a call.",
        '{"name": "Ann", "arguments": "none"}',
        '{"city": "Oslo"}',
        "[weather](https://example.org)",
        "A <tool_call> is a tag.",
        '```json\n{"city": "Oslo"}\n```',
    ],
)
def test_a_text_that_is_no_call_stays_one(text):
    calls, parser = calls_to_run(text, tools=TOOLS)
    assert calls == []
    assert parser.failed == ()
    assert parser.finish().content == text


BROKEN_CODE = [
    '<tool_call>{"name": "python", "arguments": "{\\"code\\": \\"print(1)"}</tool_call>',
    '<tool_call>{"name": "python", "arguments": {"code": "import os\\nos.rem',
    '<tool_call>{"name": "python", "arguments": {"code": "a", "b": }}</tool_call>',
    '<tool_call>{"name": "python", "arguments": "{code: print(1)"}</tool_call>',
    '<tool_call>{"name": "python", "arguments": {"code": "print(1)}}</tool_call>',
    '<tool_call>{"name": "python", "arguments": [1, 2]}</tool_call>',
    '<tool_call>{"name": "python", "arguments": {"code": "x", "code2": "y" "z"}}</tool_call>',
    "<tool_call>\n<function=python>\n<parameter=code>\nprint(",
    f'{NS}<tool_call>\n{NS}<invoke name="python">{NS}<code>print(',
]


@pytest.mark.parametrize("text", BROKEN_CODE)
def test_broken_arguments_never_become_code(text):
    calls, parser = calls_to_run(text, tools=TOOLS)
    assert calls == []
    assert len(parser.failed) == 1
    assert parser.failed[0].error.endswith(".")


@pytest.mark.parametrize(("tool", "meant"), MEANT, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("truncated", [False, True])
def test_a_call_cut_anywhere_is_whole_or_no_call(tool, meant, truncated):
    text = f"<tool_call>\n{json.dumps({'name': tool.name, 'arguments': meant})}\n</tool_call>"
    complete = text.rindex("}}") + (2 if truncated else 0)
    for place in range(len("<tool_call>") + 2, len(text)):
        calls, parser = calls_to_run(text[:place], tools=FIFTEEN, truncated=truncated)
        for call in calls:
            found = json.loads(call.arguments)
            assert found == {key: meant[key] for key in found}
            assert not truncated or found == meant
        assert calls or parser.failed or place < 20
        if truncated and place < complete:
            assert calls == []
            assert all(failed.truncated for failed in parser.failed)


def test_a_truncated_call_in_tags_is_no_call():
    for text in BROKEN_CODE[-2:]:
        calls, parser = calls_to_run(text, tools=TOOLS, truncated=True)
        assert calls == []
        assert parser.failed[0].truncated
        assert parser.failed[0].name == "python"


@pytest.mark.parametrize(
    "text", [SHAPES["json code block"], SHAPES["bare object"], SHAPES["bare list"], SHAPES["Python list"]]
)
def test_a_truncated_call_without_marks_is_no_call(text):
    for place in range(1, text.rindex("}") if "}" in text else text.rindex(")")):
        calls, _ = calls_to_run(text[:place], tools=TOOLS, truncated=True)
        assert calls == []


def test_a_failed_call_keeps_its_place_among_the_others():
    parser = parsers.for_family("hermes", tools=TOOLS)
    parser.feed(
        f'<tool_call>{OSLO}</tool_call><tool_call>{{"name": "weather", "arguments": {{}}}}</tool_call><tool_call>{OSLO}</tool_call>'
    )
    assert [call.name for call in parser.finish().tool_calls] == ["weather"] * 3
    assert [(failed.index, failed.name) for failed in parser.failed] == [(1, "weather")]
    assert "city" in parser.failed[0].error


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("weather", "weather"), ("Weather", "weather"), ("functions.weather", "weather"), ("wether", "weather"),
        ("code_interpreter", "python"), ("pyhton", "python"), ("banana", ""), ("", ""), ("web", ""),
    ],
)  # fmt: skip
def test_a_name_means_the_tool_that_it_is_surely_meant_for(name, meant):
    assert healing.closest(name, {tool.name: tool for tool in TOOLS}) == meant


def test_a_name_between_two_tools_means_neither():
    tools = dict.fromkeys(("get_time_a", "get_time_b"), PYTHON)
    assert healing.closest("get_time_c", tools) == ""


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}[]\":,\\\n'/# abc1.-tfn“”", max_size=80))
def test_whatever_stands_in_a_call_it_is_read_or_refused(text):
    calls, _ = calls_to_run(f"<tool_call>{text}</tool_call>", tools=[WEATHER])
    assert all(call.name == "weather" for call in calls)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_code_comes_through_as_it_was_written(code):
    as_json = json.dumps({"name": "python", "arguments": {"code": code}}, ensure_ascii=False)
    calls, _ = calls_to_run(f"<tool_call>{as_json}</tool_call>", tools=[PYTHON])
    assert [json.loads(call.arguments) for call in calls] == [{"code": code}]
    raw = as_json.replace("\\n", "\n")  # a raw line break for each, unless the code holds a backslash of its own
    if "\\" not in code:
        calls, _ = calls_to_run(f"<tool_call>{raw}</tool_call>", tools=[PYTHON])
        assert [json.loads(call.arguments) for call in calls] == [{"code": code}]


HOSTILE = [
    "{" + " " * 190_000 + "x",
    '{"a": "' + '\\"' * 90_000,
    '{"name": "weather", "arguments": {"city": ' + "/" * 180_000 + '"}}',
    '{"name": "weather", "arguments": {"city": ' + "# " * 90_000 + '"}}',
    '{"name": "weather", ' * 9_000,
    "<arg_key>" + " " * 190_000,
    "weather\n" + "<arg_key>a</arg_key><arg_value>" * 6_000,
    "<function=weather>" + "<parameter=city>" * 11_000,
    "<function=weather><parameter=city>" + " " * 190_000,
    "weather(" * 20_000,
    '{"name": "weather", "arguments": {"city": 1, ' + "[" * 150_000,
    '{"name": "weather", "arguments": {"city": [' + "1, " * 50_000,
    '{"name": "weather", "arguments": {' + ", ".join(f'"k{number}": 1' for number in range(12_000)) + "}}",
    '{"name": "weather", "arguments": ' + "'" * 190_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:24].strip() for text in HOSTILE])
def test_no_text_takes_long_to_refuse(text):
    started = time.perf_counter()
    calls, _ = calls_to_run(f"<tool_call>{text}</tool_call>", tools=TOOLS)
    assert calls == []
    assert time.perf_counter() - started < 5
