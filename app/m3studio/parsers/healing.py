"""Reads calls that break their syntax, and mends calls that miss their tool, where what was meant is plain.

Knows no family and runs nothing. What it mends it names; what it cannot read for certain it leaves alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from m3studio.messages import Tool, ToolCall


@dataclass(frozen=True, slots=True)
class Healed:
    """A call that was mended; `note` says how."""

    name: str
    arguments: str
    note: str
    id: str = ""


def read(raw: str, tools: Mapping[str, Tool]) -> list[Healed]:
    """The calls in `raw`, the text of a call that could not be read; empty if there are none to be sure of."""
    return []


def looks_like_call(raw: str) -> bool:
    """Whether `raw` was meant to be a call at all."""
    return "{" in raw


def fit(call: ToolCall, tools: Mapping[str, Tool]) -> ToolCall:
    """`call`, made to fit its tool where that is safe."""
    return call
