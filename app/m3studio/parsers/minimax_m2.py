"""MiniMax M2: `<minimax:tool_call>` around `<invoke name="...">`, arguments as named parameter tags."""

from m3studio.parsers._calls import Tags, block
from m3studio.parsers._flow import Family

TAGS = Tags('<parameter name="', '"', True, "</parameter>", "</invoke>")

FAMILY = Family(
    "minimax_m2",
    marks=(("<minimax:tool_call>",),),
    priority=90,
    calls={"<minimax:tool_call>": block('<invoke name="', TAGS, "</minimax:tool_call>")},
)
