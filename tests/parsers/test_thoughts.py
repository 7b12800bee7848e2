"""A thought that is ended from outside: the closing words of each family leave the model where its answer begins."""

import pytest

from m3studio import parsers
from parsers.cases import CASES

DONE = "So be it."
THINKING = [case for case in CASES if case.reasoning and case.text.count("Hm.") == 1]
each = pytest.mark.parametrize("case", THINKING, ids=[f"{n}-{case.family}" for n, case in enumerate(THINKING)])


@each
def test_the_closing_words_end_a_thought_at_any_place(case):
    family = next(family for family in parsers.families() if family.name == case.family)
    for place in (1, 2):
        begun = case.text[: case.text.index("Hm.") + place]
        closing = closing_for(family, case.given + begun)
        parser = parsers.for_family(case.family, given=case.given)
        for text in (begun, closing, DONE):
            parser.feed(text)
        message = parser.finish()
        assert message.content == DONE
        assert message.reasoning_content.rstrip() == case.reasoning.partition("Hm.")[0] + "Hm."[:place]


def closing_for(family, text):
    opened = [kind for kind in family.kinds if kind.opening in text]
    return opened[-1].closing if opened else f"{family.thinking_first}"


def test_every_family_that_thinks_says_how_a_thought_is_ended():
    assert {case.family for case in THINKING} >= {
        "minimax_m3",
        "harmony",
        "muse",
        "kimi_k3",
        "solar",
        "deepseek",
        "apriel",
    }
    for case in THINKING:
        family = next(family for family in parsers.families() if family.name == case.family)
        assert family.kinds or family.thinking_first


def test_the_prompt_tells_what_was_given():
    m3 = "]~b]ai\n ]<]minimax[>[ <mm:think>"
    assert parsers.thoughts_of(m3, "]~b]user\nHi[e~[\n]~b]ai\n<mm:think>").given == "<mm:think>"
    assert parsers.thoughts_of(m3, "]~b]ai\n</mm:think>").given == "</mm:think>"
    (kind,) = parsers.thoughts_of(m3).kinds
    assert (kind.opening, kind.closing) == ("<mm:think>", "</mm:think>")
