"""Whatever a family's grammar allows is a call that its parser reads without mending and that fits its tool."""

import json

import pytest

from m3studio import parsers
from m3studio.messages import Tool, ToolCall
from m3studio.parsers._gbnf import Rules
from parsers.gbnf import made_up, read

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def tool(name, required=(), **members):
    return Tool(name, "", {"type": "object", "properties": members, "required": list(required)})


TOOLS = [
    tool("now"),
    tool("python", ["code"], code=TEXT),
    tool("forecast", ["city"], city=TEXT, days={"type": "integer", "minimum": 1}, unit={"enum": ["C", "F"]}),
    tool(
        "plan",
        ["steps", "strict"],
        title=TEXT,
        steps={
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"what": TEXT, "hours": {"type": "number"}, "by": {"type": "array", "items": TEXT}},
                "required": ["what"],
            },
        },
        strict={"type": "boolean"},
    ),
    Tool(
        "walk",
        "",
        {
            "type": "object",
            "properties": {"tree": {"$ref": "#/$defs/tree"}, "way": {"anyOf": [WHOLE, {"type": "null"}]}},
            "required": ["tree", "way"],
            "$defs": {
                "tree": {
                    "type": "object",
                    "properties": {"n": WHOLE, "left": {"$ref": "#/$defs/tree"}},
                    "required": ["n"],
                }
            },
        },
    ),
]
FAMILIES = [family.name for family in parsers.families() if family.grammar]
MISTRAL = {"mistral": ["[TOOL_CALLS]", "[TOOL_CALLS][ARGS]"]}


def test_the_families_that_matter_have_a_grammar():
    wanted = {"generic", "hermes", "llama3", "mistral", "minimax_m3", "minimax_m2", "qwen3_coder", "glm", "seed_oss"}
    assert wanted <= set(FAMILIES)


@pytest.mark.parametrize(
    ("name", "template"), [(name, template) for name in FAMILIES for template in MISTRAL.get(name, [""])]
)
@pytest.mark.parametrize("one", TOOLS, ids=lambda tool: tool.name)
def test_a_grammar_allows_only_calls_that_fit(name, template, one):
    family = next(family for family in parsers.families() if family.name == name)
    lazy = parsers.grammar(family, [one], template)
    strict = lazy.required()
    for seed in range(10):
        begin = lazy.triggers[0] if seed % 2 else ""
        text = begin + made_up((lazy if begin else strict).gbnf, seed)
        parser = parsers.for_family(name, tools=[one])
        parser.feed(text)
        message = parser.finish()
        assert message.tool_calls and not parser.failed, (text, parser.failed)
        assert message.content == ""
        for call in message.tool_calls:
            assert (call.name, call.repaired) == (one.name, ""), (text, call)
            assert parsers.validate(call, [one]) == "", text


def test_several_tools_are_a_choice_and_a_lead_comes_first():
    family = parsers.family_of("<tool_call>")
    grammar = parsers.grammar(family, TOOLS).required("</think>")
    names = set()
    for seed in range(60):
        text = made_up(grammar.gbnf, seed)
        assert text.startswith("</think><tool_call>")
        parser = parsers.for_family("hermes", tools=TOOLS, given="<think>")
        parser.feed(text)
        names |= {call.name for call in parser.finish().tool_calls}
    assert names == {one.name for one in TOOLS}


def test_no_tools_no_grammar():
    assert parsers.grammar(parsers.family_of("<tool_call>"), []) is None


SCHEMAS = {
    "bounds": {"type": "string", "minLength": 2, "maxLength": 4},
    "letters": {"type": "string", "pattern": "^[a-z^+ -]+$"},
    "classes": {"type": "string", "pattern": "^[a-c][0-9-]*$", "maxLength": 4},
    "other pattern": {"type": "string", "pattern": "^.*$"},
    "long": {"type": "string", "maxLength": 99_999},
    "list": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3},
    "none": {"type": "array", "maxItems": 0},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "empty": {"type": "object", "additionalProperties": False},
    "optional": {"type": "object", "properties": {"a": WHOLE, "b": TEXT, "c": {"type": "null"}}},
    "both": {
        "allOf": [{"properties": {"a": WHOLE}, "required": ["a"]}, {"properties": {"b": TEXT}, "required": ["b"]}]
    },
    "kinds": {"type": ["string", "null", "integer"]},
    "constant": {"const": {"a": ['"', "\\", "\n", "é"]}},
    "any": {},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_json_values_keep_their_schema(name):
    rules = Rules()
    grammar = rules.text(rules.value(SCHEMAS[name]))
    holder = Tool("t", "", {"type": "object", "properties": {"v": SCHEMAS[name]}})
    for seed in range(25):
        value = json.loads(made_up(grammar, seed))
        assert parsers.validate(ToolCall("t", json.dumps({"v": value})), [holder]) == ""


def test_optional_members_come_in_every_combination():
    rules = Rules()
    grammar = rules.text(rules.value(SCHEMAS["optional"]))
    found = {tuple(json.loads(made_up(grammar, seed))) for seed in range(300)}
    assert found == {(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")}


@pytest.mark.parametrize("end", ["</p>", "aab", "]<]minimax[>[", "ababac"])
def test_a_text_up_to_its_end_never_holds_that_end(end):
    rules = Rules()
    automaton = read(rules.text(rules.until(end)))
    letters = "".join(dict.fromkeys(end))
    for size in range(1, 6):
        for number in range(len(letters) ** size):
            text = "".join(letters[number // len(letters) ** place % len(letters)] for place in range(size))
            assert allows(automaton, text) == (end not in text)


def allows(rules, text):
    """Whether the automaton of an `until` rule takes the text."""
    name = next(item[1] for alternative in rules["root"] for item, _, _ in alternative)
    for char in text:
        steps = {}
        for alternative in rules[name][0][0][0][1]:
            (kind, what), (_, after) = alternative[0][0], alternative[1][0]
            if kind == "text":
                steps[what[1:-1]] = after
        name = steps.get(char)
        if name is None:
            return False
    return True
