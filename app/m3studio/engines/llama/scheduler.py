"""Runs many answers at once on one context: each step computes one batch. Knows tokens, and no pipe or chat.

A step takes the newest token of every running answer first, then pieces of the prompts that are not in the cache yet.
An answer that loses its place in the cache (no room, or a more urgent one came) waits and is computed again from what
is still there, so nothing that was said is lost.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from m3studio.engines.llama import wire
from m3studio.engines.llama.bindings import ABORTED, DECODED, NO_ROOM, Batch, IntArray
from m3studio.engines.llama.cache import Slots
from m3studio.engines.llama.disk import Disk
from m3studio.engines.llama.generation import Generation
from m3studio.engines.llama.grammar import Guard
from m3studio.engines.llama.model import Model
from m3studio.engines.llama.sampler import Sampler
from m3studio.messages import FinishReason
from m3studio.sampling import Sampling

PATIENCE = 0.25  # seconds that a running answer may be held up by the prompts of others in one step
LEAST_CHUNK = 32  # tokens of prompts in such a step, however slow the machine is
OUT_OF_CONTEXT = (
    "The answer reached the end of the context of {n_ctx:,} tokens. Start a new chat, remove older messages, "
    "or load the model with a larger n_ctx."
)


@dataclass(slots=True)
class Step:
    """What one batch holds: per answer, how many of its tokens."""

    parts: list[tuple[Generation, int]] = field(default_factory=list)
    prompt_tokens: int = 0


class Scheduler:
    """The answers of one model. One thread calls everything but `interrupt`."""

    def __init__(self, model: Model, post: Callable[[Sequence[wire.Reply]], None], disk: Disk | None = None) -> None:
        self._context, self._vocab = model.context, model.weights.vocab
        self._n_ctx, self._plan = model.context.n_ctx, model.plan
        self._post = post
        self._slots = Slots(model.context, model.plan.n_seq_max, model.plan.kv_unified, disk)
        self._batch = Batch(model.n_batch)
        self._running: list[Generation] = []
        self._waiting: deque[Generation] = deque()
        self._computing: frozenset[int] = frozenset()  # ids in the batch; replaced whole, so other threads may look
        self._crowded = False  # an answer had to give up its cells: let none in until one has ended
        self._speed = 0.0  # prompt tokens per second, as it was lately
        self._out: list[wire.Reply] = []

    @property
    def idle(self) -> bool:
        """Nothing to compute, and nothing left to tell."""
        return not self._running and not self._waiting and not self._out

    # ---------------------------------------------------------------------------------------------- requests

    def start(self, request: wire.Generate, prompt: IntArray) -> None:
        """Take a request whose prompt has been checked to fit."""
        try:
            guard = Guard(self._vocab, request.grammar, request.triggers) if request.grammar else None
        except ValueError as error:
            self._out.append(wire.Failed(request.id, "BadInput", str(error)))
            return
        sampler = Sampler(Sampling(**request.sampling), self._vocab, self._n_ctx, guard, request.logit_bias)  # type: ignore[arg-type]
        self._waiting.append(Generation(request, prompt, self._n_ctx, sampler))

    def cancel(self, id: int) -> None:
        """End an answer with what it has; an id that is not known ended before."""
        for generation in [*self._running, *self._waiting]:
            if generation.id == id:
                self._end(generation, FinishReason.CANCELLED)

    def conclude(self, id: int) -> None:
        """End an answer's thought; an id that is not known ended before."""
        for generation in [*self._running, *self._waiting]:
            if generation.id == id:
                generation.thought.hurry()

    def interrupt(self, id: int) -> None:
        """Break off the batch that computes answer `id`, if one does. For the thread that hears of a cancel: the
        `cancel` itself must be on its way to the owner before."""
        if id in self._computing:
            self._context.abort()

    def interrupt_all(self) -> None:
        """Break off whatever is computed; otherwise as `interrupt`."""
        self._context.abort()

    def clear_interrupt(self) -> None:
        """Before the owner looks for cancels: an interrupt that comes later is for the next batch."""
        self._context.clear_abort()

    # ---------------------------------------------------------------------------------------------- on disk

    @property
    def unsaved(self) -> bool:
        """Are there chats that changed since they were brought to disk?"""
        return bool(self._slots.unsaved)

    def save_one(self) -> None:
        """Bring one of them to disk."""
        self._slots.save(self._slots.unsaved[0])

    def close(self) -> None:
        """Bring every chat to disk, also those whose answers run; returns when they are there."""
        self._slots.close()

    # ---------------------------------------------------------------------------------------------- a step

    def step(self) -> None:
        """Compute one batch and post what came of it."""
        self._admit()
        step = self._fill()
        if step.parts:
            started = time.perf_counter()
            code = self._context.decode(self._batch)
            if code == DECODED:
                self._measure(step, time.perf_counter() - started)
                self._advance(step)
            else:
                self._recover(step, code)
        self._computing = frozenset()
        self.flush()

    def flush(self) -> None:
        """Post what has come of steps and cancels."""
        if self._out:
            out, self._out = self._out, []
            self._post(out)

    def _admit(self) -> None:
        """Give free sequences to those who wait: what the user waits for first, background when nothing else is."""
        for generation in sorted(self._waiting, key=lambda waiting: waiting.background):
            others = any(not other.background for other in [*self._running, *self._waiting] if other is not generation)
            if (generation.background and others) or not self._has_room(generation):
                break
            slot = self._slots.take(generation.id, generation.tokens, generation.length, generation.session)
            if slot is None and not generation.background and self._make_way():
                slot = self._slots.take(generation.id, generation.tokens, generation.length, generation.session)
            if slot is None:
                break
            self._waiting.remove(generation)
            generation.begin(slot)
            self._running.append(generation)
            self._out.append(generation.progress())
        self._tell_places()

    def _has_room(self, generation: Generation) -> bool:
        """Do the cells hold it beside the answers that run? Those grow; `_make_room` sees to it when they have."""
        if not self._plan.kv_unified or not self._running:
            return True
        taken = sum(running.length + 1 for running in self._running)
        return not self._crowded and taken + generation.length < self._n_ctx

    def _tell_places(self) -> None:
        for place, generation in enumerate(sorted(self._waiting, key=lambda waiting: waiting.background), 1):
            if generation.place != place:
                generation.place = place
                self._out.append(wire.Waiting(generation.id, place))

    def _make_way(self) -> bool:
        """Send a background answer back to the queue. False if none runs."""
        background = [generation for generation in self._running if generation.background]
        if background:
            self._send_back(background[-1])
        return bool(background)

    def _fill(self) -> Step:
        """Fill the batch: the newest tokens first, then prompts in equal shares."""
        self._batch.clear()
        urgent = [generation for generation in self._running if not generation.background]
        active = urgent or self._running
        step = Step()
        decoding = [generation for generation in active if generation.decoding]
        for generation in decoding:
            self._put(step, generation, 1)
        prompts = [generation for generation in active if not generation.decoding]
        room = self._chunk(bool(decoding)) - self._batch.rows
        for index, generation in enumerate(prompts):
            share = max(1, room // (len(prompts) - index))
            count = min(share, generation.length - generation.done_tokens, self._batch.capacity - self._batch.rows)
            self._put(step, generation, count)
            step.prompt_tokens += count
            room -= count
        self._computing = frozenset(generation.id for generation, _ in step.parts)
        return step

    def _put(self, step: Step, generation: Generation, count: int) -> None:
        slot = generation.slot
        if slot is None or count < 1:
            return
        last = slot.n + count == generation.length
        row = self._batch.add(generation.tokens[slot.n : slot.n + count], slot.n, slot.seq, last)
        generation.row = row if last else -1
        step.parts.append((generation, count))

    def _chunk(self, decoding: bool) -> int:
        """Rows for a batch: as many as possible, fewer while answers run that it would hold up."""
        if decoding and self._speed:
            return max(LEAST_CHUNK, min(self._batch.capacity, int(self._speed * PATIENCE)))
        return self._batch.capacity

    def _measure(self, step: Step, seconds: float) -> None:
        if step.prompt_tokens >= LEAST_CHUNK:
            speed = step.prompt_tokens / max(seconds, 1e-6)
            self._speed = 0.5 * (self._speed or speed) + 0.5 * speed

    def _advance(self, step: Step) -> None:
        """The batch is in the cache: sample where a next token is wanted."""
        for generation, count in step.parts:
            slot = generation.slot
            if slot is None:
                continue
            prefilling = slot.n < generation.n_prompt
            slot.n += count
            if prefilling:
                self._out.append(generation.progress())
            if generation.row >= 0:
                self._sample(generation)

    def _sample(self, generation: Generation) -> None:
        tokens = self._next(generation)
        if not tokens:
            self._end(generation, FinishReason.STOP)
            return
        for token in tokens:
            if not generation.full and (text := generation.add(token, self._vocab.piece(token))):
                self._out.append(wire.Text(generation.id, text))
        if generation.text.stopped:
            self._end(generation, FinishReason.STOP)
        elif generation.full:
            if generation.out_of_context:
                self._out.append(wire.Note(generation.id, OUT_OF_CONTEXT.format(n_ctx=self._n_ctx)))
            self._end(generation, FinishReason.LENGTH)

    def _next(self, generation: Generation) -> list[int]:
        """The token that the sampler chooses, none where the answer ends; or the closing words of a thought that must
        end here, which are computed together in the next step."""
        if not (closing := generation.thought.close()):
            thinking = generation.thought.inside
            token = generation.sampler.choose(self._context, generation.row, thinking=thinking)
            return [] if self._vocab.ends(token) else [token]
        tokens = self._vocab.tokens(closing, begins=False)
        generation.sampler.accept(tokens)
        return [int(token) for token in tokens]

    # ---------------------------------------------------------------------------------------------- when it fails

    def _recover(self, step: Step, code: int) -> None:
        """Bring every sequence of the batch back to where it was, and see to the cause."""
        for generation, _ in step.parts:
            if generation.slot is not None:
                self._slots.cut(generation.slot, generation.slot.n)
        if code == ABORTED:
            return  # the cancel that caused it comes next; the others compute their part again
        if code == NO_ROOM:
            self._make_room()
            return
        for generation, _ in step.parts:
            reason = (
                f"The model's computation failed (llama_decode {code}). Try again; a smaller n_ctx needs less memory."
            )
            self._drop(generation, wire.Failed(generation.id, "EngineError", reason))

    def _make_room(self) -> None:
        """The shared cells are used up: empty what nobody uses, else let the answer that came last wait."""
        if self._slots.evict():
            return
        last = max(self._running, key=lambda generation: (generation.background, generation.clock.asked))
        if len(self._running) > 1:
            self._send_back(last)
            self._crowded = True
            self._slots.evict()
        else:
            self._out.append(wire.Note(last.id, OUT_OF_CONTEXT.format(n_ctx=self._n_ctx)))
            self._end(last, FinishReason.LENGTH)

    def _send_back(self, generation: Generation) -> None:
        self._leave(generation)
        generation.place = 0
        self._waiting.appendleft(generation)

    def _end(self, generation: Generation, reason: FinishReason) -> None:
        self._drop(generation, *generation.finish(reason))

    def _drop(self, generation: Generation, *last: wire.Reply) -> None:
        self._leave(generation)
        if generation in self._waiting:
            self._waiting.remove(generation)
        generation.sampler.free()
        self._crowded = False
        self._out.extend(last)

    def _leave(self, generation: Generation) -> None:
        if generation.slot is not None:
            self._slots.release(generation.slot)
            generation.slot = None
        if generation in self._running:
            self._running.remove(generation)
