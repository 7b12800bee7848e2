"""Gemma 4: `call:name{key:value}` between tool-call tokens, texts in quotes of its own, thoughts in a channel."""

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import NO_END, attempt
from m3studio.parsers._literal import value
from m3studio.parsers._source import Source, Steps, Unreadable, stop
from m3studio.parsers._tags import NAME

_BEGIN = "<|tool_call>"
_END = "<tool_call|>"


def _one(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    yield from source.expect("call:")
    text, marker = yield from source.collect(stop("{"))
    if not marker or not NAME.fullmatch(text.strip()):
        raise Unreadable
    draft.open_call(text.strip())
    yield from value(source, draft.arguments, begun="{")
    yield from source.space()
    if not (yield from source.accept(_END)):
        draft.note(NO_END)


def _call(source: Source, draft: Draft) -> Steps[None]:
    yield from attempt(source, draft, _one(source, draft), stop(_END))


FAMILIES = (
    Family(
        "gemma",
        marks=((_BEGIN, "<|turn>"), ("<|turn>", "<|channel>")),
        priority=90,
        calls={_BEGIN: _call},
        thinking={"<|channel>thought": "<channel|>"},
        drop=("<turn|>", "<|tool_response>"),
        anywhere=True,
    ),
)
