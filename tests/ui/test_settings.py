"""The form of settings: what is stored is shown, and what is shown is stored."""

from hypothesis import given
from hypothesis import strategies as st

from m3studio.turns.history import wishes
from m3studio.ui.settings import AUTO, OFF, ON, SLIDERS, fill, settings_of, thinking_of

NUMBERS = [0.5, 0.9, 40, 0.05, 1.1]


def shown(stored, recommended=None):
    """The form's values, as the browser would send them back."""
    return tuple(item["value"] if isinstance(item, dict) else item for item in fill(stored, recommended or {}))


def test_an_untouched_form_stores_nothing():
    assert settings_of({}, shown({})) == {}
    assert settings_of({}, shown({}, {"temperature": 0.3})) == {}


def test_the_model_s_values_are_shown_until_the_user_has_own_ones():
    assert shown({}, {"temperature": 0.3})[4] == 0.3
    assert shown({"sampling": {"temperature": 1.5}}, {"temperature": 0.3})[4] == 1.5


def test_what_the_form_does_not_show_is_kept():
    stored = {
        "sampling": {"seed": 7, "temperature": 1.0},
        "variables": {"tone": "dry", "enable_thinking": True},
        "stop": ["END"],
    }
    new = settings_of(stored, ("Be brief.", OFF, 100, False, *NUMBERS))
    assert new["sampling"]["seed"] == 7
    assert new["variables"] == {"tone": "dry", "enable_thinking": False, "thinking_mode": "disabled"}
    assert new["stop"] == ["END"]
    assert new["system_prompt"] == "Be brief."


def test_the_switch_to_the_model_s_sampling_forgets_own_values():
    stored = settings_of({}, ("", AUTO, None, False, *NUMBERS))
    assert "sampling" not in settings_of(stored, ("", AUTO, None, True, *NUMBERS))


@given(
    st.sampled_from([AUTO, ON, OFF]),
    st.text(max_size=20),
    st.none() | st.integers(0, 10_000),
    st.tuples(
        *(st.floats(low, high) if step < 1 else st.integers(low, high) for _, low, high, step in SLIDERS.values())
    ),
)
def test_what_is_stored_can_be_read_by_a_turn_and_comes_back(thinking, prompt, longest, numbers):
    new = settings_of({}, (prompt, thinking, longest, False, *numbers))
    wishes(new)
    assert thinking_of(new.get("variables", {})) == thinking
    assert settings_of(new, shown(new)) == new
