"""Any other model: thoughts between common tags, calls between `<tool_call>` tags, as a prompt can teach them."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family
from m3studio.parsers._grammar import tagged_json

FAMILIES = (
    Family(
        "generic",
        marks=((),),
        priority=0,
        calls={"<tool_call>": any_tagged()},
        thinking={
            "<think>": "</think>",
            "<thinking>": "</thinking>",
            "<thought>": "</thought>",
            "[THINK]": "[/THINK]",
        },
        grammar=tagged_json("<tool_call>", "</tool_call>"),
    ),
)
