"""Calls whose arguments are tags: reads them, types them by the tool's schema, writes them as JSON. Knows no family."""

import json
import re
from dataclasses import dataclass

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Reader
from m3studio.parsers._flow import NO_END, attempt, end
from m3studio.parsers._literal import quoted
from m3studio.parsers._schema import Schema, property_of, typed, types
from m3studio.parsers._source import Sink, Source, Steps, Unreadable, stop

NAME = re.compile(r"[\w.:/-]{1,200}")  # of a tool, as a model may write it


@dataclass(frozen=True, slots=True)
class Tags:
    """How a family writes arguments as tags.

    `open` begins one, up to its name; `after_name` ends the name; attributes may follow up to `>` if `attributes`;
    `close` ends the value, and `end` the call. `trim`: one line break at each edge of a value belongs to the tags.
    `cdata`: a value may stand in a CDATA section.
    """

    open: str = "<parameter="
    after_name: str = ">"
    attributes: bool = False
    close: str = "</parameter>"
    end: str = "</function>"
    trim: bool = False
    cdata: bool = False


FUNCTION = Tags(trim=True)  # <function=name> and <parameter=key>, as Qwen3-Coder writes them
INVOKE = Tags('<parameter name="', '"', attributes=True, end="</invoke>")  # as Anthropic's models write them


def parameters(source: Source, draft: Draft, tags: Tags) -> Steps[None]:
    """Read the arguments of the latest call, tag by tag, and its end. Raises `Unreadable`."""
    tool = draft.tools.get(draft.calls[-1].name)
    write = Members(draft)
    while True:
        yield from source.space()
        if (yield from source.expect(tags.end, tags.open)) == tags.end:
            break
        name = yield from source.word(tags.after_name)
        attributes = (yield from source.word(">")) if tags.attributes else ""
        schema = property_of(tool, name)
        if 'string="' in attributes:
            schema = {"type": "string"} if 'string="true"' in attributes else _not_text(schema)
        yield from member(source, write, name, schema, tags)
    write.end()


def _not_text(schema: Schema) -> Schema:
    return {} if types(schema) == {"string"} else schema


def member(source: Source, write: "Members", name: str, schema: Schema, tags: "Tags") -> Steps[None]:
    """Read the value of one argument, up to its closing tag, and write it as its schema wants it."""
    write.key(name)
    if types(schema) == {"string"}:
        write.begin_text()
        yield from text_value(source, tags, write.more_text)
        write.end_text()
    else:
        pieces: list[str] = []
        yield from text_value(source, tags, pieces.append)
        write.value(typed("".join(pieces), schema))


def text_value(source: Source, tags: Tags, sink: Sink) -> Steps[None]:
    """The text of one argument. A closing tag that nothing of the call follows is part of the text."""
    if tags.cdata and (yield from source.accept("<![CDATA[")):
        if not (yield from source.until(stop("]]>"), sink)):
            raise Unreadable
        sink = _nothing
    out = Trimmed(sink) if tags.trim else None
    close = stop(tags.close)
    while True:
        if not (yield from source.until(close, out.add if out else sink)):
            raise Unreadable
        if (yield from source.ahead(_goes_on(source, tags))):
            return
        (out.add if out else sink)(tags.close)


def _goes_on(source: Source, tags: Tags) -> Steps[bool]:
    """Whether the call goes on, or the text ends: then the tag just read was no part of a value."""
    yield from source.space()
    return bool((yield from source.sees(tags.open, tags.end, "</"))) or (source.ended and not source.text)


def _nothing(text: str) -> None:
    """Take no notice of `text`."""


class Trimmed:
    """Passes text on without the line break at its beginning and at its end."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.begun = False
        self.held = ""

    def add(self, text: str) -> None:
        """Take more text."""
        if not self.begun:
            self.begun = True
            text = text.removeprefix("\n")
        text = self.held + text
        self.held = "\n" if text.endswith("\n") else ""
        if ready := text.removesuffix("\n"):
            self.sink(ready)


class Members:
    """Writes the arguments of the latest call as a JSON object, member by member."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.lead = "{"

    def key(self, name: str) -> None:
        self.draft.arguments(f"{self.lead}{quoted(name)}: ")
        self.lead = ", "

    def value(self, value: object) -> None:
        self.draft.arguments(json.dumps(value, ensure_ascii=False))

    def begin_text(self) -> None:
        self.draft.arguments('"')

    def more_text(self, text: str) -> None:
        self.draft.arguments(quoted(text)[1:-1])

    def end_text(self) -> None:
        self.draft.arguments('"')

    def end(self) -> None:
        self.draft.arguments("{}" if self.lead == "{" else "}")


def function(tags: Tags, close: str = "", *, lead: str = "<function=") -> Reader:
    """A call whose marker `lead` was read: its name up to `after_name`, then its arguments as tags, then `close`."""

    def one(source: Source, draft: Draft) -> Steps[None]:
        name = yield from source.name(tags.after_name)
        if tags.attributes:
            yield from source.word(">")
        if not NAME.fullmatch(name):
            raise Unreadable
        draft.open_call(name)
        yield from parameters(source, draft, tags)
        if close:
            yield from end(source, draft, close)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from attempt(source, draft, one(source, draft), stop(close or tags.end), lead=lead)

    return read


def keyed(close: str = "</tool_call>") -> Reader:
    """A name, then `<arg_key>` and `<arg_value>` pairs, as GLM writes them, up to `close`."""
    tags = Tags("<arg_key>", "</arg_key>", close="</arg_value>", end=close)

    def one(source: Source, draft: Draft) -> Steps[None]:
        text, marker = yield from source.collect(stop("<", "\n"))
        name = text.strip()
        if not NAME.fullmatch(name) or not marker:
            raise Unreadable
        if marker == "\n":
            yield from source.space()
            yield from source.expect("<")
        tag = "<" + (yield from source.expect(tags.open[1:], close[1:]))
        draft.open_call(name)
        tool = draft.tools.get(name)
        write = Members(draft)
        while tag != close:
            key = yield from source.word(tags.after_name)
            yield from source.space()
            yield from source.expect("<arg_value>")
            yield from member(source, write, key.strip(), property_of(tool, key.strip()), tags)
            yield from source.space()
            tag = yield from source.expect(tags.open, close)
        write.end()

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from attempt(source, draft, one(source, draft), stop(close))

    return read


def block(invoke: str, tags: Tags, close: str) -> Reader:
    """Calls that each begin with `invoke`, up to `close`."""
    one = function(tags, lead=invoke)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        yield from source.expect(invoke)
        while True:
            yield from one(source, draft)
            yield from source.space()
            if not (yield from source.accept(invoke)):
                break
        if not (yield from source.accept(close)):
            draft.note(NO_END)

    return read
