"""The turn loop with a scripted engine: rounds, calls, limits, stop."""

import json
import time
from dataclasses import replace

import pytest

from fakes import EchoTool, ScriptedEngine, says
from m3studio.chat import Limits, Toolbox, run_turn
from m3studio.engines import CallRule, ChatRequest
from m3studio.errors import EngineError, ToolError
from m3studio.messages import (
    Approval,
    Cancel,
    FailedCall,
    FinishReason,
    Message,
    Notice,
    Role,
    RoundStarted,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnFinished,
)
from m3studio.tools import Permission, ToolResult

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


# --------------------------------------------------------------------------------- calls that cannot run


WITH_ECHO = replace(ASK, tools=(EchoTool.spec,))


def tell(engine, toolbox, limits=Limits(), cancel=None, request=WITH_ECHO):
    return list(run_turn(engine, request, toolbox, Cancel() if cancel is None else cancel, limits))


def failed(*errors):
    """A round with a call for each error, which the engine says cannot run."""
    calls = [ToolCall("echo", '{"text": 1', f"c{n}") for n, _ in enumerate(errors)]
    *rest, last = says("", *calls)
    marked = tuple(FailedCall("echo", '{"text": 1', error, n) for n, error in enumerate(errors) if error)
    return [*rest, replace(last, failed=marked)]


def finished_of(events):
    return [event for event in events if isinstance(event, ToolFinished)]


def test_a_failed_call_goes_back_once_with_its_error_and_the_next_one_is_held_to_the_schema():
    engine, echo = (
        ScriptedEngine(failed("A quote is missing."), says("", ToolCall("echo", '{"text": "x"}')), says("Done.")),
        EchoTool(),
    )
    events = tell(engine, Toolbox({"echo": echo}))
    assert [request.calls for request in engine.requests] == [CallRule.FREE, CallRule.CHECKED, CallRule.FREE]
    *_, said, result = engine.requests[1].messages
    assert said.tool_calls[0].arguments == '{"text": 1'
    assert (result.role, result.content, result.tool_call_id) == (Role.TOOL, "A quote is missing.", "c0")
    assert echo.ran == [{"text": "x"}]
    assert events[-1].finish_reason == FinishReason.STOP


def test_a_model_without_tool_support_must_call_when_it_is_asked_again():
    engine = ScriptedEngine(failed("No."), says("Sorry."))
    engine.facts = replace(engine.facts, template={"tools": False})
    tell(engine, Toolbox({"echo": EchoTool()}))
    assert [request.calls for request in engine.requests] == [CallRule.FREE, CallRule.REQUIRED]


def test_what_fails_twice_is_shown_and_the_turn_ends():
    engine = ScriptedEngine(failed("First."), failed("Second."), says("never"))
    events = tell(engine, Toolbox({"echo": EchoTool()}))
    assert [event.result for event in finished_of(events)] == ["First.", "Second."]
    assert isinstance(events[-2], Notice) and "could not make this call" in events[-2].text
    assert len(engine.requests) == 2 and events[-1].finish_reason == FinishReason.STOP


def test_of_several_calls_those_that_can_run_do_in_their_order():
    echo = EchoTool()
    calls = (
        ToolCall("echo", '{"text": "a"}', "c0"),
        ToolCall("echo", "{", "c1"),
        ToolCall("echo", '{"text": "b"}', "c2"),
    )
    events = tell(ScriptedEngine(says("", *calls), says("ok")), Toolbox({"echo": echo}))
    assert [arguments["text"] for arguments in echo.ran] == ["a", "b"]
    assert [event.call_id for event in finished_of(events)] == ["c0", "c1", "c2"]
    assert "not valid JSON" in finished_of(events)[1].result


def test_arguments_that_break_the_schema_never_reach_the_tool():
    echo = EchoTool()
    events = tell(ScriptedEngine(says("", ToolCall("echo", '{"text": 5}', "c")), says("ok")), Toolbox({"echo": echo}))
    assert echo.ran == [] and "5 is not of type 'string'" in finished_of(events)[0].result


def test_a_call_without_a_readable_name_is_shown_and_answered_too():
    *rest, last = says("Well.")
    broken = FailedCall("", "<tool_call>{oops", "There is no name in it.")
    marked = replace(last, failed=(broken,), finish_reason=FinishReason.TOOL_CALLS)
    engine = ScriptedEngine([*rest, marked], says("Sorry."))
    events = tell(engine, Toolbox({"echo": EchoTool()}))
    started = next(event for event in events if isinstance(event, ToolStarted))
    assert (started.call.name, started.call.arguments) == ("unreadable", "<tool_call>{oops")
    assert finished_of(events)[0].result == "There is no name in it."
    said, result = engine.requests[1].messages[-2:]
    assert said.tool_calls[0].id == result.tool_call_id != ""


def test_every_call_has_an_id_of_its_own_from_its_first_piece_on():
    pieces = [ToolCallDelta(0, name="echo"), ToolCallDelta(0, arguments='{"text": "x"}'), ToolCallDelta(1, name="echo")]
    calls = (ToolCall("echo", '{"text": "x"}'), ToolCall("echo", '{"text": "y"}'))
    engine = ScriptedEngine([*pieces, *says("", *calls)], says("ok"))
    events = tell(engine, Toolbox({"echo": EchoTool()}))
    ids = {event.index: event.id for event in events if isinstance(event, ToolCallDelta) and event.id}
    assert len(set(ids.values())) == 2
    assert [event.call_id for event in finished_of(events)] == [ids[0], ids[1]]
    assert [call.id for call in engine.requests[1].messages[-3].tool_calls] == [ids[0], ids[1]]


def test_a_cut_off_call_has_a_result_that_says_so():
    echo = EchoTool()
    call = ToolCall("echo", '{"text": "x"}', "c")
    events = tell(ScriptedEngine(says("", call, reason=FinishReason.LENGTH)), Toolbox({"echo": echo}))
    assert echo.ran == [] and finished_of(events)[0].error and "nothing was run" in finished_of(events)[0].result


# --------------------------------------------------------------------------------- approval


class Careful(EchoTool):
    permission = Permission.ASK


def asking(answers, **options):
    asked = []

    def approve(call):
        asked.append(call.id)
        return answers.pop(0)

    return asked, Toolbox({"echo": options.pop("tool", Careful())}, approve=approve, **options)


def echoes(*texts):
    return says("", *(ToolCall("echo", f'{{"text": "{text}"}}', f"c-{text}") for text in texts))


def test_a_tool_that_asks_waits_for_the_answer():
    tool = Careful()
    asked, toolbox = asking([Approval.ONCE, Approval.DENY], tool=tool)
    events = tell(ScriptedEngine(echoes("a", "b"), says("ok")), toolbox)
    assert asked == ["c-a", "c-b"] and tool.ran == [{"text": "a"}]
    order = [
        type(event).__name__ for event in events if "Approval" in type(event).__name__ or "Tool" in type(event).__name__
    ]
    assert order[:3] == ["ApprovalNeeded", "ApprovalGiven", "ToolStarted"]
    assert "did not allow" in finished_of(events)[1].result and finished_of(events)[1].error


def test_always_asks_no_more_in_this_turn_nor_where_it_was_said_before():
    asked, toolbox = asking([Approval.ALWAYS])
    tell(ScriptedEngine(echoes("a"), echoes("b"), says("ok")), toolbox)
    assert asked == ["c-a"]
    asked, toolbox = asking([], always=frozenset({"echo"}))
    tell(ScriptedEngine(echoes("a"), says("ok")), toolbox)
    assert asked == []


def test_without_anybody_to_ask_it_does_not_run():
    tool = Careful()
    tell(ScriptedEngine(echoes("a"), says("ok")), Toolbox({"echo": tool}))
    assert tool.ran == []


def test_a_tool_that_cannot_run_here_never_runs():
    class Never(EchoTool):
        permission = Permission.NEVER

    tool = Never()
    events = tell(ScriptedEngine(echoes("a"), says("ok")), Toolbox({"echo": tool}, always=frozenset({"echo"})))
    assert tool.ran == [] and "There is no tool" in finished_of(events)[0].result


# --------------------------------------------------------------------------------- limits, long results


def test_tokens_have_a_limit_over_all_rounds():
    talk = [TextDelta("x"), *says("word " * 6, ToolCall("echo", '{"text": "a"}', "c"))[1:]]
    engine = ScriptedEngine(talk, echoes("b"), says("never"))
    events = tell(engine, Toolbox({"echo": EchoTool()}), Limits(tokens=10))
    assert events[-1].usage.completion_tokens == 10 and len(engine.requests) == 1
    assert (engine.requests[0].max_tokens, events[-1].finish_reason) == (10, FinishReason.LENGTH)
    engine = ScriptedEngine(talk, says("The end."))
    events = tell(engine, Toolbox({"echo": EchoTool()}), Limits(tokens=25), request=replace(WITH_ECHO, max_tokens=20))
    assert [request.max_tokens for request in engine.requests] == [20, 15]


def test_seconds_have_a_limit():
    class Slow(EchoTool):
        def run(self, arguments, context):
            time.sleep(0.02)
            return super().run(arguments, context)

    engine = ScriptedEngine(*(echoes(str(n)) for n in range(9)))
    events = tell(engine, Toolbox({"echo": Slow()}), Limits(seconds=0.01))
    assert len(engine.requests) == 1 and events[-1].finish_reason == FinishReason.LENGTH


def test_a_long_result_is_cut_and_kept_whole_as_a_file(tmp_path):
    text = "".join(f"line {n}\n" for n in range(5000))
    call = ToolCall("echo", json.dumps({"text": text}), "c1")
    engine = ScriptedEngine(says("", call), says("ok"))
    tell(engine, Toolbox({"echo": EchoTool()}, tmp_path / "chat"), Limits(result_characters=1000))
    said = engine.requests[1].messages[-1].content
    assert len(said) < 1200 and said.startswith("line 0\n") and said.endswith("line 4999\n")
    assert "tool-results/echo-c1.txt" in said
    assert (tmp_path / "chat" / "tool-results" / "echo-c1.txt").read_text() == text


def test_a_link_in_the_place_of_a_results_file_is_not_followed(tmp_path):
    outside, chat = tmp_path / "outside", tmp_path / "chat"
    outside.mkdir()
    chat.mkdir()
    (chat / "tool-results").symlink_to(outside)
    call = ToolCall("echo", json.dumps({"text": "x" * 5000}), "c1")
    engine = ScriptedEngine(says("", call), says("ok"))
    tell(engine, Toolbox({"echo": EchoTool()}, chat), Limits(result_characters=1000))
    assert list(outside.iterdir()) == []
    assert "could not be kept" in engine.requests[1].messages[-1].content


def test_endless_output_is_not_shown_without_end():
    class Chatty(EchoTool):
        def run(self, arguments, context):
            for _ in range(500):
                context.emit("x" * 1000)
            return ToolResult("done")

    events = tell(ScriptedEngine(echoes("a"), says("ok")), Toolbox({"echo": Chatty()}))
    shown = sum(len(event.text) for event in events if isinstance(event, ToolOutput))
    assert 200_000 <= shown < 201_000 and finished_of(events)[0].result == "done"
