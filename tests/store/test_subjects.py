"""Values, sign-ins, keys and the password: the small tables."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from m3studio import store


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("value", [None, 0, "text", [1, {"a": None}], {"é": 1.5}, True])
def test_a_value_comes_back(opened, value):
    opened.values.set("key", "before")
    opened.values.set("key", value)
    assert opened.values.get("key", "default") == value


def test_values_by_prefix(opened):
    for key in ("ui.theme", "ui.font", "ux.other", "ui%"):
        opened.values.set(key, key)
    assert list(opened.values.all("ui.")) == ["ui.font", "ui.theme"]
    assert len(opened.values.all()) == 4
    opened.values.delete("ui.font")
    opened.values.delete("ui.font")
    assert opened.values.get("ui.font", 7) == 7


def test_sign_ins(opened):
    sessions = opened.sessions
    one = sessions.add(b"1" * 32, 100.0, 200.0, "Firefox", "127.0.0.1")
    two = sessions.add(b"2" * 32, 101.0, 150.0, "x" * 5000, "::1")
    assert sessions.find(b"1" * 32) == one
    assert sessions.find(b"3" * 32) is None
    assert len(two.user_agent) == 300
    assert [row.id for row in sessions.list(120)] == [two.id, one.id]
    assert sessions.touch(one.id, 130.0, 230.0).expires_at == 230.0
    assert [row.id for row in sessions.list(120)] == [one.id, two.id]
    assert [row.id for row in sessions.list(160)] == [one.id]
    sessions.delete_expired(160)
    assert sessions.find(b"2" * 32) is None
    sessions.delete_all(but=one.id)
    assert sessions.find(b"1" * 32)
    assert sessions.delete(one.id)
    assert not sessions.delete(one.id)
    assert not sessions.touch(one.id, 1.0, 2.0)


def test_keys(opened):
    key = opened.keys.add(b"k" * 32, "laptop", ("chat", "admin"), 5.0)
    assert opened.keys.touch(key.id, 9.0).last_used_at == 9.0
    found = opened.keys.find(b"k" * 32)
    assert (found.name, found.scopes, found.created_at, found.last_used_at) == ("laptop", ("chat", "admin"), 5.0, 9.0)
    assert opened.keys.list() == [found]
    assert opened.keys.delete(key.id)
    assert not opened.keys.delete(key.id)
    assert opened.keys.find(b"k" * 32) is None


def test_one_of_many_racing_first_passwords_wins(opened):
    assert opened.password.get() == ""
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: opened.password.set_first(f"hash {number}"), range(24)))
    assert won.count(True) == 1
    assert opened.password.get() == f"hash {won.index(True)}"
    opened.password.set("other")
    assert opened.password.get() == "other"
