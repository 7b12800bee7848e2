"""Functionary: 3.1 writes `<function=name>` around JSON, 3.2 writes `>>>recipient` ahead of each part."""

from m3studio.parsers._calls import any_function, code_call, named
from m3studio.parsers._converse import converse
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._tags import NAME

_PROMPT = ">>>"
_CODE = code_call("<|eom_id|>", "<|eot_id|>")


def _read(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    """Parts, each headed by its recipient: `all` is the user, any other a tool."""
    yield from source.accept(_PROMPT)
    lead, more = "", _PROMPT
    while more:
        line, newline = yield from source.collect(stop("\n"))
        to = line.strip()
        more = ""
        if to != "all" and newline and NAME.fullmatch(to) and (to in draft.tools or not draft.tools):
            yield from _call(source, draft, to)
            yield from source.space()
            more = yield from source.accept(_PROMPT)
        elif to != "all":  # no recipient: somebody writes about the mark
            draft.text(lead + line + newline)
        more = more or (yield from converse(source, draft, family, reasoning))
        lead = _PROMPT


def _call(source: Source, draft: Draft, to: str) -> Steps[None]:
    yield from source.space()
    if (yield from source.peek()) == "{" or to not in ("python", "ipython"):
        yield from attempt(source, draft, named(source, draft, to), stop(_PROMPT))
    else:
        yield from _CODE(source, draft)


FAMILIES = (
    Family(
        "functionary_v3_2",
        marks=((">>>${recipient}",), (">>>all",)),
        priority=95,
        thinking={},
        ends=(_PROMPT,),
        read=_read,
    ),
    Family(
        "functionary_v3_1",
        marks=(("<function=", "</function>"), ("<{start_tag}={function_name}>",)),
        priority=30,
        calls={"<function=": any_function(), "<|python_tag|>": _CODE},
    ),
)
