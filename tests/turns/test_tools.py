"""Tools in turns: which are offered, how a question waits and is answered, what is stored and read again."""

import json

import pytest

from fakes import EchoTool, says
from m3studio import store
from m3studio.engines import EngineFacts
from m3studio.errors import BadInput, NotFound
from m3studio.messages import (
    Approval,
    ApprovalGiven,
    ApprovalNeeded,
    FinishReason,
    Role,
    ToolCall,
    ToolFinished,
    TurnFinished,
)
from m3studio.store import State
from m3studio.tools import Permission, every_tool
from m3studio.turns import Ask
from m3studio.turns.choice import chosen, limits_of
from m3studio.turns.history import over, wishes
from turns.test_turns import events_of, turns_of, wait_for


@pytest.fixture
def kept(home):
    opened = store.open(home / "chat.db")
    yield opened
    opened.close()


class Careful(EchoTool):
    permission = Permission.ASK


class Never(EchoTool):
    permission = Permission.NEVER


ECHO = ToolCall("echo", '{"text": "hi"}', "c1", repaired="added a quote")


def waiting(turn):
    """Wait until the turn asks; returns the call."""
    wait_for(lambda: any(isinstance(item.event, ApprovalNeeded) for item in turn.log.read(0)[0]))
    return next(item.event.call for item in turn.log.read(0)[0] if isinstance(item.event, ApprovalNeeded))


def asked(kept, *rounds, tool, workspaces, chat=None):
    chat = chat or kept.chats.create("named")
    engine, turns = turns_of(kept, *rounds, tools={"echo": tool}, workspaces=workspaces)
    return chat, engine, turns, turns.start(chat.id, Ask(text="go"))


@pytest.mark.parametrize("answer", list(Approval))
def test_the_turn_waits_until_the_user_answers(kept, tmp_path, answer):
    tool = Careful()
    chat, _, turns, turn = asked(kept, says("", ECHO), says("ok"), tool=tool, workspaces=tmp_path)
    call = waiting(turn)
    assert (call.name, tool.ran) == ("echo", [])
    turns.approve(turn.id, call.id, answer)
    events = events_of(turn)
    assert ApprovalGiven("c1", answer) in events
    assert len(tool.ran) == (0 if answer is Approval.DENY else 1)
    stored = kept.chats.get(chat.id).settings
    assert stored == ({"tools": {"always": ["echo"]}} if answer is Approval.ALWAYS else {})
    with pytest.raises(NotFound, match="does not wait"):
        turns.approve(turn.id, call.id, answer)


def test_always_holds_for_later_turns_of_this_chat_and_for_no_other(kept, tmp_path):
    tool = Careful()
    chat, _, turns, turn = asked(
        kept, says("", ECHO), says("ok"), says("", ECHO), says("ok"), says("", ECHO), tool=tool, workspaces=tmp_path
    )
    turns.approve(turn.id, waiting(turn).id, Approval.ALWAYS)
    events_of(turn)
    wait_for(lambda: turns.running(chat.id) is None)
    again = turns.start(chat.id, Ask(text="again"))
    assert not any(isinstance(event, ApprovalNeeded) for event in events_of(again))
    other = turns.start(kept.chats.create("named").id, Ask(text="other"))
    waiting(other)
    turns.stop(other.id)
    events_of(other)


def test_the_user_can_want_a_question_for_any_tool(kept, tmp_path):
    chat = kept.chats.create("named", {"tools": {"ask": ["echo"]}})
    tool = EchoTool()
    _, _, turns, turn = asked(kept, says("", ECHO), says("ok"), tool=tool, workspaces=tmp_path, chat=chat)
    turns.approve(turn.id, waiting(turn).id, Approval.ALWAYS)
    events_of(turn)
    assert len(tool.ran) == 1
    assert kept.chats.get(chat.id).settings == {"tools": {"ask": ["echo"], "always": ["echo"]}}


def test_stop_works_while_the_question_stands(kept, tmp_path):
    tool = Careful()
    chat, _, turns, turn = asked(kept, says("", ECHO), tool=tool, workspaces=tmp_path)
    waiting(turn)
    turns.stop(turn.id)
    events = events_of(turn)
    assert tool.ran == [] and events[-1].finish_reason == FinishReason.CANCELLED
    assert next(event for event in events if isinstance(event, ToolFinished)).error
    assert kept.messages.path(chat.id)[-1].role == Role.TOOL


def test_calls_and_results_are_stored_and_go_to_the_model_again_as_they_were(kept, tmp_path):
    chat, engine, turns, turn = asked(
        kept, says("Let me see.", ECHO), says("It is hi."), says("Yes."), tool=EchoTool(), workspaces=tmp_path
    )
    events_of(turn)
    wait_for(lambda: turns.running(chat.id) is None)
    first = engine.requests[1].messages
    events_of(turns.start(chat.id, Ask(text="Sure?")))
    rows = kept.messages.path(chat.id)
    assert [row.role for row in rows[:4]] == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    assert rows[1].tool_calls == (ECHO,)
    assert (rows[2].content, rows[2].tool_call_id, rows[2].name, rows[2].state) == ("hi", "c1", "echo", State.DONE)
    assert engine.requests[-1].messages[: len(first)] == first


def test_which_tools_are_offered():
    tools = {"echo": EchoTool(), "careful": Careful(), "never": Never()}
    assert list(chosen(tools, {}, native=True)) == ["echo", "careful"]
    assert list(chosen(tools, {}, native=False)) == []
    assert list(chosen(tools, {"enabled": ["careful", "never", "gone"]}, native=False)) == ["careful"]
    assert list(chosen(tools, {"enabled": []}, native=True)) == []


def test_a_model_without_tool_support_gets_tools_only_when_they_were_chosen(kept, tmp_path):
    plain = EngineFacts("Plain", "test", 4096, 4096, 1, 1, "", template={"tools": False})
    engine, turns = turns_of(kept, says("a"), says("b"), tools={"echo": EchoTool()}, workspaces=tmp_path)
    engine.facts = plain
    events_of(turns.start(kept.chats.create("named").id, Ask(text="hi")))
    chosen_chat = kept.chats.create("named", settings={"tools": {"enabled": ["echo"]}})
    events_of(turns.start(chosen_chat.id, Ask(text="hi")))
    offered = [tuple(tool.name for tool in request.tools) for request in engine.requests if not request.background]
    assert offered == [(), ("echo",)]


def test_limits_of_the_chat_end_its_turns(kept, tmp_path):
    rounds = [says("", ToolCall("echo", json.dumps({"text": str(n)}), f"c{n}")) for n in range(9)]
    chat = kept.chats.create("named", settings={"limits": {"rounds": 2}})
    _, _, _, turn = asked(kept, *rounds, tool=EchoTool(), workspaces=tmp_path, chat=chat)
    events = events_of(turn)
    assert sum(isinstance(event, ToolFinished) for event in events) == 2
    assert isinstance(events[-1], TurnFinished) and events[-1].finish_reason == FinishReason.LENGTH


def test_a_chats_choice_goes_over_the_general_one():
    general = wishes({"tools": {"enabled": ["a"]}, "limits": {"rounds": 3, "tokens": 100}})
    both = over(general, wishes({"tools": {"always": ["b"]}, "limits": {"rounds": 5}}))
    assert both.tools == {"enabled": ["a"], "always": ["b"]}
    assert (limits_of(both.limits).rounds, limits_of(both.limits).tokens, limits_of(both.limits).seconds) == (
        5,
        100,
        1800,
    )


@pytest.mark.parametrize(
    "values",
    [
        {"tools": {"enabled": "all"}},
        {"tools": {"enabled": [1]}},
        {"tools": {"some": []}},
        {"tools": []},
        {"limits": {"rounds": 0}},
        {"limits": {"rounds": True}},
        {"limits": {"seconds": 1e9}},
        {"limits": {"hours": 1}},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(values):
    if values == {"tools": []}:  # nothing at all is no wish
        assert wishes(values).tools == {}
        return
    with pytest.raises(BadInput):
        wishes(values)


def test_every_tool_of_the_app_says_what_it_is():
    for tool in every_tool().values():
        assert tool.permission in Permission and tool.spec.description.endswith(".")
