"""Turns: follow one by server-sent events from any event number, and stop it."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from m3studio.errors import BadInput
from m3studio.messages import Approval, event_data
from m3studio.routes._follow import batches
from m3studio.studio import Studio
from m3studio.turns.log import Numbered, TurnLog

BATCH_SECONDS = 0.03  # at most 33 messages a second, whatever the token rate: a page draws no faster


class ApprovalOf(BaseModel):
    """The user's answer for one call."""

    call_id: str
    answer: Approval


def router(studio: Studio) -> APIRouter:
    """`/api/turns`."""
    api = APIRouter(prefix="/api/turns")

    @api.get("/{turn_id}/events")
    async def events(turn_id: str, request: Request, after: int = 0) -> StreamingResponse:
        turn = studio.turns.get(turn_id)
        last = request.headers.get("last-event-id", "")
        if last and not last.isdigit():
            raise BadInput("Last-Event-ID must be the number of an event.")
        start = int(last) if last else after
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(follow(turn.log, max(start, 0)), media_type="text/event-stream", headers=headers)

    @api.post("/{turn_id}/stop")
    def stop(turn_id: str) -> dict[str, object]:
        studio.turns.stop(turn_id)
        return {"ok": True}

    @api.post("/{turn_id}/answer_now")
    def answer_now(turn_id: str) -> dict[str, object]:
        studio.turns.answer_now(turn_id)
        return {"ok": True}

    @api.post("/{turn_id}/approve")
    def approve(turn_id: str, body: ApprovalOf) -> dict[str, object]:
        studio.turns.approve(turn_id, body.call_id, body.answer)
        return {"ok": True}

    return api


async def follow(log: TurnLog, after: int) -> AsyncIterator[str]:
    """The events after number `after` as SSE text, until the log is closed."""
    yield ": follow\n\n"
    async for batch in batches(log, after, BATCH_SECONDS):
        yield "".join(map(sse, batch)) or ": alive\n\n"


def sse(numbered: Numbered) -> str:
    """One event in the form of `text/event-stream`."""
    data = json.dumps(event_data(numbered.event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {numbered.number}\nevent: {type(numbered.event).__name__}\ndata: {data}\n\n"
