"""The watch over thoughts: wherever its text is cut, it knows whether it is inside one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.engines.llama.thought import MOST, Tags, Thought, thought_of

THINK = Tags(b"<think>", (b"</think>", b"<call>"), "</think>")
HARMONY = Tags(b"<|channel|>analysis<|message|>", (b"<|end|>",), "<|end|>")


def inside(kinds, text, cuts=(), *, first=None, anywhere=False, given=b""):
    """Is a thought open after `text`, which comes in pieces?"""
    watch = Thought(kinds, given, first, anywhere=anywhere, budget=0)
    places = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    for start, end in pairwise(places):
        watch.add(text[start:end])
    return bool(watch.close())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", False),
        (b"<think>", True),
        (b"\n <think>Hm", True),
        (b"<think>Hm</think>", False),
        (b"<think>Hm</think>So", False),
        (b"<think>Hm<call>", False),
        (b"So <think>", False),
        (b"<thinking is fun, <think>", False),
        (b"<think></think>\n<think>", True),
    ],
)
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_tags_are_found_wherever_they_are_cut(text, expected, cuts):
    assert inside([THINK], text, cuts) is expected


@given(cuts=st.lists(st.integers(0, 120), max_size=6))
def test_where_thoughts_may_stand_anywhere_a_later_one_counts(cuts):
    text = b"<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>analysis<|message|>Hm"
    assert inside([HARMONY], text, cuts, anywhere=True)
    assert not inside([HARMONY], text + b".<|end|>", cuts, anywhere=True)


def test_an_answer_may_begin_inside():
    assert inside([], b"Steps", first=Tags(b"", (b"[FINAL]",), "[FINAL]"))
    assert not inside([], b"Steps[FINAL]", first=Tags(b"", (b"[FINAL]",), "[FINAL]"))
    assert inside([THINK], b"Hm", given=b"<think>\n")
    assert not inside([THINK], b"Hm", given=b"<think>\n\n</think>\n\n")


def test_only_tokens_of_the_thought_are_counted():
    watch = Thought([THINK], b"<think>before", None, anywhere=False, budget=2)
    for _ in range(2):
        assert not watch.close()
        watch.add(b"x")
    assert watch.close() == "</think>"
    assert not watch.close(), "it is closed"


def test_a_model_that_thinks_on_and_on_is_let_be():
    watch = Thought([THINK], b"", None, anywhere=False, budget=0)
    closed = 0
    for _ in range(10):
        watch.add(b"<think>")
        closed += bool(watch.close())
    assert closed == MOST


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_taken(text, cuts):
    assert inside([THINK], text, cuts) == inside([THINK], text)


def test_an_empty_plan_watches_nothing():
    watch = thought_of({})
    watch.hurry()
    watch.add(b"<think>")
    assert watch.close() == ""
