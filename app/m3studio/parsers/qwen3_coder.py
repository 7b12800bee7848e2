"""Qwen3-Coder and 3.5, Nemotron 3, Step 3.5: `<function=name>` with `<parameter=key>` tags, tagged or bare."""

from m3studio.parsers._calls import any_function, any_tagged
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._grammar import Markup, tags
from m3studio.parsers._source import Source, Steps

_CALL = any_function()


def _bare(source: Source, draft: Draft) -> Steps[None]:
    """A call without its opening tag; the closing one may still come."""
    yield from _CALL(source, draft)
    yield from source.space()
    yield from source.accept("</tool_call>")


FAMILIES = (
    Family(
        "qwen3_coder",
        marks=(("<tool_call>", "<function=", "<parameter="),),
        priority=60,
        calls={"<tool_call>": any_tagged(), "<function=": _bare},
        lends=("<function=",),
        keep_space=True,
        calls_end_thinking=True,
        grammar=tags(
            Markup(
                "<tool_call>",
                "</tool_call>",
                ("<function=", ">"),
                ("<parameter=", ">\n"),
                "</parameter>",
                "</function>",
            )
        ),
    ),
)
