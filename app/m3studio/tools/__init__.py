"""What a model may call, a tool a file: the protocol that they keep. A tool knows no chat, no model and no page.

Each public module here has `tool() -> RunnableTool`, called once when the app starts and found by `plugins`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from m3studio.messages import Cancel, Tool
from m3studio.plugins import collect


class Permission(StrEnum):
    """What a tool may do unless the user says otherwise."""

    SAFE = "safe"  # it runs: it can neither change anything outside its chat's folder nor tell anybody anything
    ASK = "ask"  # the user approves each call, or the tool for a chat
    NEVER = "never"  # it cannot run here (no sandbox, say), so no model is told of it


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a running call may use.

    `emit` shows output while it runs; `cancel` is set when the user stops it. `workspace` is the folder of the chat
    `chat_id`; it may not exist yet, so make it before writing.
    """

    emit: Callable[[str], None]
    cancel: Cancel
    chat_id: str
    workspace: Path


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave. `text` is for the model; `error` says that it is an error's text."""

    text: str
    error: bool = False


class RunnableTool(Protocol):
    """A tool that runs here. One object serves all chats, from any thread: what it keeps, it keeps by `chat_id`."""

    @property
    def spec(self) -> Tool: ...

    @property
    def permission(self) -> Permission:
        """Looked at before each call; may change while the app runs."""
        ...

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolResult:
        """Run one call with arguments that match `spec.parameters`.

        Raises `ToolError`; its text goes to the model.
        """
        ...


@runtime_checkable
class Closing(Protocol):
    """A tool that holds something (processes, say) that it gives back when the app ends."""

    def close(self) -> None: ...


def every_tool() -> dict[str, RunnableTool]:
    """A new object of each tool, by its name."""
    found: list[RunnableTool] = [module.tool() for module in collect(sys.modules[__name__])]
    return {tool.spec.name: tool for tool in found}


def close(tools: Iterable[RunnableTool]) -> None:
    """The app ends."""
    for tool in tools:
        if isinstance(tool, Closing):
            tool.close()
