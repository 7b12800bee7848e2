"""InternLM: one JSON call between action tokens, headed by the plugin token."""

from m3studio.parsers._calls import tagged
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._json import Keys
from m3studio.parsers._source import Source, Steps

_CALL = tagged("<|action_end|>", Keys(arguments=("parameters", "arguments")))


def _action(source: Source, draft: Draft) -> Steps[None]:
    yield from source.space()
    yield from source.expect("<|plugin|>")
    yield from _CALL(source, draft)


FAMILIES = (Family("internlm", marks=(("<|action_start|>",),), priority=80, calls={"<|action_start|>": _action}),)
