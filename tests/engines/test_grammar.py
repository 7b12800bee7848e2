"""Answers held to a grammar on the real native runtime: calls that fit, lazily or from the start, and bad grammars."""

import json

import pytest

import tiny_m3
from m3studio import parsers
from m3studio.engines import CallRule, ChatRequest, llama
from m3studio.errors import BadInput
from m3studio.messages import Cancel, FinishReason, Message, Role, RoundFinished, Tool
from m3studio.parsers._gbnf import Rules
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings
from m3studio.tools import calculator, current_time

BASH = Tool("bash", "", {"type": "object", "properties": {"script": {"type": "string"}}, "required": ["script"]})
LIGHT = Tool(
    "light",
    "Switches the light.",
    {
        "type": "object",
        "properties": {
            "room": {"type": "string", "maxLength": 12},
            "on": {"type": "boolean"},
            "level": {"type": "integer"},
        },
        "required": ["room", "on"],
    },
)
HELLO = Message(Role.USER, "What is 17 * 23?")


@pytest.fixture(scope="module")
def engine(starter):
    engine = llama.open(starter, LoadSettings(threads=2, n_ctx=2048))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    path = tiny_m3.write(tmp_path_factory.mktemp("m3") / "scripted.gguf", tiny_m3.SCRIPT)
    engine = llama.open(path, LoadSettings(threads=1, n_ctx=2048))
    yield engine
    engine.close()


def ask(engine, temperature=0.0, **options):
    options.setdefault("max_tokens", 80)
    request = ChatRequest((HELLO,), sampling=Sampling(temperature=temperature, seed=7), **options)
    finished = list(engine.chat(request, Cancel()))[-1]
    assert isinstance(finished, RoundFinished)
    return finished


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_required_call_fits_its_tool(engine, temperature):
    finished = ask(engine, temperature, tools=(LIGHT,), calls=CallRule.REQUIRED)
    assert finished.finish_reason == FinishReason.TOOL_CALLS and not finished.failed
    for call in finished.message.tool_calls:
        assert parsers.validate(call, [LIGHT]) == "" and call.repaired == ""
    assert finished.message.content == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Calculate 17 * 23.", "calculator"),
        ("What is 125 / 5?", "calculator"),
        ("What time is it in Tokyo?", "current_time"),
        ("Tell me the current time in Paris.", "current_time"),
        ("What day is it today?", "current_time"),
    ],
)
def test_even_the_starter_model_calls_the_right_tool(engine, text, name):
    """Five of the fifty of tests/bench/calls.py."""
    tools = (calculator.SPEC, current_time.SPEC)
    message = Message(Role.USER, text)
    request = ChatRequest(
        (message,), tools=tools, sampling=Sampling(temperature=0), max_tokens=200, calls=CallRule.REQUIRED
    )
    finished = list(engine.chat(request, Cancel()))[-1]
    (call,) = finished.message.tool_calls
    assert call.name == name and not finished.failed
    assert parsers.validate(call, tools) == ""


def test_an_answer_keeps_the_schema_that_was_asked_for(engine):
    rules = Rules()
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer"}},
        "required": ["colour", "n"],
    }
    grammar = rules.text(rules.value(schema))
    for temperature in (0.0, 2.0):
        found = json.loads(ask(engine, temperature, grammar=grammar).message.content)
        assert found["colour"] in ("red", "blue") and isinstance(found["n"], int)


def test_a_call_goes_where_the_grammar_leads_it_once_it_begins(scripted):
    """The model's script calls `python`; only `bash` is on offer."""
    finished = ask(scripted, 1.0, tools=(BASH,), calls=CallRule.CHECKED, variables={"thinking_mode": "enabled"})
    assert finished.message.reasoning_content == "The user asks for a product; python knows."
    assert finished.message.content == "Let me compute that."
    assert [call.name for call in finished.message.tool_calls] == ["bash"]
    free = ask(scripted, 1.0, tools=(BASH,), variables={"thinking_mode": "enabled"})
    assert [failed.error[:30] for failed in free.failed] == ["There is no tool “python”. The"]


def test_while_nothing_is_called_the_answer_is_free(engine):
    held = ask(engine, tools=(LIGHT,), calls=CallRule.CHECKED, max_tokens=30)
    request = ChatRequest(
        (Message(Role.USER, "Say hello."),), tools=(LIGHT,), sampling=Sampling(temperature=0), max_tokens=20
    )
    assert held.finish_reason in (FinishReason.LENGTH, FinishReason.STOP, FinishReason.TOOL_CALLS)
    assert list(engine.chat(request, Cancel()))[-1].message.content


@pytest.mark.parametrize(
    "grammar",
    [
        "no grammar at all",
        'root ::= "a',
        "root ::= missing",
        "root ::= root",
        "start ::= [a]",
        "root ::= " + "(" * 100_000,
        "x" * 2_000_000,
    ],
    ids=str.__len__,
)
def test_a_bad_grammar_is_told_and_costs_nobody_else(engine, grammar):
    with pytest.raises(BadInput, match="grammar"):
        ask(engine, grammar=grammar)
    assert ask(engine, max_tokens=3).message.content


def test_a_grammar_that_nothing_can_follow_ends_the_answer(engine):
    assert ask(engine, grammar='root ::= "ab"').message.content == "ab"
