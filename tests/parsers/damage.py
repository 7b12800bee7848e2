"""Malformed calls, made from well-formed ones: fifteen tools with the arguments that are meant, twenty kinds of damage."""

import json
import random
import re
from collections.abc import Callable

from m3studio.messages import Tool

CODE = 'for name in ["a", "b"]:\n    print(f"hello {name}", end="!")\n'


def tool(name, required=None, **properties):
    schemas = {key: value if isinstance(value, dict) else {"type": value} for key, value in properties.items()}
    return Tool(
        name,
        "",
        {"type": "object", "properties": schemas, "required": list(properties) if required is None else required},
    )


STRINGS = {"type": "array", "items": {"type": "string"}}
POINT = {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]}
UNIT = {"type": "string", "enum": ["celsius", "fahrenheit"]}

# Each tool with the arguments that a call means.
MEANT: list[tuple[Tool, dict[str, object]]] = [
    (tool("python", code="string"), {"code": CODE}),
    (tool("bash", script="string"), {"script": 'grep -n "TODO" *.py | head -5\necho "done: $?"'}),
    (tool("get_weather", city="string", unit=UNIT), {"city": "São Paulo", "unit": "celsius"}),
    (tool("web_search", query="string", max_results="integer"), {"query": "MiniMax M3 vs. others", "max_results": 5}),
    (tool("read_page", url="string"), {"url": "https://example.org/a/b?q=1#top"}),
    (tool("calculator", expression="string"), {"expression": "(2 + 3) * 4 - 1"}),
    (tool("set_timer", seconds="number", label="string"), {"seconds": 12.5, "label": "tea time"}),
    (tool("toggle_light", room="string", on="boolean"), {"room": "kitchen", "on": True}),
    (
        tool("send_mail", to=STRINGS, subject="string", body="string"),
        {"to": ["ann@example.org", "bob@example.org"], "subject": "Lunch", "body": "Dear both,\nlunch at 12?\nYours"},
    ),
    (
        tool("edit_file", path="string", old="string", new="string"),
        {"path": "src/main.c", "old": 'printf("hi");', "new": 'puts("hi there");'},
    ),
    (
        tool("draw_line", start=POINT, end=POINT, width="integer"),
        {"start": {"x": 1.5, "y": 2}, "end": {"x": -3, "y": 4.25}, "width": 2},
    ),
    (
        tool("create_event", ["title", "day"], title="string", day="string", guests=STRINGS, repeat="boolean"),
        {"title": "Review", "day": "2026-11-20", "guests": ["Zoë", "Max"], "repeat": False},
    ),
    (tool("rate_movie", movie_id="integer", stars="integer"), {"movie_id": 4711, "stars": 4}),
    (tool("set_config", key="string", value={"type": ["string", "null"]}), {"key": "theme", "value": None}),
    (
        tool("table_query", table="string", columns=STRINGS, limit="integer"),
        {"table": "orders", "columns": ["id", "total"], "limit": 50},
    ),
]
TOOLS = [tool for tool, _ in MEANT]


def call(name: str, arguments: dict[str, object]) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def tagged(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


def texts_in(value, change):
    """`value` with `change` made to every text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: texts_in(one, change) for key, one in value.items()}
    return [texts_in(one, change) for one in value] if isinstance(value, list) else value


def _trailing_comma(name, meant, pick):
    return tagged(call(name, meant).replace("}}", ",}}"))


def _single_quotes(name, meant, pick):
    return tagged(repr({"name": name, "arguments": meant}))


def _raw_newlines(name, meant, pick):
    return tagged(call(name, meant).replace("\\n", "\n"))


def _missing_brackets(name, meant, pick):
    return tagged(call(name, meant)[: pick.choice([-1, -2])])


def _ends_without_brackets(name, meant, pick):
    return "<tool_call>\n" + call(name, meant)[:-2]


def _missing_end_tag(name, meant, pick):
    return "<tool_call>\n" + call(name, meant)


def _one_bracket_too_many(name, meant, pick):
    return tagged(call(name, meant) + "}")


def _bare_keys(name, meant, pick):
    return tagged(re.sub(r'(?<=[{ ])"(\w+)":', r"\1:", call(name, meant)))


def _missing_commas(name, meant, pick):
    return tagged(json.dumps({"name": name, "arguments": meant}, ensure_ascii=False, indent=1, separators=("", ": ")))


def _bare_quotes(name, meant, pick):
    return tagged(call(name, meant).replace('\\"', '"'))


def _arguments_as_text(name, meant, pick):
    return tagged(json.dumps({"name": name, "arguments": json.dumps(meant)}))


def _other_key(name, meant, pick):
    return tagged(json.dumps({"name": name, pick.choice(["parameters", "args", "input"]): meant}))


def _beside_the_name(name, meant, pick):
    return tagged(json.dumps({"name": name, **meant}))


def _name_in_other_case(name, meant, pick):
    return tagged(call(pick.choice([name.upper(), name.title().replace("_", ""), name.replace("_", "-")]), meant))


def _misspelt_name(name, meant, pick):
    place = pick.randrange(1, len(name) - 1)
    return tagged(call(name[:place] + name[place + 1 :], meant))


def _texts_for_values(name, meant, pick):
    as_text = {
        key: value if value is None or isinstance(value, str) else json.dumps(value) for key, value in meant.items()
    }
    return tagged(call(name, as_text))


def _smart_quotes(name, meant, pick):
    plain = call(name, meant)
    return tagged(re.sub(r'(?<!\\)"((?:[^"\\]|\\.)*)"', "“\\1”", plain))


def _code_block(name, meant, pick):
    return f"```json\n{call(name, meant)}\n```"


def _comments(name, meant, pick):
    return tagged(
        json.dumps({"name": name, "arguments": meant}, ensure_ascii=False, indent=1).replace(",\n", ", // so\n")
    )


def _python_call(name, meant, pick):
    return tagged(f"{name}({', '.join(f'{key}={value!r}' for key, value in meant.items())})")


def _invoke(name, meant, pick):
    values = "".join(
        f'<parameter name="{key}">{value if isinstance(value, str) else json.dumps(value)}</parameter>\n'
        for key, value in meant.items()
    )
    return f'<function_calls>\n<invoke name="{name}">\n{values}</invoke>\n</function_calls>'


def _openai_form(name, meant, pick):
    return tagged(
        json.dumps([{"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(meant)}}])
    )


def _keys_in_other_case(name, meant, pick):
    return tagged(
        call(name, {key.title().replace("_", "") if "_" in key else key.upper(): value for key, value in meant.items()})
    )


def _words_first(name, meant, pick):
    return f"<tool_call>\nI call the tool now.\n{call(name, meant)}\n</tool_call>"


KINDS: dict[str, Callable[[str, dict[str, object], random.Random], str]] = {
    function.__name__.strip("_"): function
    for function in (
        _trailing_comma, _single_quotes, _raw_newlines, _missing_brackets, _ends_without_brackets, _missing_end_tag,
        _one_bracket_too_many, _bare_keys, _missing_commas, _bare_quotes, _arguments_as_text, _other_key, _beside_the_name,
        _name_in_other_case, _misspelt_name, _texts_for_values, _smart_quotes, _code_block, _comments, _python_call,
        _invoke, _openai_form, _keys_in_other_case, _words_first,
    )
}  # fmt: skip
