"""Calls whose arguments are JSON, each shape as a reader that families put behind their markers. Knows no family."""

from m3studio.parsers import _json
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Reader
from m3studio.parsers._flow import NO_END, attempt, end
from m3studio.parsers._json import Keys
from m3studio.parsers._literal import keywords
from m3studio.parsers._schema import properties
from m3studio.parsers._source import NotACall, Source, Steps, Unreadable, stop
from m3studio.parsers._tags import FUNCTION, INVOKE, NAME, Members, block, function, keyed

_PYTHON_TOOLS = ("python", "ipython", "code_interpreter", "run_python")


def tagged(close: str, keys: Keys = Keys()) -> Reader:
    """`{"name": ..., "arguments": ...}` up to `close`; also a list of them."""
    many = listed(close, keys)

    def one(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, keys)
        yield from end(source, draft, close)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        if (yield from source.sees("[")):
            yield from many(source, draft)
        elif (yield from source.sees("{")):
            yield from attempt(source, draft, one(source, draft), stop(close))
        else:
            raise Unreadable

    return read


def listed(close: str = "", keys: Keys = Keys()) -> Reader:
    """`[{"name": ..., "arguments": ...}, ...]` up to `close`, which may be empty."""

    def item(source: Source, draft: Draft) -> Steps[None]:
        yield from _json.call(source, draft, keys)
        yield from source.space()
        if not (yield from source.sees(",", "]")):
            raise Unreadable

    return sequence(item, close)


def sequence(item: Reader, close: str = "", *, sure: bool = True) -> Reader:
    """`[`, items parted by commas, `]`, and `close`."""

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        yield from source.expect("[")
        while not (yield from source.accept("]")):
            yield from source.space()
            if (yield from attempt(source, draft, item(source, draft), stop(*filter(None, [close])), sure=sure)):
                return
            yield from source.space()
            if not (yield from source.accept(",")):
                yield from source.accept("]")
                break
            yield from source.space()
        if close:
            yield from source.space()
            if not (yield from source.accept(close)):
                draft.note(NO_END)

    return read


def named(source: Source, draft: Draft, name: str, id: str = "") -> Steps[None]:
    """A call whose name is known already, with its arguments as JSON next."""
    if not NAME.fullmatch(name):
        raise Unreadable
    draft.open_call(name, id)
    yield from source.space()
    yield from _json.arguments(source, draft.arguments)


def named_block(source: Source, draft: Draft) -> Steps[None]:
    """A name on its line, then its arguments in a JSON code block."""
    name = (yield from source.word("```")).strip()
    yield from source.accept("json")
    yield from named(source, draft, name)
    yield from source.space()
    yield from source.accept("```")


def code_call(*ends: str) -> Reader:
    """Plain code up to one of `ends`: a call of the tool that runs Python."""

    def one(source: Source, draft: Draft) -> Steps[None]:
        name = next((name for name in _PYTHON_TOOLS if name in draft.tools), _PYTHON_TOOLS[0])
        tool = draft.tools.get(name)
        draft.open_call(name)
        write = Members(draft)
        write.key(next(iter(properties(tool.parameters)), "code") if tool else "code")
        write.begin_text()
        if not (yield from source.until(stop(*ends), write.more_text)) and source.truncated:
            raise Unreadable
        write.end_text()
        write.end()

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from attempt(source, draft, one(source, draft), stop())

    return read


def python_call(source: Source, draft: Draft, *, known: bool = False) -> Steps[None]:
    """Read `name(key=value, ...)`. With `known` the name must be of a tool on offer. Raises `Unreadable`."""
    text, marker = yield from source.collect(stop("(", "\n", "]"))
    name = text.strip()
    if known and name not in draft.tools:
        raise NotACall
    if not NAME.fullmatch(name) or marker != "(":
        raise Unreadable
    draft.open_call(name)
    yield from keywords(source, draft.arguments)


def any_function() -> Reader:
    """A call whose marker `<function=` was read, with its arguments as JSON or as tags."""
    tags = function(FUNCTION)

    def one(source: Source, draft: Draft) -> Steps[None]:
        yield from named(source, draft, (yield from source.name(">")))
        yield from end(source, draft, FUNCTION.end)

    def read(source: Source, draft: Draft) -> Steps[None]:
        if (yield from source.ahead(_behind_name(source))) == "{":
            yield from attempt(source, draft, one(source, draft), stop(FUNCTION.end), lead="<function=")
        else:
            yield from tags(source, draft)

    return read


def _behind_name(source: Source) -> Steps[str]:
    yield from source.name(">")
    yield from source.space()
    return (yield from source.peek())


def any_tagged(close: str = "</tool_call>") -> Reader:
    """Whatever models put between `<tool_call>` tags: JSON, a function, an invoke, or a name and `<arg_key>` pairs."""
    json_call = tagged(close)
    xml_call = function(FUNCTION, close)
    key_call = keyed(close)
    invokes = block('<invoke name="', INVOKE, close)

    def read(source: Source, draft: Draft) -> Steps[None]:
        yield from source.space()
        first = yield from source.peek()
        if first in ("{", "["):
            yield from json_call(source, draft)
        elif (yield from source.accept("<function=")):
            yield from xml_call(source, draft)
        elif (yield from source.sees("<invoke")):
            yield from invokes(source, draft)
        elif first and NAME.match(first):
            yield from key_call(source, draft)
        else:
            raise Unreadable

    return read
