"""The event log: numbers, joining, followers."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from m3studio.messages import PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, ToolOutput
from m3studio.turns.log import TurnLog, joined

EVENTS = st.one_of(
    st.builds(TextDelta, st.text(max_size=3)),
    st.builds(ReasoningDelta, st.text(max_size=3)),
    st.builds(ToolCallDelta, st.integers(0, 1), st.sampled_from(["", "id"]), st.just(""), st.text(max_size=3)),
    st.builds(ToolOutput, st.sampled_from(["a", "b"]), st.text(max_size=3)),
    st.builds(PromptProgress, st.integers(0, 9), st.just(9), st.just(0)),
)


def test_neighbours_of_one_kind_are_joined():
    out = joined([TextDelta("a"), TextDelta("b"), ReasoningDelta("c"), TextDelta("d")], 10)
    assert [(item.number, item.event) for item in out] == [
        (12, TextDelta("ab")),
        (13, ReasoningDelta("c")),
        (14, TextDelta("d")),
    ]


def test_only_the_newest_progress_is_news():
    out = joined([PromptProgress(1, 9, 0), PromptProgress(5, 9, 0)], 0)
    assert [(item.number, item.event.done) for item in out] == [(2, 5)]


def test_calls_are_not_mixed():
    out = joined([ToolCallDelta(0, "a", "x", ""), ToolCallDelta(0, arguments="{"), ToolCallDelta(1, "b", "y", "")], 0)
    assert [item.event for item in out] == [ToolCallDelta(0, "a", "x", "{"), ToolCallDelta(1, "b", "y", "")]


def texts(events):
    """All text by kind and place, which joining must not change."""
    out: dict[object, str] = {}
    for event in events:
        match event:
            case TextDelta() | ReasoningDelta():
                out[type(event)] = out.get(type(event), "") + event.text
            case ToolOutput():
                out[event.call_id] = out.get(event.call_id, "") + event.text
            case ToolCallDelta():
                out[event.index] = out.get(event.index, "") + event.arguments
    return out


@given(st.lists(EVENTS, max_size=30), st.data())
def test_a_follower_that_breaks_off_anywhere_misses_nothing(events, data):
    log = TurnLog()
    for event in events:
        log.add(event)
    log.close()
    seen, after = [], 0
    while after < len(events):
        part = log._events[: data.draw(st.integers(after + 1, len(events)))]
        batch = joined(part[after:], after)
        after = batch[-1].number
        seen += [item.event for item in batch]
    assert texts(seen) == texts(events)
    assert log.read(after) == ([], True)


def test_followers_are_woken_and_can_leave():
    log, woken = TurnLog(), threading.Semaphore(0)
    leave = log.listen(woken.release)
    log.add(TextDelta("x"))
    assert woken.acquire(timeout=1)
    leave()
    log.close()
    assert not woken.acquire(timeout=0.01)
