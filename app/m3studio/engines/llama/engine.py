"""A loaded model as the app uses it: conversations in, events out. Any thread may call it.

Knows templates, parsers and the messages to the model's process. Knows no native code.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from m3studio import errors, gguf
from m3studio.engines import ChatRequest, EngineFacts
from m3studio.engines.llama import causes, wire
from m3studio.engines.llama.memory import Layout
from m3studio.engines.llama.process import Process
from m3studio.engines.llama.prompts import Prepared, Prompts
from m3studio.engines.llama.states import Place, identity
from m3studio.errors import BadInput, ContextFull, EngineError
from m3studio.messages import (
    AssistantMessage,
    Cancel,
    EngineEvent,
    FinishReason,
    Notice,
    PromptProgress,
    Queued,
    RoundFinished,
    TextDelta,
    Timings,
    Usage,
)
from m3studio.sampling import Sampling, change
from m3studio.settings import LoadSettings

EMPTY = "The model thought and then said nothing, so it was asked once more, without thinking."
PATIENCE = 3.0  # seconds for a process to end
SLOW_DISK = 100e6  # bytes per second
LONGEST_PIECE = 256  # characters of a token; the longest ones known are rows of 128 spaces
_FAILURES: Mapping[str, type[errors.StudioError]] = {
    kind.__name__: kind for kind in (errors.BadInput, errors.ContextFull, errors.EngineError)
}
Replies = queue.SimpleQueue[wire.Reply | EngineError]


def load(
    path: Path,
    settings: LoadSettings,
    layout: Layout,
    on_progress: Callable[[float], None],
    cancel: Cancel,
    name: str,
    states: Place,
) -> "LlamaEngine":
    """See `m3studio.engines.llama.open`."""
    model = gguf.check(path)  # a file that llama.cpp would choke on never gets there
    engine = LlamaEngine(name or model.header.name or path.stem, model.header.chat_template)
    first = model.path or path
    with contextlib.suppress(OSError):  # then nothing is kept
        states = replace(states, model=identity([first.with_name(name) for name in gguf.shard_names(first.name)]))
    engine.load(wire.Load(str(first), asdict(settings), asdict(layout), asdict(states)), on_progress, cancel)
    return engine


class LlamaEngine:
    """Keeps the `Engine` protocol, and completes plain prompts. Make it with `open`."""

    def __init__(self, name: str, chat_template: str) -> None:
        self.name = name
        self._prompts = Prompts(chat_template)
        self._lock = threading.Lock()  # protects _calls, _last_id, _over, _closed and _used
        self._calls: dict[int, Replies] = {}
        self._last_id = 0
        self._over: EngineError | None = None
        self._closed = False
        self._used = time.monotonic()
        self._loading: queue.SimpleQueue[wire.Answer | EngineError | None] = queue.SimpleQueue()
        self._facts: EngineFacts | None = None
        self._quota = 0  # bytes of states that the process may write before it ends
        try:
            self._process = Process(self._hear, self._end)
        except OSError as error:
            raise EngineError(f"The system starts no process for {name} ({error.strerror}).") from error

    # ---------------------------------------------------------------------------------------------- loading

    def load(self, request: wire.Load, on_progress: Callable[[float], None], cancel: Cancel) -> None:
        """Load the file, once. Raises as `open` does; the process is gone then."""
        cancel.on_set(lambda: self._loading.put(None))
        self._quota = int(str(request.states.get("quota", 0)))
        self._process.send(request)
        try:
            self._prompts.capabilities()  # its process starts while the model loads
            ready = self._wait_until_ready(Path(request.path), on_progress)
            if cancel:
                raise EngineError(f"Loading {self.name} was stopped.")
        except BaseException:
            self.close()
            raise
        facts: dict[str, Any] = {**ready.facts, "name": self.name, "devices": tuple(ready.facts["devices"])}  # type: ignore[arg-type]
        self._facts = EngineFacts(**facts)
        self._prompts.variables = ready.variables

    def _wait_until_ready(self, path: Path, on_progress: Callable[[float], None]) -> wire.Ready:
        while True:
            answer = self._loading.get()
            if isinstance(answer, wire.Ready):
                return answer
            if isinstance(answer, wire.Loaded):
                on_progress(answer.share)
            elif isinstance(answer, wire.Refused):
                self._process.wait()  # then its log is complete
                raise causes.refused(path.name, answer.stage, answer.reason, self._process.log())
            elif isinstance(answer, EngineError):
                raise answer
            elif answer is None:
                raise EngineError(f"Loading {self.name} was stopped.")

    # ---------------------------------------------------------------------------------------------- what it is

    @property
    def facts(self) -> EngineFacts:
        if self._facts is None:
            raise EngineError(f"{self.name} is not loaded yet.")
        found, prompts = self._prompts.capabilities(), self._prompts
        thinking = {"kind": found.thinking.kind, "modes": found.thinking.modes, "usual": found.thinking.usual}
        template = {"tools": found.tools, "fallback": prompts.fallback, "changed": prompts.changed}
        return replace(self._facts, chat_template=prompts.template, thinking=thinking, template=template)

    @property
    def alive(self) -> bool:
        return self._over is None

    @property
    def idle_seconds(self) -> float:
        """See `Engine.idle_seconds`."""
        with self._lock:
            return 0.0 if self._calls else time.monotonic() - self._used

    @property
    def pid(self) -> int:
        """The process that holds the model."""
        return self._process.pid

    def native_log(self) -> list[str]:
        """The last lines of llama.cpp's own log."""
        return self._process.log()

    # ---------------------------------------------------------------------------------------------- work

    def chat(self, request: ChatRequest, cancel: Cancel) -> Iterator[EngineEvent]:
        """One model call; see `Engine.chat`. An answer that is empty after thinking is asked for once more."""
        first = yield from self._round(request, self._prompts.prepare(request), cancel)
        if cancel or request.background or not _only_thought(first):
            yield first
            return
        yield Notice(EMPTY)
        second = yield from self._round(request, self._prompts.prepare(request, closed=True), cancel)
        message = replace(second.message, reasoning_content=first.message.reasoning_content)
        predicted = first.timings.predicted_ms + second.timings.predicted_ms
        timings = replace(first.timings, predicted_ms=predicted)
        yield replace(second, message=message, usage=first.usage + second.usage, timings=timings)

    def _round(
        self, request: ChatRequest, prepared: Prepared, cancel: Cancel
    ) -> Generator[EngineEvent, None, RoundFinished]:
        """Every event of a model call but the last, which is returned."""
        parser = prepared.parser
        generate = wire.Generate(
            0,
            prepared.text,
            asdict(request.sampling),
            request.max_tokens,
            request.stop,
            request.session,
            request.background,
            prepared.thoughts,
            prepared.grammar.gbnf,
            prepared.grammar.triggers,
            tuple(request.logit_bias.items()),
        )
        events = self._generate(generate, cancel, request.answer_now)
        for event in events:
            if isinstance(event, TextDelta):
                yield from parser.feed(event.text)  # type: ignore[misc]
            elif isinstance(event, RoundFinished):
                cut = event.finish_reason != FinishReason.STOP
                message = parser.finish(truncated=cut)
                yield from parser.tail  # type: ignore[misc]
                called = bool(message.tool_calls or parser.failed)
                reason = FinishReason.TOOL_CALLS if called and not cut else event.finish_reason
                return replace(event, message=message, finish_reason=reason, failed=parser.failed)
            else:
                yield event
        raise AssertionError("the last event of a completion is RoundFinished")

    def complete(
        self,
        prompt: str,
        *,
        sampling: Sampling = Sampling(),
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        session: str = "",
        background: bool = False,
        cancel: Cancel | None = None,
    ) -> Generator[EngineEvent, None, None]:
        """Go on from `prompt` as it is. `TextDelta` holds the model's raw text; `RoundFinished.message` all of it.

        Raises as `chat` does. Closing the iterator cancels.
        """
        generate = wire.Generate(0, prompt, asdict(sampling), max_tokens, tuple(stop), session, background, {})
        return self._generate(generate, cancel, None)

    def _generate(
        self, generate: wire.Generate, cancel: Cancel | None, answer_now: Cancel | None
    ) -> Generator[EngineEvent, None, None]:
        """The events of one request to the process, which gets an id here."""
        if generate.max_tokens is not None and generate.max_tokens < 1:
            raise BadInput(f"max_tokens must be at least 1, not {generate.max_tokens}.")
        change(Sampling(), generate.sampling)  # raises for values that the native samplers would abort on
        n_ctx = self.facts.n_ctx
        if len(generate.prompt) > LONGEST_PIECE * n_ctx:  # do not keep the process busy with counting what cannot fit
            raise ContextFull(
                f"The conversation has {len(generate.prompt):,} characters, and the context of this model as it is "
                f"loaded holds {n_ctx:,} tokens. Start a new chat, or remove the long text."
            )
        with self._call() as (id, replies):
            self._process.send(replace(generate, id=id))
            if cancel is not None:
                cancel.on_set(lambda: self._process.send(wire.Abort(id)))
            if answer_now is not None:
                answer_now.on_set(lambda: self._process.send(wire.Conclude(id)))
            finished = False
            try:
                for event in _events(replies):
                    finished = isinstance(event, RoundFinished)
                    yield event
            finally:
                if not finished:
                    self._process.send(wire.Abort(id))

    def use_template(self, template: str) -> None:
        """Render with another template than the model's own; see `Engine.use_template`."""
        self._prompts.use(template)

    def preview(self, request: ChatRequest, template: str) -> str:
        """See `Engine.preview`."""
        return self._prompts.preview(request, template)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, markers counted as one. Raises `EngineError`."""
        with self._call() as (id, replies):
            self._process.send(wire.Count(id, text))
            reply = replies.get()
        if isinstance(reply, EngineError):
            raise reply
        if not isinstance(reply, wire.Counted):
            raise TypeError(reply)
        return reply.tokens

    def close(self) -> None:
        """End the process once it has brought its chats to disk; its memory is free when this returns.

        Running calls raise `EngineError`.
        """
        with self._lock:
            self._closed = True
        if self._facts is None:
            self._process.end(PATIENCE)
        else:
            held = sum(kinds.get("kv", 0) for kinds in self._facts.memory.values())
            self._process.end(PATIENCE + min(held, self._quota) / SLOW_DISK, wire.Close())
        self._prompts.close()

    @contextlib.contextmanager
    def _call(self) -> Iterator[tuple[int, Replies]]:
        """An id of its own, and the queue of what the process says to it."""
        replies: Replies = queue.SimpleQueue()
        with self._lock:
            if self._over is not None:
                raise EngineError(self._over.message, details=self._over.details)
            self._last_id += 1
            id = self._last_id
            self._calls[id] = replies
        try:
            yield id, replies
        finally:
            with self._lock:
                del self._calls[id]
                self._used = time.monotonic()

    # ------------------------------------------------------------------- called by the thread that reads

    def _hear(self, message: wire.Answer) -> None:
        if isinstance(message, (wire.Loaded, wire.Ready, wire.Refused)):
            self._loading.put(message)
            return
        with self._lock:
            replies = self._calls.get(message.id)
        if replies is not None:  # else nobody waits for it any more
            replies.put(message)

    def _end(self, exit_code: int) -> None:
        with self._lock:
            if self._closed:
                over = EngineError(f"{self.name} was unloaded. Send the message again to load it anew.")
            else:
                over = causes.died(self.name, exit_code, self._facts is None, self._process.log())
            self._over = over
            calls = list(self._calls.values())
        self._loading.put(over)
        for replies in calls:
            replies.put(EngineError(over.message, details=over.details))


def _events(replies: Replies) -> Iterator[EngineEvent]:
    """The events of one request until its last one."""
    texts: list[str] = []
    while True:
        reply = replies.get()
        if isinstance(reply, wire.Text):
            texts.append(reply.text)
            yield TextDelta(reply.text)
        elif isinstance(reply, wire.Prefill):
            yield PromptProgress(reply.done, reply.total, reply.cached, reply.tokens_per_second)
        elif isinstance(reply, wire.Waiting):
            yield Queued(reply.place)
        elif isinstance(reply, wire.Note):
            yield Notice(reply.text)
        elif isinstance(reply, wire.Done):
            yield _finished(reply, "".join(texts))
            return
        elif isinstance(reply, wire.Failed):
            raise _FAILURES[reply.kind](reply.reason)
        elif isinstance(reply, EngineError):
            raise reply


def _only_thought(finished: RoundFinished) -> bool:
    """It thought, and then said nothing."""
    message = finished.message
    ended = finished.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
    said = bool(message.content.strip() or message.tool_calls or finished.failed)
    return ended and not said and bool(message.reasoning_content.strip())


def _finished(done: wire.Done, text: str) -> RoundFinished:
    usage = Usage(done.prompt_tokens, done.completion_tokens, done.cached_tokens)
    timings = Timings(done.queue_ms, done.prompt_ms, done.first_token_ms, done.predicted_ms)
    return RoundFinished(AssistantMessage(text), FinishReason(done.reason), usage, timings)
