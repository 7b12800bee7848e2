"""Solar Open: id, name and arguments of each call behind tokens of their own; thought and content are headed parts."""

from m3studio.parsers._calls import named
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import NO_END, attempt
from m3studio.parsers._source import Source, Steps, stop
from m3studio.parsers._thoughts import Thought

_BEGIN = "<|tool_call:begin|>"
_END = "<|tool_call:end|>"


def _one(source: Source, draft: Draft) -> Steps[None]:
    id = (yield from source.word("<|tool_call:name|>")).strip()
    name = (yield from source.word("<|tool_call:args|>")).strip()
    yield from named(source, draft, name, id)
    yield from source.space()
    if not (yield from source.accept(_END)):
        draft.note(NO_END)


def _call(source: Source, draft: Draft) -> Steps[None]:
    yield from attempt(source, draft, _one(source, draft), stop(_END))


FAMILIES = (
    Family(
        "solar",
        marks=((_BEGIN,), ("<|begin|>", "<|think|>", "<|content|>")),
        priority=90,
        calls={_BEGIN: _call},
        thinking={"<|think|>": "<|end|>"},
        drop=("<|begin|>assistant", "<|content|>", "<|end|>", "<|tool_calls|>", "<|calls|>"),
        anywhere=True,
        thoughts=(Thought("<|think|>", ("<|end|>",), "<|end|><|begin|>assistant<|content|>"),),
    ),
)
