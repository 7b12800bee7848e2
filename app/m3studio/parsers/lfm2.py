"""LFM2: a Python list of calls, `[name(key=value)]`, between tool-call tokens; JSON where it was asked for."""

from m3studio.parsers._calls import listed, python_call, sequence
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._source import Source, Steps, Unreadable

_BEGIN = "<|tool_call_start|>"
_END = "<|tool_call_end|>"
_JSON = listed(_END)


def _item(source: Source, draft: Draft) -> Steps[None]:
    yield from python_call(source, draft)
    yield from source.space()
    if not (yield from source.sees(",", "]")):
        raise Unreadable


_PYTHON = sequence(_item, _END)


def _calls(source: Source, draft: Draft) -> Steps[None]:
    first = yield from source.ahead(_first(source))
    yield from (_JSON if first == "{" else _PYTHON)(source, draft)


def _first(source: Source) -> Steps[str]:
    yield from source.space()
    yield from source.expect("[")
    yield from source.space()
    return (yield from source.peek())


FAMILIES = (
    Family(
        "lfm2",
        marks=((_BEGIN,), ("<|tool_list_start|>",), ("<|im_start|>", "List of tools: [")),
        priority=80,
        calls={_BEGIN: _calls},
        lends=(_BEGIN,),
    ),
)
