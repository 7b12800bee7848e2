"""Text that grows piece by piece: half characters wait, stop strings never show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.engines.llama.text import TextStream


def run(pieces, stop=()):
    """Feed `pieces` as the scheduler does; returns the deltas, and whether a stop string ended it."""
    stream, deltas = TextStream(stop), []
    for piece in pieces:
        deltas.append(stream.feed(piece))
        if stream.stopped:
            break
    deltas.append(stream.finish())
    return deltas, stream.stopped


def test_half_a_character_waits_for_its_other_half():
    assert run(["é".encode()[:1], "é".encode()[1:], b"!"])[0] == ["", "é", "!", ""]


def test_half_a_character_at_the_end_is_shown_as_broken():
    assert run([b"a", "é".encode()[:1]])[0] == ["a", "", "\ufffd"]


def test_the_beginning_of_a_stop_string_is_held_back_and_given_out_when_it_is_none():
    assert run([b"one\n", b"\nUs", b"eful"], ["\n\nUser:"]) == (["one", "", "\n\nUseful", ""], False)


def test_a_stop_string_over_several_pieces_ends_the_text_before_it():
    assert run([b"one\n", b"\nUs", b"er: two"], ["\n\nUser:"]) == (["one", "", "", ""], True)


def test_the_stop_string_that_comes_first_counts():
    assert run([b"abcdef"], ["ef", "bc"]) == (["a", ""], True)


def test_an_unfinished_stop_string_at_the_end_is_text():
    assert run([b"so ST"], ["STOP"]) == (["so ", "ST"], False)


@given(
    st.text(alphabet="abAB\n é", max_size=60),
    st.lists(st.text("abAB\n", min_size=1, max_size=4), max_size=3),
    st.data(),
)
def test_any_cut_into_pieces_shows_the_text_up_to_the_first_stop_string(text, stop, data):
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    deltas, stopped = run(pieces, stop)
    shown = "".join(deltas)
    complete = [text[: text.find(each)] for each in stop if each in text]
    assert stopped == bool(complete)
    if not stopped:
        assert shown == text
    else:
        # whichever stop string was complete first ends it; nothing of any of them shows
        assert text.startswith(shown)
        assert any(text[len(shown) :].startswith(each) for each in stop)
        assert not any(each in shown for each in stop)


@pytest.mark.parametrize("stop", [[""], ["", "x"]])
def test_an_empty_stop_string_stops_nothing(stop):
    assert run([b"ab"], stop) == (["ab", ""], False)
