"""MiniCPM 5: `<function name="...">` with `<param name="...">` tags, values in CDATA where they hold markup."""

from m3studio.parsers._family import Family
from m3studio.parsers._tags import Tags, function

_TAGS = Tags('<param name="', '"', attributes=True, close="</param>", cdata=True)

FAMILIES = (
    Family(
        "minicpm",
        marks=(("<function name=", "<param name="),),
        priority=80,
        calls={'<function name="': function(_TAGS, lead='<function name="')},
        drop=("<tool_sep>",),
    ),
)
