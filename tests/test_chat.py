"""The turn loop with a scripted engine: rounds, calls, limits, stop."""

import pytest

from fakes import EchoTool, ScriptedEngine, says
from m3studio.chat import Limits, Toolbox, run_turn
from m3studio.engines import ChatRequest
from m3studio.errors import EngineError, ToolError
from m3studio.messages import (
    Cancel,
    FinishReason,
    Message,
    Notice,
    Role,
    RoundStarted,
    TextDelta,
    ToolCall,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnFinished,
)

ASK = ChatRequest((Message(Role.USER, "hello"),), session="c")


def run(engine, tools=None, cancel=None, limits=None):
    cancel = Cancel() if cancel is None else cancel  # a Cancel that is not set is false
    return list(run_turn(engine, ASK, Toolbox(tools or {}), cancel, limits or Limits()))


def test_an_answer_without_calls_is_one_round():
    events = run(ScriptedEngine(says("Good morning")))
    assert events[0] == RoundStarted(0)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Good morning"
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].finish_reason == FinishReason.STOP
    assert events[-1].usage.completion_tokens == 4


def test_a_call_runs_and_its_result_goes_back_to_the_model():
    engine, echo = (
        ScriptedEngine(says("Let me see.", ToolCall("echo", '{"text": "42"}', "c1")), says("It is 42.")),
        EchoTool(),
    )
    events = run(engine, {"echo": echo})
    kinds = [type(event) for event in events if isinstance(event, (ToolStarted, ToolOutput, ToolFinished))]
    assert kinds == [ToolStarted, ToolOutput, ToolFinished]
    assert echo.ran == [{"text": "42"}]
    asked = engine.requests[1].messages
    assert [message.role for message in asked] == [Role.USER, Role.ASSISTANT, Role.TOOL]
    assert (asked[1].content, asked[1].tool_calls[0].name) == ("Let me see.", "echo")
    assert (asked[2].content, asked[2].tool_call_id, asked[2].name) == ("42", "c1", "echo")
    assert events[-1].usage.prompt_tokens == 20


def test_several_calls_of_one_message_run_in_their_order():
    echo = EchoTool()
    calls = [ToolCall("echo", f'{{"text": "{n}"}}', f"c{n}") for n in range(3)]
    run(ScriptedEngine(says("", *calls), says("done")), {"echo": echo})
    assert [arguments["text"] for arguments in echo.ran] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (ToolCall("nope", "{}", "c"), "There is no tool “nope”"),
        (ToolCall("echo", '{"text": ', "c"), "The arguments are no JSON object"),
        (ToolCall("echo", '["text"]', "c"), "The arguments are no JSON object"),
    ],
)
def test_a_call_that_cannot_run_is_answered_with_a_reason(call, sentence):
    echo = EchoTool()
    events = run(ScriptedEngine(says("", call), says("sorry")), {"echo": echo})
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert finished.error and sentence in finished.result
    assert echo.ran == []


def test_a_failing_tool_is_text_for_the_model():
    class Broken(EchoTool):
        def run(self, arguments, context):
            raise ToolError("The disk is full.")

    engine = ScriptedEngine(says("", ToolCall("echo", "{}", "c")), says("sorry"))
    events = run(engine, {"echo": Broken()})
    assert any(isinstance(event, ToolFinished) and event.error for event in events)
    assert engine.requests[1].messages[-1].content == "The disk is full."


def test_a_tool_that_dies_of_something_unforeseen_ends_all_the_same(monkeypatch):
    monkeypatch.setattr("threading.excepthook", lambda args: None)

    class Dies(EchoTool):
        def run(self, arguments, context):
            raise KeyError("inside")

    events = run(ScriptedEngine(says("", ToolCall("echo", "{}", "c")), says("sorry")), {"echo": Dies()})
    assert next(event for event in events if isinstance(event, ToolFinished)).error


def test_the_same_call_a_third_time_does_not_run():
    echo = EchoTool()
    again = [says("", ToolCall("echo", '{"text": "x"}', f"c{n}")) for n in range(3)]
    events = run(ScriptedEngine(*again, says("enough")), {"echo": echo})
    assert len(echo.ran) == 2
    assert "will not change" in [event for event in events if isinstance(event, ToolFinished)][-1].result


def test_rounds_have_a_limit():
    rounds = [says("", ToolCall("echo", f'{{"text": "{n}"}}', f"c{n}")) for n in range(9)]
    events = run(ScriptedEngine(*rounds), {"echo": EchoTool()}, limits=Limits(rounds=3))
    assert sum(isinstance(event, RoundStarted) for event in events) == 3
    assert isinstance(events[-2], Notice)
    assert events[-1].finish_reason == FinishReason.LENGTH


def test_stop_during_a_call_ends_the_turn_after_it():
    cancel = Cancel()

    class Stops(EchoTool):
        def run(self, arguments, context):
            cancel.set()
            return super().run(arguments, context)

    engine = ScriptedEngine(says("", ToolCall("echo", '{"text": "1"}', "a"), ToolCall("echo", '{"text": "2"}', "b")))
    tool = Stops()
    events = run(engine, {"echo": tool}, cancel)
    assert len(tool.ran) == 1 and len(engine.requests) == 1
    assert events[-1].finish_reason == FinishReason.CANCELLED


def test_a_call_cut_off_by_the_token_limit_never_runs():
    echo = EchoTool()
    events = run(
        ScriptedEngine(says("", ToolCall("echo", '{"text": "x"}', "c"), reason=FinishReason.LENGTH)), {"echo": echo}
    )
    assert echo.ran == [] and events[-1].finish_reason == FinishReason.LENGTH


def test_an_engine_that_fails_is_heard_of():
    with pytest.raises(EngineError, match="died"):
        run(ScriptedEngine(EngineError("The model's process died.")))
