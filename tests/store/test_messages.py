import pytest

from m3studio import store
from m3studio.errors import BadInput, NotFound
from m3studio.messages import Role, ToolCall
from m3studio.store import State


@pytest.fixture
def opened(tmp_path):
    opened = store.open(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.fixture
def messages(opened):
    return opened.messages


@pytest.fixture
def chat(opened):
    return opened.chats.create()


def test_a_message_is_what_was_added_and_becomes_the_head(opened, messages, chat):
    call = ToolCall("python", '{"code": "1"}', "c1", "closed a brace")
    row = messages.add(
        chat.id, None, Role.ASSISTANT, "text \u0000 é", reasoning_content="hm", tool_calls=[call], name="n",
        tool_call_id="c0", state=State.STREAMING, model="m", extra={"files": [1]},
    )  # fmt: skip
    assert messages.get(row.id) == row
    assert row.tool_calls == (call,)
    assert (row.content, row.state, row.extra, row.stats, row.error) == (
        "text \u0000 é", State.STREAMING, {"files": [1]}, {}, "",
    )  # fmt: skip
    after = opened.chats.get(chat.id)
    assert after.head_id == row.id
    assert after.updated_at >= row.created_at


def test_save_changes_only_what_is_given(messages, chat):
    row = messages.add(chat.id, None, Role.ASSISTANT, state=State.STREAMING, model="m")
    messages.save(row.id, content="half \ud83d", reasoning_content="r")
    messages.save(row.id, state=State.STOPPED, stats={"completion_tokens": 3}, tool_calls=(ToolCall("a", "{}"),))
    now = messages.get(row.id)
    assert (now.content, now.reasoning_content, now.state, now.model) == ("half ?", "r", State.STOPPED, "m")
    assert now.stats == {"completion_tokens": 3}
    assert now.tool_calls == (ToolCall("a", "{}"),)


def test_what_cannot_be_saved_is_refused(messages, chat, opened):
    row = messages.add(chat.id, None, Role.USER, "x")
    with pytest.raises(BadInput, match="chat_id"):
        messages.save(row.id, chat_id="other")
    with pytest.raises(NotFound):
        messages.save(99, content="x")
    with pytest.raises(NotFound):
        messages.add("nowhere", None, Role.USER, "x")
    other = opened.chats.create()
    with pytest.raises(BadInput, match="same chat"):
        messages.add(other.id, row.id, Role.USER, "x")
    with pytest.raises(NotFound):
        messages.path(other.id, row.id)
    with pytest.raises(BadInput):
        messages.get(2**70)


def test_the_path_follows_the_head_through_the_tree(opened, messages, chat):
    question = messages.add(chat.id, None, Role.USER, "q")
    first = messages.add(chat.id, question.id, Role.ASSISTANT, "a1")
    more = messages.add(chat.id, first.id, Role.USER, "more")
    second = messages.add(chat.id, question.id, Role.ASSISTANT, "a2")
    edited = messages.add(chat.id, None, Role.USER, "q, but better")
    assert [row.content for row in messages.path(chat.id)] == ["q, but better"]
    assert [row.content for row in messages.path(chat.id, more.id)] == ["q", "a1", "more"]
    opened.chats.update(chat.id, head_id=second.id)
    assert [row.content for row in messages.path(chat.id)] == ["q", "a2"]
    assert messages.siblings(chat.id) == {
        question.id: (question.id, edited.id),
        edited.id: (question.id, edited.id),
        first.id: (first.id, second.id),
        second.id: (first.id, second.id),
        more.id: (more.id,),
    }
    assert messages.leaf(first.id) == more.id
    assert messages.leaf(question.id) == second.id
    assert messages.leaf(edited.id) == edited.id
    with pytest.raises(NotFound):
        messages.leaf(99)


def test_an_empty_chat_has_an_empty_path(messages, chat):
    assert messages.path(chat.id) == []
    with pytest.raises(NotFound):
        messages.path("nowhere")


def test_what_was_streaming_is_interrupted_at_the_next_start(messages, chat):
    running = messages.add(chat.id, None, Role.ASSISTANT, "par", state=State.STREAMING)
    done = messages.add(chat.id, running.id, Role.USER, "x")
    assert messages.mark_interrupted() == 1
    assert messages.mark_interrupted() == 0
    assert (messages.get(running.id).state, messages.get(running.id).content) == (State.INTERRUPTED, "par")
    assert messages.get(done.id).state is State.DONE


def test_damaged_fields_leave_a_message_readable(opened, messages, chat):
    row = messages.add(chat.id, None, Role.USER, "still here")
    with opened._database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET tool_calls = '[{\"no\": 1}]', stats = '{', extra = '[]', role = 'x', state = 'y', "
            "name = CAST(x'ff41' AS TEXT)"
        )
    now = messages.get(row.id)
    assert (now.content, now.tool_calls, now.stats, now.extra) == ("still here", (), {}, {})
    assert (now.role, now.state, now.name) == (Role.USER, State.ERROR, "\ufffdA")
