"""ByteDance Seed-OSS: `<function=name>` with `<parameter=key>` tags in `<seed:tool_call>`; values keep their breaks."""

from m3studio.parsers._family import Family
from m3studio.parsers._grammar import Markup, tags
from m3studio.parsers._tags import Tags, block

FAMILIES = (
    Family(
        "seed_oss",
        marks=(("<seed:tool_call>",), ("<seed:think>",)),
        priority=90,
        calls={"<seed:tool_call>": block("<function=", Tags(), "</seed:tool_call>")},
        thinking={"<seed:think>": "</seed:think>"},
        grammar=tags(
            Markup(
                "<seed:tool_call>",
                "</seed:tool_call>",
                ("<function=", ">"),
                ("<parameter=", ">"),
                "</parameter>",
                "</function>",
            )
        ),
    ),
)
