"""The words of a conversation, and the events that a turn is made of. Knows no engine, tool, store or page."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from threading import Lock


class Role(StrEnum):
    """Who speaks, in OpenAI's terms."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(StrEnum):
    """Why an answer ended. The first three are OpenAI's."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CANCELLED = "cancelled"
    ERROR = "error"


class Approval(StrEnum):
    """What the user says to a call: this one may run, this tool may always run in this chat, or no."""

    ONCE = "once"
    ALWAYS = "always"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call. `parameters` is a JSON schema of type `object`."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)

    def to_openai(self) -> dict[str, object]:
        """The shape that chat templates and OpenAI's API take."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model made it. `arguments` is JSON text; `repaired` names what had to be mended to read it."""

    name: str
    arguments: str
    id: str = ""
    repaired: str = ""


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """A whole answer, taken apart."""

    content: str = ""
    reasoning_content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that must not run. `text` is what the model wrote, `error` a sentence for the model and the user.

    `index` is its place in the message's `tool_calls`; None if not even a name could be read, then it is not in there.
    `truncated`: it was cut off by a limit.
    """

    name: str
    text: str
    error: str
    index: int | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as it goes to a chat template."""

    role: Role
    content: str = ""
    reasoning_content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""

    def to_openai(self) -> dict[str, object]:
        """OpenAI's form; empty optional fields are left out."""
        out: dict[str, object] = {"role": self.role.value, "content": self.content}
        if self.reasoning_content:
            out["reasoning_content"] = self.reasoning_content
        if self.tool_calls:
            out["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
        if self.tool_call_id:
            out["tool_call_id"] = self.tool_call_id
        if self.name:
            out["name"] = self.name
        return out


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. `first_token_ms` counts from the request to the first token, waiting and prefill included."""

    queue_ms: float = 0.0
    prompt_ms: float = 0.0
    first_token_ms: float = 0.0
    predicted_ms: float = 0.0


# ------------------------------------------------------------------------------------- events, in the order they come


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """A model call begins; `index` counts from 0 within the turn."""

    index: int


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """The stored message `message_id` of the model begins; a continued one already holds text.

    A page that follows a turn from event 0 needs nothing else: it (re)draws that message from here on.
    """

    message_id: int
    content: str = ""
    reasoning_content: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `place` 1 is the next one."""

    place: int


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """Prefill: `done` of `total` prompt tokens are in the cache, `cached` of them were there before."""

    done: int
    total: int
    cached: int
    tokens_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of call number `index`: its `id` and `name` come once, `arguments` (JSON text) in pieces to be joined."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """One model call ended. `message` is the whole of what it said, `failed` the calls that must not run."""

    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage = Usage()
    timings: Timings = Timings()
    failed: tuple[FailedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """The turn waits until the user says whether this call may run."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """The user said so, or stopped the turn."""

    call_id: str
    answer: Approval


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A complete call begins to run."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """Live output of a running call."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call ended; `result` is what the model reads."""

    call_id: str
    result: str
    error: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user that is no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The turn ended: what it took, all its rounds together."""

    finish_reason: FinishReason
    usage: Usage = Usage()
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn ended with an error; `message` is a sentence for the user. What was said before is kept."""

    message: str
    details: str = ""


EngineEvent = Queued | PromptProgress | ReasoningDelta | TextDelta | ToolCallDelta | Notice | RoundFinished
Event = (
    EngineEvent
    | RoundStarted
    | MessageStarted
    | ApprovalNeeded
    | ApprovalGiven
    | ToolStarted
    | ToolOutput
    | ToolFinished
    | TurnFinished
    | TurnFailed
)


def event_data(event: Event) -> dict[str, object]:
    """The event's fields as plain JSON values."""
    return asdict(event)


class Cancel:
    """A flag that one side sets, once, and the other side looks at or is told of. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()  # protects _set and _listeners together
        self._set = False
        self._listeners: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Set the flag and call every listener, once."""
        with self._lock:
            listeners, self._listeners = ([] if self._set else self._listeners), []
            self._set = True
        for listener in listeners:
            listener()

    def on_set(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the flag is set; at once if it is already."""
        with self._lock:
            if not self._set:
                self._listeners.append(listener)
                return
        listener()
