"""One answer in the making: its tokens, its text, its clock. Knows no cache and no other answer."""

import time
from dataclasses import dataclass, field

import numpy as np

from m3studio.engines.llama import wire
from m3studio.engines.llama.bindings import IntArray
from m3studio.engines.llama.cache import Slot
from m3studio.engines.llama.sampler import Sampler
from m3studio.engines.llama.text import TextStream
from m3studio.engines.llama.thought import thought_of
from m3studio.messages import FinishReason


@dataclass(slots=True, eq=False)
class Clock:
    """Moments of an answer in seconds of `time.perf_counter`; 0 for what has not come yet."""

    asked: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    first: float = 0.0


class Generation:
    """A request while it waits and runs.

    `tokens[:length]` are the prompt and what was sampled. All of them but the last are in the cache while it runs;
    prefill and decode are the same thing: to compute what is not there yet.
    """

    def __init__(self, request: wire.Generate, prompt: IntArray, n_ctx: int, sampler: Sampler) -> None:
        self.id = request.id
        self.session = request.session
        self.background = request.background
        self.n_prompt = self.length = len(prompt)
        room = n_ctx - len(prompt)
        self._limit = len(prompt) + min(room, room if request.max_tokens is None else request.max_tokens)
        self._cramped = self._limit == n_ctx
        self.tokens = np.empty(self._limit, np.int32)
        self.tokens[: len(prompt)] = prompt
        self.sampler = sampler
        self.text = TextStream(request.stop)
        self.thought = thought_of(request.thoughts)
        self.slot: Slot | None = None
        self.row = -1
        self.cached = 0
        self.place = 0
        self.clock = Clock()

    @property
    def done_tokens(self) -> int:
        """How many of its tokens are in the cache."""
        return self.slot.n if self.slot else 0

    @property
    def decoding(self) -> bool:
        """Only the token that was sampled last is to be computed."""
        return self.length > self.n_prompt and self.length - self.done_tokens == 1

    def begin(self, slot: Slot) -> None:
        """It has a place in the cache, for the first time or again."""
        self.slot = slot
        if not self.clock.begun:
            self.clock.begun = time.perf_counter()
            self.cached = slot.n
            self.sampler.accept(self.tokens[: self.n_prompt])

    def add(self, token: int, piece: bytes) -> str:
        """Take a token that was sampled or put in its place; returns the text that can be shown."""
        if not self.clock.first:
            self.clock.first = time.perf_counter()
        self.tokens[self.length] = token
        self.length += 1
        self.thought.add(piece)
        return self.text.feed(piece)

    @property
    def full(self) -> bool:
        """It has as many tokens as it may have."""
        return self.length >= self._limit

    @property
    def out_of_context(self) -> bool:
        """It ended because of the context, not because of its own limit."""
        return self._cramped and self.full

    def progress(self) -> wire.Prefill:
        """How far the prompt is."""
        seconds = time.perf_counter() - self.clock.begun
        computed = self.done_tokens - self.cached
        speed = round(computed / seconds, 1) if seconds > 0 else 0.0
        return wire.Prefill(self.id, min(self.done_tokens, self.n_prompt), self.n_prompt, self.cached, speed)

    def finish(self, reason: FinishReason) -> list[wire.Reply]:
        """The last messages: text that was held back, and the figures."""
        now, clock = time.perf_counter(), self.clock
        rest = self.text.finish()
        begun, first = clock.begun or now, clock.first or now
        done = wire.Done(
            self.id,
            reason.value,
            self.n_prompt,
            self.length - self.n_prompt,
            self.cached,
            queue_ms=_ms(begun - clock.asked),
            prompt_ms=_ms(first - begun),
            first_token_ms=_ms(first - clock.asked) if clock.first else 0.0,
            predicted_ms=_ms(now - clock.first) if clock.first else 0.0,
        )
        return [wire.Text(self.id, rest), done] if rest else [done]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
