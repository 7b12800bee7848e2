"""Where the values of the settings come from: what a model's makers advise, and what is in use in a chat."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body

from m3studio.studio import Studio
from m3studio.turns.history import thinks
from m3studio.turns.ladder import Origin
from m3studio.turns.wishes import Kept, in_use


def router(studio: Studio) -> APIRouter:
    """`/api/models/recommended` and `/api/settings/...`."""
    api = APIRouter(prefix="/api")
    library = studio.library

    @api.get("/models/recommended")
    def recommended(thinking: str | None = None) -> dict[str, object]:
        """`thinking`: one of the model's modes, on which the advice may depend."""
        advice = library.advice(thinks(thinking))
        prompt = advice.system_prompt
        return {
            "sampling": {name: asdict(sourced) for name, sourced in advice.sampling.items()},
            "system_prompt": asdict(prompt) if prompt else None,
            **_abilities(),
        }

    @api.get("/settings/used")
    def used(chat: str | None = None) -> dict[str, object]:
        """Every setting as it counts in a chat, with its origin."""
        found = in_use(studio.store, library, chat)
        fields = {name: asdict(setting) for name, setting in found.items()}
        return {"model": library.chosen_name(), "fields": fields, **_abilities()}

    @api.patch("/settings/{scope}")
    def change(scope: Origin, body: Annotated[dict[str, object], Body()], chat: str | None = None) -> dict[str, object]:
        """Set the named fields for a chat, the chosen model or all; null forgets the user's value."""
        Kept(studio.store, library.chosen(), chat).change(scope, body)
        return used(chat)

    def _abilities() -> dict[str, object]:
        facts = library.facts()
        return {"thinking": facts.get("thinking"), "template": facts.get("template")}

    return api
