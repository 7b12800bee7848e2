"""Turns in flight: start, follow from any event, stop. A turn runs in its own thread and outlives every page.

Knows the store, the library and the turn loop; no page and no route.
"""

import functools
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from m3studio import chat, tools
from m3studio.engines import ChatRequest
from m3studio.errors import BadInput, Busy, NotFound, StudioError
from m3studio.library import Library
from m3studio.messages import Approval, Cancel, FinishReason, Message, Role, TurnFailed, TurnFinished
from m3studio.store import State, Store, StoredMessage
from m3studio.tools import RunnableTool
from m3studio.turns import titles
from m3studio.turns.approvals import Approvals
from m3studio.turns.choice import allowed_too, chosen, limits_of, names_of
from m3studio.turns.history import Wishes, grammar_of, messages_of, sampling_of, thinks
from m3studio.turns.log import TurnLog
from m3studio.turns.recorder import Recorder
from m3studio.turns.wishes import Kept

log = logging.getLogger(__name__)
SAMPLE = (
    Message(Role.USER, "What is 6 times 7?"),
    Message(Role.ASSISTANT, "It is 42.", reasoning_content="Six sevens."),
    Message(Role.USER, "And 7 times 8?"),
)
KEPT = 64  # finished turns whose events can still be followed


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer in the making. `message_id` is the assistant's first message of it."""

    id: str
    chat_id: str
    user_message_id: int | None
    message_id: int
    log: TurnLog
    cancel: Cancel
    answer_now: Cancel
    approvals: Approvals


@dataclass(frozen=True, slots=True)
class Ask:
    """What a turn answers. Exactly one of `text`, `regenerate` and `go_on` is given.

    `text` with `parent_id` hangs the message below another than the chat's last one (None: it starts the chat anew).
    """

    text: str | None = None
    parent_id: int | None = None
    at_head: bool = True
    regenerate: int | None = None
    go_on: int | None = None


class Turns:
    """Every turn of this app, running or just over."""

    def __init__(self, store: Store, library: Library, toolset: Mapping[str, RunnableTool], workspaces: Path) -> None:
        """`workspaces` holds a folder per chat, which its tools may use."""
        self._store = store
        self._library = library
        self._tools = toolset
        self._workspaces = workspaces
        self._lock = threading.Lock()  # protects _turns, _running and _closing
        self._turns: OrderedDict[str, Turn] = OrderedDict()
        self._running: dict[str, Turn] = {}  # by chat
        self._threads: dict[str, threading.Thread] = {}
        self._closing = False

    def start(self, chat_id: str, ask: Ask) -> Turn:
        """Commit the user's message and an empty answer, then answer in the background.

        Raises `Busy` while another turn of the chat runs, `NotFound`, or `BadInput` for an empty message.
        """
        with self._lock:
            if self._closing:
                raise Busy("M3 Studio is closing.")
            if chat_id in self._running:
                raise Busy("This chat is still being answered. Stop that answer, or wait for its end.")
            user_id, answer = self._rows(chat_id, ask)
            turn = Turn(
                secrets.token_urlsafe(9), chat_id, user_id, answer.id, TurnLog(), Cancel(), Cancel(), Approvals()
            )
            self._turns[turn.id] = self._running[chat_id] = turn
            for old in [key for key, kept in self._turns.items() if kept.log.done][:-KEPT]:
                del self._turns[old]
            thread = threading.Thread(target=self._run, args=(turn, answer), name=f"turn-{turn.id}", daemon=True)
            self._threads[turn.id] = thread
        thread.start()
        return turn

    @property
    def tools(self) -> Mapping[str, RunnableTool]:
        """Every tool there is, by its name."""
        return self._tools

    def get(self, turn_id: str) -> Turn:
        """A turn that runs or that ended a short while ago. Raises `NotFound`."""
        with self._lock:
            if turn_id not in self._turns:
                raise NotFound("This answer is not being written any more. Reload the chat to see it.")
            return self._turns[turn_id]

    def running(self, chat_id: str) -> str | None:
        """The id of the chat's running turn."""
        turn = self._running.get(chat_id)
        return turn.id if turn else None

    def stop(self, turn_id: str) -> None:
        """End the turn as soon as the engine can; what was said is kept."""
        self.get(turn_id).cancel.set()

    def answer_now(self, turn_id: str) -> None:
        """Let the model end its thought and answer, now and for the rest of the turn."""
        self.get(turn_id).answer_now.set()

    def approve(self, turn_id: str, call_id: str, answer: Approval) -> None:
        """The user's answer for a call that waits. Raises `NotFound` if it does not."""
        turn = self.get(turn_id)
        call = turn.approvals.answer(call_id, answer)
        if answer is Approval.ALWAYS:
            settings = allowed_too(self._store.chats.get(turn.chat_id).settings, call.name)
            self._store.chats.update(turn.chat_id, settings=settings, touch=False)

    def stop_chat(self, chat_id: str) -> None:
        """End the chat's running turn, if there is one."""
        if turn := self._running.get(chat_id):
            turn.cancel.set()

    def close(self) -> None:
        """End all turns: their text is kept and marked interrupted."""
        with self._lock:
            self._closing = True
            running = [turn for turn in self._turns.values() if turn.id in self._threads]  # answering, or at a title
            threads = list(self._threads.values())
        for turn in running:
            turn.cancel.set()
        for thread in threads:
            thread.join(timeout=5)
        tools.close(self._tools.values())

    def preview(self, template: str, chat_id: str | None) -> tuple[str, int | None]:
        """The prompt of a chat (None: of a short made-up one) as `template` renders it, and its tokens where a model is
        loaded that can count them. Raises `BadInput` with the line that fails."""
        own = self._wishes(chat_id)
        prompt = self._library.system_prompt() if own.system_prompt is None else own.system_prompt
        path = self._store.messages.path(chat_id) if chat_id else ()
        messages = messages_of(path, prompt) if path else messages_of((), prompt) + SAMPLE
        request = ChatRequest(
            messages,
            tools=tuple(tool.spec for tool in chosen(self._tools, own.tools, native=True).values()),
            variables=own.variables,
            thinking=own.thinking or "auto",
        )
        return self._library.preview(request, template)

    # ------------------------------------------------------------------------------------------------ inside

    def _rows(self, chat_id: str, ask: Ask) -> tuple[int | None, StoredMessage]:
        """The ids of the user's message, if a new one was made, and the row of the answer."""
        messages = self._store.messages
        stored = self._store.chats.get(chat_id)
        model = self._library.chosen_name()
        if ask.go_on is not None:
            row = self._of_chat(chat_id, ask.go_on)
            messages.save(row.id, state=State.STREAMING, error="")
            self._store.chats.update(chat_id, head_id=row.id)
            return None, messages.get(row.id)
        if ask.regenerate is not None:
            parent: int | None = self._user_above(self._of_chat(chat_id, ask.regenerate))
            return None, messages.add(chat_id, parent, Role.ASSISTANT, state=State.STREAMING, model=model)
        if not (ask.text or "").strip():
            raise BadInput("The message is empty. Write something first.")
        parent = stored.head_id if ask.at_head else ask.parent_id
        if parent is not None:
            self._of_chat(chat_id, parent)
        user = messages.add(chat_id, parent, Role.USER, ask.text or "")
        if not stored.title:
            self._store.chats.update(chat_id, title=titles.first_title(ask.text or ""), titled_by="first")
        return user.id, messages.add(chat_id, user.id, Role.ASSISTANT, state=State.STREAMING, model=model)

    def _of_chat(self, chat_id: str, message_id: int) -> StoredMessage:
        row = self._store.messages.get(message_id)
        if row.chat_id != chat_id:
            raise NotFound("This message does not belong to this chat. Reload the page.")
        return row

    def _user_above(self, row: StoredMessage) -> int:
        while row.role != Role.USER:
            if row.parent_id is None:
                raise BadInput("There is no question above this answer that could be answered again.")
            row = self._store.messages.get(row.parent_id)
        return row.id

    def _run(self, turn: Turn, answer: StoredMessage) -> None:
        recorder = Recorder(self._store, answer)
        answered = False
        try:
            self._answer(turn, answer, recorder)
            answered = True
        except StudioError as error:
            self._fail(turn, recorder, error)
        except Exception as error:  # edge 1 of 2: whatever broke, the turn ends with a sentence
            log.exception("turn %s", turn.id)
            self._fail(turn, recorder, StudioError(f"Something went wrong inside M3 Studio ({error}). Try again."))
        finally:
            with self._lock:
                self._running.pop(turn.chat_id, None)
            turn.log.close()
        if answered:
            self._title(turn)
        with self._lock:
            self._threads.pop(turn.id, None)

    def _answer(self, turn: Turn, answer: StoredMessage, recorder: Recorder) -> None:
        engine = self._library.engine(turn.cancel)
        own = self._wishes(turn.chat_id)
        native = bool(engine.facts.template.get("tools", True))
        offered = {} if own.response_format else chosen(self._tools, own.tools, native=native)
        request = self._request(turn, answer, own, offered)
        toolbox = self._toolbox(turn, own, offered)
        ended: TurnFinished | None = None
        for event in chat.run_turn(engine, request, toolbox, turn.cancel, limits_of(own.limits)):
            if isinstance(event, TurnFinished):
                ended = event
            elif (taken := recorder.take(event)) is not None:
                turn.log.add(taken)
        if ended is None:
            raise AssertionError("a turn's last event is TurnFinished")
        self._end(turn, recorder, ended)

    def _end(self, turn: Turn, recorder: Recorder, ended: TurnFinished) -> None:
        recorder.close()
        if self._closing and ended.finish_reason == FinishReason.CANCELLED:
            recorder.interrupt()
        else:
            recorder.take(ended)
        turn.log.add(ended)

    def _fail(self, turn: Turn, recorder: Recorder, error: StudioError) -> None:
        if turn.cancel:  # stopped while the model was loading, say: that is what the user wanted
            return self._end(turn, recorder, TurnFinished(FinishReason.CANCELLED))
        log.warning("turn %s: %s %s", turn.id, error.message, error.details)
        event = TurnFailed(error.message, error.details)
        try:
            recorder.close()
            recorder.take(event)
        except StudioError as second:  # the disk is full, say: the page must hear of the failure all the same
            event = TurnFailed(f"{error.message} {second.message}", error.details)
        turn.log.add(event)
        return None

    def _request(
        self, turn: Turn, answer: StoredMessage, own: Wishes, offered: Mapping[str, RunnableTool]
    ) -> ChatRequest:
        fallback = self._library.system_prompt()
        prompt = fallback if own.system_prompt is None else own.system_prompt
        go_on = bool(answer.content or answer.reasoning_content)
        path = self._store.messages.path(turn.chat_id, answer.id if go_on else answer.parent_id)
        if go_on:  # its text goes on, and no call that ended it
            path[-1] = replace(path[-1], tool_calls=())
        begun = datetime.fromtimestamp(self._store.chats.get(turn.chat_id).created_at)
        return ChatRequest(
            messages=messages_of(path, prompt),
            tools=tuple(tool.spec for tool in offered.values()),
            # A template that prints the date prints the chat's first day for ever, so that the prefix stays the same.
            variables={"now": begun.isoformat(), **own.variables},
            sampling=sampling_of(self._library.recommended(thinks(own.thinking)), own),
            max_tokens=own.max_tokens,
            stop=own.stop,
            grammar=grammar_of(own.response_format),
            continue_final=go_on,
            session=turn.chat_id,
            thinking=own.thinking or "auto",
            thinking_budget=own.thinking_budget,
            answer_now=turn.answer_now,
        )

    def _toolbox(self, turn: Turn, own: Wishes, offered: Mapping[str, RunnableTool]) -> chat.Toolbox:
        always, ask = (frozenset(names_of(own.tools, key) or ()) for key in ("always", "ask"))
        approve = functools.partial(turn.approvals.ask, cancel=turn.cancel)
        return chat.Toolbox(offered, self._workspaces / turn.chat_id, turn.chat_id, always, ask, approve)

    def _wishes(self, chat_id: str | None) -> Wishes:
        return Kept(self._store, self._library.chosen(), chat_id).together()

    def _title(self, turn: Turn) -> None:
        """After a chat's first answer, and unless the user was quicker, let the model name the chat."""
        try:
            stored = self._store.chats.get(turn.chat_id)
            if stored.titled_by != "first" or turn.user_message_id is None or turn.cancel or self._closing:
                return
            text = self._store.messages.get(turn.user_message_id).content
            title = titles.model_title(self._library.engine(turn.cancel), text, turn.cancel)
            if title and self._store.chats.get(turn.chat_id).titled_by == "first":
                self._store.chats.update(turn.chat_id, title=title, titled_by="model", touch=False)
        except StudioError as error:  # a title is no reason to trouble anybody
            log.info("no title for chat %s: %s", turn.chat_id, error.message)
