"""Hermes, Qwen 2.5 and 3, Granite 4, MiMo, Reka and many more: JSON between `<tool_call>` tags."""

from m3studio.parsers._calls import tagged
from m3studio.parsers._flow import Family

FAMILY = Family(
    "hermes",
    marks=(("<tool_call>",),),
    priority=20,
    calls={"<tool_call>": tagged("</tool_call>")},
)
