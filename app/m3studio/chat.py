"""The turn loop: model call, tool calls, model call, until an answer stands. A pure generator of events.

It knows no model, tool, store or page by name: engine and tools are handed in.
"""

import json
import queue
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from m3studio.engines import ChatRequest, Engine
from m3studio.errors import StudioError
from m3studio.messages import (
    AssistantMessage,
    Cancel,
    Event,
    FinishReason,
    Message,
    Notice,
    Role,
    RoundFinished,
    RoundStarted,
    Timings,
    ToolCall,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnFinished,
    Usage,
)
from m3studio.tools import RunnableTool, ToolContext, ToolResult


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one turn may go. `seconds` counts from its first model call."""

    rounds: int = 16
    seconds: float = 1800.0
    same_call: int = 3


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one turn by their names, and where their calls work."""

    tools: Mapping[str, RunnableTool] = field(default_factory=dict)
    workspace: Path = Path()
    chat_id: str = ""


@dataclass(slots=True)
class _Total:
    """What the rounds of one turn add up to."""

    started: float = field(default_factory=time.monotonic)
    usage: Usage = Usage()
    timings: Timings = Timings()
    calls: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, finished: RoundFinished) -> None:
        # The first round's waiting time is the turn's: nobody has seen a token before it.
        first = self.timings if self.usage.completion_tokens else finished.timings
        self.usage = self.usage + finished.usage
        self.timings = replace(first, predicted_ms=self.timings.predicted_ms + finished.timings.predicted_ms)

    def finish(self, reason: FinishReason) -> TurnFinished:
        return TurnFinished(reason, self.usage, self.timings)


def run_turn(
    engine: Engine, request: ChatRequest, toolbox: Toolbox, cancel: Cancel, limits: Limits = Limits()
) -> Iterator[Event]:
    """Answer `request`, running the calls that the model makes. The last event is `TurnFinished`.

    Raises what `engine.chat` raises; what was yielded before stands.
    """
    total = _Total()
    for index in range(limits.rounds):
        yield RoundStarted(index)
        finished = None
        for event in engine.chat(request, cancel):
            yield event
            if isinstance(event, RoundFinished):
                finished = event
        if finished is None:
            raise AssertionError("an engine's last event is RoundFinished")
        total.add(finished)
        calls = finished.message.tool_calls
        if not calls or finished.finish_reason != FinishReason.TOOL_CALLS:
            yield total.finish(finished.finish_reason)
            return
        results = []
        for call in calls:
            result = yield from _run_call(call, toolbox, cancel, total, limits)
            results.append(result)
        if cancel:
            yield total.finish(FinishReason.CANCELLED)
            return
        request = _with_results(request, finished.message, results)
        if time.monotonic() - total.started > limits.seconds:
            break
    yield Notice("The model kept calling tools until the limit of this turn; ask it to go on if it should.")
    yield total.finish(FinishReason.LENGTH)


def _with_results(request: ChatRequest, message: AssistantMessage, results: Sequence[Message]) -> ChatRequest:
    said = Message(Role.ASSISTANT, message.content, message.reasoning_content, message.tool_calls)
    messages = request.messages
    if request.continue_final:  # the round went on with the last message: what it said replaces that beginning
        messages = messages[:-1]
    return replace(request, messages=(*messages, said, *results), continue_final=False)


def _run_call(
    call: ToolCall, toolbox: Toolbox, cancel: Cancel, total: _Total, limits: Limits
) -> Generator[Event, None, Message]:
    yield ToolStarted(call)
    started = time.monotonic()
    key = (call.name, call.arguments)
    total.calls[key] = total.calls.get(key, 0) + 1
    if cancel:
        result = ToolResult("The user stopped this call before it ran.", error=True)
    elif total.calls[key] >= limits.same_call:
        result = ToolResult("This same call was made before; its result will not change. Go on without it.", error=True)
    elif call.name not in toolbox.tools:
        known = ", ".join(sorted(toolbox.tools)) or "none"
        result = ToolResult(f"There is no tool “{call.name}”. Available: {known}.", error=True)
    else:
        result = yield from _live(call, toolbox, cancel)
    yield ToolFinished(call.id, result.text, result.error, time.monotonic() - started)
    return Message(Role.TOOL, result.text, tool_call_id=call.id, name=call.name)


def _live(call: ToolCall, toolbox: Toolbox, cancel: Cancel) -> Generator[Event, None, ToolResult]:
    """Run the tool in a thread of its own, so that its output can be shown while it runs."""
    lines: queue.SimpleQueue[str | ToolResult] = queue.SimpleQueue()
    tool, context = toolbox.tools[call.name], ToolContext(lines.put, cancel, toolbox.chat_id, toolbox.workspace)

    def work() -> None:
        try:
            arguments = json.loads(call.arguments or "{}")
            if not isinstance(arguments, dict):
                raise ValueError("not an object")
            lines.put(tool.run(arguments, context))
        except ValueError as error:
            lines.put(ToolResult(f"The arguments are no JSON object: {error}.", error=True))
        except StudioError as error:
            lines.put(ToolResult(error.message, error=True))
        finally:
            lines.put(ToolResult("The tool broke off without a result.", error=True))  # read only if nothing came first

    threading.Thread(target=work, name=f"tool-{call.name}", daemon=True).start()
    while not isinstance(item := lines.get(), ToolResult):
        yield ToolOutput(call.id, item)
    return item
