"""A whole answer as most families write it: text, thoughts between two tags, calls behind a marker. Knows no family."""

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Family
from m3studio.parsers._flow import FENCE, call, fence
from m3studio.parsers._source import Sink, Source, Steps, Stop, stop
from m3studio.parsers._whole import whole


def converse(source: Source, draft: Draft, family: Family, reasoning: bool) -> Steps[str]:
    """Read an answer up to one of the family's `ends`, which is returned; empty at the end of the text.

    With `reasoning` False thoughts stay in the text, tags and all.
    """
    plan = _Plan(family, reasoning)
    if family.thinking_first:
        yield from _think(source, draft, plan, "", family.thinking_first)
    while True:
        if draft.content.blank and not draft.calls:
            yield from whole(source, draft, family, plan.markers.markers)
        marker = yield from source.until(plan.markers, draft.text)
        if not marker or marker in family.ends:
            return marker
        yield from _at(source, draft, plan, marker)


def _at(source: Source, draft: Draft, plan: "_Plan", marker: str) -> Steps[None]:
    """Go on behind a marker."""
    family = plan.family
    if marker == FENCE:
        yield from fence(source, draft)
    elif marker in family.drop:
        return
    elif draft.last.endswith("`") and not draft.last.endswith(FENCE):  # somebody talks about the tag
        draft.text(marker)
    elif marker in plan.calls:
        yield from _call_or_text(source, draft, plan, marker)
    elif not (draft.content.blank or family.anywhere):
        draft.text(marker)
    elif marker in family.thinking:
        yield from _think(source, draft, plan, marker, family.thinking[marker])


class _Plan:
    """What to look for in an answer of a family, worked out once."""

    def __init__(self, family: Family, reasoning: bool) -> None:
        self.family = family
        self.reasoning = reasoning
        self.calls = {**family.borrowed, **family.calls}
        parts = {*self.calls, *family.thinking, *family.thinking.values(), *family.drop, *family.ends, FENCE}
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
        if (yield from call(source, draft, plan.family.calls[marker])):
            break
        sink(marker)
    if not plan.reasoning:
        draft.text(marker if marker == closing else "")
        return
    if plan.family.keep_thoughts:
        draft.flush_thoughts()
    draft.reasoning.pause()


def _call_or_text(source: Source, draft: Draft, plan: _Plan, marker: str) -> Steps[None]:
    if plan.family.keep_space:
        draft.flush()
    if not (yield from call(source, draft, plan.calls[marker])):
        draft.text(marker)
