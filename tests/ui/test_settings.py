"""The form of settings for every model: what is stored is shown, and what is shown is stored."""

from hypothesis import given
from hypothesis import strategies as st

from m3studio.turns.history import wishes
from m3studio.ui.settings import fill, settings_of


def test_an_untouched_form_stores_nothing():
    assert settings_of({}, tuple(fill({}))) == {}


def test_what_the_form_does_not_show_is_kept():
    stored = {"sampling": {"seed": 7}, "variables": {"tone": "dry"}, "stop": ["END"], "thinking": "on"}
    assert settings_of(stored, ("Be brief.", 100)) == {**stored, "system_prompt": "Be brief.", "max_tokens": 100}
    assert settings_of({**stored, "max_tokens": 9}, ("", 0)) == stored


@given(st.text(max_size=20), st.none() | st.integers(0, 10_000))
def test_what_is_stored_can_be_read_by_a_turn_and_comes_back(prompt, longest):
    new = settings_of({}, (prompt, longest))
    wishes(new)
    assert settings_of(new, tuple(fill(new))) == new
