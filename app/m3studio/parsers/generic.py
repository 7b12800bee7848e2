"""Any other model: thoughts between common tags, calls between `<tool_call>` tags, as a prompt can teach them."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family

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
    ),
)
