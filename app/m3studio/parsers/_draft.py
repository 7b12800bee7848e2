"""The answer as it grows: what was said, thought and called so far, and the events of it. Knows no format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from m3studio.messages import (
    AssistantMessage,
    Event,
    FailedCall,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
)
from m3studio.parsers import healing
from m3studio.parsers._schema import complaint


@dataclass(slots=True)
class Call:
    """A call on its way. `notes` say what had to be mended."""

    name: str
    id: str = ""
    pieces: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: str = ""  # why it could not be read
    truncated: bool = False
    text: str = ""  # as the model wrote it, where it could not be read


class Channel:
    """One stream of text. White space at its edges is held back: it shows once more text follows."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.held: list[str] = []
        self.blank = True  # nothing was said since the last `pause`

    def add(self, text: str) -> str:
        """Take `text`; returns what can be shown now."""
        if self.blank:
            text = text.lstrip()
        body = text.rstrip()
        if not body:
            self.held += [text] if text else []
            return ""
        ready = "".join([*self.held, body])
        self.held = [text[len(body) :]] if len(body) < len(text) else []
        self.blank = False
        self.shown.append(ready)
        return ready

    def flush(self) -> str:
        """Show the white space that is held back; returns it."""
        ready = "".join(self.held)
        self.held = []
        if ready:
            self.shown.append(ready)
        return ready

    def pause(self) -> None:
        """A new passage begins: if there was one before, an empty line parts them."""
        if not self.blank:
            self.held = ["\n\n"]
            self.blank = True

    @property
    def text(self) -> str:
        return "".join(self.shown)


class Draft:
    """What a parser writes into. `tools` are the ones on offer, by name."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self.tools = tools
        self.unfence = False  # JSON was asked for: a code block around it is no part of the answer
        self.events: list[Event] = []
        self.content = Channel()
        self.reasoning = Channel()
        self.calls: list[Call] = []
        self.failed: list[FailedCall] = []
        self.spoke = False  # something was said since the last call
        self.last = ""  # the last characters of the answer, white space included

    # ------------------------------------------------------------------------------------------- text

    def text(self, text: str) -> None:
        """More of the answer."""
        self.last = text[-80:] if len(text) >= 80 else (self.last + text)[-80:]
        if ready := self.content.add(text):
            self.spoke = True
            self.events.append(TextDelta(ready))

    def think(self, text: str) -> None:
        """More of the reasoning."""
        if ready := self.reasoning.add(text):
            self.events.append(ReasoningDelta(ready))

    def flush(self) -> None:
        """Keep the white space at the end of what was said since the last call."""
        if self.spoke and (ready := self.content.flush()):
            self.events.append(TextDelta(ready))

    def flush_thoughts(self) -> None:
        """Keep the white space at the end of the reasoning so far."""
        if not self.reasoning.blank and (ready := self.reasoning.flush()):
            self.events.append(ReasoningDelta(ready))

    def begin_answer(self) -> AssistantMessage:
        """What was taken so far stood in the prompt: return it, and drop its events."""
        self.flush()
        self.flush_thoughts()
        self.events = []
        return AssistantMessage(self.content.text, self.reasoning.text)

    # ------------------------------------------------------------------------------------------- calls

    def open_call(self, name: str, id: str = "") -> None:
        """A call begins."""
        self.calls.append(Call(name, id))
        self.spoke = False
        self.events.append(ToolCallDelta(len(self.calls) - 1, id=id, name=name))

    def identify(self, id: str) -> None:
        """The id of the latest call, where it comes late."""
        if self.calls[-1].id != id:
            self.calls[-1].id = id
            self.events.append(ToolCallDelta(len(self.calls) - 1, id=id))

    def arguments(self, text: str) -> None:
        """More of the latest call's arguments, JSON text."""
        if text:
            self.calls[-1].pieces.append(text)
            self.events.append(ToolCallDelta(len(self.calls) - 1, arguments=text))

    def note(self, note: str) -> None:
        """The latest call, if it could be read at all, had to be mended."""
        if self.calls:
            self.calls[-1].notes.append(note)

    def mend(self, first: int, raw: str, *, truncated: bool = False, note: str = "", sure: bool = True) -> bool:
        """Read `raw`, a call that broke its syntax, anew; `first` is its place if it has one yet.

        False if there is nothing of a call in it: then nothing was written.
        """
        opened = self.calls[first] if len(self.calls) > first else None
        healed = [] if truncated else healing.read(raw, self.tools)
        if not healed:
            return self._give_up(opened, raw, truncated=truncated, sure=sure)
        for number, one in enumerate(healed):
            if opened and not number:
                opened.name, opened.id = one.name, one.id or opened.id
                opened.pieces = [one.arguments]
            else:
                self.open_call(one.name, one.id)
                self.arguments(one.arguments)
            self.calls[first + number].notes += [note, one.note]
        return True

    def _give_up(self, opened: Call | None, raw: str, *, truncated: bool, sure: bool) -> bool:
        error = (
            "The call was cut off before its end because the answer reached its limit. Nothing was run."
            if truncated
            else "The call could not be read: it does not follow the format of a call. Nothing was run."
        )
        if opened:
            opened.broken, opened.text, opened.truncated = error, raw, truncated
            return True
        if sure and healing.looks_like_call(raw):
            self.failed.append(FailedCall("", raw, error, truncated=truncated))
            return True
        return False

    # ------------------------------------------------------------------------------------------- the end

    def settle(self) -> AssistantMessage:
        """The whole answer. Calls that do not fit their tool are mended if that is safe, else listed in `failed`."""
        calls = tuple(self._settled(index, call) for index, call in enumerate(self.calls))
        return AssistantMessage(self.content.text, self.reasoning.text, calls)

    def _settled(self, index: int, call: Call) -> ToolCall:
        written = ToolCall(call.name, "".join(call.pieces), call.id, "; ".join(filter(None, call.notes)))
        if call.broken:
            exact = "" if call.truncated else complaint(written, self.tools)
            self.failed.append(FailedCall(call.name, call.text, exact or call.broken, index, call.truncated))
            return written
        fitted = healing.fit(written, self.tools)
        if error := complaint(fitted, self.tools):
            self.failed.append(FailedCall(fitted.name, fitted.arguments, error, index))
        return fitted
