"""The general settings of answers: system prompt, sampling, thinking. A chat's own settings go over them."""

from typing import Annotated

from fastapi import APIRouter, Body

from m3studio.studio import Studio
from m3studio.turns.history import wishes


def router(studio: Studio) -> APIRouter:
    """`/api/settings`: GET them, PUT the whole, PATCH some."""
    api = APIRouter(prefix="/api/settings")
    values = studio.store.values

    def current() -> dict[str, object]:
        stored = values.get("defaults")
        return stored if isinstance(stored, dict) else {}

    @api.get("")
    def read() -> dict[str, object]:
        return current()

    @api.put("")
    def write(body: Annotated[dict[str, object], Body()]) -> dict[str, object]:
        wishes(body)
        values.set("defaults", body)
        return body

    @api.patch("")
    def change(body: Annotated[dict[str, object], Body()]) -> dict[str, object]:
        return write({**current(), **body})

    return api
