import pytest

from m3studio import store
from m3studio.errors import NotFound
from m3studio.messages import Role


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db", clock=Clock())
    yield opened
    opened.close()


@pytest.fixture
def chats(opened):
    return opened.chats


def test_a_chat_is_what_was_created(chats):
    chat = chats.create("Plans", {"temperature": 0.3, "système": "é"})
    assert (chat.title, chat.titled_by, chat.settings) == ("Plans", "user", {"temperature": 0.3, "système": "é"})
    assert chats.get(chat.id) == chat
    assert len(chat.id) >= 12
    assert chats.create().titled_by == ""


def test_the_list_holds_the_newest_update_first(chats):
    first, second, third = (chats.create(title) for title in ("one", "two", "three"))
    chats.update(first.id, title="One")
    chats.update(second.id, title="Two", touch=False)
    assert [chat.title for chat in chats.list()] == ["One", "three", "Two"]
    assert [chat.title for chat in chats.list(limit=2)] == ["One", "three"]
    assert [chat.title for chat in chats.list(before=third.updated_at)] == ["Two"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("straße", 1),
        ("STRASSE", 1),
        ("ÉTÉ", 1),
        ("100%", 1),
        ("%", 1),
        ("_", 1),
        ("a_b", 1),
        ("a b", 0),
        ("'", 0),
    ],
)
def test_the_search_ignores_case_and_knows_no_wildcards(chats, query, found):
    for title in ("Die Straße", "été", "100% sure", "a_b"):
        chats.create(title)
    assert len(chats.list(query)) == found


def test_a_deleted_chat_is_hidden_and_comes_back(chats, opened):
    chat = chats.create("keep")
    opened.messages.add(chat.id, None, Role.USER, "hi")
    chats.delete(chat.id)
    assert chats.list() == []
    with pytest.raises(NotFound, match="no such chat"):
        chats.get(chat.id)
    assert chats.restore(chat.id).title == "keep"
    assert opened.messages.path(chat.id)[0].content == "hi"


def test_a_purge_takes_what_was_deleted_before_and_nothing_else(chats, opened):
    old, new, kept = (chats.create(title) for title in ("old", "new", "kept"))
    message = opened.messages.add(old.id, None, Role.USER, "gone")
    chats.delete(old.id)
    line = opened._clock.now + 0.5
    chats.delete(new.id)
    assert chats.purge(line) == 1
    assert chats.restore(new.id).title == "new"
    assert chats.get(kept.id)
    for missing in (lambda: chats.restore(old.id), lambda: opened.messages.get(message.id)):
        with pytest.raises(NotFound):
            missing()


def test_a_purge_takes_a_chat_of_a_thousand_messages(chats, opened):
    chat, parent = chats.create(), None
    with opened._database.write() as connection:  # a row a message: 1,500 commits would take seconds
        for number in range(1, 1501):
            connection.exec_driver_sql(
                "INSERT INTO messages VALUES (?, ?, ?, 'user', '', '', '[]', '', '', 'done', '', '{}', '', '{}', 0)",
                (number, chat.id, parent),
            )
            parent = number
    assert len(opened.messages.path(chat.id, parent)) == 1500
    chats.delete(chat.id)
    assert chats.purge(opened._clock.now + 10) == 1


def test_what_is_not_there_is_said_so(chats):
    other = chats.create()
    for wrong in (lambda: chats.get("x"), lambda: chats.update("x", title="t"), lambda: chats.delete("x")):
        with pytest.raises(NotFound):
            wrong()
    with pytest.raises(NotFound, match="does not belong"):
        chats.update(other.id, head_id=77)


def test_half_an_emoji_in_a_title_is_no_error(chats):
    assert chats.create("half \ud83d").title == "half ?"
