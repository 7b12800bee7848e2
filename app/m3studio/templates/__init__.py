"""Chat templates: from messages to the prompt text, in each model's own words, as llama.cpp renders it.

A template comes with the model and is a program of strangers: whatever runs it here runs in a child process with a
time limit. Knows no tokens, no engine and no page.
"""

from collections.abc import Mapping, Sequence

from m3studio.messages import Message, Tool
from m3studio.templates.environment import Problem, Template, TemplateFailed, check
from m3studio.templates.prompts import Prompt, build
from m3studio.templates.renderer import CHATML, Renderer
from m3studio.templates.shape import probe
from m3studio.templates.taught import taught
from m3studio.templates.thinking import Capabilities, Thinking, ThinkingKind

__all__ = [
    "CHATML",
    "Capabilities",
    "Problem",
    "Prompt",
    "Renderer",
    "TemplateFailed",
    "Thinking",
    "ThinkingKind",
    "capabilities",
    "check",
    "choose",
    "prompt",
    "render",
    "taught",
    "thinking_variables",
]


def render(
    template: str,
    messages: Sequence[Message | Mapping[str, object]],
    tools: Sequence[Tool | Mapping[str, object]] | None = (),
    **variables: object,
) -> str:
    """The prompt for a conversation, byte for byte as llama.cpp renders it.

    Messages and tools are ours or OpenAI's plain ones. `variables` go to the template; `add_generation_prompt` is true
    unless given, `now` (datetime or ISO text) pins the clock, `continue_final_message` ("content", "reasoning" or True)
    goes on with the last answer. Raises `BadInput` with the template's line. For one prompt only: keep a `Renderer`
    where there will be more.
    """
    part = variables.pop("continue_final_message", None)
    return prompt(template, messages, tools or (), variables, part if isinstance(part, str) else bool(part)).text


def prompt(
    template: str,
    messages: Sequence[Message | Mapping[str, object]],
    tools: Sequence[Tool | Mapping[str, object]],
    variables: Mapping[str, object],
    continue_final: bool | str = False,
) -> Prompt:
    """As `render`, with the part of the text that already belongs to the answer."""
    if any(
        callable(value) for value in variables.values()
    ):  # a function cannot travel; who passes one trusts the template
        compiled = Template(template or CHATML)
        return build(compiled, probe(compiled), messages, tools, variables, continue_final)
    with Renderer(template) as renderer:
        return renderer.prompt(messages, tools, variables, continue_final)


def capabilities(template: str) -> Capabilities:
    """What a template can do, found out by trying it. Raises `BadInput` for one that cannot be used."""
    with Renderer(template) as renderer:
        return renderer.capabilities()


def thinking_variables(template: str, mode: str) -> dict[str, object]:
    """The variables that put a template's thinking into a mode; none where it knows no such mode or needs nothing."""
    return capabilities(template).thinking.variables_for(mode)


def choose(templates: Mapping[str, str], tools: Sequence[object] = ()) -> str:
    """The one of a model's named templates to use: `tool_use` when there are tools, else `default` (or "").

    As in llama.cpp, a model that has only a `tool_use` template is used with that.
    """
    default = templates.get("default") or templates.get("") or ""
    tool_use = templates.get("tool_use") or ""
    return (tool_use or default) if tools else (default or tool_use)
