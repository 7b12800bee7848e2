"""Chats: list, read, rename, switch variants, delete with undo, and begin a turn."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel

from m3studio.errors import BadInput
from m3studio.store import Chat
from m3studio.studio import Studio
from m3studio.turns import Ask
from m3studio.turns.history import wishes


class NewChat(BaseModel):
    """A chat to be made."""

    title: str = ""
    settings: dict[str, object] = {}


class ChatChange(BaseModel):
    """What changes; a field that is left out stays."""

    title: str | None = None
    head_id: int | None = None
    settings: dict[str, object] | None = None


class Chats:
    """What the routes do, on the store and the turns."""

    def __init__(self, studio: Studio) -> None:
        self._chats, self._messages, self._turns = studio.store.chats, studio.store.messages, studio.turns

    def line(self, chat: Chat) -> dict[str, object]:
        """A chat without its messages."""
        return {**asdict(chat), "turn_id": self._turns.running(chat.id)}

    def list(self, q: str = "", limit: int = 200, before: float | None = None) -> dict[str, object]:
        """Newest first; `q` searches the titles, `before` (an `updated_at`) pages."""
        found = self._chats.list(q, limit=max(1, min(limit, 1000)), before=before)
        return {"chats": [self.line(chat) for chat in found]}

    def create(self, new: Annotated[NewChat | None, Body()] = None) -> dict[str, object]:
        """An empty chat."""
        new = new or NewChat()
        wishes(new.settings)
        return {**self.line(self._chats.create(new.title.strip()[:200], new.settings)), "messages": []}

    def read(self, chat_id: str, since: int | None = None) -> dict[str, object]:
        """A chat with the messages from its first to its head, each with the ids of its variants.

        With `since` the list begins at that message, if it is still one of them; the answer's `since` says so.
        """
        # The turn first: if it ends between the two look-ups, the page follows a finished turn, and misses nothing.
        line = self.line(self._chats.get(chat_id))
        siblings = self._messages.siblings(chat_id)
        path = self._messages.path(chat_id)
        start = next((index for index, row in enumerate(path) if row.id == since), None)
        rows = [{**asdict(row), "siblings": siblings.get(row.id, (row.id,))} for row in path[start:]]
        return {**line, "messages": rows, "since": None if start is None else since}

    def change(self, chat_id: str, new: ChatChange) -> dict[str, object]:
        """Rename, set, or switch to the newest message below `head_id`."""
        if new.title is not None:
            title = " ".join(new.title.split())[:200]
            if not title:
                raise BadInput("A chat needs a title.")
            self._chats.update(chat_id, title=title, titled_by="user", touch=False)
        if new.settings is not None:
            wishes(new.settings)
            self._chats.update(chat_id, settings=new.settings, touch=False)
        if new.head_id is not None:
            if self._messages.get(new.head_id).chat_id != chat_id:
                raise BadInput("This message does not belong to this chat. Reload the page.")
            self._chats.update(chat_id, head_id=self._messages.leaf(new.head_id), touch=False)
        return self.read(chat_id)

    def delete(self, chat_id: str) -> dict[str, object]:
        """Delete; `restore` undoes it."""
        self._turns.stop_chat(chat_id)
        self._chats.delete(chat_id)
        return {"ok": True}

    def restore(self, chat_id: str) -> dict[str, object]:
        """Undo a delete."""
        return self.line(self._chats.restore(chat_id))

    def begin(self, chat_id: str, body: Annotated[dict[str, object], Body()]) -> dict[str, object]:
        """Begin a turn: `{text, parent_id?}`, `{regenerate: id}` or `{continue: id}`."""
        turn = self._turns.start(chat_id, _ask(body))
        return {"turn_id": turn.id, "user_message_id": turn.user_message_id, "message_id": turn.message_id}


def router(studio: Studio) -> APIRouter:
    """`/api/chats`."""
    api, chats = APIRouter(prefix="/api/chats"), Chats(studio)
    api.get("")(chats.list)
    api.post("")(chats.create)
    api.get("/{chat_id}")(chats.read)
    api.patch("/{chat_id}")(chats.change)
    api.delete("/{chat_id}")(chats.delete)
    api.post("/{chat_id}/restore")(chats.restore)
    api.post("/{chat_id}/turns")(chats.begin)
    return api


def _ask(body: dict[str, object]) -> Ask:
    kinds = [name for name in ("text", "regenerate", "continue") if body.get(name) is not None]
    if len(kinds) != 1:
        raise BadInput("A turn needs exactly one of text, regenerate and continue.")
    if kinds == ["text"]:
        if not isinstance(body["text"], str):
            raise BadInput("text must be text.")
        parent = body.get("parent_id")
        return Ask(
            text=body["text"], parent_id=None if parent is None else _number(parent), at_head="parent_id" not in body
        )
    if kinds == ["regenerate"]:
        return Ask(regenerate=_number(body["regenerate"]))
    return Ask(go_on=_number(body["continue"]))


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadInput("The id of a message is a whole number.")
