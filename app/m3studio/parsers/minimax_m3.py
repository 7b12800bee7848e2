"""MiniMax M3: a namespace token ahead of every tag, arguments as nested tags, lists as `<item>`."""

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import NO_END, attempt
from m3studio.parsers._grammar import nested
from m3studio.parsers._schema import Schema, inside, property_of, typed, types
from m3studio.parsers._source import Source, Steps, Unreadable, stop
from m3studio.parsers._tags import Members

NS = "]<]minimax[>["
_BLOCK_END = f"{NS}</tool_call>"
_ENDS = stop(f"{NS}</invoke>", _BLOCK_END)
_DEEPEST = 50


def _block(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    yield from source.expect(f"{NS}<invoke")
    while True:
        ended = yield from attempt(source, draft, _invoke(source, draft), _ENDS, lead="<invoke")
        if ended == _BLOCK_END:
            return
        yield from source.space()
        if not (yield from source.accept(f"{NS}<invoke")):
            break
    if not (yield from source.accept(_BLOCK_END)):
        draft.note(NO_END)


def _invoke(source: Source, draft: Draft) -> Steps[None]:
    yield from source.expect(' name="')
    draft.open_call((yield from source.word('"')))
    yield from source.expect(">")
    tool = draft.tools.get(draft.calls[-1].name)
    write = Members(draft)
    while True:
        yield from source.space()
        if (yield from source.expect(f"{NS}</invoke>", f"{NS}<")) == f"{NS}</invoke>":
            break
        name = yield from source.word(">")
        schema = property_of(tool, name)
        write.key(name)
        if types(schema) == {"string"}:
            write.begin_text()
            if not (yield from source.until(stop(f"{NS}</{name}>"), write.more_text)):
                raise Unreadable
            write.end_text()
        else:
            write.value((yield from _value(source, name, schema)))
    write.end()


def _value(source: Source, name: str, schema: Schema, depth: int = 0) -> Steps[object]:
    """The value between `<name>` and `</name>`: text, or more tags."""
    if depth > _DEEPEST:
        raise Unreadable
    if types(schema) == {"string"}:
        return (yield from source.word(f"{NS}</{name}>"))
    text = yield from source.word(NS)
    items: list[object] = []
    members: dict[str, object] = {}
    while True:
        if (yield from source.accept(f"</{name}>")):
            break
        yield from source.expect("<")
        child = yield from source.word(">")
        if child.startswith("/"):
            raise Unreadable
        if child == "item" and not members:
            items.append((yield from _value(source, child, inside(schema), depth + 1)))
        else:
            members[child] = yield from _value(source, child, inside(schema, child), depth + 1)
        yield from source.space()
        yield from source.expect(NS)
    if items or members:
        return members if members else items
    return typed(text, schema)


FAMILIES = (
    Family(
        "minimax_m3",
        marks=((NS,), ("<mm:think>",)),
        priority=100,
        calls={f"{NS}<tool_call>": _block},
        lends=(f"{NS}<tool_call>",),
        thinking={"<mm:think>": "</mm:think>"},
        grammar=nested(NS),
    ),
)
