"""From what is stored to what a model is asked: messages, sampling, template variables. Pure; knows no engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from m3studio import sampling
from m3studio.errors import BadInput
from m3studio.messages import Message, Role
from m3studio.sampling import Sampling
from m3studio.store import State, StoredMessage


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of an answer, in a chat or by default. None: whatever the model recommends."""

    system_prompt: str | None = None
    sampling: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, object] = field(default_factory=dict)
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


def wishes(values: object) -> Wishes:
    """Wishes from plain JSON values, None meaning none. Raises `BadInput` with the name of what does not fit."""
    if values is None:
        return Wishes()
    if not isinstance(values, Mapping):
        raise BadInput("Chat settings must be an object.")
    unknown = set(values) - {"system_prompt", "sampling", "variables", "max_tokens", "stop"}
    if unknown:
        raise BadInput(f"There is no chat setting “{sorted(unknown)[0]}”.")
    given = _mapping(values, "sampling")
    for name, value in given.items():
        if value is not None:
            sampling.checked(name, value)
    prompt = values.get("system_prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise BadInput("system_prompt must be text.")
    most = values.get("max_tokens")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise BadInput("max_tokens must be a whole number from 1 on.")
    stop = values.get("stop") or []
    if not isinstance(stop, list) or not all(isinstance(text, str) and text for text in stop):
        raise BadInput("stop must be a list of texts.")
    return Wishes(prompt, given, _mapping(values, "variables"), most, tuple(stop))


def over(base: Wishes, own: Wishes) -> Wishes:
    """The chat's own wishes over the general ones, value by value."""
    return Wishes(
        system_prompt=base.system_prompt if own.system_prompt is None else own.system_prompt,
        sampling={**base.sampling, **own.sampling},
        variables={**base.variables, **own.variables},
        max_tokens=own.max_tokens or base.max_tokens,
        stop=own.stop or base.stop,
    )


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


def _mapping(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = values.get(name) or {}
    if not isinstance(value, Mapping):
        raise BadInput(f"{name} must be an object.")
    return {str(key): item for key, item in value.items()}
