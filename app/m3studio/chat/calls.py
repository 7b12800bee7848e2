"""Running one call: may it, does it, and what is told of it. Knows no model and no page."""

import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from m3studio.chat.limits import Tally
from m3studio.chat.results import shortened
from m3studio.errors import StudioError, ToolError
from m3studio.messages import (
    Approval,
    ApprovalGiven,
    ApprovalNeeded,
    Cancel,
    Event,
    ToolCall,
    ToolFinished,
    ToolOutput,
    ToolStarted,
)
from m3studio.tools import Permission, RunnableTool, ToolContext, ToolResult

MOST_OUTPUT = 200_000  # characters that are shown while one call runs
DENIED = "The user did not allow this call. Do not make it again: go on without it, or ask what to do instead."


def _nobody(call: ToolCall) -> Approval:
    return Approval.DENY


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one turn by their names, and where their calls work. `approve` asks the user and waits for the
    answer: for tools that want it and those named in `ask`, but for those in `always`."""

    tools: Mapping[str, RunnableTool] = field(default_factory=dict)
    workspace: Path = Path()
    chat_id: str = ""
    always: frozenset[str] = frozenset()
    ask: frozenset[str] = frozenset()
    approve: Callable[[ToolCall], Approval] = _nobody


def run_call(
    call: ToolCall, error: str, toolbox: Toolbox, cancel: Cancel, tally: Tally
) -> Generator[Event, None, ToolResult]:
    """Run a call, unless there is an `error` already or another reason not to: then that is its result."""
    reason = error or _refused(call, toolbox, cancel, tally)
    if not reason and not (yield from _allowed(call, toolbox, cancel, tally)):
        reason = DENIED
    yield ToolStarted(call)
    started = time.monotonic()
    if cancel:
        reason = reason or "The user stopped this call before it ran."
    result = ToolResult(reason, error=True) if reason else (yield from _live(call, toolbox, cancel))
    result = shortened(result, tally.limits.result_characters, toolbox.workspace, f"{call.name}-{call.id}")
    yield ToolFinished(call.id, result.text, result.error, time.monotonic() - started)
    return result


def _refused(call: ToolCall, toolbox: Toolbox, cancel: Cancel, tally: Tally) -> str:
    """Why the call cannot run, whatever the user says."""
    tool = toolbox.tools.get(call.name)
    if cancel:
        return "The user stopped this call before it ran."
    if tool is None or tool.permission is Permission.NEVER:
        known = ", ".join(sorted(toolbox.tools)) or "none"
        return f"There is no tool “{call.name}”. Available: {known}."
    if tally.count(call):
        return "This same call was made before; its result will not change. Go on without it."
    return ""


def _allowed(call: ToolCall, toolbox: Toolbox, cancel: Cancel, tally: Tally) -> Generator[Event, None, bool]:
    """Ask the user where the tool, or the user, wants that."""
    wanted = toolbox.tools[call.name].permission is Permission.ASK or call.name in toolbox.ask
    if not wanted or call.name in toolbox.always | tally.allowed:
        return True
    asked = time.monotonic()
    yield ApprovalNeeded(call)
    answer = toolbox.approve(call)
    yield ApprovalGiven(call.id, answer)
    tally.wait(time.monotonic() - asked)
    if answer is Approval.ALWAYS:
        tally.allowed.add(call.name)
    return answer is not Approval.DENY or bool(cancel)


def _arguments(call: ToolCall) -> dict[str, object]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The arguments are no JSON object: {error}.") from None
    if not isinstance(arguments, dict):
        raise ToolError(f"The arguments are no JSON object, but {call.arguments[:80]}.")
    return arguments


def _live(call: ToolCall, toolbox: Toolbox, cancel: Cancel) -> Generator[Event, None, ToolResult]:
    """Run the tool in a thread of its own, so that its output can be shown while it runs."""
    lines: queue.SimpleQueue[str | ToolResult] = queue.SimpleQueue()
    tool = toolbox.tools[call.name]
    context = ToolContext(lines.put, cancel, toolbox.chat_id, toolbox.workspace)

    def work() -> None:
        try:
            lines.put(tool.run(_arguments(call), context))
        except StudioError as error:
            lines.put(ToolResult(error.message, error=True))
        finally:
            lines.put(ToolResult("The tool broke off without a result.", error=True))  # read only if nothing came first

    threading.Thread(target=work, name=f"tool-{call.name}", daemon=True).start()
    room = MOST_OUTPUT
    while not isinstance(item := lines.get(), ToolResult):
        if room > 0:
            yield ToolOutput(call.id, item[:room] if len(item) <= room else f"{item[:room]}\n… more is not shown\n")
        room -= len(item)
    return item
