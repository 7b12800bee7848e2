"""The shapes in which calls are found in a damaged text: as JSON, as tags, as Python. Knows no family."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest

from m3studio.messages import Tool
from m3studio.parsers._literal import parsed, parsed_keywords
from m3studio.parsers._mend import without_strings
from m3studio.parsers._schema import properties, property_of, typed

NAME_KEYS = frozenset({"name", "tool_name", "tool", "function", "function_name", "action", "recipient_name"})
WRAPPER_KEYS = ("tool_call", "function_call", "call")
ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "params", "kwargs", "tool_input", "action_input")
_MOST = 64  # names in one text that are looked at
Closest = Callable[[str], str]

_DECODERS: tuple[tuple[json.JSONDecoder, list[str]], ...] = (
    (json.JSONDecoder(), []),
    (json.JSONDecoder(strict=False), ["mended line breaks in a text"]),
)
_JUNK_AFTER = re.compile(r"(?:```|</?[\w:.-]{1,80}>|<\|[^|<>]{0,80}\|>|<｜[^｜<>]{0,80}｜>|\]<\]minimax\[>\[)\Z")
_NAME = re.compile(rf"""["'“]?\b({"|".join(sorted(NAME_KEYS))})\b["'”]?\s*[:=]\s*["'“]?([\w.:/-]+)""")
_ARGUMENTS = re.compile(rf"""["'“]?\b({"|".join(ARGUMENT_KEYS)})\b["'”]?\s*[:=]\s*""")
_WORD = re.compile(r"[A-Za-z_][\w.:/-]*")
_NAMESPACE = "]<]minimax[>["
_TAG = r"(?:[\w｜]+:)?(?:｜DSML｜)?"  # what may stand ahead of a tag's own name
_BEGIN = re.compile(rf"""<{_TAG}(?:invoke|function|tool)\b(?:\s+name\s*)?=\s*["']?([\w.:/-]+)["']?\s*>""")
_PARAMETER = re.compile(
    rf"""<{_TAG}(?:parameter|param|arg|argument)(?:\s+(?:name|key)\s*)?\s*=\s*["']?([\w.$-]+)["']?[^<>]*>"""
)
_ENDED = re.compile(rf"</{_TAG}(?:parameter|param|arg|argument|invoke|function|tool|tool_call)\s*>")
_PAIR = re.compile(
    r"<arg_key>([^<]{1,200})</arg_key>\s*+<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>|</tool_call>))", re.S
)
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*?)\]\]>\s*", re.S)


@dataclass(frozen=True, slots=True)
class Found:
    """A call in a damaged text. `arguments` is a value; with `raw` it is the text of an object that is no JSON yet."""

    name: str
    arguments: object
    id: str = ""
    notes: list[str] = field(default_factory=list)
    raw: bool = False


# --------------------------------------------------------------------------------------------------------- JSON


def as_json(raw: str, closest: Closest, tools: Mapping[str, Tool]) -> list[Found]:
    """Objects that name a tool, or a tool's name ahead of its arguments."""
    text = _without_junk(raw)
    start = min((place for place in (text.find("{"), text.find("[")) if place >= 0), default=-1)
    if start < 0:
        return []
    body = text[start:]
    value, note = _value(body)
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    items = value if isinstance(value, list) else [value]
    calls = [_from_object(item, closest) for item in items]
    if calls and all(calls):
        return [replace(call, notes=[*note, *call.notes]) for call in calls if call]
    return _from_broken(body, closest) or _headed(text[:start], body, closest)


def _without_junk(raw: str) -> str:
    """The text without the tags and fences at its end; a line break stands for them."""
    text = raw.rstrip()
    while found := _JUNK_AFTER.search(text, max(0, len(text) - 100)):
        text = text[: found.start()].rstrip()
    return text.lstrip() + ("\n" if len(text) < len(raw) else "")


def _value(text: str) -> tuple[object, list[str]]:
    """The JSON or Python value that a text begins with, if only brackets come after it; and what was mended."""
    for decoder, note in _DECODERS:
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            continue
        rest = text[end:].strip(" \t\r\n")
        if not rest.strip("]}),; \t\r\n"):
            return value, [*note, *(["dropped what came after the end"] if rest else [])]
    return parsed(text), ["mended quotes or commas"]


def _from_object(value: object, closest: Closest, depth: int = 0) -> Found | None:
    """A call object, under whatever keys it holds name and arguments."""
    if not isinstance(value, dict) or depth > 3:
        return None
    for key in (*NAME_KEYS, *WRAPPER_KEYS):
        inner = value.get(key)
        if isinstance(inner, dict) and (found := _from_object(inner, closest, depth + 1)):
            return found
        if isinstance(inner, str) and key in NAME_KEYS and closest(inner):
            return _with_arguments(value, key, inner)
    if len(value) == 1:
        name, inner = next(iter(value.items()))
        if closest(name) and isinstance(inner, (dict, str)):
            return Found(name, inner)
    return None


def _with_arguments(value: dict[str, object], key: str, name: str) -> Found:
    id = value.get("id") or value.get("tool_call_id")
    for other in ARGUMENT_KEYS:
        if other in value:
            return Found(name, value[other], id if isinstance(id, str) else "", _taken_from(other))
    rest = {one: held for one, held in value.items() if one not in (key, "type", "id")}
    return Found(name, rest, notes=["took the arguments from beside the name"] if rest else [])


def _taken_from(key: str) -> list[str]:
    return [] if key == "arguments" else [f"took the arguments from “{key}”"]


def _from_broken(body: str, closest: Closest) -> list[Found]:
    """Name and arguments cut out of objects that are no JSON; each begins where a tool is named."""
    named = list(islice(_NAME.finditer(body), _MOST + 1))
    names = [found for found in named if len(named) <= _MOST and closest(found[2])]
    names = [found for found in names if not _inside_arguments(body, found.start(), names[0].start())]
    if not names:
        return []
    starts = [max(body.rfind("{", 0, found.start()), 0) for found in names]
    out = []
    for found, start, end in zip(names, starts, [*starts[1:], len(body)], strict=True):
        part = body[start:end].rstrip(",;")
        key = _ARGUMENTS.search(part, found.end() - start)
        if key is None:
            return []
        text = part[key.end() :].lstrip()
        if text.startswith('"'):
            return []  # a text that holds JSON, and is broken itself: too many ways to read it
        out.append(Found(found[2], text, notes=_taken_from(key[1]), raw=True))
    return out


def _inside_arguments(body: str, place: int, first: int) -> bool:
    """Whether a name stands deeper than the first one did: then it is part of an argument."""
    return place != first and _depth(body[:place]) > _depth(body[:first])


def _depth(text: str) -> int:
    bare = without_strings(text)
    return bare.count("{") - bare.count("}")


def _headed(head: str, body: str, closest: Closest) -> list[Found]:
    """Arguments behind the only word of a head that names a tool."""
    names = {part for word in _WORD.findall(head) for part in word.split(":") if closest(part)}
    return [Found(names.pop(), body, raw=True)] if len(names) == 1 else []


# --------------------------------------------------------------------------------------------------------- tags


def as_tags(raw: str, closest: Closest, tools: Mapping[str, Tool]) -> list[Found]:
    """`<invoke name="...">`, `<function=...>` and their like, with arguments as tags or as JSON."""
    text = raw.replace(_NAMESPACE, "")
    begins = list(_BEGIN.finditer(text))
    if not begins and "<arg_key>" in text:
        head = text.partition("<arg_key>")[0]
        names = [word for word in _WORD.findall(head) if closest(word)]
        return [Found(names[-1], dict(_pairs(text, tools.get(closest(names[-1])))))] if names else []
    out = []
    for begin, end in _stretches(begins, text):
        arguments = _tag_arguments(text[begin.end() : end], tools.get(closest(begin[1])))
        if arguments is None:
            return []
        out.append(Found(begin[1], arguments, raw=isinstance(arguments, str)))
    return out


def _stretches(begins: list[re.Match[str]], text: str) -> list[tuple[re.Match[str], int]]:
    """Each beginning with the place where the next one begins, or the text ends."""
    return [(begin, after.start() if after else len(text)) for begin, after in zip_longest(begins, begins[1:])]


def _tag_arguments(text: str, tool: Tool | None) -> object:
    """The arguments in a call's body; None if one of them has no end."""
    if text.lstrip().startswith("{"):
        return _without_junk(text)
    out: dict[str, object] = {}
    begins = list(_PARAMETER.finditer(text)) or _named_tags(text, tool)
    for begin, end in _stretches(begins, text):
        value = text[begin.end() : end]
        if cdata := _CDATA.match(value):
            value = cdata[1]
        else:
            ended = list(_ENDED.finditer(value)) or list(re.finditer(rf"</{re.escape(begin[1])}\s*>", value))
            if not ended and end == len(text):
                return None
            value = value[: ended[0].start()].removesuffix("\n") if ended else value.rstrip()
        out[begin[1]] = typed(value.removeprefix("\n"), property_of(tool, begin[1]))
    return out


def _named_tags(text: str, tool: Tool | None) -> list[re.Match[str]]:
    """Arguments as tags of their own name, as MiniMax M3 writes them."""
    names = "|".join(map(re.escape, properties(tool.parameters))) if tool else ""
    return list(re.finditer(rf"<({names})>", text)) if names else []


def _pairs(text: str, tool: Tool | None) -> Iterator[tuple[str, object]]:
    for pair in _PAIR.finditer(text):
        key = pair[1].strip()
        yield key, typed(pair[2], property_of(tool, key))


# --------------------------------------------------------------------------------------------------------- Python


def as_python(raw: str, closest: Closest, tools: Mapping[str, Tool]) -> list[Found]:
    """`name(key=value, ...)`: one such call, maybe in a list or in `print`."""
    text = _without_junk(raw).strip().strip("[]").strip()
    if wrapped := re.fullmatch(r"print\((.*)\)", text, re.S):
        text = wrapped[1].strip()
    found = re.fullmatch(r"([A-Za-z_][\w.]*)\s*\((.*)\)", text, re.S)
    if not found or not closest(found[1]):
        return []
    value = parsed_keywords(found[2] + ")")
    value = parsed(found[2]) if value is None else value
    return [] if value is None else [Found(found[1], value)]


SHAPES = (as_tags, as_json, as_python)
