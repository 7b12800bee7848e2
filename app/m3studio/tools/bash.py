"""Bash for the model, in the same workspace as its Python. Knows no sandbox mechanism."""

from m3studio.sandbox import Sandboxes
from m3studio.tools import RunnableTool
from m3studio.tools._code import CodeTool, shared, specification

SPEC = specification(
    "bash",
    "Runs a Bash script and returns its output and exit code. The current folder is the chat's workspace, which the "
    "python tool shares and where the files of the user are; files are kept for the whole chat, processes and "
    "variables are not. There is no network, no input and no root, and a call may take 60 seconds.",
    "script",
    "The script to run",
)


def tool(sandboxes: Sandboxes | None = None) -> RunnableTool:
    """The tool of this file."""
    return CodeTool(
        SPEC,
        "script",
        lambda box, script, emit, cancel: box.bash(script, emit=emit, cancel=cancel),
        sandboxes or shared(),
    )
