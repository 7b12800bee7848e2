"""MiniMax M2: `<minimax:tool_call>` around `<invoke name="...">`, arguments as named parameter tags."""

from m3studio.parsers._family import Family
from m3studio.parsers._grammar import Markup, tags
from m3studio.parsers._tags import INVOKE, block

FAMILIES = (
    Family(
        "minimax_m2",
        marks=(("<minimax:tool_call>",),),
        priority=90,
        calls={"<minimax:tool_call>": block('<invoke name="', INVOKE, "</minimax:tool_call>")},
        lends=("<minimax:tool_call>",),
        grammar=tags(
            Markup(
                "<minimax:tool_call>",
                "</minimax:tool_call>",
                ('<invoke name="', '">'),
                ('<parameter name="', '">'),
                "</parameter>",
                "</invoke>",
            )
        ),
    ),
)
