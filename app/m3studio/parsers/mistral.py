"""Mistral: `[TOOL_CALLS]` and a JSON list (to Nemo), or a name, `[ARGS]` and JSON for each call (since 2025)."""

from m3studio.parsers._calls import listed, named
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._grammar import bracketed
from m3studio.parsers._source import Source, Steps, stop

_CALLS = "[TOOL_CALLS]"
_LIST = listed()


def _one(source: Source, draft: Draft) -> Steps[None]:
    text, marker = yield from source.collect(stop("[CALL_ID]", "[ARGS]"))
    id = (yield from source.word("[ARGS]")).strip() if marker == "[CALL_ID]" else ""
    yield from named(source, draft, text.strip(), id)


def _calls(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    if (yield from source.peek()) in ("[", "{"):
        yield from _LIST(source, draft)
    else:
        yield from attempt(source, draft, _one(source, draft), stop(_CALLS))


FAMILIES = (
    Family(
        "mistral",
        marks=((_CALLS,), ("[THINK]",), ("[/INST]",)),
        priority=40,
        calls={_CALLS: _calls},
        lends=(_CALLS,),
        thinking={"[THINK]": "[/THINK]", "<think>": "</think>"},
        fenced_json=True,
        grammar=bracketed(_CALLS),
    ),
)
