"""Writes a running turn into the store: its messages, and their text at most 250 ms after it was generated."""

import threading
from dataclasses import asdict

from m3studio.messages import (
    Event,
    FinishReason,
    MessageStarted,
    ReasoningDelta,
    Role,
    RoundFinished,
    RoundStarted,
    TextDelta,
    ToolCall,
    ToolFinished,
    ToolStarted,
    TurnFailed,
    TurnFinished,
)
from m3studio.store import State, Store, StoredMessage

FLUSH_SECONDS = 0.15  # with the time of a commit this stays under the promised 250 ms


class Recorder:
    """Follows the events of one turn. `message` is the assistant's row that the turn began with."""

    def __init__(self, store: Store, message: StoredMessage) -> None:
        self._store = store
        self._chat_id = message.chat_id
        self._model = message.model
        self._lock = threading.Lock()  # protects the text buffers, _dirty and _row against the flushing thread
        self._row = message.id
        self._last = message.id  # the newest row of this turn: the next one hangs below it
        self._content = [message.content]
        self._reasoning = [message.reasoning_content]
        self._dirty = False
        self._calls: dict[str, ToolCall] = {}
        self._ended = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="flush", daemon=True)
        self._flusher.start()

    def take(self, event: Event) -> Event | None:
        """Record `event`. Returns what goes to the log in its place, or None for nothing."""
        match event:
            case TextDelta():
                self._append(self._content, event.text)
            case ReasoningDelta():
                self._append(self._reasoning, event.text)
            case RoundStarted():
                return self._round_started(event)
            case RoundFinished():
                self._round_finished(event)
            case ToolStarted():
                self._calls[event.call.id] = event.call
            case ToolFinished():
                self._tool_finished(event)
            case TurnFinished():
                self._finish(event)
            case TurnFailed():
                self._store.messages.save(self._row, state=State.ERROR, error=event.message, **self._text())
        return event

    def close(self) -> None:
        """Write what is left and end the flushing thread."""
        self._ended.set()
        self._flusher.join()
        self._flush()

    def interrupt(self) -> None:
        """The app closes in the middle of the answer: keep its text and say so."""
        self._store.messages.save(self._row, state=State.INTERRUPTED, **self._text())

    def _append(self, parts: list[str], text: str) -> None:
        with self._lock:
            parts.append(text)
            self._dirty = True

    def _text(self) -> dict[str, str]:
        with self._lock:
            self._dirty = False
            return {"content": "".join(self._content), "reasoning_content": "".join(self._reasoning)}

    def _flush(self) -> None:
        if self._dirty:
            self._store.messages.save(self._row, **self._text())

    def _flush_often(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self._flush()

    def _round_started(self, event: RoundStarted) -> MessageStarted:
        if event.index:
            self._flush()
            row = self._store.messages.add(
                self._chat_id, self._last, Role.ASSISTANT, state=State.STREAMING, model=self._model
            )
            self._last = row.id
            with self._lock:
                self._row, self._content, self._reasoning, self._dirty = row.id, [], [], False
        return MessageStarted(self._row, "".join(self._content), "".join(self._reasoning))

    def _round_finished(self, event: RoundFinished) -> None:
        state = State.STOPPED if event.finish_reason == FinishReason.CANCELLED else State.DONE
        self._store.messages.save(
            self._row,
            **self._text(),
            tool_calls=event.message.tool_calls,
            state=state,
            stats=_stats(event),
        )

    def _tool_finished(self, event: ToolFinished) -> None:
        call = self._calls.pop(event.call_id)
        row = self._store.messages.add(
            self._chat_id,
            self._last,
            Role.TOOL,
            event.result,
            tool_call_id=call.id,
            name=call.name,
            state=State.ERROR if event.error else State.DONE,
            extra={"seconds": round(event.seconds, 3)},
        )
        self._last = row.id

    def _finish(self, event: TurnFinished) -> None:
        state = State.STOPPED if event.finish_reason == FinishReason.CANCELLED else State.DONE
        self._store.messages.save(self._row, state=state, stats=_stats(event))


def _stats(event: RoundFinished | TurnFinished) -> dict[str, object]:
    return {
        "usage": asdict(event.usage),
        "timings": asdict(event.timings),
        "finish_reason": event.finish_reason.value,
    }
