"""How far a turn may go, and how far it is. Knows no engine and no tool."""

import time
from dataclasses import dataclass, field, replace

from m3studio.engines import ChatRequest
from m3studio.messages import FinishReason, RoundFinished, Timings, ToolCall, TurnFinished, Usage


@dataclass(frozen=True, slots=True)
class Limits:
    """`rounds` are model calls. `seconds` count from the first one, without the time that the user takes to approve
    calls. `tokens` (None: any number) are generated ones, of all rounds together. The `same_call` does not run this
    often. A result has `result_characters` at most; the rest is kept as a file."""

    rounds: int = 16
    seconds: float = 1800.0
    tokens: int | None = None
    same_call: int = 3
    result_characters: int = 16_000


@dataclass(slots=True)
class Tally:
    """What the rounds of one turn add up to. `allowed` are the tools that the user allowed for good meanwhile."""

    limits: Limits
    started: float = field(default_factory=time.monotonic)
    usage: Usage = Usage()
    timings: Timings = Timings()
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)

    def bounded(self, request: ChatRequest) -> ChatRequest:
        """The request with no more tokens than are left."""
        if self.limits.tokens is None:
            return request
        left = max(1, self.limits.tokens - self.usage.completion_tokens)
        return replace(request, max_tokens=min(left, request.max_tokens or left))

    def add(self, finished: RoundFinished) -> None:
        """A round is over."""
        # The first round's waiting time is the turn's: nobody has seen a token before it.
        first = self.timings if self.usage.completion_tokens else finished.timings
        self.usage = self.usage + finished.usage
        self.timings = replace(first, predicted_ms=self.timings.predicted_ms + finished.timings.predicted_ms)

    def wait(self, seconds: float) -> None:
        """The turn waited for the user: that does not count."""
        self.started += seconds

    def count(self, call: ToolCall) -> bool:
        """Count a call; whether it was made too often."""
        key = (call.name, call.arguments)
        self.calls[key] = self.calls.get(key, 0) + 1
        return self.calls[key] >= self.limits.same_call

    @property
    def spent(self) -> bool:
        """Time or tokens are used up."""
        late = time.monotonic() - self.started > self.limits.seconds
        return late or (self.limits.tokens is not None and self.usage.completion_tokens >= self.limits.tokens)

    def finish(self, reason: FinishReason) -> TurnFinished:
        """The turn's last event."""
        return TurnFinished(reason, self.usage, self.timings)
