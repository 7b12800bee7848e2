"""Chats: title, settings and which message is the last one of the line that is shown. Knows no message's text."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, column, func, insert, select, table, text, update

from m3studio.errors import NotFound
from m3studio.store.columns import clean, mapping, plain
from m3studio.store.database import Database

CHATS = table(
    "chats",
    *(column(name) for name in ("id", "title", "titled_by", "head_id", "settings")),
    *(column(name) for name in ("created_at", "updated_at", "deleted_at")),
)


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat without its messages. Times in seconds since 1970.

    `titled_by` is `user`, `first` (the first message), `model` or empty. `head_id` is the message that the shown line
    ends with.
    """

    id: str
    title: str
    titled_by: str
    head_id: int | None
    settings: dict[str, object]
    created_at: float
    updated_at: float
    deleted_at: float | None


class Chats:
    """All chats. A deleted chat is hidden until it is restored or purged."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, title: str = "", settings: Mapping[str, object] | None = None) -> Chat:
        """A new, empty chat."""
        now = self._clock()
        chat = Chat(secrets.token_urlsafe(12), clean(title), "user" if title else "", None, {}, now, now, None)
        with self._database.write() as connection:
            connection.execute(
                insert(CHATS).values(
                    id=chat.id, title=chat.title, titled_by=chat.titled_by, head_id=None,
                    settings=plain(settings or {}), created_at=now, updated_at=now, deleted_at=None,
                )
            )  # fmt: skip
        return self.get(chat.id)

    def get(self, id: str) -> Chat:
        """Raises `NotFound`, for a deleted chat too."""
        with self._database.read() as connection:
            row = connection.execute(select(CHATS).where(CHATS.c.id == id, CHATS.c.deleted_at.is_(None))).first()
        return _chat(row)

    def list(self, query: str = "", limit: int = 200, before: float | None = None) -> list[Chat]:
        """The newest update first. `query` is sought in titles, whatever the case; `before` is an `updated_at`."""
        wanted = select(CHATS).where(CHATS.c.deleted_at.is_(None))
        if query.strip():
            wanted = wanted.where(func.instr(func.casefold(CHATS.c.title), clean(query.strip().casefold())) > 0)
        if before is not None:
            wanted = wanted.where(CHATS.c.updated_at < before)
        wanted = wanted.order_by(CHATS.c.updated_at.desc(), text("rowid DESC")).limit(max(limit, 0))
        with self._database.read() as connection:
            return [_chat(row) for row in connection.execute(wanted)]

    def update(
        self,
        id: str,
        *,
        title: str | None = None,
        titled_by: str | None = None,
        head_id: int | None = None,
        settings: Mapping[str, object] | None = None,
        touch: bool = True,
    ) -> Chat:
        """Change what is given; `settings` replaces the whole. `touch` moves the chat up in the list.

        A chat that was just deleted can be changed as well: a title may come late, and the deletion be undone.
        Raises `NotFound`, for a `head_id` of another chat too.
        """
        values: dict[str, object] = {"updated_at": self._clock()} if touch else {}
        if title is not None:
            values["title"] = clean(title)
        if titled_by is not None:
            values["titled_by"] = titled_by
        if settings is not None:
            values["settings"] = plain(settings)
        if head_id is not None:
            values["head_id"] = head_id
        with self._database.write() as connection:
            if head_id is not None:
                owner = text("SELECT chat_id FROM messages WHERE id = :id")
                if connection.execute(owner, {"id": head_id}).scalar() != id:
                    raise NotFound("This message does not belong to this chat. Reload the page.")
            if values:
                connection.execute(update(CHATS).where(CHATS.c.id == id).values(**values))
            return _chat(connection.execute(select(CHATS).where(CHATS.c.id == id)).first())

    def delete(self, id: str) -> None:
        """Hide the chat; `restore` brings it back until it is purged. Raises `NotFound`."""
        self._mark(id, self._clock())

    def restore(self, id: str) -> Chat:
        """Undo `delete`. Raises `NotFound` once the chat is purged."""
        self._mark(id, None)
        return self.get(id)

    def ids(self) -> set[str]:
        """Every chat that is there or can be restored."""
        with self._database.read() as connection:
            return {str(id) for id in connection.execute(text("SELECT id FROM chats")).scalars()}

    def purge(self, older_than: float) -> int:
        """Remove for good what was deleted before the time `older_than`; returns how many chats that were."""
        gone = "SELECT id FROM chats WHERE deleted_at < :time"
        with self._database.write() as connection:
            connection.execute(text(f"DELETE FROM messages WHERE chat_id IN ({gone})"), {"time": older_than})
            return connection.execute(text("DELETE FROM chats WHERE deleted_at < :time"), {"time": older_than}).rowcount

    def _mark(self, id: str, deleted_at: float | None) -> None:
        with self._database.write() as connection:
            done = connection.execute(update(CHATS).where(CHATS.c.id == id).values(deleted_at=deleted_at))
            if not done.rowcount:
                raise _missing()


def _missing() -> NotFound:
    return NotFound("There is no such chat. It may have been deleted on another device.")


def _chat(row: Row[Any] | None) -> Chat:
    if row is None:
        raise _missing()
    values = dict(row._mapping)
    return Chat(**{**values, "settings": mapping(values["settings"])})
