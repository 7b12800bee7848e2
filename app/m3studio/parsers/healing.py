"""Reads calls that break their syntax, and mends calls that miss their tool, where what was meant is plain.

Knows no family and runs nothing. What it mends it names; what it cannot read for certain it leaves alone.
"""

import json
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


CALL_KEYS = frozenset({"name", "tool_name", "tool", "function", "function_name", "type", "id", "tool_call_id"})


def closest(name: str, tools: Mapping[str, Tool]) -> str:
    """The tool that `name` means; empty if none is close enough to be sure."""
    return name if name in tools else ""


def is_json(text: str) -> bool:
    """Whether `text` is a JSON object or list."""
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def read(raw: str, tools: Mapping[str, Tool]) -> list[Healed]:
    """The calls in `raw`, the text of a call that could not be read; empty if there are none to be sure of."""
    return []


def looks_like_call(raw: str) -> bool:
    """Whether `raw` was meant to be a call at all."""
    return "{" in raw


def fit(call: ToolCall, tools: Mapping[str, Tool]) -> ToolCall:
    """`call`, made to fit its tool where that is safe."""
    return call
