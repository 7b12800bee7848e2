"""Presets and system prompts that the user saved: list, save, rename, apply, delete, share as JSON."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from m3studio.studio import Studio
from m3studio.turns.history import plain
from m3studio.turns.ladder import Origin
from m3studio.turns.saved import SHARED, Shelf
from m3studio.turns.wishes import Kept


class New(BaseModel):
    """`content` is a preset's settings or a prompt's text. A preset without one takes what the user set: in the chat,
    for its model and for all."""

    name: str
    content: dict[str, object] | str | None = None
    chat: str | None = None


class Change(BaseModel):
    """What changes; a field that is left out stays."""

    name: str | None = None
    content: dict[str, object] | str | None = None


class Target(BaseModel):
    """Where a preset is applied: `chat`, `model` or `all`."""

    scope: Origin
    chat: str | None = None


def router(studio: Studio) -> APIRouter:
    """`/api/presets` and `/api/prompts`."""
    api = APIRouter(prefix="/api")
    _shelf(api, studio, "presets", Shelf(studio.store, "preset"))
    _shelf(api, studio, "prompts", Shelf(studio.store, "prompt"))

    @api.post("/presets/{entry_id}/apply")
    def apply(entry_id: str, target: Target) -> dict[str, object]:
        content = Shelf(studio.store, "preset").get(entry_id).content
        kept = Kept(studio.store, studio.library.chosen(), target.chat)
        others = {name: value for name, value in kept.read(target.scope).items() if name not in SHARED}
        kept.write(target.scope, {**others, **(content if isinstance(content, dict) else {})})
        return kept.read(target.scope)

    return api


def _shelf(api: APIRouter, studio: Studio, path: str, shelf: Shelf) -> None:
    """The routes that both kinds share."""

    @api.get(f"/{path}")
    def listed() -> dict[str, object]:
        return {path: [asdict(entry) for entry in shelf.all()]}

    @api.post(f"/{path}")
    def save(new: New) -> dict[str, object]:
        content: object = new.content
        if content is None and path == "presets":
            content = plain(Kept(studio.store, studio.library.chosen(), new.chat).together())
        return asdict(shelf.add(new.name, content))

    @api.post(f"/{path}/import")
    def take(data: Annotated[dict[str, object], Body()]) -> dict[str, object]:
        return asdict(shelf.imported(data))

    @api.get(f"/{path}/{{entry_id}}/export")
    def share(entry_id: str) -> JSONResponse:
        entry = shelf.get(entry_id)
        name = f"attachment; filename*=UTF-8''{quote(entry.name, safe='')}.json"
        return JSONResponse(shelf.exported(entry), headers={"content-disposition": name})

    @api.patch(f"/{path}/{{entry_id}}")
    def change(entry_id: str, new: Change) -> dict[str, object]:
        return asdict(shelf.change(entry_id, new.name, new.content))

    @api.delete(f"/{path}/{{entry_id}}")
    def delete(entry_id: str) -> dict[str, object]:
        shelf.delete(entry_id)
        return {"ok": True}
