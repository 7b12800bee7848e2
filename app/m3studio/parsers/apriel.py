"""Apriel, Jamba: a JSON list of calls between `<tool_calls>` tags; Apriel thinks until it begins its final response."""

from m3studio.parsers._calls import listed
from m3studio.parsers._family import Family

_CALLS = {"<tool_calls>": listed("</tool_calls>")}
_FINAL = "[BEGIN FINAL RESPONSE]"
_DROP = ("[END FINAL RESPONSE]",)

FAMILIES = (
    Family(
        "apriel",
        marks=(("<|begin_assistant|>", _FINAL),),
        priority=90,
        calls=_CALLS,
        thinking={},
        thinking_first=_FINAL,
        drop=_DROP,
    ),
    Family(
        "tool_calls_list",
        lends=("<tool_calls>",),
        marks=(("<tool_calls>",),),
        priority=40,
        calls=_CALLS,
        thinking={"Here are my reasoning steps:": _FINAL, "<think>": "</think>"},
        drop=_DROP,
    ),
)
