"""What a model's text means: takes an answer apart while it streams. Each family's syntax is a file here.

A parser knows text, tools' schemas and events. It knows no engine, and runs nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from m3studio.errors import NotFound
from m3studio.messages import AssistantMessage, Event, FailedCall, Tool, ToolCall
from m3studio.parsers._converse import converse
from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family, Reader
from m3studio.parsers._gbnf import json_grammar
from m3studio.parsers._grammar import Grammar
from m3studio.parsers._prompt import assistant_part
from m3studio.parsers._schema import by_name, complaint
from m3studio.parsers._source import Source, Steps, Unreadable, stop
from m3studio.parsers._thoughts import Thought, Thoughts, closing_of
from m3studio.plugins import collect

__all__ = [
    "FailedCall",
    "Family",
    "Grammar",
    "StreamParser",
    "Thought",
    "Thoughts",
    "families",
    "family_of",
    "for_family",
    "for_template",
    "grammar",
    "json_grammar",
    "taught_family",
    "thoughts_of",
    "validate",
]

_PIECE = 4096  # longer texts are taken in pieces, so that the time stays linear in their length


class StreamParser:
    """Takes one answer apart, for one model call. Not for use by several threads.

    `given` is what the prompt already held of the answer: `finish` includes it, the events do not. After `finish`,
    `failed` lists the calls that must not run, and `tail` holds the last events.
    """

    def __init__(
        self,
        family: Family,
        tools: Sequence[Tool | Mapping[str, object]],
        given: str,
        *,
        reasoning: bool,
        json_answer: bool | None,
    ) -> None:
        self.family = family = _with_borrowed(family) if tools else family
        self.tail: list[Event] = []
        self._source = Source()
        self._draft = Draft(by_name(tools))
        self._draft.unfence = family.fenced_json if json_answer is None else json_answer
        self._steps = _answer(self._source, self._draft, family, reasoning)
        self._over = False
        next(self._steps)
        self._advance(given)
        self.given = self._draft.begin_answer()

    @property
    def failed(self) -> tuple[FailedCall, ...]:
        """The calls that must not run, with the reason. Complete after `finish`."""
        return tuple(self._draft.failed)

    def feed(self, text: str) -> list[Event]:
        """The events of more text."""
        self._advance(text)
        return self._taken()

    def finish(self, *, truncated: bool = False) -> AssistantMessage:
        """The whole answer; no more text comes. `truncated`: a limit cut it off, so an unfinished call is not mended.

        `tool_calls` holds every call whose name was read. Look at `failed` before any of them runs.
        """
        if not self._over:
            self._source.ended, self._source.truncated = True, truncated
            next(self._steps, None)
            if truncated:
                self._draft.flush()
            self._over = True
            self.tail = self._taken()
            self._message = self._draft.settle()
        return self._message

    def _taken(self) -> list[Event]:
        events, self._draft.events = self._draft.events, []
        return events

    def _advance(self, text: str) -> None:
        for start in range(0, len(text), _PIECE):
            self._source.text += text[start : start + _PIECE]
            next(self._steps, None)


def _answer(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    """Read an answer to its end, whatever it is: what a family cannot read is text."""
    try:
        yield from (family.read or converse)(source, draft, family, reasoning)
    except Unreadable:
        yield from source.until(stop(), draft.text)


@cache
def families() -> tuple[Family, ...]:
    """Every family, the most particular first."""
    found = [family for module in collect(sys.modules[__name__]) for family in getattr(module, "FAMILIES", ())]
    return tuple(sorted(found, key=lambda family: (-family.priority, family.name)))


def _with_borrowed(family: Family) -> Family:
    """The family with the calls of others that its models may write by mistake."""
    taken = {*family.calls, *family.thinking, *family.thinking.values(), *family.drop, *family.ends}
    lent = {marker: _noted(other.calls[marker]) for other in families() for marker in other.lends}
    return replace(family, borrowed={marker: reader for marker, reader in lent.items() if marker not in taken})


def _noted(read: Reader) -> Reader:
    def noted(source: Source, draft: Draft) -> Steps[None]:
        first = len(draft.calls)
        yield from read(source, draft)
        for call in draft.calls[first:]:
            call.notes.append("read a call in another model's format")

    return noted


@lru_cache(maxsize=64)
def family_of(template: str) -> Family:
    """The family that a chat template belongs to."""
    return next(family for family in families() if family.recognises(template))


def taught_family(template: str) -> Family:
    """The family of a template that knows no tools, with calls in the form that a prompt can teach."""
    family, generic = family_of(template), families()[-1]
    if family.read:  # its answers are built of other things than text and tags
        return generic
    return replace(family, calls={**family.calls, **generic.calls}, bare=None, grammar=generic.grammar)


def for_template(
    template: str,
    *,
    tools: Sequence[Tool | Mapping[str, object]] = (),
    prompt: str = "",
    reasoning: bool = True,
    json_answer: bool | None = None,
    taught: bool = False,
) -> StreamParser:
    """The parser for a model with this chat template.

    `tools` are the ones on offer, also in OpenAI's form: they give arguments their types, and calls are held to them.
    `prompt` is the rendered prompt or its end: the answer may begin inside a thought, or go on with a text. With
    `reasoning` False thoughts stay in the content, tags and all. `json_answer` says whether JSON was asked for: then a
    code block that is the whole answer is taken off. Not knowing (None), only families that are known to fence such
    answers have it taken off. `taught`: the template knows no tools, so a prompt told the model how to call them.
    """
    family = taught_family(template) if taught else family_of(template)
    return StreamParser(family, tools, assistant_part(template, prompt), reasoning=reasoning, json_answer=json_answer)


def for_family(
    name: str,
    *,
    tools: Sequence[Tool | Mapping[str, object]] = (),
    given: str = "",
    reasoning: bool = True,
    json_answer: bool | None = None,
) -> StreamParser:
    """The parser of a family by its name; `given` is what the prompt already holds of the answer. Raises `NotFound`."""
    family = next((family for family in families() if family.name == name), None)
    if family is None:
        known = ", ".join(sorted(one.name for one in families()))
        raise NotFound(f"There is no parser “{name}”. Known ones: {known}.")
    return StreamParser(family, tools, given, reasoning=reasoning, json_answer=json_answer)


def thoughts_of(template: str, prompt: str = "") -> Thoughts:
    """How an answer to `prompt` (rendered, or its end) would write its thoughts, and how one is ended from outside."""
    family = family_of(template)
    end = family.thinking_first
    first = Thought("", (end,), closing_of(end)) if end else None
    return Thoughts(family.kinds, assistant_part(template, prompt), first, family.anywhere or bool(family.thoughts))


def grammar(family: Family, tools: Sequence[Tool | Mapping[str, object]], template: str = "") -> Grammar | None:
    """The rules of calls of `tools` as `family` writes them; None if they are not known, or there are no tools."""
    named = tuple(by_name(tools).values())
    return family.grammar(named, template) if family.grammar and named else None


def validate(call: ToolCall, tools: Sequence[Tool | Mapping[str, object]]) -> str:
    """Why `call` cannot run, as a sentence for the model; empty if it can."""
    return complaint(call, by_name(tools))
