"""The store as a whole: locks, crashes, damage, full disks, backups, versions."""

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import pytest

from m3studio import store
from m3studio.errors import NoRoom, StoreError, StudioError
from m3studio.messages import Role
from m3studio.store import State

WRITER = """
import sys
from pathlib import Path
from m3studio import store
from m3studio.messages import Role
from m3studio.store import State
opened = store.open(Path(sys.argv[1]))
chat = opened.chats.create("crash")
row = opened.messages.add(chat.id, None, Role.ASSISTANT, state=State.STREAMING)
text = ""
for number in range(10**6):
    text += f"{number} "
    opened.messages.save(row.id, content=text)
    print(chat.id, number, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "chat.db"


def with_chat(path, title="kept"):
    opened = store.open(path)
    chat = opened.chats.create(title)
    opened.messages.add(chat.id, None, Role.USER, "words " * 200)
    return opened, chat


def wait_for_backup(path):
    folder, deadline = path.parent / "backups", time.monotonic() + 10
    while not list(folder.glob("chat-*.db")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_only_the_owner_can_read_it(path):
    opened, _ = with_chat(path)
    wait_for_backup(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in [file for file in path.parent.rglob("*") if file.is_file()]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    opened.close()


def test_a_second_app_is_told_which_process_has_the_folder(path):
    program = "import sys; from pathlib import Path; from m3studio import store; store.open(Path(sys.argv[1]))"
    opened, chat = with_chat(path)
    second = subprocess.run(
        [sys.executable, "-c", program, path], check=False, capture_output=True, text=True, timeout=60
    )
    assert second.returncode != 0
    assert f"(process {os.getpid()})" in second.stderr.splitlines()[-1]
    opened.close()
    again = store.open(path)
    assert again.chats.get(chat.id).title == "kept"
    assert again.notices == []
    again.close()


@pytest.mark.parametrize("kill_after", [1, 30, 200])
def test_a_killed_writer_loses_nothing_that_it_was_told_is_saved(path, kill_after):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    for _ in range(kill_after):
        line = writer.stdout.readline()
    writer.kill()
    rest = [text for text in writer.stdout.read().splitlines(keepends=True) if text.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    chat_id, last = (rest or [line])[-1].split()
    opened = store.open(path)
    assert opened.notices == []
    assert opened.messages.mark_interrupted() == 1
    (message,) = opened.messages.path(chat_id)
    saved = [int(word) for word in message.content.split()]
    assert saved[: int(last) + 1] == list(range(int(last) + 1))
    assert message.state is State.INTERRUPTED
    opened.close()


def test_eight_threads_never_meet_a_lock(path):
    opened, chat = with_chat(path)
    head = opened.chats.get(chat.id).head_id
    errors, slowest = [], []

    def work(seed):
        dice = random.Random(seed)
        worst = 0.0
        try:
            for number in range(60):
                started = time.perf_counter()
                match dice.randrange(6):
                    case 0:
                        opened.messages.add(chat.id, head, Role.USER, "more")
                    case 1:
                        opened.messages.save(head, content=f"{seed} {number}")
                    case 2:
                        opened.values.set(f"{seed}", number)
                    case 3:
                        opened.messages.path(chat.id)
                    case 4:
                        opened.chats.list("kept")
                    case 5:
                        opened.chats.update(chat.id, title=f"kept {number}")
                worst = max(worst, time.perf_counter() - started)
        except StudioError as error:
            errors.append(error)
        slowest.append(worst)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    opened.backup()
    for thread in threads:
        thread.join()
    opened.close()
    assert errors == []
    assert max(slowest) < 5  # the busy timeout: nobody waited for a lock of SQLite's


def test_a_damaged_database_is_kept_and_the_backup_takes_its_place(path):
    opened, chat = with_chat(path)
    wait_for_backup(path)
    opened.backup()
    opened.close()
    for name in path.parent.glob("chat.db-*"):
        name.unlink()
    damage = bytearray(path.read_bytes())
    damage[4096:12288] = b"\xa5" * 8192
    path.write_bytes(damage)
    again = store.open(path)
    (kept,) = [file for file in path.parent.glob("chat.db.corrupt-*") if "-wal" not in file.name]
    assert kept.read_bytes() == bytes(damage)
    assert kept.name in again.notices[0]
    assert "backup of" in again.notices[0]
    assert again.chats.get(chat.id).title == "kept"
    again.close()


def test_a_file_that_is_no_database_is_kept_and_an_empty_one_takes_its_place(path):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"this is a letter to my aunt " * 100)
    opened = store.open(path)
    assert "no backup" in opened.notices[0]
    assert opened.chats.list() == []
    assert next(iter(path.parent.glob("chat.db.corrupt-*"))).read_bytes().startswith(b"this is a letter")
    opened.close()


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_never_stop_the_start(path, seed):
    opened, _ = with_chat(path)
    opened.close()
    dice, damaged = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(50):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    path.write_bytes(damaged)
    again = store.open(path)
    try:
        for chat in again.chats.list():
            again.messages.path(chat.id)
        again.values.set("works", True)
        if again.notices:
            assert any(file.read_bytes() == bytes(damaged) for file in path.parent.glob("chat.db.corrupt-*"))
    except StudioError as error:  # damage that only a read can see is a sentence
        assert error.message.endswith(".")
    finally:
        again.close()


def test_a_full_disk_is_a_sentence_and_gives_the_ballast_back(path):
    opened, chat = with_chat(path)
    wait_for_backup(path)
    ballast = path.with_name("chat.db.ballast")
    assert ballast.stat().st_size == 8 * 1024 * 1024
    with opened._database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NoRoom, match="Free some space"):
        opened.values.set("big", "x" * 1_000_000)
    assert not ballast.exists()
    assert opened.chats.get(chat.id).title == "kept"
    with opened._database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    opened.values.set("big", "x" * 1_000_000)
    opened.close()


def test_a_newer_schema_is_refused_and_left_alone(path):
    opened, _ = with_chat(path)
    opened.close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 999")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer M3 Studio"):
        store.open(path)
    assert path.read_bytes() == before


def test_a_table_that_lost_a_column_counts_as_damage(path):
    opened, chat = with_chat(path)
    wait_for_backup(path)
    opened.backup()
    opened.close()
    raw = sqlite3.connect(path)
    raw.execute("ALTER TABLE chats RENAME COLUMN title TO ti7le")
    raw.close()
    again = store.open(path)
    assert "kept as" in again.notices[0]
    assert again.chats.get(chat.id).title == "kept"
    again.close()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="--data-dir"):
        store.open(tmp_path / "file" / "chat.db")


def test_seven_backups_are_kept_and_each_is_whole(path):
    now = [1_700_000_000.0]
    opened = store.open(path, clock=lambda: now[0])
    wait_for_backup(path)
    chat = opened.chats.create("in it")
    for _ in range(9):
        now[0] += 86_400
        assert opened.backup()
    names = sorted(path.parent.joinpath("backups").iterdir())
    assert len(names) == 7
    opened.close()
    shutil.copy(names[-1], path.with_name("copy.db"))
    copy = store.open(path.with_name("copy.db"))
    assert copy.chats.get(chat.id).title == "in it"
    copy.close()


def test_a_closed_store_says_so(path):
    opened, _ = with_chat(path)
    opened.close()
    opened.close()
    with pytest.raises(StoreError, match="closing"):
        opened.values.set("late", 1)
