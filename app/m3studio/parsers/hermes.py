"""Hermes, Qwen 2.5 and 3, Granite 4, MiMo, Reka and many more: JSON between `<tool_call>` tags."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family
from m3studio.parsers._grammar import tagged_json

FAMILIES = (
    Family(
        "hermes",
        marks=(("<tool_call>",),),
        priority=20,
        calls={"<tool_call>": any_tagged()},
        lends=("<tool_call>",),
        grammar=tagged_json("<tool_call>", "</tool_call>"),
    ),
)
