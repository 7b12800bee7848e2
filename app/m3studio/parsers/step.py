"""Step 3: `<steptml:invoke>` tags behind DeepSeek-like tokens. Step 3.5 writes as Qwen3-Coder does."""

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._source import Source, Steps
from m3studio.parsers._tags import Tags, function

_TAGS = Tags('<steptml:parameter name="', '"', True, "</steptml:parameter>", "</steptml:invoke>")
_FUNCTION = function(_TAGS, lead='<steptml:invoke name="')
_MARKS = ("calls_begin", "calls_end", "call_begin", "call_end", "sep")


def _invoke(source: Source, draft: Draft) -> Steps[None]:
    yield from _FUNCTION(source, draft)


FAMILIES = (
    Family(
        "step",
        marks=(("<steptml:invoke",),),
        priority=90,
        calls={'<steptml:invoke name="': _invoke},
        drop=(*(f"<｜tool_{mark}｜>" for mark in _MARKS), "function<｜tool_sep｜>"),
    ),
)
