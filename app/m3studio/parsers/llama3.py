"""Llama 3: a bare JSON object with `name` and `parameters` as the whole answer, or code behind `<|python_tag|>`."""

from m3studio.parsers._calls import code_call
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import attempt
from m3studio.parsers._grammar import bare_json
from m3studio.parsers._json import Keys
from m3studio.parsers._literal import keywords
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._tags import NAME
from m3studio.parsers._whole import bare_calls

_KEYS = Keys(arguments=("parameters", "arguments"))
_BARE = bare_calls(_KEYS)
_HEAD = stop(".call(", "\n")
_CODE = code_call("<|eom_id|>", "<|eot_id|>")


def _tag(source: Source, draft: Draft) -> Steps[None]:
    """JSON is a call, and so is `name.call(...)`; anything else is code for the tool that runs Python."""
    yield from source.space()
    if (yield from source.peek()) == "{":
        yield from _BARE(source, draft)
        return
    mark = source.mark()
    try:
        head, marker = yield from source.collect(_HEAD)
        built_in = marker == ".call(" and NAME.fullmatch(head)
        if not built_in:
            source.rewind(mark)
    finally:
        source.forget()
    if built_in:
        yield from attempt(source, draft, _built_in(source, draft, head), stop(), lead=f"{head}(")
    else:
        yield from _CODE(source, draft)


def _built_in(source: Source, draft: Draft, name: str) -> Steps[None]:
    draft.open_call(name)
    yield from keywords(source, draft.arguments)


FAMILIES = (
    Family(
        "llama3",
        marks=(("<|python_tag|>",), ("<|start_header_id|>", '"parameters"'), ("<|header_start|>", '"parameters"')),
        priority=15,
        calls={"<|python_tag|>": _tag},
        bare=_BARE,
        grammar=bare_json(),
    ),
)
