"""Phi 4 mini: a JSON list of calls between tool-call tokens, or behind the word functools; Phi 4 reasoning thinks."""

from m3studio.parsers._calls import listed
from m3studio.parsers._family import Family

FAMILIES = (
    Family(
        "phi",
        marks=(
            ("<|tool|>", "<|/tool|>"),
            ("<|tool_call|>", "<|/tool_call|>"),
            ("<|user|>", "<|end|>", "<|assistant|>"),
        ),
        priority=10,
        calls={"<|tool_call|>": listed("<|/tool_call|>"), "functools": listed()},
    ),
)
