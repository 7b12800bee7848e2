"""What most families have in common: text, thoughts between two tags, calls behind a marker. Knows no family."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from m3studio.parsers._draft import Draft
from m3studio.parsers._source import Sink, Source, Steps, Stop, Unreadable, stop

Reader = Callable[[Source, Draft], Steps[None]]
THINK = {"<think>": "</think>"}
_FENCE = "```"
_AT_LINE_START = re.compile(r"(?:^|\n)[ \t]{0,3}$")
_CLOSING_FENCE = re.compile(r"(?:^|\n)[ \t]*$")


@dataclass(frozen=True, slots=True)
class Family:
    """One model family's output syntax.

    `marks` recognise its chat template: it is one of this family if it contains every text of one of the groups; the
    highest `priority` wins. `calls` maps a marker to the reader of what stands behind it, which raises `Unreadable` if
    no call follows after all. `thinking` maps opening to closing tags, `drop` are markers without a meaning of their
    own. `keep_space`: white space ahead of a call and at the end of a thought is the model's own. `thinking_first`: the
    answer begins inside the reasoning, without a tag, up to this one. `anywhere`: a thought may begin in the middle of
    the answer. `calls_end_thinking`: a call ends a thought that was not closed. `read` replaces all this for a family
    that is built differently.
    """

    name: str
    marks: tuple[tuple[str, ...], ...] = ()
    priority: int = 50
    calls: Mapping[str, Reader] = field(default_factory=dict)
    thinking: Mapping[str, str] = field(default_factory=lambda: dict(THINK))
    drop: tuple[str, ...] = ()
    keep_space: bool = False
    thinking_first: str = ""
    anywhere: bool = False
    calls_end_thinking: bool = False
    read: "Callable[[Source, Draft, Family, bool], Steps[None]] | None" = None

    def recognises(self, template: str) -> bool:
        """Whether a chat template belongs to this family."""
        return any(all(text in template for text in group) for group in self.marks)


def converse(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[None]:
    """Read a whole answer. With `reasoning` False thoughts stay in the text, tags and all."""
    plan = _Plan(family, reasoning)
    if family.thinking_first:
        yield from _think(source, draft, plan, "", family.thinking_first)
    while marker := (yield from source.until(plan.markers, draft.text)):
        if marker == _FENCE:
            yield from fence(source, draft)
        elif marker in family.drop:
            pass
        elif draft.last.endswith("`"):  # somebody talks about the tag
            draft.text(marker)
        elif marker in family.calls:
            yield from _call_or_text(source, draft, family, marker)
        elif not (draft.content.blank or family.anywhere):
            draft.text(marker)
        elif marker in family.thinking:
            yield from _think(source, draft, plan, marker, family.thinking[marker])


class _Plan:
    """What to look for in an answer of a family, worked out once."""

    def __init__(self, family: Family, reasoning: bool) -> None:
        self.family = family
        self.reasoning = reasoning
        parts = {*family.calls, *family.thinking, *family.thinking.values(), *family.drop, _FENCE}
        self.markers = stop(*sorted(parts))

    def ends(self, close: str) -> Stop:
        """What ends a thought that `close` should end."""
        return stop(*sorted({close, *(self.family.calls if self.family.calls_end_thinking else ())}))


def _think(source: Source, draft: Draft, plan: _Plan, opening: str, closing: str) -> Steps[None]:
    sink: Sink = draft.think if plan.reasoning else draft.text
    if not plan.reasoning:
        draft.text(opening)
    ends = plan.ends(closing)
    while marker := (yield from source.until(ends, sink)):
        if marker == closing:
            break
        if (yield from call(source, draft, plan.family, marker)):
            break
        sink(marker)
    if not plan.reasoning:
        draft.text(marker if marker == closing else "")
        return
    if plan.family.keep_space:
        draft.flush_thoughts()
    draft.reasoning.pause()


def _call_or_text(source: Source, draft: Draft, family: Family, marker: str) -> Steps[None]:
    if family.keep_space:
        draft.flush()
    if not (yield from call(source, draft, family, marker)):
        draft.text(marker)


def call(source: Source, draft: Draft, family: Family, marker: str) -> Steps[bool]:
    """Read what stands behind a call's marker. False if no call follows: then nothing was read."""
    first = len(draft.calls)
    mark = source.mark()
    try:
        yield from family.calls[marker](source, draft)
    except Unreadable:
        if len(draft.calls) == first:
            source.rewind(mark)
            return False
    finally:
        source.forget()
    return True


def fence(source: Source, draft: Draft) -> Steps[None]:
    """Copy a code block, or code within a line, behind its opening backticks: nothing in it is a call."""
    block = bool(_AT_LINE_START.search(draft.last))
    draft.text(_FENCE)
    yield from _backticks(source, draft)
    ends = stop(_FENCE) if block else stop(_FENCE, "\n")
    while marker := (yield from source.until(ends, draft.text)):
        draft.text(marker)
        if marker == "\n":
            return
        closes = not block or _CLOSING_FENCE.search(draft.last.removesuffix(_FENCE))
        yield from _backticks(source, draft)
        if closes:
            return


def _backticks(source: Source, draft: Draft) -> Steps[None]:
    while (yield from source.accept("`")):
        draft.text("`")


def attempt(source: Source, draft: Draft, read: Steps[None], ends: Stop) -> Steps[str]:
    """Run `read`; where the text breaks its syntax, hand the raw text up to one of `ends` to healing.

    Returns the end that was removed with it, or an empty text. Raises `Unreadable` if there is no call in the raw text.
    """
    mark = source.mark()
    first = len(draft.calls)
    try:
        yield from read
    except Unreadable:
        source.rewind(mark)
    else:
        return ""
    finally:
        source.forget()
    mark = source.mark()
    try:
        raw, marker = yield from source.collect(ends)
        if draft.mend(first, raw, truncated=source.truncated and not marker):
            return marker
        source.rewind(mark)
    finally:
        source.forget()
    raise Unreadable(unfinished=not marker)
