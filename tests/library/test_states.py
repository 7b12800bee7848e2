"""KV states through the library: how much they may take, and that a chat's state goes with the chat."""

from m3studio import store
from m3studio.engines.llama.states import States
from m3studio.library import Library
from m3studio.paths import Home
from m3studio.server.assembly import DELETED_SECONDS, build, close
from m3studio.settings import LoadSettings, Settings


def test_the_user_says_how_much_states_may_take(home):
    home.mkdir(parents=True, exist_ok=True)
    kept = store.open(home / "chat.db")
    library = Library(Home(home), kept, LoadSettings())
    assert 0 < library._states().quota <= 4_000_000_000
    for quota in (0, 12345):
        kept.values.set("kv_disk_bytes", quota)
        assert library._states().quota == quota and library._states().folder == str(home / "kv")
    library.close()
    kept.close()


def test_the_state_of_a_purged_chat_is_deleted_and_one_that_can_come_back_stays(home):
    Home(home).prepare()
    kept = store.open(home / "chat.db")
    names = {name: kept.chats.create(name, {}).id for name in ("stays", "restorable", "purged")}
    states = States(home / "kv", 100_000, "key")
    for id in names.values():
        states.save(id, b"\1\0\0\0", b"state")
    states.settle()
    kept.chats.delete(names["restorable"])
    kept.chats._mark(names["purged"], kept.chats.get(names["purged"]).created_at - DELETED_SECONDS - 60)
    kept.close()
    close(build(Settings(), Home(home)))
    assert [bool(states.load(id)) for id in names.values()] == [True, True, False]
