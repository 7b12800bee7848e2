"""Reads calls that break their syntax, and mends calls that miss their tool, where what was meant is plain.

Knows no family and runs nothing. What it mends it names. What it cannot read for certain it leaves alone: the error
then goes back to the model. A text that is broken JSON never becomes an argument as it stands.
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from m3studio.messages import Tool, ToolCall
from m3studio.parsers import _shapes
from m3studio.parsers._fit import fitted, same_name
from m3studio.parsers._mend import LONGEST, mend
from m3studio.parsers._schema import complaint, mismatch, properties, types

CALL_KEYS = _shapes.NAME_KEYS | {
    *_shapes.WRAPPER_KEYS,
    "tool_calls",
    "type",
    "id",
    "tool_call_id",
    "arguments",
    "parameters",
}
_ALIASES = {
    "python": ("code_interpreter", "python_interpreter", "run_python", "execute_python", "python_exec", "ipython"),
    "bash": ("shell", "sh", "terminal", "run_bash", "execute_bash", "run_shell"),
    "web_search": ("search", "google_search", "search_web", "brave_search"),
}
_LONGEST_NAME = 120
_PREFIX = re.compile(r"^(?:functions?|tools?|default_api|api)[.:/]", re.I)
_BROKEN_JSON = re.compile(r"""^\s*[\[{"]|["'“]\w+["'”]\s*:""")


@dataclass(frozen=True, slots=True)
class Healed:
    """A call that was mended; `note` says how."""

    name: str
    arguments: str
    note: str
    id: str = ""


def closest(name: str, tools: Mapping[str, Tool]) -> str:
    """The tool that `name` means; empty if none is close enough to be sure."""
    if name in tools:
        return name
    if len(name) > _LONGEST_NAME:
        return ""
    short = _PREFIX.sub("", name.strip())
    same = [one for one in tools if same_name(one, short)]
    same = same or [one for one in tools if any(same_name(alias, short) for alias in _ALIASES.get(one, ()))]
    if same:
        return same[0] if len(same) == 1 else ""
    near = difflib.get_close_matches(short.lower(), [one.lower() for one in tools], n=2, cutoff=0.75)
    found = [one for one in tools if near and one.lower() == near[0]]
    if len(near) == 2 and _likeness(short, near[0]) - _likeness(short, near[1]) < 0.1:
        return ""
    return found[0] if len(found) == 1 else ""


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def is_json(text: str) -> bool:
    """Whether `text` is a JSON object or list."""
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def looks_like_call(raw: str) -> bool:
    """Whether `raw` was meant to be a call at all."""
    return "{" in raw or "<" in raw


def read(raw: str, tools: Mapping[str, Tool]) -> list[Healed]:
    """The calls in `raw`, the text of a call that could not be read; empty if there are none to be sure of."""
    if len(raw) > LONGEST or not tools:
        return []
    for shape in _shapes.SHAPES:
        calls = [_healed(found, tools) for found in shape(raw, lambda name: closest(name, tools), tools)]
        if calls and all(calls):
            return [call for call in calls if call]
    return []


def _healed(found: _shapes.Found, tools: Mapping[str, Tool]) -> Healed | None:
    tool = tools.get(closest(found.name, tools))
    if tool is None:
        return None
    meant = _mended(str(found.arguments), tool) if found.raw else _arguments(found.arguments, tool)
    if meant is None:
        return None
    arguments, notes = meant
    notes = [*found.notes, *_renamed(found.name, tool), *notes]
    return Healed(tool.name, _json(arguments), "; ".join(notes) or "read a call in another form", found.id)


def _renamed(name: str, tool: Tool) -> list[str]:
    return [] if name == tool.name else [f"read the name “{name}” as “{tool.name}”"]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def fit(call: ToolCall, tools: Mapping[str, Tool]) -> ToolCall:
    """`call`, made to fit its tool where that is safe; else as it is. Without tools only its JSON is mended."""
    if not complaint(call, tools):
        return call
    tool = tools.get(closest(call.name, tools)) if tools else Tool(call.name)
    if tool is None:
        return call
    meant = _arguments(call.arguments, tool)
    if meant is None:
        return call
    arguments, notes = meant
    known = [call.repaired] if call.repaired else []
    repaired = "; ".join([*known, *_renamed(call.name, tool), *notes])
    return replace(call, name=tool.name, arguments=_json(arguments), repaired=repaired)


def _arguments(value: object, tool: Tool, depth: int = 0) -> tuple[dict[str, object], list[str]] | None:
    """The arguments that `value` means for a tool, and notes; None if that is not certain."""
    schema = tool.parameters
    if depth > 3:
        return None
    if value is None or value == "":
        return None if mismatch({}, schema, "") else ({}, [])
    if isinstance(value, dict):
        return _accepted(value, tool)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return _accepted(value[0], tool)
    if not isinstance(value, str):
        return _only(value, tool)
    return _from_text(value, tool, depth)


def _accepted(value: dict[str, object], tool: Tool) -> tuple[dict[str, object], list[str]] | None:
    """An object that keeps the tool's schema: as it is, made to fit, or unwrapped."""
    if not mismatch(value, tool.parameters, ""):
        return value, []
    changed, notes = fitted(value, tool.parameters)
    if isinstance(changed, dict) and not mismatch(changed, tool.parameters, ""):
        return changed, notes
    for key in (*_shapes.ARGUMENT_KEYS, "properties"):
        inner = value.get(key)
        if isinstance(inner, (dict, str)) and key not in properties(tool.parameters):
            found = _arguments(inner, tool, 2)
            return (found[0], [f"took the arguments from “{key}”", *found[1]]) if found else None
    return None


def _from_text(text: str, tool: Tool, depth: int) -> tuple[dict[str, object], list[str]] | None:
    """Arguments as a text: JSON once more, damaged JSON, or the only argument as it stands."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, (dict, list)) or (isinstance(value, str) and value.lstrip()[:1] in ("{", "[")):
        found = _arguments(value, tool, depth + 1)
        unwrapped = ["unwrapped the arguments from a text"] if depth or isinstance(value, str) else []
        return (found[0], [*unwrapped, *found[1]]) if found else None
    if mended := _mended(text, tool):
        return mended
    return None if _BROKEN_JSON.search(text) else _only(text if value is None else value, tool)


def _mended(text: str, tool: Tool) -> tuple[dict[str, object], list[str]] | None:
    """The object that a damaged JSON text means."""
    notes: list[str] = []

    def accept(candidate: dict[str, object]) -> dict[str, object] | None:
        meant = _accepted(candidate, tool)
        notes[:] = meant[1] if meant else []
        return meant[0] if meant else None

    mended = mend(text, tool.parameters, accept)
    return (mended[0], list(filter(None, [mended[1], *notes]))) if mended else None


def _only(value: object, tool: Tool) -> tuple[dict[str, object], list[str]] | None:
    """The argument of a tool that has only one, or needs only one, given without its name."""
    known = properties(tool.parameters)
    required = tool.parameters.get("required")
    names = list(known) if len(known) == 1 else list(required) if isinstance(required, list) else []
    if len(names) != 1 or not types(known.get(str(names[0]), {})):
        return None
    found = _accepted({str(names[0]): value}, tool)
    return (found[0], [f"took a bare value for “{names[0]}”", *found[1]]) if found else None
