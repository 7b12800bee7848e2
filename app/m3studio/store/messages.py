"""Messages of chats. They form a tree: an edit or another answer is a sibling, and a chat shows one line of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, column, insert, select, table, text, update

from m3studio.errors import BadInput, NotFound
from m3studio.messages import Role, ToolCall
from m3studio.store.columns import clean, from_json, mapping, plain, to_json
from m3studio.store.database import Database


class State(StrEnum):
    """What became of a message. `streaming` is being written; `interrupted` was, when the app ended."""

    DONE = "done"
    STREAMING = "streaming"
    STOPPED = "stopped"
    ERROR = "error"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message. `parent_id` None starts a chat; `stats` and `extra` are JSON objects; `error` is a sentence."""

    id: int
    chat_id: str
    parent_id: int | None
    role: Role
    content: str
    reasoning_content: str
    tool_calls: tuple[ToolCall, ...]
    tool_call_id: str
    name: str
    state: State
    model: str
    stats: dict[str, object]
    error: str
    extra: dict[str, object]
    created_at: float


Word = TypeVar("Word", bound=StrEnum)
MESSAGES = table("messages", *(column(name) for name in StoredMessage.__slots__))
TEXTS = ("content", "reasoning_content", "tool_call_id", "name", "model", "error")
CHANGEABLE = {*TEXTS, "tool_calls", "state", "stats", "extra"}
# A message is always younger than its parent, so the order of ids is the order of the line.  UNION (not UNION ALL) ends
# even on a circle, which only a damaged file can hold.
LINE = text("""
    WITH RECURSIVE line (id) AS (
        SELECT id FROM messages WHERE id = :head AND chat_id = :chat
        UNION
        SELECT m.parent_id FROM messages m JOIN line USING (id) WHERE m.parent_id IS NOT NULL
    )
    SELECT m.* FROM messages m JOIN line USING (id) WHERE m.chat_id = :chat ORDER BY m.id
""")
BELOW = text("""
    WITH RECURSIVE below (id) AS (
        SELECT id FROM messages WHERE id = :id
        UNION
        SELECT m.id FROM messages m JOIN below ON m.parent_id = below.id
    )
    SELECT max(id) FROM below
""")


class Messages:
    """The messages of all chats."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def add(  # noqa: PLR0913
        self,
        chat_id: str,
        parent_id: int | None,
        role: Role,
        content: str = "",
        *,
        reasoning_content: str = "",
        tool_calls: Sequence[ToolCall] = (),
        tool_call_id: str = "",
        name: str = "",
        state: State = State.DONE,
        model: str = "",
        extra: Mapping[str, object] | None = None,
    ) -> StoredMessage:
        """A new message below `parent_id`, which becomes the chat's head. Raises `NotFound` or `BadInput`."""
        now = self._clock()
        values = _columns(
            {
                "role": role, "content": content, "reasoning_content": reasoning_content, "tool_calls": tool_calls,
                "tool_call_id": tool_call_id, "name": name, "state": state, "model": model, "stats": {}, "error": "",
                "extra": extra or {},
            }
        )  # fmt: skip
        with self._database.write() as connection:
            _check_parent(connection, chat_id, parent_id)
            done = connection.execute(
                insert(MESSAGES).values(chat_id=chat_id, parent_id=parent_id, created_at=now, **values)
            )
            id = done.lastrowid
            head = "UPDATE chats SET head_id = :id, updated_at = :now WHERE id = :chat"
            connection.execute(text(head), {"id": id, "now": now, "chat": chat_id})
            return _message(connection.execute(select(MESSAGES).where(MESSAGES.c.id == id)).first())

    def save(self, id: int, **changes: object) -> None:
        """Change fields of a message; on disk when it returns. Raises `NotFound`, or `BadInput` for a foreign field."""
        if unknown := set(changes) - CHANGEABLE:
            raise BadInput(f"A message's {sorted(unknown)[0]} cannot be changed.")
        if not changes:
            return
        with self._database.write() as connection:
            done = connection.execute(update(MESSAGES).where(MESSAGES.c.id == id).values(**_columns(changes)))
            if not done.rowcount:
                raise _missing()

    def get(self, id: int) -> StoredMessage:
        """Raises `NotFound`."""
        with self._database.read() as connection:
            return _message(connection.execute(select(MESSAGES).where(MESSAGES.c.id == id)).first())

    def path(self, chat_id: str, head_id: int | None = None) -> list[StoredMessage]:
        """From the first message to `head_id` (the chat's own head if None). Raises `NotFound`."""
        with self._database.read() as connection:
            chat = connection.execute(text("SELECT head_id FROM chats WHERE id = :id"), {"id": chat_id}).first()
            if chat is None:
                raise NotFound("There is no such chat. It may have been deleted on another device.")
            head = chat[0] if head_id is None else head_id
            rows = connection.execute(LINE, {"head": head, "chat": chat_id}).all()
        if head_id is not None and not rows:
            raise _missing()
        return [_message(row) for row in rows]

    def siblings(self, chat_id: str) -> dict[int, tuple[int, ...]]:
        """For every message of the chat the ids that share its parent, itself among them, the oldest first."""
        with self._database.read() as connection:
            found = text("SELECT id, parent_id FROM messages WHERE chat_id = :chat ORDER BY id")
            rows = connection.execute(found, {"chat": chat_id}).all()
        groups: dict[int | None, list[int]] = {}
        for id, parent_id in rows:
            groups.setdefault(parent_id, []).append(id)
        shared = {parent: tuple(ids) for parent, ids in groups.items()}
        return {id: shared[parent_id] for id, parent_id in rows}

    def leaf(self, message_id: int) -> int:
        """The newest message at or below this one, which has none below it. Raises `NotFound`."""
        with self._database.read() as connection:
            newest = connection.execute(BELOW, {"id": message_id}).scalar()
        if newest is None:
            raise _missing()
        return int(newest)

    def mark_interrupted(self) -> int:
        """At start: nothing can be streaming, so what is was cut off. Returns how many messages that were."""
        with self._database.write() as connection:
            change = text("UPDATE messages SET state = 'interrupted' WHERE state = 'streaming'")
            return connection.execute(change).rowcount


def _check_parent(connection: Connection, chat_id: str, parent_id: int | None) -> None:
    if connection.execute(text("SELECT 1 FROM chats WHERE id = :id"), {"id": chat_id}).first() is None:
        raise NotFound("There is no such chat. It may have been deleted on another device.")
    if parent_id is not None:
        owner = connection.execute(text("SELECT chat_id FROM messages WHERE id = :id"), {"id": parent_id}).scalar()
        if owner != chat_id:
            raise BadInput("A message can only follow one of the same chat. Reload the page.")


def _missing() -> NotFound:
    return NotFound("There is no such message. Reload the chat.")


def _columns(fields: Mapping[str, object]) -> dict[str, object]:
    """Fields of a message as SQLite keeps them."""
    out: dict[str, object] = {}
    for name, value in fields.items():
        if name == "tool_calls":
            out[name] = to_json([asdict(call) for call in value])  # type: ignore[attr-defined]
        elif name in ("stats", "extra"):
            out[name] = plain(value)  # type: ignore[arg-type]
        elif name == "state":
            out[name] = State(str(value)).value
        elif name == "role":
            out[name] = Role(str(value)).value
        else:
            out[name] = clean(str(value))
    return out


def _message(row: Row[Any] | None) -> StoredMessage:
    if row is None:
        raise _missing()
    values = dict(row._mapping)
    values["role"] = _member(Role, values["role"], Role.USER)
    values["state"] = _member(State, values["state"], State.ERROR)
    values["tool_calls"] = _calls(values["tool_calls"])
    values["stats"], values["extra"] = mapping(values["stats"]), mapping(values["extra"])
    return StoredMessage(**values)


def _member(kind: type[Word], value: str, otherwise: Word) -> Word:
    try:
        return kind(value)
    except ValueError:
        return otherwise


def _calls(data: str) -> tuple[ToolCall, ...]:
    calls = from_json(data, [])
    try:
        return tuple(ToolCall(**call) for call in calls)  # type: ignore[attr-defined]
    except TypeError:
        return ()
