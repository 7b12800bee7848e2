"""OpenAI's shapes: from a request's JSON to a `ChatRequest`, and from events to chunks and whole answers. Pure."""

import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from m3studio import sampling
from m3studio.engines import CallRule, ChatRequest
from m3studio.errors import BadInput
from m3studio.messages import (
    Event,
    Message,
    ReasoningDelta,
    Role,
    RoundFinished,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from m3studio.parsers import json_grammar
from m3studio.sampling import Sampling

MOST_CHOICES = 16
MOST_BIASES = 1000
ROLES = {**{role.value: role for role in Role}, "developer": Role.SYSTEM, "function": Role.TOOL}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants beside the model call itself."""

    n: int = 1
    stream: bool = False
    include_usage: bool = False


def asked(body: Mapping[str, object]) -> Asked:
    """`n`, `stream` and `stream_options`."""
    n = body.get("n") or 1
    if not isinstance(n, int) or not 1 <= n <= MOST_CHOICES:
        raise BadInput(f"n must be a whole number from 1 to {MOST_CHOICES}.")
    options = body.get("stream_options")
    usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    return Asked(n, bool(body.get("stream")), usage)


def chat_request(body: Mapping[str, object], recommended: Mapping[str, object]) -> ChatRequest:
    """A request to `/v1/chat/completions`. Raises `BadInput` with the name of what does not fit."""
    _refuse_unknown_wishes(body)
    variables = body.get("chat_template_kwargs") or {}
    if not isinstance(variables, Mapping):
        raise BadInput("chat_template_kwargs must be an object.")
    tools, calls = _choice_of(body, tuple(_tools(body.get("tools") or [])))
    effort = {"reasoning_effort": body["reasoning_effort"]} if body.get("reasoning_effort") else {}
    return ChatRequest(
        messages=tuple(_messages(body.get("messages"))),
        tools=tools,
        variables={**effort, **{str(name): value for name, value in variables.items()}},
        sampling=sampling_of(body, recommended),
        max_tokens=max_tokens_of(body),
        stop=stop_of(body),
        calls=calls,
        grammar=grammar_of(body),
        logit_bias=bias_of(body),
    )


def sampling_of(body: Mapping[str, object], recommended: Mapping[str, object]) -> Sampling:
    """The model's recommendation with the request's values over it; llama.cpp's further names are taken as well."""
    base = sampling.change(Sampling(), recommended)
    return sampling.change(base, {name: body[name] for name in sampling.NAMES if body.get(name) is not None})


def max_tokens_of(body: Mapping[str, object]) -> int | None:
    """`max_completion_tokens`, or its old name `max_tokens`."""
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise BadInput("max_tokens must be a whole number from 1 on.")
    return most


def stop_of(body: Mapping[str, object]) -> tuple[str, ...]:
    """One stop string or a list of them."""
    stop = body.get("stop") or []
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise BadInput("stop must be a text or a list of texts.")
    return tuple(texts)


def _refuse_unknown_wishes(body: Mapping[str, object]) -> None:
    if body.get("logprobs"):
        raise BadInput("logprobs are not available.")


def grammar_of(body: Mapping[str, object]) -> str:
    """The grammar that holds the answer: `response_format`'s, or llama.cpp's `grammar` as it is; empty for none."""
    form, own = body.get("response_format"), body.get("grammar") or ""
    if not isinstance(own, str):
        raise BadInput("grammar must be text in llama.cpp's GBNF.")
    if form is None:
        return own
    kind = form.get("type") if isinstance(form, Mapping) else None
    if not isinstance(form, Mapping) or kind not in ("text", "json_object", "json_schema"):
        raise BadInput("The type of response_format must be text, json_object or json_schema.")
    if kind == "text":
        return own
    if own:
        raise BadInput("response_format and grammar cannot be used together. Leave one out.")
    wrapped = form.get("json_schema")
    schema = wrapped.get("schema") if isinstance(wrapped, Mapping) else form.get("schema")  # the latter is llama.cpp's
    if schema is None and kind == "json_object":
        schema = {"type": "object"}
    if not isinstance(schema, Mapping):
        raise BadInput("response_format of type json_schema needs json_schema with a schema, which is an object.")
    return json_grammar(schema)


def bias_of(body: Mapping[str, object]) -> dict[int, float]:
    """`logit_bias`: from -100 to 100 by a token's id."""
    rows = body.get("logit_bias") or {}
    try:
        found = {int(token): float(value) for token, value in rows.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        found = {0: math.nan}
    if len(found) > MOST_BIASES or not all(-100 <= value <= 100 for value in found.values()):
        raise BadInput(
            f"logit_bias must be an object of at most {MOST_BIASES} tokens, each with a number of -100 to 100."
        )
    return found


def _choice_of(body: Mapping[str, object], tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], CallRule]:
    """The tools that `tool_choice` leaves, and what holds for calls of them."""
    choice = body.get("tool_choice") or "auto"
    if choice == "none":
        return (), CallRule.FREE
    if choice == "auto":
        return tools, CallRule.FREE
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        tools = tuple(tool for tool in tools if tool.name == name)
    elif choice != "required":
        raise BadInput("tool_choice must be auto, none, required, or the name of a function.")
    if not tools:
        raise BadInput("tool_choice asks for a call of a tool that is not among tools.")
    return tools, CallRule.REQUIRED


def _messages(rows: object) -> Iterable[Message]:
    if not isinstance(rows, list) or not rows:
        raise BadInput("messages must be a list with at least one message.")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or row.get("role") not in ROLES:
            raise BadInput(f"messages[{number}] needs a role: {', '.join(ROLES)}.")
        yield Message(
            role=ROLES[str(row["role"])],
            content=_text(row.get("content"), number),
            reasoning_content=str(row.get("reasoning_content") or row.get("reasoning") or ""),
            tool_calls=tuple(_calls(row.get("tool_calls") or [], number)),
            tool_call_id=str(row.get("tool_call_id") or ""),
            name=str(row.get("name") or ""),
        )


def _text(content: object, number: int) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        return "".join(str(part.get("text") or "") for part in content)
    raise BadInput(f"messages[{number}].content must be text: this model reads no images, files or sound.")


def _calls(rows: object, number: int) -> Iterable[ToolCall]:
    for row in rows if isinstance(rows, list) else []:
        function = row.get("function") if isinstance(row, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("arguments", ""), str):
            raise BadInput(f"messages[{number}].tool_calls need a function with a name and arguments as JSON text.")
        yield ToolCall(str(function.get("name")), str(function.get("arguments") or "{}"), str(row.get("id") or ""))


def _tools(rows: object) -> Iterable[Tool]:
    for row in rows if isinstance(rows, list) else [None]:
        function = row.get("function") if isinstance(row, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadInput("Each of tools needs type function, and a function with a name.")
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, Mapping):
            raise BadInput(f"The parameters of the tool {function['name']} must be a JSON schema.")
        yield Tool(function["name"], str(function.get("description") or ""), dict(parameters))


# ------------------------------------------------------------------------------------------------------- answers


@dataclass(slots=True)
class Choice:
    """One choice of a chat completion, from its events."""

    index: int
    calls: dict[int, str] = field(default_factory=dict)  # ids by the call's number
    finished: RoundFinished | None = None

    def deltas(self, event: Event) -> list[dict[str, object]]:
        """What a stream says for `event`."""
        match event:
            case TextDelta():
                return [{"content": event.text}]
            case ReasoningDelta():
                return [{"reasoning_content": event.text}]
            case ToolCallDelta():
                return [{"tool_calls": [self._call(event)]}]
            case RoundFinished():
                self.finished = event
        return []

    def _call(self, event: ToolCallDelta) -> dict[str, object]:
        call: dict[str, object] = {"index": event.index}
        if event.index not in self.calls:
            self.calls[event.index] = event.id or f"call_{secrets.token_hex(8)}"
            call |= {"id": self.calls[event.index], "type": "function"}
        function = {"name": event.name} if event.name else {}
        return {**call, "function": {**function, "arguments": event.arguments}}

    def whole(self) -> dict[str, object]:
        """The choice of an answer that is no stream."""
        finished = self.finished
        if finished is None:
            raise AssertionError("an engine's last event is RoundFinished")
        said = Message(
            Role.ASSISTANT,
            finished.message.content,
            finished.message.reasoning_content,
            tuple(
                ToolCall(call.name, call.arguments, call.id or self.calls.get(n) or f"call_{secrets.token_hex(8)}")
                for n, call in enumerate(finished.message.tool_calls)
            ),
        )
        return {
            "index": self.index,
            "message": said.to_openai(),
            "logprobs": None,
            "finish_reason": reason_of(finished),
        }


def reason_of(finished: RoundFinished) -> str:
    """OpenAI's word for why it ended; a cancelled call has nobody left to read it."""
    reason = finished.finish_reason.value
    return reason if reason in ("stop", "length", "tool_calls") else "stop"


def envelope(kind: str, model: str) -> dict[str, object]:
    """What every chunk and answer of one completion begins with."""
    prefix = "chatcmpl" if kind.startswith("chat") else "cmpl"
    return {"id": f"{prefix}-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


def usage_of(rounds: Sequence[RoundFinished]) -> dict[str, object]:
    """OpenAI's usage: the prompt counts once, however many choices were made from it."""
    made = sum(item.usage.completion_tokens for item in rounds)
    prompt: Usage = rounds[0].usage if rounds else Usage()
    return {
        "prompt_tokens": prompt.prompt_tokens,
        "completion_tokens": made,
        "total_tokens": prompt.prompt_tokens + made,
        "prompt_tokens_details": {"cached_tokens": prompt.cached_tokens},
    }


def timings_of(finished: RoundFinished) -> dict[str, object]:
    """llama.cpp's `timings`: milliseconds, and tokens per second."""
    usage, took = finished.usage, finished.timings
    computed = usage.prompt_tokens - usage.cached_tokens
    return {
        "cache_n": usage.cached_tokens,
        **_pace("prompt", computed, took.prompt_ms),
        **_pace("predicted", usage.completion_tokens, took.predicted_ms),
    }


def _pace(name: str, tokens: int, milliseconds: float) -> dict[str, object]:
    pace = 1000 * tokens / milliseconds if milliseconds else 0.0
    return {f"{name}_n": tokens, f"{name}_ms": milliseconds, f"{name}_per_second": pace}
