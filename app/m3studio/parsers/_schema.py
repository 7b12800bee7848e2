"""What a tool's JSON schema says about arguments: their types, and whether a call keeps it. Knows no format."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, UnknownType, best_match  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable

from m3studio.messages import Tool, ToolCall

Schema = Mapping[str, object]
_MOST_ERRORS = 50  # of which the most telling one is told
_WRONG_SCHEMA = (  # what the validator may raise for a schema that makes no sense
    SchemaError,
    UnknownType,
    Unresolvable,
    re.error,
    ArithmeticError,
    LookupError,
    RecursionError,
    ValueError,
    TypeError,
    AttributeError,
)
_DEEPEST = 20  # levels of $ref and anyOf that are followed


def by_name(tools: Iterable[Tool | Mapping[str, object]]) -> dict[str, Tool]:
    """Tools by their name; takes OpenAI's form of a tool as well."""
    found = [tool if isinstance(tool, Tool) else _from_openai(tool) for tool in tools]
    return {tool.name: tool for tool in found if tool.name}


def _from_openai(tool: Mapping[str, object]) -> Tool:
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        return Tool("")
    parameters = function.get("parameters")
    return Tool(
        str(function.get("name") or ""),
        str(function.get("description") or ""),
        parameters if isinstance(parameters, Mapping) else {},
    )


def properties(schema: Schema) -> Mapping[str, Schema]:
    """The named members of an object schema; empty for any other."""
    found = schema.get("properties")
    return (
        {str(key): value for key, value in found.items() if isinstance(value, Mapping)}
        if isinstance(found, Mapping)
        else {}
    )


def property_of(tool: Tool | None, name: str) -> Schema:
    """The schema of one argument; empty if nothing is known about it."""
    return properties(tool.parameters).get(name, {}) if tool else {}


def types(schema: Schema, root: Schema | None = None, depth: int = 0) -> frozenset[str]:
    """The JSON types that a schema allows, as far as it names them; empty: anything."""
    root = schema if root is None else root
    if depth > _DEEPEST:
        return frozenset()
    if isinstance(reference := schema.get("$ref"), str):
        return types(resolve(reference, root), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        if isinstance(choices, Sequence) and not isinstance(choices, str):
            each = [types(choice, root, depth + 1) for choice in choices if isinstance(choice, Mapping)]
            return frozenset().union(*each) if each and all(each) else frozenset()
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset({named})
    if isinstance(named, Sequence):
        return frozenset(str(one) for one in named)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(values, Sequence) and values and all(isinstance(value, str) for value in values):
        return frozenset({"string"})
    return frozenset({"object"}) if "properties" in schema else frozenset()


def resolve(reference: str, root: Schema) -> Schema:
    """The part of `root` that a local reference (`#/$defs/x`) names; empty if there is none."""
    here: object = root
    for step in reference.removeprefix("#").split("/")[1:]:
        here = here.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def inside(schema: Schema, key: str | None = None, root: Schema | None = None, depth: int = 0) -> Schema:
    """The schema of an object's member `key`, or of a list's items, wherever `schema` tells it; empty if unknown."""
    root = schema if root is None else root
    if depth > _DEEPEST:
        return {}
    if isinstance(reference := schema.get("$ref"), str):
        return inside(resolve(reference, root), key, root, depth + 1)
    found = schema.get("items") if key is None else properties(schema).get(key)
    if isinstance(found, Mapping):
        return found
    for name in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(name)
        for choice in choices if isinstance(choices, Sequence) and not isinstance(choices, str) else ():
            if isinstance(choice, Mapping) and (found := inside(choice, key, root, depth + 1)):
                return found
    return {}


def typed(text: str, schema: Schema) -> object:
    """The value that plain `text` means where `schema` is expected. Text where nothing else fits.

    A string stays as it is; other types are read as JSON (or as Python writes them: True, None).
    """
    allowed = types(schema)
    if allowed == {"string"}:
        return text
    stripped = text.strip()
    if not stripped and len(allowed) == 1:
        empty: dict[str, object] = {"array": [], "object": {}, "null": None}
        return empty.get(next(iter(allowed)), text)
    value: object = text
    try:
        value = json.loads(stripped, strict=False, parse_constant=_no_value)
    except (ValueError, RecursionError):
        value = {"True": True, "False": False, "None": None}.get(stripped, text)
    if not allowed or _kind(value) & allowed:
        return value
    return text if "string" in allowed else value


def _no_value(name: str) -> object:
    """NaN and its like are no JSON, though Python reads them."""
    raise ValueError(f"{name} is no JSON value")


def _kind(value: object) -> set[str]:
    """The names of the JSON types that a value has."""
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, float):
        return {"number", "integer"} if value.is_integer() else {"number"}
    names: dict[type, set[str]] = {
        int: {"integer", "number"},
        str: {"string"},
        list: {"array"},
        dict: {"object"},
        type(None): {"null"},
    }
    return names.get(type(value), set())


def complaint(call: ToolCall, tools: Mapping[str, Tool]) -> str:
    """Why a call cannot run, as a sentence for the model; empty if it can. Without tools only its form is checked."""
    tool = tools.get(call.name)
    if tools and tool is None:
        return f"There is no tool “{call.name}”. The tools are: {', '.join(sorted(tools))}."
    try:
        arguments = json.loads(call.arguments, parse_constant=_no_value)
    except (ValueError, RecursionError) as error:
        return f"The arguments of {call.name} are not valid JSON: {error}."
    if not isinstance(arguments, dict):
        return f"The arguments of {call.name} must be a JSON object, not {_said(arguments)}."
    return mismatch(arguments, tool.parameters if tool else {}, call.name)


def mismatch(arguments: object, schema: Schema, name: str) -> str:
    """Where the arguments break their schema, as a sentence; empty if nowhere."""
    try:
        validator = Draft202012Validator(dict(schema), registry=Registry())  # which fetches nothing from anywhere
        error = best_match(islice(validator.iter_errors(arguments), _MOST_ERRORS))
    except _WRONG_SCHEMA:
        return ""  # a tool whose schema is wrong cannot be held to it
    if error is None:
        return ""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
    return f"The arguments of {name} do not fit: {f'{place}: ' if place else ''}{error.message[:300]}."


def _said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
