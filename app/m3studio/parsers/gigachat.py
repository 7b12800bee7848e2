"""GigaChat 3: one JSON call in a turn of its own (3.0) or behind a token (3.1)."""

from m3studio.parsers import _json
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._source import Source, Steps, stop

_SEP = "<|message_sep|>"


def _call(source: Source, draft: Draft) -> Steps[None]:
    yield from attempt(source, draft, _json.call(source, draft), stop(_SEP))


FAMILIES = (
    Family(
        "gigachat",
        marks=(("<|role_sep|>", _SEP),),
        priority=90,
        calls={"function call<|role_sep|>": _call, "<|function_call|>": _call},
        drop=(_SEP,),
    ),
)
