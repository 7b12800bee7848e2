"""Tools for a model whose chat template knows none: described in the system prompt, calls and results as plain text.

Knows no template; what it returns is a conversation that any of them can render.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from m3studio.messages import Message, Role, Tool, ToolCall

WORDS = """You can call tools. To call one, answer with this and nothing else:
<tool_call>
{{"name": "the tool's name", "arguments": {{...}}}}
</tool_call>
Its result then comes in <tool_response>. Answer the user from it. Call a tool only where it helps.

The tools, each with the JSON schema of its arguments:
{tools}"""


def taught(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """The conversation with the tools explained, and with calls and results as the model's and the user's texts."""
    # Short ones first: weak models overlook what stands behind a long one.
    described = WORDS.format(tools="\n".join(sorted(map(_described, tools), key=len)))
    system = messages[0].content if messages and messages[0].role == Role.SYSTEM else ""
    rest = messages[1:] if messages and messages[0].role == Role.SYSTEM else messages
    out = [Message(Role.SYSTEM, f"{system}\n\n{described}".strip())]
    for message in rest:
        if message.role == Role.TOOL:
            _add_result(out, message)
        else:
            out.append(_plain(message))
    return tuple(out)


def _described(tool: Tool) -> str:
    shown = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return json.dumps(shown, ensure_ascii=False)


def _plain(message: Message) -> Message:
    if not message.tool_calls:
        return message
    parts = [message.content, *map(_call, message.tool_calls)]
    return replace(message, content="\n".join(filter(None, parts)), tool_calls=())


def _call(call: ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = call.arguments
    text = json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{text}\n</tool_call>"


def _add_result(out: list[Message], message: Message) -> None:
    """Results of one round stand together, since many templates want user and assistant to take turns."""
    text = f"<tool_response>\n{message.content}\n</tool_response>"
    if out[-1].role == Role.USER and out[-1].content.startswith("<tool_response>"):
        out[-1] = replace(out[-1], content=f"{out[-1].content}\n{text}")
    else:
        out.append(Message(Role.USER, text))
