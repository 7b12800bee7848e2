"""The shapes that calls come in, each as a reader that families put behind their markers. Knows no family."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass

from m3studio.parsers import _json
from m3studio.parsers._draft import Draft
from m3studio.parsers._flow import Reader, attempt
from m3studio.parsers._schema import property_of, typed, types
from m3studio.parsers._source import Sink, Source, Steps, Unreadable, stop

NO_END = "added the missing closing tag"


def end(source: Source, draft: Draft, *tags: str) -> Steps[None]:
    """Take the tag that ends a call. One that is missing is let pass, unless half a bracket stands there instead."""
    yield from source.space()
    if (yield from source.accept(*tags)):
        return
    if (yield from source.peek()) in tuple("}])\"',;"):
        raise Unreadable
    draft.note(NO_END)


def tagged(close: str, keys: _json.Keys = _json.Keys()) -> Reader:
    """`{"name": ..., "arguments": ...}` up to `close`; also a list of them."""

    def one(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, keys)
        yield from end(source, draft, close)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        if (yield from source.sees("[")):
            yield from listed(close, keys)(source, draft)
        elif (yield from source.sees("{")):
            yield from attempt(source, draft, one(source, draft), stop(close))
        else:
            raise Unreadable

    return read


def listed(close: str, keys: _json.Keys = _json.Keys()) -> Reader:
    """`[{"name": ..., "arguments": ...}, ...]` up to `close`, which may be empty."""

    def item(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, keys)
        yield from source.space()
        if not (yield from source.sees(",", "]")):
            raise Unreadable(unfinished=source.ended and not source.text)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        yield from source.expect("[")
        while True:
            yield from source.space()
            if (yield from attempt(source, draft, item(source, draft), stop(*filter(None, [close])))):
                return
            if (yield from source.accept(",", "]")) != ",":
                break
        yield from source.space()
        if close and not (yield from source.accept(close)):
            draft.note(NO_END)

    return read


def named(source: Source, draft: Draft, name: str, id: str = "") -> Steps[None]:
    """A call whose name is known, followed by its arguments as JSON."""
    draft.open_call(name, id)
    yield from source.space()
    yield from _json.arguments(source, draft.arguments)


@dataclass(frozen=True, slots=True)
class Tags:
    """How a family writes arguments as tags.

    `open` begins one, up to its name; `after_name` ends the name; attributes may follow up to `>` if `attributes`;
    `close` ends the value, and `end` the call. `trim`: one line break at each edge of a value belongs to the tags.
    """

    open: str = "<parameter="
    after_name: str = ">"
    attributes: bool = False
    close: str = "</parameter>"
    end: str = "</function>"
    trim: bool = False


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
        textual = types(schema) == {"string"}
        if 'string="' in attributes:
            textual = 'string="true"' in attributes
        write.key(name)
        if textual:
            write.begin_text()
            yield from text_value(source, tags, write.more_text)
            write.end_text()
        else:
            pieces: list[str] = []
            yield from text_value(source, tags, pieces.append)
            write.value(typed("".join(pieces), schema))
    write.end()


def text_value(source: Source, tags: Tags, sink: Sink) -> Steps[None]:
    """The text of one argument. A closing tag that nothing of the call follows is part of the text."""
    out = Trimmed(sink) if tags.trim else None
    close = stop(tags.close)
    while True:
        if not (yield from source.until(close, out.add if out else sink)):
            raise Unreadable(unfinished=True)
        mark = source.mark()
        yield from source.space()
        follows = (yield from source.sees(tags.open, tags.end, "</")) or (source.ended and not source.text)
        source.rewind(mark)
        source.forget()
        if follows:
            return
        (out.add if out else sink)(tags.close)


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


def quoted(text: str) -> str:
    """`text` as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def function(tags: Tags, close: str = "") -> Callable[[Source, Draft], Steps[None]]:
    """A call whose marker was read: its name up to `after_name`, then its arguments as tags, then `close`."""

    def one(source: Source, draft: Draft) -> Steps[None]:
        name = yield from source.word(tags.after_name)
        if tags.attributes:
            yield from source.word(">")
        if not name.strip() or "\n" in name or "<" in name:
            raise Unreadable
        draft.open_call(name.strip())
        yield from parameters(source, draft, tags)
        if close:
            yield from end(source, draft, close)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from attempt(source, draft, one(source, draft), stop(close or tags.end))

    return read


def block(invoke: str, tags: Tags, close: str) -> Reader:
    """Calls that each begin with `invoke`, up to `close`."""
    one = function(tags)

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


Generated = Generator[None, None, None]
