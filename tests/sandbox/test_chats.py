"""Sandboxes of chats: one each, shared by its tools, ended when idle, never each other's."""

import time

from m3studio.sandbox import Limits, Sandboxes
from m3studio.sandbox.chats import MOST


def test_a_chat_keeps_its_sandbox_and_sees_no_other_one(level, tmp_path):
    boxes = Sandboxes(Limits(wall=10))
    one, two = (boxes.for_chat(name, tmp_path / name) for name in ("one", "two"))
    one.python("x = 'mine'; open('file', 'w').write(x)")
    assert boxes.for_chat("one", tmp_path / "one") is one
    assert one.python("x").stdout == "'mine'\n"
    assert two.bash(f"ls; cat file {tmp_path}/one/file").stdout == ""
    boxes.forget("one")
    assert boxes.for_chat("one", tmp_path / "one").python("open('file').read()").stdout == "'mine'\n"
    boxes.close()
    boxes.close()
    assert not one.running and not two.running


def test_idle_ones_rest_and_start_again(level, tmp_path):
    boxes = Sandboxes(idle=0.2)
    box = boxes.for_chat("a", tmp_path / "a")
    box.python("x = 1")
    for _ in range(100):
        time.sleep(0.05)
        if not box.running:
            break
    assert not box.running
    assert box.python("2").stdout == "2\n"
    boxes.close()


def test_no_more_than_a_few_live_at_once(level, tmp_path):
    boxes = Sandboxes()
    made = []
    for number in range(MOST + 2):
        made.append(boxes.for_chat(str(number), tmp_path / str(number)))
        made[-1].python("1")
    assert [box.running for box in made] == [False, False, *[True] * MOST]
    boxes.close()
