"""What the app and a model's process say to each other: a JSON array per line, the message's name and its fields.

Knows neither side. Every request has an `id`, so that many run at the same time over one pair of pipes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

# ------------------------------------------------------------------------------------------------ to the process


@dataclass(frozen=True, slots=True)
class Load:
    """The first message. `settings` are the fields of `LoadSettings`, `layout` those of `Layout`, `states` those of
    `Place`."""

    path: str
    settings: Mapping[str, object]
    layout: Mapping[str, object]
    states: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generate:
    """Go on from `prompt`. `sampling` are the fields of `Sampling`; `max_tokens` None: up to the end of the context.
    `thoughts` says how a thought is recognised and ended, see `thought.thought_of`. `grammar` (GBNF, or empty) holds
    what follows the first of `triggers`, or the whole answer. `logit_bias` has tokens and what is added to them."""

    id: int
    prompt: str
    sampling: Mapping[str, object]
    max_tokens: int | None
    stop: tuple[str, ...]
    session: str
    background: bool
    thoughts: Mapping[str, object]
    grammar: str = ""
    triggers: tuple[str, ...] = ()
    logit_bias: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Abort:
    """Give up request `id`; it answers with `Done`."""

    id: int


@dataclass(frozen=True, slots=True)
class Conclude:
    """End the thought of request `id`: it goes on with its answer."""

    id: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many tokens is `text`?"""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Bring the chats to disk and end. The last message."""


# ---------------------------------------------------------------------------------------------- from the process


@dataclass(frozen=True, slots=True)
class Loaded:
    """Loading has come to `share` (0 to 1)."""

    share: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The model can be used. `facts` are fields of `EngineFacts`; `variables` are for the chat template."""

    facts: Mapping[str, object]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The model could not be loaded; the process ends. `stage` says what it was doing."""

    stage: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Request `id` has place `place` in the queue; 1 is the next."""

    id: int
    place: int


@dataclass(frozen=True, slots=True)
class Prefill:
    """`done` of `total` prompt tokens are in the cache, `cached` of them were there before."""

    id: int
    done: int
    total: int
    cached: int
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer, control tokens included."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the user."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Request `id` ended. `reason` is a `FinishReason`; counts in tokens, times in milliseconds."""

    id: int
    reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    queue_ms: float
    prompt_ms: float
    first_token_ms: float
    predicted_ms: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Request `id` could not be carried out. `kind` is a class of `m3studio.errors`."""

    id: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The answer to `Count`."""

    id: int
    tokens: int


Request = Load | Generate | Abort | Conclude | Count | Close
Reply = Waiting | Prefill | Text | Note | Done | Failed | Counted
Answer = Loaded | Ready | Refused | Reply

_KINDS = {
    kind.__name__: kind
    for kind in (
        *(Load, Generate, Abort, Conclude, Count, Close),
        *(Loaded, Ready, Refused, Waiting, Prefill, Text, Note, Done, Failed, Counted),
    )
}
_FIELDS = {kind: kind.__slots__ for kind in _KINDS.values()}


def encode(message: Request | Answer) -> bytes:
    """The message as one line."""
    kind = type(message)
    return json.dumps([kind.__name__, *[getattr(message, name) for name in _FIELDS[kind]]]).encode() + b"\n"


def decode(line: bytes) -> Request | Answer:
    """The message in `line`. Raises `ValueError`, `KeyError` or `TypeError` for a line that is none, which is a bug."""
    name, *values = json.loads(line)
    return _KINDS[name](*values)
