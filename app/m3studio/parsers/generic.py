"""Any other model: thoughts between common tags, calls as JSON between `<tool_call>` tags, as a prompt can teach it."""

from m3studio.parsers._calls import tagged
from m3studio.parsers._flow import Family

FAMILY = Family(
    "generic",
    marks=((),),
    priority=0,
    calls={"<tool_call>": tagged("</tool_call>")},
    thinking={"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"},
)
