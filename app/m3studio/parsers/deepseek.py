"""DeepSeek R1, V3 and V3.1 (a name, a separator, JSON) and V3.2, V4 (DSML tags)."""

from m3studio.parsers._calls import named, named_block
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import NO_END, attempt
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._tags import Tags, block

_BEGIN = "<｜tool▁call▁begin｜>"
_SEP = "<｜tool▁sep｜>"
_END = "<｜tool▁call▁end｜>"
_ALL_END = "<｜tool▁calls▁end｜>"


def _one(source: Source, draft: Draft) -> Steps[None]:
    name = (yield from source.word(_SEP)).strip()
    yield from source.space()
    if (yield from source.peek()) == "{":
        yield from named(source, draft, name)
    else:  # R1 and V3: the type, the separator, the name, and the arguments in a code block
        yield from named_block(source, draft)
    yield from source.space()
    if not (yield from source.accept(_END)):
        draft.note(NO_END)


def _calls(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    yield from source.expect(_BEGIN)
    yield from _from_first(source, draft)


def _from_first(source: Source, draft: Draft) -> Steps[None]:
    while True:
        if (yield from attempt(source, draft, _one(source, draft), stop(_END, _ALL_END))) == _ALL_END:
            return
        yield from source.space()
        if not (yield from source.accept(_BEGIN)):
            break
    yield from source.accept(_ALL_END)


_DSML = Tags('<｜DSML｜parameter name="', '"', True, "</｜DSML｜parameter>", "</｜DSML｜invoke>")

FAMILIES = (
    Family(
        "deepseek",
        marks=(("<｜tool▁calls▁begin｜>",), ("<｜tool▁call▁begin｜>",), ("<｜Assistant｜>",)),
        priority=70,
        calls={
            "<｜tool▁calls▁begin｜>": _calls,
            "<｜tool_calls_begin｜>": _calls,
            "<｜tool calls begin｜>": _calls,
            "<｜tool▁calls｜>": _calls,
            _BEGIN: _from_first,
        },
        lends=("<｜tool▁calls▁begin｜>",),
    ),
    Family(
        "deepseek_dsml",
        marks=(("｜DSML｜",),),
        priority=90,
        calls={
            f"<｜DSML｜{name}>": block('<｜DSML｜invoke name="', _DSML, f"</｜DSML｜{name}>")
            for name in ("function_calls", "tool_calls")
        },
        calls_end_thinking=True,
    ),
)
