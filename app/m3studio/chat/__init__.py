"""The turn loop: model call, tool calls, model call, until an answer stands. A pure generator of events.

It knows no model, tool, store or page by name: engine and tools are handed in.
"""

import secrets
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from m3studio import parsers
from m3studio.chat.calls import Toolbox, run_call
from m3studio.chat.limits import Limits, Tally
from m3studio.engines import CallRule, ChatRequest, Engine
from m3studio.messages import (
    AssistantMessage,
    Cancel,
    Event,
    FailedCall,
    FinishReason,
    Message,
    Notice,
    Role,
    RoundFinished,
    RoundStarted,
    ToolCall,
    ToolCallDelta,
)

__all__ = ["Limits", "Toolbox", "run_turn"]

CUT = "The answer ended before this call was whole, so nothing was run."
GAVE_UP = "The model could not make this call in a form that can run, also when it was told why. Ask in other words."
UNREADABLE = "unreadable"  # the name of a call whose own name could not be read


def run_turn(
    engine: Engine, request: ChatRequest, toolbox: Toolbox, cancel: Cancel, limits: Limits = Limits()
) -> Iterator[Event]:
    """Answer `request`, running the calls that the model makes. The last event is `TurnFinished`.

    A call that cannot run goes back to the model with the reason, once, and the next one is held to its tool's schema.
    Raises what `engine.chat` raises; what was yielded before stands.
    """
    tally = Tally(limits)
    for index in range(limits.rounds):
        yield RoundStarted(index)
        finished = yield from _round(engine, tally.bounded(request), cancel)
        tally.add(finished)
        results = yield from _results(finished, toolbox, cancel, tally)
        if finished.finish_reason != FinishReason.TOOL_CALLS:
            yield tally.finish(finished.finish_reason)
            return
        if cancel:
            yield tally.finish(FinishReason.CANCELLED)
            return
        if finished.failed and request.calls != CallRule.FREE:
            yield Notice(GAVE_UP)
            yield tally.finish(FinishReason.STOP)
            return
        request = _with_results(request, finished.message, results)
        request = replace(request, calls=_rule(engine) if finished.failed else CallRule.FREE)
        if tally.spent:
            break
    yield Notice("The model kept calling tools until the limit of this turn; ask it to go on if it should.")
    yield tally.finish(FinishReason.LENGTH)


def _rule(engine: Engine) -> CallRule:
    """What holds for the second try. A model that was never trained on calls would rather say something else."""
    return CallRule.CHECKED if engine.facts.template.get("tools", True) else CallRule.REQUIRED


def _round(engine: Engine, request: ChatRequest, cancel: Cancel) -> Generator[Event, None, RoundFinished]:
    """One model call. Every call in it has an id, and each that cannot run is in the last event's `failed`."""
    ids: dict[int, str] = {}
    finished = None
    for event in engine.chat(request, cancel):
        if isinstance(event, ToolCallDelta):
            yield _with_id(event, ids)
        elif isinstance(event, RoundFinished):
            finished = _checked(event, request, ids)
            yield finished
        else:
            yield event
    if finished is None:
        raise AssertionError("an engine's last event is RoundFinished")
    return finished


def _with_id(delta: ToolCallDelta, ids: dict[int, str]) -> ToolCallDelta:
    if delta.id:
        ids[delta.index] = delta.id
    elif delta.index not in ids:
        ids[delta.index] = _new_id()
        return replace(delta, id=ids[delta.index])
    return delta


def _new_id() -> str:
    return secrets.token_hex(5)[:9]  # nine letters and digits: what Mistral's templates insist on


def _checked(finished: RoundFinished, request: ChatRequest, ids: dict[int, str]) -> RoundFinished:
    message = finished.message
    calls = [replace(call, id=call.id or ids.get(place) or _new_id()) for place, call in enumerate(message.tool_calls)]
    failed = {one.index: one for one in finished.failed if one.index is not None}
    for place, call in enumerate(calls):
        if place not in failed and request.tools and (error := parsers.validate(call, request.tools)):
            failed[place] = FailedCall(call.name, call.arguments, error, place)
    for one in finished.failed:
        if one.index is None:  # so that the model finds it in its own format, and the user sees it
            failed[len(calls)] = replace(one, index=len(calls))
            calls.append(ToolCall(one.name or UNREADABLE, one.text, _new_id()))
    return replace(finished, message=replace(message, tool_calls=tuple(calls)), failed=tuple(failed.values()))


def _results(
    finished: RoundFinished, toolbox: Toolbox, cancel: Cancel, tally: Tally
) -> Generator[Event, None, list[Message]]:
    """Run the calls of one message in their order; each has a result, whatever became of it."""
    errors = {one.index: one.error for one in finished.failed}
    whole = finished.finish_reason == FinishReason.TOOL_CALLS
    results = []
    for place, call in enumerate(finished.message.tool_calls):
        error = errors.get(place, "") if whole else CUT
        result = yield from run_call(call, error, toolbox, cancel, tally)
        results.append(Message(Role.TOOL, result.text, tool_call_id=call.id, name=call.name))
    return results


def _with_results(request: ChatRequest, message: AssistantMessage, results: Sequence[Message]) -> ChatRequest:
    said = Message(Role.ASSISTANT, message.content, message.reasoning_content, message.tool_calls)
    messages = request.messages
    if request.continue_final:  # the round went on with the last message: what it said replaces that beginning
        messages = messages[:-1]
    return replace(request, messages=(*messages, said, *results), continue_final=False)
