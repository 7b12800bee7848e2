"""From what is stored to what a model is asked: messages, sampling, template variables. Pure; knows no engine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from m3studio import sampling
from m3studio.errors import BadInput
from m3studio.messages import Message, Role
from m3studio.parsers import json_grammar
from m3studio.sampling import Sampling
from m3studio.store import State, StoredMessage
from m3studio.turns.choice import checked_limits, checked_tools


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of an answer: in a chat, of a model, or always. None: whatever the model recommends.

    `thinking` is one of the model's modes, `thinking_budget` the tokens that its thoughts may have together.
    `response_format` is `json` or the text of a JSON schema that the answer keeps; no tool is offered then. What
    `tools` and `limits` hold is described in `choice`.
    """

    system_prompt: str | None = None
    sampling: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, object] = field(default_factory=dict)
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: str | None = None
    thinking_budget: int | None = None
    response_format: str | None = None
    tools: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)


JSON = "json"  # as a response format: any object
FIELDS = frozenset(field.name for field in fields(Wishes))


def wishes(values: object) -> Wishes:
    """Wishes from plain JSON values, None meaning none. Raises `BadInput` with the name of what does not fit."""
    if values is None:
        return Wishes()
    if not isinstance(values, Mapping):
        raise BadInput("Chat settings must be an object.")
    if unknown := set(values) - FIELDS:
        raise BadInput(f"There is no chat setting “{sorted(unknown)[0]}”.")
    given = _mapping(values, "sampling")
    for name, value in given.items():
        if value is not None:
            sampling.checked(name, value)
    stop = values.get("stop") or []
    if not isinstance(stop, list) or not all(isinstance(text, str) and text for text in stop):
        raise BadInput("stop must be a list of texts.")
    return Wishes(
        system_prompt=_text(values, "system_prompt"),
        sampling=given,
        variables=_mapping(values, "variables"),
        max_tokens=_count(values, "max_tokens", 1),
        stop=tuple(stop),
        thinking=_text(values, "thinking"),
        thinking_budget=_count(values, "thinking_budget", 0),
        response_format=_format(values),
        tools=checked_tools(_mapping(values, "tools")),
        limits=checked_limits(_mapping(values, "limits")),
    )


def plain(own: Wishes) -> dict[str, object]:
    """The wishes as JSON values, without those that are none: what `wishes` reads."""
    values = {**asdict(own), "stop": list(own.stop)}
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def over(base: Wishes, own: Wishes) -> Wishes:
    """The chat's own wishes over the general ones, value by value."""
    return Wishes(
        system_prompt=base.system_prompt if own.system_prompt is None else own.system_prompt,
        sampling={**base.sampling, **own.sampling},
        variables={**base.variables, **own.variables},
        max_tokens=own.max_tokens or base.max_tokens,
        stop=own.stop or base.stop,
        thinking=own.thinking or base.thinking,
        thinking_budget=base.thinking_budget if own.thinking_budget is None else own.thinking_budget,
        response_format=own.response_format or base.response_format,
        tools={**base.tools, **own.tools},
        limits={**base.limits, **own.limits},
    )


def grammar_of(form: str | None) -> str:
    """The grammar of a `response_format`, empty for none. Raises `BadInput` for what is no schema."""
    if not form:
        return ""
    if form == JSON:
        return json_grammar({"type": "object"})
    try:
        schema = json.loads(form)
    except ValueError as error:
        raise BadInput(f"The answer's format must be “{JSON}” or a JSON schema: {error}.") from error
    if not isinstance(schema, dict):
        raise BadInput("A JSON schema is an object, such as {“type”: “object”}.")
    return json_grammar(schema)


def thinks(mode: str | None) -> bool | None:
    """Whether the model thinks in a mode; None where that is left to it."""
    return None if mode in (None, "auto") else mode != "off"


def sampling_of(recommended: Mapping[str, object], own: Wishes) -> Sampling:
    """Neutral defaults, then the model's recommendation, then the user's wishes."""
    return sampling.change(sampling.change(Sampling(), recommended), own.sampling)


def messages_of(path: Sequence[StoredMessage], system_prompt: str) -> tuple[Message, ...]:
    """What the model reads. An answer that failed before it said anything is left out, a system prompt put first."""
    said = [
        Message(
            role=row.role,
            content=row.content,
            reasoning_content=row.reasoning_content,
            tool_calls=row.tool_calls,
            tool_call_id=row.tool_call_id,
            name=row.name,
        )
        for row in path
        if not _empty(row)
    ]
    return (Message(Role.SYSTEM, system_prompt), *said) if system_prompt.strip() else tuple(said)


def _empty(row: StoredMessage) -> bool:
    unfinished = row.state in (State.ERROR, State.INTERRUPTED, State.STOPPED)
    return row.role == Role.ASSISTANT and unfinished and not row.content and not row.tool_calls


def _text(values: Mapping[str, object], name: str) -> str | None:
    text = values.get(name)
    if text is not None and not isinstance(text, str):
        raise BadInput(f"{name} must be text.")
    return text


def _count(values: Mapping[str, object], name: str, least: int) -> int | None:
    number = values.get(name)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise BadInput(f"{name} must be a whole number from {least} on.")
    return number


def _mapping(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = values.get(name) or {}
    if not isinstance(value, Mapping):
        raise BadInput(f"{name} must be an object.")
    return {str(key): item for key, item in value.items()}


def _format(values: Mapping[str, object]) -> str | None:
    form = (_text(values, "response_format") or "").strip()
    grammar_of(form)
    return form or None
