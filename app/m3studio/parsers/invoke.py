"""Anthropic-style `<invoke name="...">` in `<function_calls>`; Olmo writes calls as Python lines in the same block."""

from m3studio.parsers._calls import python_call
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._grammar import Markup, tags
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._tags import INVOKE, block, function

_END = "</function_calls>"
_INVOKES = block('<invoke name="', INVOKE, _END)
_INVOKE = function(INVOKE, lead='<invoke name="')


def _block(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    if (yield from source.sees("<invoke")):
        yield from _INVOKES(source, draft)
        return
    while not (yield from source.accept(_END)):
        if (yield from attempt(source, draft, python_call(source, draft), stop(_END))):
            return
        yield from source.space()


FAMILIES = (
    Family(
        "invoke",
        marks=(("<function_calls>",), ("<invoke name=",)),
        priority=30,
        calls={"<function_calls>": _block, '<invoke name="': _INVOKE},
        lends=("<function_calls>", '<invoke name="'),
        grammar=tags(
            Markup(
                "<function_calls>",
                _END,
                ('<invoke name="', '">'),
                ('<parameter name="', '">'),
                "</parameter>",
                "</invoke>",
            )
        ),
    ),
)
