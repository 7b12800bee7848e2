"""Hermes, Qwen 2.5 and 3, Granite 4, MiMo, Reka and many more: JSON between `<tool_call>` tags."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family

FAMILIES = (
    Family(
        "hermes",
        marks=(("<tool_call>",),),
        priority=20,
        calls={"<tool_call>": any_tagged()},
        lends=("<tool_call>",),
    ),
)
