"""Small real classes that stand in for what a test does not want to be about."""

import threading
from collections.abc import Iterator, Mapping

from m3studio.engines import ChatRequest, EngineFacts
from m3studio.errors import StudioError
from m3studio.messages import (
    AssistantMessage,
    Cancel,
    EngineEvent,
    FinishReason,
    RoundFinished,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from m3studio.tools import Permission, ToolContext, ToolResult


def says(text: str, *calls: ToolCall, reason: FinishReason | None = None) -> list[EngineEvent]:
    """A round in which the model says `text`, in pieces of three characters, and then makes `calls`."""
    pieces = [TextDelta(text[start : start + 3]) for start in range(0, len(text), 3)]
    reason = reason or (FinishReason.TOOL_CALLS if calls else FinishReason.STOP)
    message = AssistantMessage(text, "", tuple(calls))
    return [*pieces, RoundFinished(message, reason, Usage(10, len(pieces), 0))]


class ScriptedEngine:
    """An engine that says what it is told, a round after the other, and keeps the requests it got.

    `gate`, when given, holds it back before each event until the test releases it.
    """

    def __init__(self, *rounds: list[EngineEvent] | StudioError, gate: threading.Semaphore | None = None) -> None:
        self.facts = EngineFacts("Scripted", "test", 4096, 4096, 1, 1, "")
        self.alive = True
        self.idle_seconds = 0.0
        self.requests: list[ChatRequest] = []
        self._rounds = list(rounds)
        self._gate = gate
        self._lock = threading.Lock()  # protects _rounds and requests

    def chat(self, request: ChatRequest, cancel: Cancel) -> Iterator[EngineEvent]:
        with self._lock:
            self.requests.append(request)
            script = self._rounds.pop(0) if self._rounds else says("")
        if isinstance(script, StudioError):
            raise script
        said = ""
        for event in script:
            while self._gate is not None and not cancel and not self._gate.acquire(timeout=0.02):
                pass
            if cancel:
                yield RoundFinished(AssistantMessage(said), FinishReason.CANCELLED)
                return
            if isinstance(event, TextDelta):
                said += event.text
            yield event

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        self.alive = False


class EchoTool:
    """Emits and returns its argument."""

    spec = Tool("echo", "Says it again.", {"type": "object", "properties": {"text": {"type": "string"}}})
    permission = Permission.SAFE

    def __init__(self) -> None:
        self.ran: list[Mapping[str, object]] = []

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolResult:
        self.ran.append(arguments)
        context.emit("working\n")
        return ToolResult(str(arguments["text"]))


class OneEngineLibrary:
    """A library whose one model is a scripted engine."""

    def __init__(self, engine: ScriptedEngine, *, failing: StudioError | None = None) -> None:
        self._engine = engine
        self._failing = failing

    def engine(self, cancel: Cancel) -> ScriptedEngine:
        if self._failing:
            raise self._failing
        return self._engine

    def chosen_name(self) -> str:
        return "Scripted"

    def chosen(self) -> str:
        return "scripted"

    def recommended(self, thinking: bool | None = None) -> dict[str, object]:
        return {"temperature": 0.5}

    def system_prompt(self) -> str:
        return "Be kind."
