"""OpenAI's API for other programs: models, chat completions and completions, streamed or whole."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from m3studio.engines import Engine
from m3studio.errors import BadInput, StudioError
from m3studio.library import Library
from m3studio.messages import Cancel, Event, RoundFinished, TextDelta
from m3studio.routes._follow import batches
from m3studio.routes._openai import (
    Asked,
    Choice,
    asked,
    chat_request,
    envelope,
    max_tokens_of,
    reason_of,
    sampling_of,
    stop_of,
    timings_of,
    usage_of,
)
from m3studio.studio import Studio
from m3studio.turns.log import TurnLog

PAUSE = 0.01  # seconds between two chunks at least: fast models then put several tokens into one
LOOK = 0.5  # seconds between two looks at whether the client of a whole answer is still there
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
Call = Callable[[Engine, Cancel], Iterable[Event]]


class Run:
    """One model call in a thread of its own, with a log that the answer is read from."""

    def __init__(self, engine: Engine, call: Call) -> None:
        self.log = TurnLog()
        self.cancel = Cancel()
        self.failure: StudioError | None = None
        threading.Thread(target=self._work, args=(engine, call), name="api", daemon=True).start()

    def _work(self, engine: Engine, call: Call) -> None:
        try:
            for event in call(engine, self.cancel):
                self.log.add(event)
        except StudioError as error:
            self.failure = error
        finally:
            self.log.close()

    async def events(self) -> AsyncIterator[Event | None]:
        """Every event, None as a sign of life. Raises what the call raised."""
        async for batch in batches(self.log, 0, PAUSE):
            for numbered in batch:
                yield numbered.event
            if not batch:
                yield None
        if self.failure is not None:
            raise self.failure


@contextmanager
def running(engine: Engine, call: Call, n: int) -> Iterator[list[Run]]:
    """`n` runs at once; whoever leaves, also because the client went away, ends them."""
    runs = [Run(engine, call) for _ in range(n)]
    try:
        yield runs
    finally:
        for run in runs:
            run.cancel.set()


def router(studio: Studio) -> APIRouter:
    """`/v1`."""
    api, answers = APIRouter(prefix="/v1"), Answers(studio.library)
    api.get("/models")(answers.models)
    api.get("/models/{name:path}")(answers.model)
    api.post("/chat/completions")(answers.chat)
    api.post("/completions")(answers.complete)
    return api


class Answers:
    """What the routes do, on the library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def models(self) -> dict[str, object]:
        """The models that are there; the loaded one first."""
        loaded = self._library.loading.ref
        models = sorted(self._library.models(), key=lambda model: model.ref != loaded)
        return {"object": "list", "data": [_model(item.ref, item.n_ctx_train) for item in models if not item.problem]}

    def model(self, name: str) -> dict[str, object]:
        """One model."""
        found = self._library.find(name)
        return _model(found.ref, found.n_ctx_train)

    async def chat(self, request: Request, body: Annotated[dict[str, object], Body()]) -> Response:
        """`/v1/chat/completions`."""
        wants = asked(body)
        engine = await self._engine()
        ask = chat_request(body, self._library.recommended())
        base = envelope("chat.completion", engine.facts.name)

        def call(engine: Engine, cancel: Cancel) -> Iterable[Event]:
            return engine.chat(ask, cancel)

        if wants.stream:
            base["object"] = "chat.completion.chunk"
            return await _streamed(_chat_chunks(engine, call, wants, base))
        choices = [Choice(index) for index in range(wants.n)]
        with running(engine, call, wants.n) as runs:
            await _present(request, asyncio.gather(*map(_gather, runs, choices)))
        rounds = [choice.finished for choice in choices if choice.finished]
        whole = {"choices": [choice.whole() for choice in choices], "usage": usage_of(rounds)}
        return JSONResponse({**base, **whole, "timings": timings_of(rounds[0])})

    async def complete(self, request: Request, body: Annotated[dict[str, object], Body()]) -> Response:
        """`/v1/completions`: the model goes on from a prompt as it is."""
        wants, prompt = asked(body), body.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise BadInput("prompt must be a text.")
        engine = await self._engine()
        values, most, stop = sampling_of(body, self._library.recommended()), max_tokens_of(body), stop_of(body)
        base = envelope("text_completion", engine.facts.name)

        def call(engine: Engine, cancel: Cancel) -> Iterable[Event]:
            return engine.complete(prompt, sampling=values, max_tokens=most, stop=stop, cancel=cancel)

        if wants.stream:
            return await _streamed(_text_chunks(engine, call, wants, base))
        choices = [Choice(index) for index in range(wants.n)]
        with running(engine, call, wants.n) as runs:
            await _present(request, asyncio.gather(*map(_gather, runs, choices)))
        rounds = [choice.finished for choice in choices if choice.finished]
        texts = [_text_choice(n, item.message.content, reason_of(item)) for n, item in enumerate(rounds)]
        return JSONResponse({**base, "choices": texts, "usage": usage_of(rounds), "timings": timings_of(rounds[0])})

    async def _engine(self) -> Engine:
        return await asyncio.to_thread(self._library.engine, Cancel())


def _model(ref: str, n_ctx_train: int) -> dict[str, object]:
    return {"id": ref, "object": "model", "created": 0, "owned_by": "m3studio", "meta": {"n_ctx_train": n_ctx_train}}


async def _gather(run: Run, choice: Choice) -> None:
    async for event in run.events():
        if event is not None:
            choice.deltas(event)


async def _present(request: Request, work: "asyncio.Future[list[None]]") -> None:
    """Wait for `work`, unless the client goes away first."""
    while not work.done():
        await asyncio.wait([work], timeout=LOOK)
        if not work.done() and await request.is_disconnected():
            work.cancel()
            raise BadInput("The client went away.")
    work.result()


async def _streamed(chunks: AsyncIterator[str]) -> StreamingResponse:
    """The stream, begun only after its first chunk: what fails before that is an answer with an error's status."""
    first = await anext(chunks)

    async def all_of_it() -> AsyncIterator[str]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(all_of_it(), media_type="text/event-stream", headers=HEADERS)


async def _chat_chunks(engine: Engine, call: Call, wants: Asked, base: Mapping[str, object]) -> AsyncIterator[str]:
    finished: list[RoundFinished] = []
    with running(engine, call, wants.n) as runs:
        for choice, run in ((Choice(index), run) for index, run in enumerate(runs)):
            begun = False
            async for event in _safe(run, begin=choice.index == 0):
                if isinstance(event, str):
                    yield event
                    continue
                if not begun:
                    begun = True
                    yield _data(base, [_delta(choice.index, {"role": "assistant", "content": ""})])
                for delta in choice.deltas(event):
                    yield _data(base, [_delta(choice.index, delta)])
            if choice.finished is not None:
                finished.append(choice.finished)
                last = [_delta(choice.index, {}, reason_of(choice.finished))]
                yield _data({**base, "timings": timings_of(choice.finished)}, last)
    for line in _end(base, wants, finished):
        yield line


async def _text_chunks(engine: Engine, call: Call, wants: Asked, base: Mapping[str, object]) -> AsyncIterator[str]:
    finished: list[RoundFinished] = []
    with running(engine, call, wants.n) as runs:
        for index, run in enumerate(runs):
            async for event in _safe(run, begin=index == 0):
                if isinstance(event, str):
                    yield event
                elif isinstance(event, TextDelta):
                    yield _data(base, [_text_choice(index, event.text, None)])
                elif isinstance(event, RoundFinished):
                    finished.append(event)
                    last = [_text_choice(index, "", reason_of(event))]
                    yield _data({**base, "timings": timings_of(event)}, last)
    for line in _end(base, wants, finished):
        yield line


async def _safe(run: Run, *, begin: bool) -> AsyncIterator[Event | str]:
    """The run's events; a comment as a sign of life; after the stream has begun an error is a chunk of it."""
    begun = not begin
    try:
        async for event in run.events():
            begun = True
            yield ": alive\n\n" if event is None else event
    except StudioError as error:
        if not begun:
            raise
        yield _data({"error": {"message": error.message, "type": type(error).__name__}}, None)


def _end(base: Mapping[str, object], wants: Asked, finished: list[RoundFinished]) -> list[str]:
    usage = [_data({**base, "usage": usage_of(finished)}, [])] if wants.include_usage else []
    return [*usage, "data: [DONE]\n\n"]


def _delta(index: int, delta: Mapping[str, object], reason: str | None = None) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}


def _text_choice(index: int, text: str, reason: str | None) -> dict[str, object]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _data(fields: Mapping[str, object], choices: list[dict[str, object]] | None) -> str:
    whole = fields if choices is None else {**fields, "choices": choices}
    return f"data: {json.dumps(whole, ensure_ascii=False, separators=(',', ':'))}\n\n"
