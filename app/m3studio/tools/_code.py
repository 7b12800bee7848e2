"""What the tools that run code share: the chats' sandboxes, and how a result reads. Knows no language."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from m3studio import sandbox
from m3studio.messages import Cancel, Tool
from m3studio.sandbox import Level, Result, Sandbox, Sandboxes
from m3studio.tools import Permission, ToolContext, ToolResult

LONGEST = 100_000  # characters of code in one call


@functools.cache
def shared() -> Sandboxes:
    """The sandboxes of this app: Python and Bash of a chat work in the same one."""
    return Sandboxes()


@dataclass(frozen=True, slots=True)
class CodeTool:
    """A tool that hands the argument `parameter` to a chat's sandbox, by `call`."""

    spec: Tool
    parameter: str
    call: Callable[[Sandbox, str, Callable[[str], None], Cancel], Result]
    sandboxes: Sandboxes

    @property
    def permission(self) -> Permission:
        """Code needs no question behind walls; without them no model is told of the tool."""
        return Permission.NEVER if sandbox.level() is Level.NONE else Permission.SAFE

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolResult:
        box = self.sandboxes.for_chat(context.chat_id, context.workspace)
        result = self.call(box, str(arguments[self.parameter]), context.emit, context.cancel)
        return ToolResult(written(result), error=bool(result.exit_code or result.limit))

    def close(self) -> None:
        self.sandboxes.close()


def specification(name: str, description: str, parameter: str, meaning: str) -> Tool:
    """A tool with one argument of text."""
    value = {"type": "string", "description": meaning, "minLength": 1, "maxLength": LONGEST}
    schema = {
        "type": "object",
        "properties": {parameter: value},
        "required": [parameter],
        "additionalProperties": False,
    }
    return Tool(name, description, schema)


def written(result: Result) -> str:
    """A result as the model reads it."""
    parts = [result.stdout.rstrip()]
    if result.stderr.strip():
        parts.append(f"stderr:\n{result.stderr.rstrip()}" if result.stdout.strip() else result.stderr.rstrip())
    if result.limit:
        parts.append(f"[Stopped: {result.limit}]")
    elif result.exit_code:
        parts.append(f"[exit code {result.exit_code}]")
    parts += [f"[{note}]" for note in result.notes]
    if result.images:
        parts.append(f"[Images shown to the user: {', '.join(result.images)}]")
    others = [path for path in result.files if path not in result.images]
    if others:
        parts.append(f"[Files written: {', '.join(others)}]")
    return "\n".join(part for part in parts if part) or "[no output]"
