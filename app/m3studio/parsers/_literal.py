"""Values as Python writes them, and Gemma's own quotes, passed on as JSON while they arrive. Knows no family."""

import json
import re
from collections.abc import Callable

from m3studio.parsers._source import Sink, Source, Steps, Unreadable, stop

_DEEPEST = 50
_PIECE = 4096  # a long text is taken in pieces, so that the time stays linear in its length
_WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\\": "\\", "'": "'", '"': '"', "/": "/"}
_CODES = {"x": 2, "u": 4, "U": 8}
_BARE_KEY = re.compile(r"[\w.$-]+")
GEMMA = '<|"|>'


def value(source: Source, sink: Sink, depth: int = 0, *, begun: str = "") -> Steps[None]:
    """Read one value and hand it to `sink` as JSON text; `begun` is its first character if it was read. Raises
    `Unreadable`.
    """
    if depth > _DEEPEST:
        raise Unreadable
    yield from source.space()
    opening = begun or (yield from source.accept("{", "[", "(", '"', "'", GEMMA))
    if opening == "{":
        yield from _members(source, sink, depth)
    elif opening in ("[", "("):
        yield from _items(source, sink, "]" if opening == "[" else ")", depth)
    elif opening:
        yield from _string(source, sink, opening)
    else:
        yield from _word(source, sink)


def _items(source: Source, sink: Sink, closing: str, depth: int) -> Steps[None]:
    sink("[")
    lead = ""
    yield from source.space()
    while not (yield from source.accept(closing)):
        sink(lead)
        lead = ", "
        yield from value(source, sink, depth + 1)
        yield from source.space()
        if (yield from source.expect(",", closing)) == closing:
            break
        yield from source.space()
    sink("]")


def _members(source: Source, sink: Sink, depth: int) -> Steps[None]:
    sink("{")
    lead = ""
    yield from source.space()
    while not (yield from source.accept("}")):
        sink(lead)
        lead = ", "
        opening = yield from source.accept('"', "'", GEMMA)
        if opening:
            yield from _string(source, sink, opening)
            yield from source.space()
            yield from source.expect(":")
        else:
            key = (yield from source.word(":")).strip()
            if not _BARE_KEY.fullmatch(key):
                raise Unreadable
            sink(quoted(key))
        sink(": ")
        yield from value(source, sink, depth + 1)
        yield from source.space()
        if (yield from source.expect(",", "}")) == "}":
            break
        yield from source.space()
    sink("}")


def _string(source: Source, sink: Sink, opening: str) -> Steps[None]:
    if opening in ("'", '"') and (yield from source.accept(opening * 2)):
        if not (yield from source.accept(opening)):
            sink('""')
            return
        opening *= 3
    sink('"')
    ends = stop(opening) if opening == GEMMA else stop(opening, "\\")
    while (marker := (yield from source.until(ends, lambda text: sink(quoted(text)[1:-1])))) != opening:
        if not marker:
            raise Unreadable
        sink(quoted((yield from _escape(source)))[1:-1])
    sink('"')


def _escape(source: Source) -> Steps[str]:
    """The character behind a backslash."""
    kind = yield from source.peek()
    if not kind:
        raise Unreadable
    source.take(1)
    if kind == "\n":
        return ""
    if kind not in _CODES:
        return _ESCAPES.get(kind, "\\" + kind)
    code = ""
    while len(code) < _CODES[kind]:
        if not (yield from source.peek()):
            raise Unreadable
        code += source.take(1)
    try:
        return json.loads(f'"\\u{code}"') if kind == "u" else chr(int(code, 16))
    except (ValueError, OverflowError):
        raise Unreadable from None


def _word(source: Source, sink: Sink) -> Steps[None]:
    word = ""
    while (char := (yield from source.peek())) and (char.isalnum() or char in "+-._") and len(word) < 400:
        word += source.take(1)
    if not word:
        raise Unreadable
    if word in _WORDS:
        sink(_WORDS[word])
    elif _NUMBER.fullmatch(word):
        sink(json.dumps(json.loads(word)) if _strict(word) else str(int(word)))
    else:
        raise Unreadable


def _strict(word: str) -> bool:
    digits = word.lstrip("-")
    return not (digits.isdigit() and len(digits) > 1 and digits[0] == "0")


def keywords(source: Source, sink: Sink) -> Steps[None]:
    """Read `key=value, ...)`, the rest of a call behind its bracket, and hand it to `sink` as a JSON object."""
    lead = "{"
    yield from source.space()
    while not (yield from source.accept(")")):
        key = (yield from source.word("=")).strip()
        if not key.isidentifier():
            raise Unreadable
        sink(f"{lead}{quoted(key)}: ")
        lead = ", "
        yield from value(source, sink)
        yield from source.space()
        if (yield from source.expect(",", ")")) == ")":
            break
        yield from source.space()
    sink("{}" if lead == "{" else "}")


def quoted(text: str) -> str:
    """`text` as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def parsed(text: str) -> object:
    """The value that a whole text means; None if it is no literal (or means nothing)."""
    return _whole(text, value)


def parsed_keywords(text: str) -> object:
    """The keyword arguments in `key=value, ...)` as an object; None if it is anything else."""
    return _whole(text, keywords)


def _whole(text: str, read: Callable[[Source, Sink], Steps[None]]) -> object:
    source = Source()
    pieces: list[str] = []
    steps = read(source, pieces.append)
    try:
        for start in range(0, len(text), _PIECE):
            source.text += text[start : start + _PIECE]
            next(steps, None)
        source.ended = True
        next(steps, None)
        return None if source.text.strip() else json.loads("".join(pieces))
    except (Unreadable, ValueError, RecursionError):
        return None
