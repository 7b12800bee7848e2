"""Answers that are a call (or JSON) as a whole, though nothing marks them: a bare object, or one in a code block."""

from m3studio.parsers import _json, healing
from m3studio.parsers._calls import python_call, sequence
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family, Reader
from m3studio.parsers._flow import FENCE, attempt, call, fence
from m3studio.parsers._source import Source, Steps, Unreadable, stop

_KEYS = _json.Keys(arguments=("arguments", "parameters", "args", "input"))
_LANGUAGES = {"", "json", "jsonc", "tool_call", "tool_calls", "tool_code", "tool", "xml", "text"}
_BARE = "took an unmarked text for a call"


def bare_calls(keys: _json.Keys = _KEYS, note: str = "") -> Reader:
    """Objects that name a tool on offer, one after the other, maybe parted by semicolons."""

    def one(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, keys, known=True)
        if note:
            draft.note(note)

    def read(source: Source, draft: Draft) -> Steps[None]:
        more = "{"
        while more == "{":
            yield from _names_a_call(source)
            yield from attempt(source, draft, one(source, draft), stop(), sure=False)
            yield from source.space()
            yield from source.accept(";", ",")
            yield from source.space()
            more = yield from source.peek()

    return read


_ANY_BARE = bare_calls(note=_BARE)


def _bare_list(source: Source, draft: Draft) -> Steps[None]:
    """A list of call objects, or of calls as Python writes them, that name tools on offer."""

    def json_item(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, _KEYS, known=True)
        draft.note(_BARE)

    def python_item(source: Source, draft: Draft) -> Steps[None]:
        yield from python_call(source, draft, known=True)
        draft.note(_BARE)

    as_json = yield from source.ahead(_holds_an_object(source))
    yield from sequence(json_item if as_json else python_item, sure=False)(source, draft)


def _holds_an_object(source: Source) -> Steps[bool]:
    """Whether a list begins with an object, which must begin as a call does."""
    source.take(1)
    yield from source.space()
    if (yield from source.peek()) != "{":
        return False
    yield from _names_a_call(source)
    return True


def whole(source: Source, draft: Draft, family: Family, markers: tuple[str, ...]) -> Steps[None]:
    """At the beginning of an answer: read it as a call if it is one as a whole, and none of the markers begins it."""
    yield from source.space()
    first = yield from source.peek()
    if first not in tuple("{[`") or (yield from source.sees(*(one for one in markers if one != FENCE))):
        return
    if first == "{" and draft.tools:
        reader = family.bare or _ANY_BARE
        if not (yield from call(source, draft, reader)):
            draft.text(source.take(1))
    elif first == "[" and draft.tools:
        if not (yield from call(source, draft, _bare_list)):
            draft.text(source.take(1))
    elif first == "`":
        yield from _fenced(source, draft)


def _fenced(source: Source, draft: Draft) -> Steps[None]:
    """A code block that is the whole answer and holds a call, or the JSON that was asked for."""
    mark = source.mark()
    try:
        if not (yield from source.accept(FENCE)):
            return
        try:
            inner = yield from _block(source, draft)
        except Unreadable:
            inner = ""
        if inner and _taken(draft, inner):
            return
        source.rewind(mark)
    finally:
        source.forget()
    source.take(len(FENCE))
    yield from fence(source, draft)


def _block(source: Source, draft: Draft) -> Steps[str]:
    """The text of a code block that may be a call or JSON, and that nothing follows. Raises `Unreadable` otherwise."""
    language = (yield from source.word("\n")).strip().lower()
    if language not in _LANGUAGES:
        raise Unreadable
    yield from source.space()
    first = yield from source.peek()
    if not (draft.unfence and language == "json"):
        if not draft.tools or not (first in ("{", "[", "<") or language == "tool_code"):
            raise Unreadable
        if first == "{":
            yield from _names_a_call(source)
    inner, closed = yield from source.collect(stop(f"\n{FENCE}"))
    if source.truncated and not closed:
        raise Unreadable
    yield from source.space()
    if (yield from source.peek()):
        raise Unreadable
    return inner


def _names_a_call(source: Source) -> Steps[None]:
    """Look whether an object's first key is one that a call begins with. Raises `Unreadable` if not."""
    if (yield from source.ahead(_first_key(source))) not in healing.CALL_KEYS:
        raise Unreadable


def _first_key(source: Source) -> Steps[str]:
    source.take(1)
    yield from source.space()
    return (yield from source.word(":", "\n", "}")).strip().strip("\"'")


def _taken(draft: Draft, inner: str) -> bool:
    """Whether the block's text was read as calls, or as the JSON answer that it is."""
    if draft.tools and draft.mend(len(draft.calls), inner, note="took a code block for a call", sure=False):
        return True
    if draft.unfence and healing.is_json(inner):
        draft.text(inner)
        return True
    return False
