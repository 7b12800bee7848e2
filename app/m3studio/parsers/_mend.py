"""Reads a JSON object that is damaged, without losing or adding anything that was written. Knows tools' schemas only.

Each way of reading is tried from the strictest on; what it finds counts only if the caller's test accepts it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping

import json_repair

from m3studio.parsers._literal import parsed
from m3studio.parsers._schema import Schema, properties

Accept = Callable[[dict[str, object]], dict[str, object] | None]
LONGEST = 200_000  # characters of a call that is worth mending
_LONGEST_REPAIR = 50_000  # for the library, whose time nobody promises
_VALUE_ENDS = ("\0", "}", "]", "true", "false", "null", "True", "False", "None")  # \0 stands for a string
_CLOSING = {"{": "}", "[": "]"}
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+("|\Z)', re.S)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|//[^\n]*|/\*(?s:.*?)(?:\*/|\Z)|#[^\n]*|[^"/#]+|.', re.S)
_NOISE = re.compile(r"\\[nrtbf]|[^0-9A-Za-z\u00c0-\uffff]|[‘’“”„]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.S)
_TWO_TEXTS = re.compile(r'[^"\\]*"\s*[,:}\]]')  # the first quote ends a text: what follows is another one
_EMPTY = re.compile(r"(?<!\\)\"\"|''|“”")
_BARE_WORD = re.compile(r"\w[\w .+@-]*")
_SINGLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def mend(text: str, schema: Schema, accept: Accept) -> tuple[dict[str, object], str] | None:
    """The object that `text` means and how it was read; None if no reading is accepted."""
    ended = text[-1:].isspace()
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    for note, read in (
        ("mended line breaks in a text", _loose),
        ("mended quotes or commas", parsed),
        ("read values in triple quotes", _triple),
        ("mended quotes or commas", lambda one: _by_keys(one, schema)),
        ("mended the JSON", _repaired),
    ):
        for candidate, closed in _endings(text, ended=ended):
            found = read(candidate)
            accepted = accept(found) if isinstance(found, dict) else None
            if accepted is not None:
                return accepted, "; ".join(filter(None, [closed, note if not closed or read is not _loose else ""]))
    return None


def _endings(text: str, *, ended: bool) -> Iterator[tuple[str, str]]:
    """The text as it is, with brackets that are missing at its end, and without ones too many."""
    yield text, ""
    if missing := _missing(text, ended=ended):
        yield text + missing, "closed the brackets"
    shorter = text
    for _ in range(3):
        if not shorter.endswith(("}", "]", ")", ";", ",")):
            break
        shorter = shorter[:-1].rstrip()
        if shorter.endswith("}"):
            yield shorter, "dropped what came after the end"


def _missing(text: str, *, ended: bool) -> str:
    """The closing brackets of objects that a text lacks at its end; empty if none.

    Empty, too, if more may have been meant: it ends inside a string or a list, behind a comma, or in a number of which
    nobody knows whether it is `ended`.
    """
    bare = without_strings(text)
    if '"' in bare or not (bare.endswith(_VALUE_ENDS) or (ended and bare[-1:].isdigit())):
        return ""
    open_: list[str] = []
    for char in bare:
        if char in _CLOSING:
            open_.append(_CLOSING[char])
        elif char in "}]" and (not open_ or open_.pop() != char):
            return ""
    return "" if "]" in open_ else "".join(open_)


def without_strings(text: str) -> str:
    """A JSON text with a \\0 for each of its strings; a quote that begins none, or one without an end, stays."""
    return _STRINGS.sub(lambda found: "\0" if found[1] else '"', text)


def _without_comments(text: str) -> str:
    """A JSON text without comments; they begin behind white space or punctuation, or they are none."""
    out: list[str] = []
    before = " "
    for found in _TOKEN.finditer(text):
        token = found[0]
        comment = token.startswith(("//", "/*", "#")) and (before.isspace() or before in ",{}[]")
        out.append(" " if comment else token)
        before = token[-1]
    return "".join(out)


def _loose(text: str) -> object:
    """JSON with raw line breaks in its strings."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _triple(text: str) -> object:
    """JSON whose longer strings stand in triple quotes."""
    if '"""' not in text and "'''" not in text:
        return None
    as_json = re.sub(r'("""|\'\'\')(.*?)\1', lambda found: json.dumps(found[2]), text, flags=re.S)
    return _loose(as_json)


def _by_keys(text: str, schema: Schema) -> object:
    """An object taken apart at the keys that its schema names: what stands between two of them is a value.

    So quotes and line breaks within a text need no escape, and quotes and commas around one may be missing.
    """
    names = sorted(properties(schema), key=len, reverse=True)
    if not names or not text.startswith("{") or not text.endswith("}"):
        return None
    keys = "|".join(map(re.escape, names))
    pattern = re.compile(rf"(?:(?:^\{{|,)\s*|(?<=[\"'”’\s\]}}]))([\"'“”‘’]?)({keys})[\"'“”‘’]?\s*:\s*")
    found: dict[str, re.Match[str]] = {}
    for match in pattern.finditer(text):
        if match[2] not in found and (match[1] or _outside(text, found, match.start())):
            found[match[2]] = match
    places = list(found.values())
    if not places or places[0].start():
        return None
    ends = [match.start() for match in places[1:]] + [len(text) - 1]
    written = [text[match.end() : end].strip().rstrip(",").strip() for match, end in zip(places, ends, strict=True)]
    try:
        return dict(zip(found, map(_value, written), strict=True))
    except ValueError:
        return None


def _outside(text: str, found: Mapping[str, re.Match[str]], place: int) -> bool:
    """Whether a key without quotes stands outside of the text that the latest key begins."""
    before = text[max((match.end() for match in found.values()), default=0) : place].strip()
    return not before.startswith(('"', "'", "“", "‘")) or (len(before) > 1 and before[-1] in "\"'”’,")


def _value(written: str) -> object:
    """One value: JSON, Python, a text in quotes of any kind, or a bare word. Raises `ValueError` for anything else."""
    if written in ("null", "None"):
        return None
    for read in (_loose, parsed):
        if (value := read(written)) is not None:
            return value
    first, last = written[:1], written[-1:]
    if len(written) > 1 and (first + last).translate(_QUOTES) in ('""', "''"):
        inner = written[1:-1]
        if not _TWO_TEXTS.match(inner):
            return _unescaped(inner)
    if _BARE_WORD.fullmatch(written):
        return written
    raise ValueError("no value")


def _unescaped(text: str) -> str:
    """A text whose escapes are JSON's, with anything else left as it is."""

    def one(found: re.Match[str]) -> str:
        mark = found[1]
        if len(mark) > 1:
            return chr(int(mark[1:], 16))
        return _SINGLE.get(mark, mark if mark in "\"'\\/" else found[0])

    return _ESCAPE.sub(one, text)


def _repaired(text: str) -> object:
    """What the repair library makes of it, if every text in it stood there, and nothing that stood there is missing."""
    if not (text.startswith("{") and text.endswith("}")) or len(text) > _LONGEST_REPAIR:
        return None
    if '"' in without_strings(text):
        return None  # it ends inside a text, or looks so: where that should end nobody knows
    plain = _without_comments(text)
    try:
        found = json_repair.loads(plain)
    except (ValueError, RecursionError):
        return None
    if _letters(plain) != _letters(json.dumps(found, ensure_ascii=False)):
        return None
    if not isinstance(found, dict):
        return None
    meant, texts = _unescaped(plain), _texts(found)
    made_up = texts.count("") > len(_EMPTY.findall(plain))  # the library fills in values that are missing
    return found if not made_up and all(one in meant for one in texts) else None


def _letters(text: str) -> str:
    """The letters and digits of a JSON text, without escapes and the spelling of true, false and null."""
    return _NOISE.sub("", text).lower().replace("none", "null")


def _texts(found: Mapping[str, object]) -> list[str]:
    """Every text value in an object, at any depth."""
    out: list[str] = []
    waiting: list[object] = list(found.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            out.append(value)
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return out
