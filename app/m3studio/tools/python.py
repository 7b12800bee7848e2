"""Python for the model: one interpreter per chat that keeps its variables. Knows no sandbox mechanism."""

from m3studio.sandbox import Sandboxes
from m3studio.tools import RunnableTool
from m3studio.tools._code import CodeTool, shared, specification

SPEC = specification(
    "python",
    "Runs Python 3 and returns what it prints, and the value of a last expression. Variables, imports and files are "
    "kept for the whole chat, as in a notebook. Open matplotlib figures are shown to the user as images. Work with "
    "relative paths: the current folder is the chat's workspace, which the bash tool shares and where the files of the "
    "user are. There is no network, and a call may take 60 seconds.",
    "code",
    "The code to run",
)


def tool(sandboxes: Sandboxes | None = None) -> RunnableTool:
    """The tool of this file."""
    return CodeTool(
        SPEC, "code", lambda box, code, emit, cancel: box.python(code, emit=emit, cancel=cancel), sandboxes or shared()
    )
