"""Hunyuan: a name and its arguments in a JSON block between `<tool_call>` tags, answers between `<answer>` tags."""

from m3studio.parsers._calls import any_tagged, named_block
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt, end
from m3studio.parsers._source import Source, Steps, stop

_END = "</tool_call>"
_ANY = any_tagged(_END)


def _one(source: Source, draft: Draft) -> Steps[None]:
    yield from named_block(source, draft)
    yield from end(source, draft, _END)


def _call(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    if (yield from source.peek()) in ("{", "[", "<"):
        yield from _ANY(source, draft)
    else:
        yield from attempt(source, draft, _one(source, draft), stop(_END))


FAMILIES = (
    Family(
        "hunyuan",
        marks=(("hy_Assistant",), ("<tool_calls>", "<tool_call>", "```json")),
        priority=80,
        calls={"<tool_call>": _call},
        drop=("<answer>", "</answer>", "<tool_calls>", "</tool_calls>"),
    ),
)
