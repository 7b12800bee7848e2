"""Settings in use: which rung counts, where a value comes from, what is kept under a name."""

import pytest

from m3studio import store
from m3studio.errors import BadInput, NotFound
from m3studio.presets import NEUTRAL, Sourced
from m3studio.turns.history import Wishes, plain, thinks, wishes
from m3studio.turns.ladder import FIELDS, Origin, changed, settings_in_use
from m3studio.turns.saved import Shelf
from m3studio.turns.wishes import Kept

PAGE = "https://huggingface.co/owner/name"
ADVISED = {
    "temperature": Sourced(1.0, PAGE, "2026-06"),
    "top_p": Sourced(0.9, f"the same family: {PAGE}", "2026-01"),
    "top_k": Sourced(40, "the model file (general.sampling)"),
    "min_p": Sourced(0.0, NEUTRAL),
}


@pytest.fixture
def kept(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


def test_the_highest_rung_counts_and_says_whose_value_it_is():
    own = {
        Origin.CHAT: Wishes(sampling={"temperature": 0.1}, thinking="off"),
        Origin.MODEL: Wishes(sampling={"temperature": 0.2, "top_p": 0.5}, thinking_budget=0),
        Origin.ALL: Wishes(system_prompt="Be brief.", stop=("END",)),
    }
    used = settings_in_use(ADVISED, None, own)
    assert set(used) == set(FIELDS)
    found = {name: (setting.value, setting.origin) for name, setting in used.items()}
    assert found["temperature"] == (0.1, "chat")
    assert found["top_p"] == (0.5, "model")
    assert found["top_k"] == (40, "file")
    assert found["min_p"] == (0.0, "neutral")
    assert found["thinking"] == ("off", "chat")
    assert found["thinking_budget"] == (0, "model")
    assert found["system_prompt"] == ("Be brief.", "all")
    assert found["stop"] == (["END"], "all")
    assert found["seed"] == (None, "neutral")


def test_makers_and_family_are_told_apart_with_page_and_date():
    used = settings_in_use(ADVISED, Sourced("You are kind.", PAGE, "2026-06"), {})
    assert (used["temperature"].origin, used["temperature"].source, used["temperature"].date) == (
        "makers",
        PAGE,
        "2026-06",
    )
    assert (used["top_p"].origin, used["top_p"].source) == ("family", PAGE)
    assert (used["system_prompt"].value, used["system_prompt"].origin) == ("You are kind.", "makers")


def test_a_field_is_set_and_forgotten_and_the_others_stay():
    stored = {"sampling": {"seed": 7}, "variables": {"tone": "dry"}, "max_tokens": 5}
    new = changed(changed(stored, "temperature", 0.5), "max_tokens", None)
    assert new == {"sampling": {"seed": 7, "temperature": 0.5}, "variables": {"tone": "dry"}}
    assert changed(changed(new, "temperature", None), "seed", None) == {"variables": {"tone": "dry"}}


def test_wishes_come_back_as_they_were_stored():
    values = {"system_prompt": "A", "sampling": {"top_k": 5}, "stop": ["x"], "thinking": "high", "thinking_budget": 0}
    assert plain(wishes(values)) == values
    assert plain(Wishes()) == {}


@pytest.mark.parametrize("values", [{"thinking": 3}, {"thinking_budget": -1}, {"thinking_budget": True}, {"colour": 1}])
def test_nonsense_is_refused_by_name(values):
    with pytest.raises(BadInput, match=next(iter(values))):
        wishes(values)


def test_a_mode_says_whether_the_model_thinks():
    assert [thinks(mode) for mode in (None, "auto", "off", "on", "high")] == [None, None, False, True, True]


def test_wishes_are_kept_for_a_chat_a_model_and_all(kept):
    chat = kept.chats.create()
    one, other = Kept(kept, "one", chat.id), Kept(kept, "other", chat.id)
    one.change(Origin.ALL, {"max_tokens": 100, "temperature": 0.1})
    one.change(Origin.MODEL, {"temperature": 0.2})
    one.change(Origin.CHAT, {"temperature": 0.3})
    assert one.together().sampling["temperature"] == 0.3
    one.change(Origin.CHAT, {"temperature": None})
    assert one.together().sampling["temperature"] == 0.2
    assert other.together().sampling["temperature"] == 0.1
    assert other.together().max_tokens == 100
    assert kept.chats.get(chat.id).settings == {}


def test_what_cannot_be_kept_is_refused(kept):
    with pytest.raises(BadInput, match="does not exist yet"):
        Kept(kept, "one").change(Origin.CHAT, {"temperature": 1})
    with pytest.raises(BadInput, match="no model"):
        Kept(kept, "").change(Origin.MODEL, {"temperature": 1})
    with pytest.raises(BadInput, match="temperature"):
        Kept(kept, "one").change(Origin.MODEL, {"temperature": 99})
    assert Kept(kept, "one").read(Origin.MODEL) == {}
    assert Kept(kept, "").together() == Wishes()


def test_a_preset_is_saved_renamed_shared_and_deleted(kept):
    shelf = Shelf(kept, "preset")
    entry = shelf.add("  My  preset ", {"sampling": {"temperature": 0.4}, "system_prompt": "Be brief."})
    assert entry.name == "My preset"
    again = shelf.imported(shelf.exported(shelf.change(entry.id, "Other")))
    assert (again.name, again.content) == ("Other", entry.content) and again.id != entry.id
    shelf.delete(entry.id)
    assert [kept_entry.id for kept_entry in shelf.all()] == [again.id]
    with pytest.raises(NotFound):
        shelf.get(entry.id)
    assert Shelf(kept, "prompt").all() == []


def test_a_preset_never_says_which_tools_run_unasked(kept):
    content = {"max_tokens": 5, "tools": {"always": ["python"]}, "limits": {}}
    data = {"m3studio": "preset", "name": "Nice", "content": content}
    assert Shelf(kept, "preset").imported(data).content == {"max_tokens": 5}


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        {"m3studio": "prompt", "name": "x", "content": "y"},
        {"m3studio": "preset", "name": "", "content": {"max_tokens": 5}},
        {"m3studio": "preset", "name": "x", "content": {}},
        {"m3studio": "preset", "name": "x", "content": {"sampling": {"temperature": 99}}},
        {"m3studio": "preset", "name": "x", "content": {"unknown": 1}},
        {"m3studio": "preset", "name": "x" * 81, "content": {"max_tokens": 5}},
    ],
)
def test_a_shared_file_that_is_no_preset_is_refused(kept, data):
    with pytest.raises(BadInput):
        Shelf(kept, "preset").imported(data)
    assert Shelf(kept, "preset").all() == []


def test_a_prompt_is_text(kept):
    shelf = Shelf(kept, "prompt")
    assert shelf.add("Pirate", "Talk like a pirate.").content == "Talk like a pirate."
    with pytest.raises(BadInput):
        shelf.add("Nothing", "  ")
