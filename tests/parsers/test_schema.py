"""What a tool's schema says about values, and the sentences about calls that do not keep it."""

import pytest

from m3studio import parsers
from m3studio.messages import Tool, ToolCall
from m3studio.parsers._fit import fitted
from m3studio.parsers._schema import inside, typed, types
from parsers.cases import NOW, ROUTE, TOOLS, WEATHER


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (ToolCall("weather", '{"city": "Oslo"}'), ""),
        (ToolCall("now", "{}"), ""),
        (ToolCall("now", ""), "not valid JSON"),
        (ToolCall("weather", "[1]"), "must be a JSON object"),
        (ToolCall("weather", "{}"), "'city' is a required property"),
        (ToolCall("weather", '{"city": "Oslo", "days": "two"}'), "days: 'two' is not of type 'integer'"),
        (ToolCall("weather", '{"city": NaN}'), "NaN"),
        (ToolCall("route", '{"stops": ["A", 1]}'), "stops[1]: 1 is not of type 'string'"),
        (ToolCall("whether", '{"city": "Oslo"}'), "There is no tool “whether”. The tools are: now, python, route, weather."),
    ],
)  # fmt: skip
def test_a_call_that_cannot_run_is_told_why(call, part):
    error = parsers.validate(call, TOOLS)
    assert part in error
    assert bool(error) == bool(part)
    assert parsers.validate(call, [tool.to_openai() for tool in TOOLS]) == error


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strange"}, {"properties": {"a": {"$ref": "#/nowhere"}}}, {"properties": 5}, {"required": 5},
        {"properties": {"b": {"pattern": "("}}}, {"properties": {"a": {"multipleOf": 0}}}, {"$ref": "#"},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}},
    ],
)  # fmt: skip
def test_a_tool_whose_schema_is_wrong_is_not_held_to_it(schema):
    assert parsers.validate(ToolCall("odd", '{"a": 1, "b": "x"}'), [Tool("odd", "", schema)]) == ""
    parser = parsers.for_family("hermes", tools=[Tool("odd", "", schema)])
    parser.feed('<tool_call>{"name": "odd", "arguments": {"a": 1, "b": "x",}}</tool_call>')
    assert parser.finish().tool_calls[0].arguments == '{"a": 1, "b": "x"}'


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("5", {"type": "string"}, "5"), ("5", {"type": "integer"}, 5), ("5", {}, 5), ("five", {}, "five"),
        (" 5\n", {"type": "number"}, 5), ("True", {"type": "boolean"}, True), ("None", {"type": ["string", "null"]}, None),
        ("5", {"type": ["string", "null"]}, "5"), ('{"a": 1}', {"type": ["string", "object"]}, {"a": 1}),
        ("{a", {"type": ["string", "object"]}, "{a"), ("", {"type": "array"}, []), ("", {"type": "object"}, {}),
        ("x", {"enum": ["x", "y"]}, "x"), ("5", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, 5),
        ("5", {"$ref": "#/$defs/n", "$defs": {"n": {"type": "string"}}}, "5"), ("NaN", {"type": "number"}, "NaN"),
    ],
)  # fmt: skip
def test_plain_text_is_read_as_its_schema_wants_it(text, schema, value):
    found = typed(text, schema)
    assert found == value
    assert type(found) is type(value)


def test_the_types_of_a_schema_that_refers_to_itself_end():
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert types(loop) == frozenset()
    assert inside(loop, "x") == {}


@pytest.mark.parametrize(
    ("value", "schema", "wanted"),
    [
        ({"City": "Oslo", "days": "3"}, WEATHER.parameters, {"city": "Oslo", "days": 3}),
        ({"city": "Oslo", "hourly": "true"}, WEATHER.parameters, {"city": "Oslo", "hourly": True}),
        ({"stops": "A"}, ROUTE.parameters, {"stops": ["A"]}),
        ({"stops": '["A", "B"]', "car": '{"seats": "4"}'}, ROUTE.parameters, {"stops": ["A", "B"], "car": {"seats": 4}}),
        ({"a": 5}, {"properties": {"a": {"type": "string"}}}, {"a": "5"}),
        ({"a": "RED"}, {"properties": {"a": {"enum": ["red", "blue"]}}}, {"a": "red"}),
        ({"a": "5"}, {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}, {"a": 5}),
    ],
)  # fmt: skip
def test_values_are_made_to_fit_and_it_is_said(value, schema, wanted):
    found, notes = fitted(value, schema)
    assert found == wanted
    assert notes


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"days": "soon"}, WEATHER.parameters),
        ({"hourly": "maybe"}, WEATHER.parameters),
        ({"days": 2.5}, WEATHER.parameters),
        ({"days": True}, WEATHER.parameters),
        ({"x": 1}, NOW.parameters),
    ],
)
def test_what_cannot_be_made_to_fit_stays(value, schema):
    assert fitted(value, schema) == (value, [])
