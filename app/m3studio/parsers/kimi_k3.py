"""Kimi K3: every part between `<|open|>tag<|sep|>` and `<|close|>tag<|sep|>`, arguments typed by an attribute."""

import re

from m3studio.parsers import _json
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._schema import property_of, typed, types
from m3studio.parsers._source import Source, Steps, Unreadable, stop
from m3studio.parsers._tags import Members
from m3studio.parsers._thoughts import Thought

OPEN = "<|open|>"
CLOSE = "<|close|>"
SEP = "<|sep|>"
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_CALL_END = f"{CLOSE}call{SEP}"
_TOOLS_END = f"{CLOSE}tools{SEP}"


def _read(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    parts = stop(OPEN, CLOSE)
    tag = ""
    while tag or (marker := (yield from source.until(parts, draft.text))):
        if not tag:
            tag = yield from _tag(source)
            tag = "" if marker == CLOSE else tag
        begun, tag = tag, ""
        if begun.startswith("think"):
            tag = yield from _think(source, draft, reasoning=reasoning)
        elif begun.startswith("tools"):
            yield from _tools(source, draft)
        elif begun.startswith("call "):
            yield from _call(source, draft, begun)


def _tag(source: Source) -> Steps[str]:
    tag, _ = yield from source.collect(stop(SEP))
    return tag


def _think(source: Source, draft: Draft, *, reasoning: bool) -> Steps[str]:
    """A thought. It ends with its own tag, or where another part begins: then that part's tag is returned."""
    end = f"{CLOSE}think{SEP}"
    begun = f"{OPEN}think{SEP}"

    def raw(text: str) -> None:
        nonlocal begun
        draft.text(begun + text)
        begun = ""

    sink = draft.think if reasoning else raw
    tag = ""
    while (yield from source.until(stop(OPEN, end), sink)) == OPEN:
        tag = yield from _tag(source)
        if tag.startswith(("response", "tools", "call ")):
            break
        sink(f"{OPEN}{tag}{SEP}")
        tag = ""
    if reasoning:
        draft.reasoning.pause()
    elif not begun:
        draft.text(end)
    return tag


def _tools(source: Source, draft: Draft) -> Steps[None]:
    while True:
        yield from source.space()
        if (yield from source.accept(_TOOLS_END)) or not (yield from source.accept(f"{OPEN}call ")):
            return
        if (yield from _call(source, draft, "call " + (yield from _tag(source)))):
            return


def _call(source: Source, draft: Draft, tag: str) -> Steps[bool]:
    """One call, whose opening tag was read. True if the block of calls ended with it."""
    name = _attributes(tag).get("tool", "")
    ends = stop(_CALL_END, _TOOLS_END)
    return (yield from attempt(source, draft, _arguments(source, draft, name), ends)) == _TOOLS_END


def _attributes(tag: str) -> dict[str, str]:
    return {key: text.replace("&quot;", '"').replace("&amp;", "&") for key, text in _ATTRIBUTE.findall(tag)}


def _arguments(source: Source, draft: Draft, name: str) -> Steps[None]:
    draft.open_call(name)
    tool = draft.tools.get(name)
    write = Members(draft)
    while True:
        yield from source.space()
        found = yield from source.expect(_CALL_END, f"{OPEN}argument ", f"{OPEN}json")
        if found == _CALL_END:
            break
        tag = yield from _tag(source)
        if found.endswith("json"):
            yield from _json.arguments(source, draft.arguments)
            yield from source.space()
            yield from source.expect(f"{CLOSE}json{SEP}")
            yield from source.space()
            yield from source.expect(_CALL_END)
            return
        attributes = _attributes(tag)
        key = attributes.get("key", "")
        schema = property_of(tool, key)
        write.key(key)
        if attributes.get("type") == "string" or types(schema) == {"string"}:
            write.begin_text()
            if not (yield from source.until(stop(f"{CLOSE}argument{SEP}"), write.more_text)):
                raise Unreadable
            write.end_text()
        else:
            write.value(typed((yield from source.word(f"{CLOSE}argument{SEP}")), schema))
    write.end()


_THOUGHT_END = f"{CLOSE}think{SEP}"
FAMILIES = (
    Family(
        "kimi_k3",
        marks=((OPEN, CLOSE, SEP),),
        priority=90,
        read=_read,
        thoughts=(Thought(f"{OPEN}think{SEP}", (_THOUGHT_END,), f"{_THOUGHT_END}{OPEN}response{SEP}"),),
    ),
)
