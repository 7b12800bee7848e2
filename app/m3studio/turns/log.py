"""The event log of one turn: written by its thread, read by any number of followers from any event number."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from m3studio.messages import Event, PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, ToolOutput


class TurnLog:
    """Events 1, 2, 3 ... of a turn, in memory. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects every field below
        self._events: list[Event] = []
        self._done = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def done(self) -> bool:
        return self._done

    def add(self, event: Event) -> None:
        """Append one event and wake the followers."""
        with self._lock:
            self._events.append(event)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def close(self) -> None:
        """No event comes any more."""
        with self._lock:
            self._done = True
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def read(self, after: int) -> tuple[list["Numbered"], bool]:
        """What came after event number `after`, neighbours joined; and whether the log is closed."""
        with self._lock:
            return joined(self._events[after:], after), self._done

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` at each change, from the writing thread. Returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def leave() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return leave


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event, with the number of the last one that it stands for."""

    number: int
    event: Event


def joined(events: list[Event], after: int) -> list[Numbered]:
    """Number the events from `after` + 1 on and join neighbours of one kind, so that a follower gets few, long ones."""
    out: list[Numbered] = []
    parts: list[str] = []
    for number, event in enumerate(events, after + 1):
        last = out[-1].event if out else None
        if last is not None and _continues(last, event):
            parts.append(_text(event))
            out[-1] = Numbered(number, last)
            continue
        _settle(out, parts)
        if isinstance(last, PromptProgress) and isinstance(event, PromptProgress):
            out.pop()  # only the newest progress is news
        out.append(Numbered(number, event))
        parts = [_text(event)]
    _settle(out, parts)
    return out


def _continues(last: Event, event: Event) -> bool:
    match last, event:
        case (TextDelta(), TextDelta()) | (ReasoningDelta(), ReasoningDelta()):
            return True
        case ToolCallDelta(), ToolCallDelta():
            return last.index == event.index and not event.name and not event.id
        case ToolOutput(), ToolOutput():
            return last.call_id == event.call_id
    return False


def _text(event: Event) -> str:
    match event:
        case TextDelta() | ReasoningDelta() | ToolOutput():
            return event.text
        case ToolCallDelta():
            return event.arguments
    return ""


def _settle(out: list[Numbered], parts: list[str]) -> None:
    """Put the joined text into the last event."""
    if len(parts) < 2:
        return
    last = out[-1]
    match last.event:
        case TextDelta() | ReasoningDelta() | ToolOutput() as event:
            out[-1] = Numbered(last.number, replace(event, text="".join(parts)))
        case ToolCallDelta() as call:
            out[-1] = Numbered(last.number, replace(call, arguments="".join(parts)))
