"""gpt-oss: messages with a header that names channel and recipient. Analysis is thought, a recipient makes a call."""

import re

from m3studio.parsers._calls import named
from m3studio.parsers._converse import converse
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._thoughts import Thought

_MESSAGE = "<|message|>"
_CHANNEL = "<|channel|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>", "<|start|>")
_TO = re.compile(r"to=(?!assistant\b|user\b)(?:functions\.)?([\w.:/-]+)")
_KIND = re.compile(r"<\|channel\|>\s*(\w+)")


def _read(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    ends = stop(*_ENDS)
    while (yield from source.peek()):
        yield from source.space()
        if not (yield from source.sees(_CHANNEL, "<|start|>", "<|constrain|>", _MESSAGE, "to=", "assistant")):
            yield from converse(source, draft, family, reasoning)
            continue
        header, _ = yield from source.collect(stop(_MESSAGE))
        kinds = _KIND.findall(header)
        to = _TO.search(header)
        if to:
            yield from attempt(source, draft, named(source, draft, to[1]), ends)
            yield from source.until(ends, lambda _: None)
        elif kinds and kinds[-1] == "analysis":
            if not reasoning:
                draft.text(f"{_CHANNEL}analysis{_MESSAGE}")
            end = yield from source.until(ends, draft.think if reasoning else draft.text)
            draft.reasoning.pause()
            if not reasoning:
                draft.text("" if end == "<|start|>" else end)
        else:
            draft.content.pause()
            yield from converse(source, draft, family, reasoning)


FAMILIES = (
    Family(
        "harmony",
        marks=((_CHANNEL, _MESSAGE, "<|start|>"),),
        priority=90,
        thinking={},
        ends=_ENDS,
        read=_read,
        thoughts=(
            Thought(
                f"{_CHANNEL}analysis{_MESSAGE}",
                _ENDS,
                f"<|end|><|start|>assistant{_CHANNEL}final{_MESSAGE}",
            ),
        ),
    ),
)
