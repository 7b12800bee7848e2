"""Cohere Command: JSON actions between action tokens (R7B and later), or behind the word Action (R and R+)."""

from m3studio.parsers._calls import listed
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._json import Keys
from m3studio.parsers._source import Source, Steps

_KEYS = Keys("tool_name", ("parameters",), "tool_call_id")
_FENCED = listed("```", _KEYS)


def _action(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    yield from source.expect("```json")
    yield from _FENCED(source, draft)


FAMILIES = (
    Family(
        "command",
        marks=(("<|START_ACTION|>",), ("<|START_RESPONSE|>",), ("<|START_TEXT|>",)),
        priority=90,
        calls={"<|START_ACTION|>": listed("<|END_ACTION|>", _KEYS)},
        thinking={"<|START_THINKING|>": "<|END_THINKING|>"},
        drop=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"),
        anywhere=True,
    ),
    Family(
        "command_r",
        marks=(("<|CHATBOT_TOKEN|>",),),
        priority=60,
        calls={"Action:": _action},
        thinking={},
    ),
)
