"""The form of messages that one template wants, found out by rendering small conversations with it.

Knows Jinja only through `Template`, and nothing of prompts, thinking modes or processes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from m3studio.messages import Message, Tool
from m3studio.templates.environment import Template, TemplateFailed

Fields = dict[str, object]

_SYSTEM, _USER, _ANSWER, _REASON, _RESULT = "SYSMARK", "USERMARK", "ANSWERMARK", "REASONMARK", "RESULTMARK"
_THEN = datetime(2026, 1, 2, 3, 4, 5)
_QUESTION: Fields = {"role": "user", "content": _USER}
_TOOL: Fields = {
    "type": "function",
    "function": {
        "name": "toolmark",
        "description": "TOOLTEXT",
        "parameters": {"type": "object", "properties": {"argmark": {"type": "string", "description": "ARGTEXT"}}},
    },
}
_OUTCOME: Fields = {"role": "tool", "content": _RESULT, "tool_call_id": "call00001", "name": "toolmark"}
# StepFun's templates copy blanks at the ends of a text into the prompt, and the model then reasons in circles.
_TRIMMED = "You have access to the following functions in JSONSchema format"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a template understands.

    `system`: a system message shows. `texts`, `parts`: contents may be a text, or a list of typed parts.
    `object_arguments`: a call's arguments are wanted as an object, not as JSON text. `reasoning` names where a model's
    thinking goes: `reasoning_content`, `thinking`, `parts` (typed parts of the content) or "" (it never shows).
    `bare`: a message with tool calls shows them only when it has no text at all (None, not an empty one). `either`: a
    message with tool calls may hold thinking or a text, not both. `gathered`: results stand in the message with the
    calls. `developer`: that role has its own place.
    """

    system: bool = True
    texts: bool = True
    parts: bool = False
    object_arguments: bool = True
    reasoning: str = "reasoning_content"
    either: bool = False
    bare: bool = False
    gathered: bool = False
    developer: bool = False
    trimmed: bool = False
    tools: bool = False


def probe(template: Template) -> Shape:
    """Find out the shape that a template wants. A dozen short renderings, a few milliseconds."""
    question = attempt(template, [_QUESTION])
    listed = attempt(template, [{"role": "user", "content": [{"type": "text", "text": _USER}]}])
    parts = _USER in listed and "'type'" not in listed and '"type"' not in listed
    texts = _USER in question or not parts
    talk: list[Fields] = [{"role": "system", "content": _SYSTEM}, _QUESTION]
    system = attempt(template, talk if texts else [_refilled(message, _listed) for message in talk])
    reasoning = next((key for key in ("reasoning_content", "thinking", "parts") if _shows(template, key)), "")
    both = [_QUESTION, {**_call({}), "content": _ANSWER, "thinking": _REASON}]
    return Shape(
        system=_SYSTEM in system or not (question or listed),
        texts=texts,
        parts=parts,
        object_arguments=_takes_objects(template),
        reasoning=reasoning,
        either=reasoning == "thinking" and not attempt(template, both),
        bare=not _calls_show(template, "") and _calls_show(template, None),
        gathered=_gathers(template),
        developer="<|channel|>" in template.source,
        trimmed=_TRIMMED in template.source,
        tools="toolmark" in attempt(template, [_QUESTION], [_TOOL]),
    )


def conversation(shape: Shape, messages: Sequence[Message | Mapping[str, object]]) -> list[Fields]:
    """The messages in the template's own form."""
    out = [_fields(shape, message) for message in messages]
    if out and out[0]["role"] == "system" and not shape.system:
        out = _folded(out)
    if shape.gathered:
        out = _gathered(out)
    if shape.texts != shape.parts:
        return [_refilled(message, joined if shape.texts else _listed) for message in out]
    return out


def definitions(tools: Sequence[Tool | Mapping[str, object]]) -> list[Fields]:
    """Tools in OpenAI's form, with exactly the fields that templates know."""
    return [tool.to_openai() if isinstance(tool, Tool) else _definition(tool) for tool in tools]


def joined(content: object) -> str:
    """A content's text; of typed parts only the texts, a line each."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "\n".join(str(text) for text in texts if text is not None)
    return "" if content is None else str(content)


def _refilled(message: Fields, form: Callable[[object], object]) -> Fields:
    content = message.get("content")
    return message if content is None else {**message, "content": form(content)}


def _listed(content: object) -> object:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _fields(shape: Shape, message: Message | Mapping[str, object]) -> Fields:
    given = message.to_openai() if isinstance(message, Message) else message
    out: Fields = {key: value for key, value in given.items() if value not in (None, [], "")}
    if not isinstance(out.get("role"), str):
        raise TemplateFailed(0, "a message has no role")
    content = given.get("content")
    out["content"] = "" if content is None else content
    if shape.bare and "tool_calls" in out and not content:
        out["content"] = None
    if out["role"] == "developer" and not shape.developer:
        out["role"] = "system"
    if isinstance(out.get("tool_calls"), list):
        out["tool_calls"] = [_called(shape, call) for call in out["tool_calls"]]  # type: ignore[attr-defined]
    if shape.trimmed:
        out |= {key: out[key].strip() for key in ("content", "reasoning_content") if isinstance(out.get(key), str)}  # type: ignore[attr-defined]
    return _thought(shape, out)


def _thought(shape: Shape, message: Fields) -> Fields:
    """The message with its thinking where the template looks for it."""
    reasoning = message.get("reasoning_content")
    if shape.reasoning == "parts" and message["role"] in ("system", "assistant"):
        thinking = [{"type": "thinking", "thinking": reasoning}] if reasoning else []
        rest = {key: value for key, value in message.items() if key != "reasoning_content"}
        return {**rest, "content": [*thinking, *_listed(message["content"])]}  # type: ignore[misc]
    if shape.reasoning == "thinking" and reasoning:
        dropped = {"content"} if shape.either and "tool_calls" in message else set()
        return {**{key: value for key, value in message.items() if key not in dropped}, "thinking": reasoning}
    return message


def _called(shape: Shape, call: object) -> object:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        return call
    arguments = function.get("arguments", "{}")
    if shape.object_arguments and isinstance(arguments, str):
        arguments = _parsed(arguments)
    elif not shape.object_arguments and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    plain = {key: value for key, value in call.items() if value not in (None, "")}
    return {"type": "function", **plain, "function": {**function, "arguments": arguments}}


def _parsed(arguments: str) -> object:
    """The arguments as an object. What is none is kept under one name: an old faulty call must not end the chat."""
    try:
        value = json.loads(arguments or "{}", strict=False)
    except (ValueError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def _folded(messages: list[Fields]) -> list[Fields]:
    """The system message in front of the next one's text, for templates that know no system role."""
    if len(messages) == 1:
        return []
    system, following, *rest = messages
    return [{**following, "content": f"{joined(system['content'])}\n{joined(following['content'])}"}, *rest]


def _gathered(messages: list[Fields]) -> list[Fields]:
    """Calls, their results and the answer that follows as one message, as older templates of Gemma 4 want it."""
    out: list[Fields] = []
    for message in messages:
        before = out[-1] if out else {}
        calls, results = before.get("tool_calls"), before.get("tool_responses", [])
        if message["role"] == "tool" and isinstance(calls, list) and isinstance(results, list):
            out[-1] = {**before, "tool_responses": [*results, _result(message, calls[len(results) :][:1])]}
        elif message["role"] == "assistant" and results and message.get("content") and "tool_calls" not in message:
            out[-1] = {**before, "content": message["content"]}
        else:
            out.append(message)
    return out


def _result(message: Fields, call: list[object]) -> Fields:
    function = call[0].get("function") if call and isinstance(call[0], Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else message.get("tool_call_id", "")
    response = message["content"]
    try:
        response = json.loads(response) if isinstance(response, str) else response
    except (ValueError, RecursionError):
        pass  # plain text, which is what most tools give
    return {"name": name, "response": response}


def _definition(tool: Mapping[str, object]) -> Fields:
    inner = tool.get("function")
    function = inner if isinstance(inner, Mapping) else tool
    return {
        "type": "function",
        "function": {
            "name": function.get("name", ""),
            "description": function.get("description") or "",
            "parameters": function.get("parameters") or {},
        },
    }


# ------------------------------------------------------------------------------------------------------------- probes


def attempt(
    template: Template, messages: Sequence[Fields], tools: Sequence[Fields] = (), variables: Mapping[str, object] = {}
) -> str:
    """What the template makes of a conversation; an empty text if it refuses it."""
    names = {"messages": messages, "bos_token": "", "eos_token": "", "add_generation_prompt": True, **variables}
    try:
        return template.text({**names, **({"tools": tools} if tools else {})}, _THEN)
    except TemplateFailed:
        return ""


def _call(arguments: object) -> Fields:
    function = {"name": "toolmark", "arguments": arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call00001", "type": "function", "function": function}],
    }


def _calls_show(template: Template, content: object) -> bool:
    """Whether a call gets into the prompt, beside this content, with arguments of either form."""
    forms = ({"argmark": "valuemark"}, '{"argmark": "valuemark"}')
    return any(
        "valuemark" in attempt(template, [_QUESTION, {**_call(form), "content": content}, _OUTCOME], [_TOOL])
        for form in forms
    )


def _takes_objects(template: Template) -> bool:
    """Objects, unless only JSON text gets into the prompt unharmed."""
    shown = [
        attempt(template, [_QUESTION, {**_call(form), "content": content}, _OUTCOME], [_TOOL])
        for form in ({"argmark": "valuemark"}, '{"argmark": "valuemark"}')
        for content in ("", None)
    ]
    objects, texts = ["valuemark" in text and "{'argmark'" not in text for text in shown[:2]], shown[2:]
    return any(objects) or not any("valuemark" in text for text in texts)


def _gathers(template: Template) -> bool:
    """Whether a result gets into the prompt only as a field of the message that called for it."""
    call = _call({"argmark": "valuemark"})
    if _RESULT in attempt(template, [_QUESTION, call, _OUTCOME], [_TOOL]):
        return False
    gathered: Fields = {**call, "tool_responses": [{"name": "toolmark", "response": _RESULT}]}
    return _RESULT in attempt(template, [_QUESTION, gathered], [_TOOL])


def _shows(template: Template, key: str) -> bool:
    """Whether thinking that a message holds under `key` gets into the prompt, at least while tools are at work."""
    field: Fields = {key: _REASON}
    content: object = _ANSWER
    if key == "parts":
        field, content = {}, [{"type": "thinking", "thinking": _REASON}, {"type": "text", "text": _ANSWER}]
    switches = {"enable_thinking": True, "thinking": True, "preserve_thinking": True}
    for messages in (
        [_QUESTION, {"role": "assistant", "content": content, **field}],
        [_QUESTION, {**_call({"argmark": "valuemark"}), **field}, _OUTCOME],
        [_QUESTION, {"role": "assistant", "content": content, **field}, _QUESTION],
    ):
        seen = attempt(template, messages, [_TOOL], variables=switches)
        if _REASON in seen and "'thinking'" not in seen and '"thinking"' not in seen:
            return True
    return False
