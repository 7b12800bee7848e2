"""GLM 4.5 and later, Spark: a name, then `<arg_key>` and `<arg_value>` pairs, between `<tool_call>` tags."""

from m3studio.parsers._calls import any_tagged
from m3studio.parsers._family import Family
from m3studio.parsers._grammar import Markup, tags

FAMILIES = (
    Family(
        "glm",
        marks=(("<arg_key>", "<arg_value>"),),
        priority=60,
        calls={"<tool_call>": any_tagged()},
        grammar=tags(
            Markup(
                "<tool_call>",
                "</tool_call>",
                ("", "\n"),
                ("<arg_key>", "</arg_key>\n<arg_value>"),
                "</arg_value>",
                "",
            )
        ),
    ),
)
