"""The Python tool: what the model reads of a call, state within a chat, and who may run it."""

import pytest

from m3studio import sandbox
from m3studio.messages import Cancel
from m3studio.sandbox import Level, Limits, Result, Sandboxes
from m3studio.tools import Permission, ToolContext, every_tool
from m3studio.tools._code import written
from m3studio.tools.python import SPEC, tool

pytestmark = pytest.mark.skipif(sandbox.level() is Level.NONE, reason="no sandbox holds on this machine")


@pytest.fixture
def python():
    made = tool(Sandboxes(Limits(wall=10)))
    yield made
    made.close()


def context(tmp_path, chat="chat", seen=None):
    return ToolContext((seen if seen is not None else []).append, Cancel(), chat, tmp_path / chat)


def test_variables_are_kept_for_a_chat_and_only_there(python, tmp_path):
    assert python.run({"code": "x = 6 * 7"}, context(tmp_path)).text == "[no output]"
    assert python.run({"code": "x"}, context(tmp_path)).text == "42"
    other = python.run({"code": "x"}, context(tmp_path, "other"))
    assert other.error and "NameError" in other.text


def test_an_error_is_text_for_the_model(python, tmp_path):
    failed = python.run({"code": "print('before')\n1 / 0"}, context(tmp_path))
    assert failed.error
    assert failed.text.startswith("before\nstderr:\nTraceback") and failed.text.endswith("[exit code 1]")


def test_output_is_shown_while_it_runs(python, tmp_path):
    seen = []
    python.run({"code": "print('a'); print('b')"}, context(tmp_path, seen=seen))
    assert "".join(seen) == "a\nb\n"


def test_the_schema_takes_code_and_nothing_else():
    assert SPEC.parameters["required"] == ["code"] and SPEC.parameters["additionalProperties"] is False
    assert {"python", "bash"} <= set(every_tool())


def test_behind_walls_it_needs_no_question(python):
    assert python.permission is Permission.SAFE


def test_what_the_model_reads():
    result = Result(
        "out\n", "", 1, True, ("a.csv", "p.png"), ("p.png",), "It ran longer than 60 seconds.", ("A note.",)
    )
    assert written(result) == (
        "out\n[Stopped: It ran longer than 60 seconds.]\n[A note.]\n[Images shown to the user: p.png]\n[Files written: a.csv]"
    )
