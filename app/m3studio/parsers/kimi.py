"""Kimi K2: `functions.NAME:N` with JSON arguments, in a section of its own or bare; a call ends a thought."""

import re

from m3studio.parsers._calls import named
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import NO_END, attempt
from m3studio.parsers._source import Source, Steps, stop

_SECTION = "<|tool_calls_section_begin|>"
_SECTION_END = "<|tool_calls_section_end|>"
_BEGIN = "<|tool_call_begin|>"
_ARGUMENTS = "<|tool_call_argument_begin|>"
_END = "<|tool_call_end|>"
_ID = re.compile(r"(?:functions\.)?(.+?)(?::\d+)?")


def _one(source: Source, draft: Draft) -> Steps[None]:
    id = (yield from source.word(_ARGUMENTS)).strip()
    found = _ID.fullmatch(id)
    yield from named(source, draft, found[1] if found else id, id)
    yield from source.space()
    if not (yield from source.accept(_END)):
        draft.note(NO_END)


def _calls(source: Source, draft: Draft) -> Steps[None]:
    while True:
        if (yield from attempt(source, draft, _one(source, draft), stop(_END, _SECTION_END))) == _SECTION_END:
            return
        yield from source.space()
        if not (yield from source.accept(_BEGIN)):
            break
    yield from source.accept(_SECTION_END)


def _section(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    if (yield from source.accept(_SECTION_END)):
        return
    yield from source.expect(_BEGIN)
    yield from _calls(source, draft)


FAMILIES = (
    Family(
        "kimi",
        marks=((_SECTION,), ("<|im_assistant|>",)),
        priority=80,
        calls={_SECTION: _section, _BEGIN: _calls},
        lends=(_SECTION,),
        calls_end_thinking=True,
    ),
)
