"""Apertus: a list of one-member objects, `{"name": {arguments}}`, between tool tokens; thoughts between inner ones."""

from m3studio.parsers import _json
from m3studio.parsers._calls import named, sequence
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._source import Source, Steps, Unreadable

_BEGIN = "<|tools_prefix|>"
_END = "<|tools_suffix|>"


def _item(source: Source, draft: Draft) -> Steps[None]:
    yield from source.expect("{")
    yield from source.space()
    name = yield from _json.string(source)
    yield from source.space()
    yield from source.expect(":")
    yield from named(source, draft, name)
    yield from source.space()
    yield from source.expect("}")
    yield from source.space()
    if not (yield from source.sees(",", "]")):
        raise Unreadable


FAMILIES = (
    Family(
        "apertus",
        marks=((_BEGIN,), ("<|inner_prefix|>",)),
        priority=90,
        calls={_BEGIN: sequence(_item, _END)},
        thinking={"<|inner_prefix|>": "<|inner_suffix|>"},
        anywhere=True,
    ),
)
