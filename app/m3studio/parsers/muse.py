"""Muse: messages to a recipient. To itself is thought, to the user text, to a tool a call in `<atem:...>` tags."""

import re

from m3studio.parsers._converse import converse
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._tags import Tags, block
from m3studio.parsers._thoughts import Thought

_TAGS = Tags('<atem:parameter name="', '"', True, "</atem:parameter>", "</atem:invoke>")
_MESSAGE = "<|message|>"
_ENDS = ("<|eom|>", "<|eot|>", "<|start|>")
_TO = re.compile(r"to=(\S+)")


def _read(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    while (yield from source.peek()):
        yield from source.space()
        to = ""
        if (yield from source.sees("to=", "<|start|>", "assistant", _MESSAGE)):
            header, _ = yield from source.collect(stop(_MESSAGE))
            found = _TO.search(header)
            to = found[1] if found else ""
        if to == "self":
            yield from source.until(stop(*_ENDS), draft.think if reasoning else draft.text)
            draft.reasoning.pause()
        else:
            draft.content.pause()
            yield from converse(source, draft, family, reasoning)


FAMILIES = (
    Family(
        "muse",
        marks=(("<atem:function_calls>",),),
        priority=100,
        calls={"<atem:function_calls>": block('<atem:invoke name="', _TAGS, "</atem:function_calls>")},
        thinking={},
        ends=_ENDS,
        read=_read,
        thoughts=(Thought(f" to=self{_MESSAGE}", _ENDS, f"<|eom|><|start|>assistant to=user{_MESSAGE}"),),
    ),
)
