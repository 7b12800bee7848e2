"""What a model may call, a tool a file: the protocol that they keep. A tool knows no chat, no model and no page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from m3studio.messages import Cancel, Tool


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave. `text` is for the model; `error` says that it is an error's text."""

    text: str
    error: bool = False


class RunnableTool(Protocol):
    """A tool that runs here."""

    @property
    def spec(self) -> Tool: ...

    def run(self, arguments: Mapping[str, object], emit: Callable[[str], None], cancel: Cancel) -> ToolResult:
        """Run one call with arguments that match `spec.parameters`; `emit` shows output while it runs.

        Raises `ToolError`; its text goes to the model.
        """
        ...
