"""Llama 3: a bare JSON object with `name` and `parameters` as the whole answer, or code behind `<|python_tag|>`."""

from m3studio.parsers._calls import code_call
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._json import Keys
from m3studio.parsers._source import Source, Steps
from m3studio.parsers._whole import bare_calls

_KEYS = Keys(arguments=("parameters", "arguments"))
_BARE = bare_calls(_KEYS)
_CODE = code_call("<|eom_id|>", "<|eot_id|>")


def _tag(source: Source, draft: Draft) -> Steps[None]:
    """JSON is a call; anything else is code for the tool that runs Python."""
    yield from source.space()
    yield from (_BARE if (yield from source.peek()) == "{" else _CODE)(source, draft)


FAMILIES = (
    Family(
        "llama3",
        marks=(("<|python_tag|>",), ("<|start_header_id|>", '"parameters"'), ("<|header_start|>", '"parameters"')),
        priority=15,
        calls={"<|python_tag|>": _tag},
        bare=_BARE,
    ),
)
