"""What runs a model: the protocol that every engine keeps. An engine is a folder or a file here.

An engine knows models and tokens. It knows no chat, no tool that runs, no store and no page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from m3studio.messages import Cancel, EngineEvent, Message, Tool
from m3studio.sampling import Sampling


class CallRule(StrEnum):
    """What holds for a model's calls. An engine that cannot constrain a model takes the last two for wishes."""

    FREE = "free"  # it writes what it wants
    CHECKED = "checked"  # a call that it begins can only become one that fits its tool
    REQUIRED = "required"  # its answer is a call that fits its tool


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One model call.

    `variables` go to the chat template (`thinking_mode`, `enable_thinking`, ...). With `continue_final` the last
    message is an answer of the model that goes on where it ends; the deltas then hold only what is new. `session` (a
    chat's id, or empty) says whose prefix is likely to be in the cache. `background` requests (titles) wait until
    nothing else runs. `max_tokens` None: up to n_ctx.

    `thinking` is one of the model's modes (`EngineFacts.thinking`); one that it does not know leaves it to the model.
    A thought is ended after `thinking_budget` tokens (None: any number), and as soon as `answer_now` is set.

    `calls` says what holds for calls of `tools`. `grammar` (GBNF with a rule `root`, or empty) holds the whole answer,
    thoughts left out; an engine that knows no grammars raises `BadInput` for one. `logit_bias` makes tokens likelier by
    their ids, or less likely.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    continue_final: bool = False
    session: str = ""
    background: bool = False
    thinking: str = "auto"
    thinking_budget: int | None = None
    answer_now: Cancel | None = None
    calls: CallRule = CallRule.FREE
    grammar: str = ""
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a loaded model is, and how it was loaded. Sizes in bytes, lengths in tokens.

    `thinking` says who decides whether it thinks (`kind`: none, always, switch, levels), which `modes` can be chosen,
    and what `auto` comes to (`usual`). `template` says whether the chat template takes `tools`, whether it is a
    `fallback` for a missing one, and whether the user `changed` it. `memory` is what it took, by device (`CPU` is RAM)
    and by kind: weights, kv, compute, output.
    """

    name: str
    architecture: str
    n_ctx: int
    n_ctx_train: int
    n_params: int
    size: int
    chat_template: str
    devices: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    load_seconds: float = 0.0
    thinking: Mapping[str, object] = field(default_factory=dict)
    template: Mapping[str, object] = field(default_factory=dict)
    memory: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class Engine(Protocol):
    """A loaded model. Every method may be called from any thread."""

    @property
    def facts(self) -> EngineFacts: ...

    @property
    def alive(self) -> bool:
        """False once the model's process died; every later call raises `EngineError`."""
        ...

    @property
    def idle_seconds(self) -> float:
        """For how long nothing has been asked of it; 0 while a call runs."""
        ...

    def chat(self, request: ChatRequest, cancel: Cancel) -> Iterator[EngineEvent]:
        """Run one model call. The last event is `RoundFinished`; a cancelled call ends with what it has.

        Raises `EngineError`, `ContextFull` or `BadInput`. Closing the iterator cancels the call.
        """
        ...

    def complete(
        self,
        prompt: str,
        *,
        sampling: Sampling = Sampling(),
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        cancel: Cancel | None = None,
    ) -> Iterator[EngineEvent]:
        """Go on from `prompt` as it is: no template, no parser. Ends, raises and is cancelled as `chat`."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def use_template(self, template: str) -> None:
        """Render with another chat template, with the model's own one if it is empty. Raises `BadInput`."""
        ...

    def preview(self, request: ChatRequest, template: str) -> str:
        """The prompt of a request as `template` would render it. Raises `BadInput`."""
        ...

    def close(self) -> None:
        """End the model's process and give its memory back. Running calls raise `EngineError`. Safe to repeat."""
        ...
