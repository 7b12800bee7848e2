"""Turns on a real store: what is kept, what pages see, and what stop, failure and restart leave behind."""

import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from fakes import EchoTool, OneEngineLibrary, ScriptedEngine, says
from m3studio import store
from m3studio.errors import BadInput, Busy, EngineError, NotFound
from m3studio.messages import (
    FinishReason,
    MessageStarted,
    Role,
    TextDelta,
    ToolCall,
    TurnFailed,
    TurnFinished,
)
from m3studio.store import State
from m3studio.turns import Ask, Turns

MADE: list[Turns] = []  # by the running test; a turn may still ask for a title when its events are over


@pytest.fixture
def kept(home):
    opened = store.open(home / "chat.db")
    yield opened
    while MADE:
        MADE.pop().close()
    opened.close()


def turns_of(kept, *rounds, gate=None, tools=None, failing=None, workspaces=Path()):
    engine = ScriptedEngine(*rounds, gate=gate)
    MADE.append(Turns(kept, OneEngineLibrary(engine, failing=failing), tools or {}, workspaces))
    return engine, MADE[-1]


def events_of(turn, seconds=5.0):
    """All events of the turn, once it is over."""
    until = time.monotonic() + seconds
    while not turn.log.done:
        assert time.monotonic() < until, "the turn does not end"
        time.sleep(0.005)
    return [item.event for item in turn.log.read(0)[0]]


def wait_for(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_question_and_answer_are_kept_with_what_they_took(kept):
    chat = kept.chats.create()
    engine, turns = turns_of(kept, says("Good morning."))
    turn = turns.start(chat.id, Ask(text="Hello there"))
    events = events_of(turn)
    assert events[0] == MessageStarted(turn.message_id)
    assert events[1] == TextDelta("Good morning.")
    assert isinstance(events[-1], TurnFinished)
    question, answer = kept.messages.path(chat.id)
    assert (question.role, question.content) == (Role.USER, "Hello there")
    assert (answer.content, answer.state, answer.model) == ("Good morning.", State.DONE, "Scripted")
    assert answer.stats["finish_reason"] == "stop" and answer.stats["usage"]["prompt_tokens"] == 10
    request = engine.requests[0]
    assert [message.role for message in request.messages] == [Role.SYSTEM, Role.USER]
    assert (request.sampling.temperature, request.session) == (0.5, chat.id)


def test_the_answer_is_in_the_store_while_it_is_written(kept):
    gate = threading.Semaphore(0)
    chat = kept.chats.create()
    _, turns = turns_of(kept, says("abcdefghi"), gate=gate)
    turn = turns.start(chat.id, Ask(text="hi"))
    gate.release(2)
    wait_for(lambda: any(isinstance(item.event, TextDelta) for item in turn.log.read(0)[0]))
    time.sleep(0.25)  # the promised time
    answer = kept.messages.path(chat.id)[-1]
    assert (answer.state, answer.content) == (State.STREAMING, "abcdef")
    gate.release(10)
    events_of(turn)


def test_wishes_of_the_chat_go_over_the_general_ones(kept):
    kept.values.set("defaults", {"system_prompt": "general", "sampling": {"top_k": 7, "top_p": 0.5}})
    chat = kept.chats.create(settings={"sampling": {"top_k": 9}, "variables": {"thinking_mode": "enabled"}})
    engine, turns = turns_of(kept, says("x"))
    events_of(turns.start(chat.id, Ask(text="hi")))
    request = engine.requests[0]
    assert (request.sampling.top_k, request.sampling.top_p, request.sampling.temperature) == (9, 0.5, 0.5)
    assert request.messages[0].content == "general"
    assert request.variables["thinking_mode"] == "enabled"
    assert datetime.fromisoformat(request.variables["now"]).timestamp() == pytest.approx(chat.created_at, abs=0.001)


def test_a_chat_answers_one_question_at_a_time(kept):
    gate = threading.Semaphore(0)
    chat, other = kept.chats.create(), kept.chats.create()
    _, turns = turns_of(kept, says("abc"), says("def"), gate=gate)
    first = turns.start(chat.id, Ask(text="hi"))
    with pytest.raises(Busy):
        turns.start(chat.id, Ask(text="again"))
    assert turns.running(chat.id) == first.id
    second = turns.start(other.id, Ask(text="elsewhere"))
    gate.release(20)
    events_of(first)
    events_of(second)
    wait_for(lambda: turns.running(chat.id) is None)
    assert len(kept.messages.path(chat.id)) == 2


def test_stop_keeps_what_was_said(kept):
    gate = threading.Semaphore(0)
    chat = kept.chats.create()
    _, turns = turns_of(kept, says("abcdefghi"), gate=gate)
    turn = turns.start(chat.id, Ask(text="hi"))
    gate.release(1)
    wait_for(lambda: any(isinstance(item.event, TextDelta) for item in turn.log.read(0)[0]))
    turns.stop(turn.id)
    assert events_of(turn)[-1].finish_reason == FinishReason.CANCELLED
    answer = kept.messages.path(chat.id)[-1]
    assert (answer.state, answer.content) == (State.STOPPED, "abc")


def test_an_engine_that_dies_costs_one_message_and_the_next_one_works(kept):
    chat = kept.chats.create()
    _, turns = turns_of(kept, EngineError("The model's process died."), says("Back again."))
    failed = events_of(turns.start(chat.id, Ask(text="hi")))[-1]
    assert failed == TurnFailed("The model's process died.")
    answer = kept.messages.path(chat.id)[-1]
    assert (answer.state, answer.error) == (State.ERROR, "The model's process died.")
    wait_for(lambda: turns.running(chat.id) is None)
    events_of(turns.start(chat.id, Ask(regenerate=answer.id)))
    assert kept.messages.path(chat.id)[-1].content == "Back again."


def test_whatever_breaks_the_turn_ends_with_a_sentence(kept):
    chat = kept.chats.create()
    _, turns = turns_of(kept, failing=KeyError("inside"))
    failed = events_of(turns.start(chat.id, Ask(text="hi")))[-1]
    assert isinstance(failed, TurnFailed) and "Try again" in failed.message


def test_regenerate_adds_a_variant_and_edit_adds_another(kept):
    chat = kept.chats.create()
    engine, turns = turns_of(kept, says("one"), says(""), says("two"), says("three"))
    first = turns.start(chat.id, Ask(text="hi"))
    events_of(first)
    wait_for(lambda: turns.running(chat.id) is None and len(engine.requests) == 2)  # its title was asked for
    events_of(turns.start(chat.id, Ask(regenerate=first.message_id)))
    question, answer = kept.messages.path(chat.id)
    assert answer.content == "two"
    assert kept.messages.siblings(chat.id)[answer.id] == (first.message_id, answer.id)
    wait_for(lambda: turns.running(chat.id) is None)
    events_of(turns.start(chat.id, Ask(text="hi!", parent_id=None, at_head=False)))
    edited, answer = kept.messages.path(chat.id)
    assert (edited.content, answer.content) == ("hi!", "three")
    assert kept.messages.siblings(chat.id)[edited.id] == (question.id, edited.id)


def test_continue_goes_on_in_the_same_message(kept):
    chat = kept.chats.create(title="t")
    question = kept.messages.add(chat.id, None, Role.USER, "count")
    half = kept.messages.add(chat.id, question.id, Role.ASSISTANT, "one, ", state=State.INTERRUPTED)
    engine, turns = turns_of(kept, says("two"))
    events = events_of(turns.start(chat.id, Ask(go_on=half.id)))
    assert events[0] == MessageStarted(half.id, "one, ")
    assert engine.requests[0].continue_final and engine.requests[0].messages[-1].content == "one, "
    answer = kept.messages.path(chat.id)[-1]
    assert (answer.id, answer.content, answer.state) == (half.id, "one, two", State.DONE)


def test_calls_and_their_results_are_kept_in_their_order(kept):
    chat = kept.chats.create(title="t")
    call = ToolCall("echo", '{"text": "42"}', "c1")
    engine, turns = turns_of(
        kept, says("Let me see.", call), says("It is 42."), says("Next."), tools={"echo": EchoTool()}
    )
    events_of(turns.start(chat.id, Ask(text="hi")))
    rows = kept.messages.path(chat.id)
    assert [row.role for row in rows] == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    assert rows[1].tool_calls == (call,) and rows[2].content == "42" and rows[3].content == "It is 42."
    wait_for(lambda: turns.running(chat.id) is None)
    events_of(turns.start(chat.id, Ask(text="and now?")))
    assert [m.role for m in engine.requests[-1].messages][1:] == [*[row.role for row in rows], Role.USER]


def test_the_first_message_names_the_chat_and_then_the_model_does(kept):
    chat = kept.chats.create()
    _, turns = turns_of(kept, says("Fine."), says('Title: "A Greeting"'))
    turn = turns.start(chat.id, Ask(text="# Hello\nhow are you?"))
    assert kept.chats.get(chat.id).title == "Hello"
    events_of(turn)
    wait_for(lambda: kept.chats.get(chat.id).titled_by == "model")
    assert kept.chats.get(chat.id).title == "A Greeting"


def test_closing_marks_running_answers_interrupted(kept):
    gate = threading.Semaphore(0)
    chat = kept.chats.create()
    _, turns = turns_of(kept, says("abcdefghi"), gate=gate)
    turn = turns.start(chat.id, Ask(text="hi"))
    gate.release(1)
    wait_for(lambda: any(isinstance(item.event, TextDelta) for item in turn.log.read(0)[0]))
    turns.close()
    answer = kept.messages.path(chat.id)[-1]
    assert (answer.state, answer.content) == (State.INTERRUPTED, "abc")
    with pytest.raises(Busy):
        turns.start(chat.id, Ask(text="more"))


@pytest.mark.parametrize("ask", [Ask(text="  "), Ask()])
def test_an_empty_message_is_refused_and_leaves_nothing(kept, ask):
    chat = kept.chats.create()
    _, turns = turns_of(kept)
    with pytest.raises(BadInput):
        turns.start(chat.id, ask)
    assert kept.messages.path(chat.id) == []


def test_messages_of_other_chats_are_out_of_reach(kept):
    mine, other = kept.chats.create(), kept.chats.create()
    row = kept.messages.add(other.id, None, Role.USER, "secret")
    _, turns = turns_of(kept)
    for ask in (Ask(regenerate=row.id), Ask(go_on=row.id), Ask(text="x", parent_id=row.id, at_head=False)):
        with pytest.raises(NotFound):
            turns.start(mine.id, ask)
    with pytest.raises(NotFound):
        turns.get("nothing")
