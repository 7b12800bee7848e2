"""JSON as it arrives: finds where a value ends, hands it on in pieces, and reads calls written as JSON objects."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from m3studio.parsers import healing
from m3studio.parsers._draft import Draft
from m3studio.parsers._source import NotACall, Sink, Source, Steps, Unreadable

_PLAIN = re.compile(r'[^"\\]+')
_SPACE = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[-+.\w]+")
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null")
_DEEPEST = 200


class Scanner:
    """Follows one JSON value through the pieces of its text. Raw line breaks inside strings are let through."""

    def __init__(self) -> None:
        self.done = False
        self.broken = False
        self._ended = False
        self._open: list[str] = []  # "{" and "[" that wait for their end
        self._next: Callable[[str, int], int] = self._value

    def scan(self, text: str, *, ended: bool) -> int:
        """How many characters of `text` belong to the value; then it is `done`, or `broken`, or needs more text."""
        self._ended = ended
        place = 0
        try:
            while place < len(text) and not self.done:
                moved = self._next(text, place)
                if moved == place:
                    break
                place = moved
        except Unreadable:
            self.broken = True
        return place

    # Each step takes what it can at `place` and returns the place after it.

    def _value(self, text: str, place: int) -> int:
        if space := _SPACE.match(text, place):
            return space.end()
        char = text[place]
        if char in "{[":
            if len(self._open) >= _DEEPEST:
                raise Unreadable
            self._open.append(char)
            self._next = self._first_key if char == "{" else self._first_item
        elif char == '"':
            self._next = self._string
        elif _WORD.match(char):
            self._next = self._scalar
            return self._scalar(text, place)
        else:
            raise Unreadable
        return place + 1

    def _first_item(self, text: str, place: int) -> int:
        if text[place] == "]":
            return self._close(place)
        if not text[place].isspace():
            self._next = self._value
        return self._value(text, place)

    def _first_key(self, text: str, place: int) -> int:
        return self._close(place) if text[place] == "}" else self._key(text, place)

    def _key(self, text: str, place: int) -> int:
        if space := _SPACE.match(text, place):
            return space.end()
        if text[place] != '"':
            raise Unreadable
        self._next = self._key_string
        return place + 1

    def _key_string(self, text: str, place: int) -> int:
        return self._quoted(text, place, self._colon)

    def _string(self, text: str, place: int) -> int:
        return self._quoted(text, place, self._after)

    def _quoted(self, text: str, place: int, then: Callable[[str, int], int]) -> int:
        if plain := _PLAIN.match(text, place):
            return plain.end()
        if text[place] == '"':
            self._next = then
            if then == self._after:
                self._finish_value()
            return place + 1
        if len(text) < place + 2:
            return place  # a lone backslash: wait for what it escapes
        if text[place + 1] not in '"\\/bfnrtu':
            raise Unreadable
        return place + 2

    def _colon(self, text: str, place: int) -> int:
        if space := _SPACE.match(text, place):
            return space.end()
        if text[place] != ":":
            raise Unreadable
        self._next = self._value
        return place + 1

    def _scalar(self, text: str, place: int) -> int:
        found = _WORD.match(text, place)
        end = found.end() if found else place
        if end == len(text) and not self._ended and end - place < 400:
            return place  # it may go on
        if not _SCALAR.fullmatch(text, place, end):
            raise Unreadable
        self._next = self._after
        self._finish_value()
        return end

    def _after(self, text: str, place: int) -> int:
        if space := _SPACE.match(text, place):
            return space.end()
        char = text[place]
        if char == ",":
            self._next = self._key if self._open[-1] == "{" else self._value
            return place + 1
        if char != {"{": "}", "[": "]"}[self._open[-1]]:
            raise Unreadable
        return self._close(place)

    def _close(self, place: int) -> int:
        self._open.pop()
        self._next = self._after
        self._finish_value()
        return place + 1

    def _finish_value(self) -> None:
        self.done = not self._open


def value(source: Source, sink: Sink) -> Steps[None]:
    """Read one JSON value and hand its text to `sink` as it comes. Raises `Unreadable`."""
    scanner = Scanner()
    while True:
        size = scanner.scan(source.text, ended=source.ended)
        if size:
            sink(source.take(size))
        if scanner.done:
            return
        if scanner.broken:
            raise Unreadable
        if not (yield from source.more()):
            raise Unreadable


def collected(source: Source) -> Steps[str]:
    """The text of one JSON value. Raises `Unreadable`."""
    pieces: list[str] = []
    yield from value(source, pieces.append)
    return "".join(pieces).strip()


def string(source: Source) -> Steps[str]:
    """One JSON string, decoded. Raises `Unreadable`."""
    found = decoded((yield from collected(source)))
    if not isinstance(found, str):
        raise Unreadable
    return found


def decoded(text: str) -> object:
    """The value of a JSON text. Raises `Unreadable`."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        raise Unreadable from None


@dataclass(frozen=True, slots=True)
class Keys:
    """Under which keys a call object holds its name, its arguments and its id."""

    name: str = "name"
    arguments: tuple[str, ...] = ("arguments", "parameters")  # any but the first is noted as mended
    id: str = "id"


def call(source: Source, draft: Draft, keys: Keys = Keys(), *, known: bool = False) -> Steps[None]:
    """Read `{"name": ..., "arguments": {...}}`. Raises `Unreadable` where it is anything else.

    With `known` the name must be one of the tools on offer.
    """
    object_ = _CallObject(draft, keys, known)
    yield from source.space()
    yield from source.expect("{")
    while True:
        yield from source.space()
        key = yield from string(source)
        yield from source.space()
        yield from source.expect(":")
        yield from source.space()
        yield from object_.member(source, key)
        yield from source.space()
        if (yield from source.expect(",", "}")) == "}":
            break
    if not object_.named or (object_.others and not object_.argued):
        raise Unreadable


class _CallObject:
    """A call object whose members come in any order."""

    def __init__(self, draft: Draft, keys: Keys, known: bool) -> None:
        self.draft = draft
        self.keys = keys
        self.known = known
        self.named = False
        self.id = ""
        self.early: list[str] = []  # arguments that came ahead of the name
        self.note = ""
        self.argued = False
        self.others = False  # there were members that a call does not have

    def member(self, source: Source, key: str) -> Steps[None]:
        if key == self.keys.name and not self.named:
            name = yield from string(source)
            if self.known and not healing.closest(name, self.draft.tools):
                raise NotACall
            self._open(name)
        elif key in self.keys.arguments:
            self.argued = True
            if key != self.keys.arguments[0]:
                self.note = f"took the arguments from “{key}”"
            if (yield from source.peek()) == '"':
                self.note = "unwrapped the arguments from a text"
            if self.named:
                self._note()
            yield from arguments(source, self.draft.arguments if self.named else self.early.append)
        elif key == self.keys.id:
            self.id = json_id((yield from collected(source)))
            if self.named:
                self.draft.identify(self.id)
        else:
            self.others = self.others or key not in ("type", "id", "index")
            yield from value(source, lambda _: None)

    def _open(self, name: str) -> None:
        self.named = True
        self.draft.open_call(name, self.id)
        self.draft.arguments("".join(self.early))
        self._note()

    def _note(self) -> None:
        if self.note:
            self.draft.note(self.note)


def arguments(source: Source, sink: Sink) -> Steps[None]:
    """Read a call's arguments: an object, or a string that holds one."""
    if (yield from source.peek()) == '"':
        sink((yield from string(source)))
    else:
        yield from value(source, sink)


def json_id(text: str) -> str:
    """An id that may be written as a string, a number or null."""
    found = decoded(text)
    return "" if found is None else str(found)
