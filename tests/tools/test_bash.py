"""The Bash tool: scripts in the workspace that Python shares."""

import pytest

from m3studio import sandbox
from m3studio.messages import Cancel
from m3studio.sandbox import Level, Limits, Sandboxes
from m3studio.tools import ToolContext, bash, python

pytestmark = pytest.mark.skipif(sandbox.level() is Level.NONE, reason="no sandbox holds on this machine")


def test_scripts_and_python_share_a_chats_workspace(tmp_path):
    boxes = Sandboxes(Limits(wall=10))
    context = ToolContext([].append, Cancel(), "chat", tmp_path / "chat")
    python.tool(boxes).run({"code": "open('n', 'w').write('7');"}, context)
    shell = bash.tool(boxes)
    assert shell.run({"script": "cat n; echo 8 > n"}, context).text == "7\n[Files written: n]"
    assert (tmp_path / "chat" / "n").read_text() == "8\n"
    failed = shell.run({"script": "echo no >&2; exit 3"}, context)
    assert (failed.text, failed.error) == ("no\n[exit code 3]", True)
    boxes.close()


def test_the_schema_takes_a_script_and_nothing_else():
    assert bash.SPEC.parameters["required"] == ["script"] and bash.SPEC.parameters["additionalProperties"] is False
