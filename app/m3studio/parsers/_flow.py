"""The steps that readers of calls share: trying a reading, ending a call, copying code. Knows no family."""

import re

from m3studio.parsers._draft import Draft
from m3studio.parsers._family import Reader
from m3studio.parsers._source import NotACall, Source, Steps, Stop, Unreadable, stop

FENCE = "```"
NO_END = "added the missing closing tag"
_AT_LINE_START = re.compile(r"(?:^|\n)[ \t]{0,3}$")
_CLOSING_FENCE = re.compile(r"(?:^|\n)[ \t]*$")


def call(source: Source, draft: Draft, reader: Reader) -> Steps[bool]:
    """Read a call. False if there is none: then nothing was read."""
    first = len(draft.calls)
    mark = source.mark()
    try:
        yield from reader(source, draft)
    except Unreadable:
        if len(draft.calls) == first:
            source.rewind(mark)
            return False
    finally:
        source.forget()
    return True


def end(source: Source, draft: Draft, *tags: str) -> Steps[None]:
    """Take the tag that ends a call. One that is missing is let pass, unless half a bracket stands there instead."""
    yield from source.space()
    if (yield from source.accept(*tags)):
        return
    if (yield from source.peek()) in ("}", "]", ")", '"', "'", ",", ";", "\\"):
        raise Unreadable
    draft.note(NO_END)


def fence(source: Source, draft: Draft) -> Steps[None]:
    """Copy a code block, or code within a line, behind its opening backticks: nothing in it is a call."""
    block = bool(_AT_LINE_START.search(draft.last))
    draft.text(FENCE)
    yield from _backticks(source, draft)
    ends = stop(FENCE) if block else stop(FENCE, "\n")
    while marker := (yield from source.until(ends, draft.text)):
        draft.text(marker)
        if marker == "\n":
            return
        closes = not block or _CLOSING_FENCE.search(draft.last.removesuffix(FENCE))
        yield from _backticks(source, draft)
        if closes:
            return


def _backticks(source: Source, draft: Draft) -> Steps[None]:
    """Copy the backticks that come next, however many."""
    while True:
        if size := len(source.text) - len(source.text.lstrip("`")):
            draft.text(source.take(size))
        if source.text or not (yield from source.more()):
            return


def attempt(
    source: Source, draft: Draft, read: Steps[None], ends: Stop, *, lead: str = "", sure: bool = True
) -> Steps[str]:
    """Run `read`; where the text breaks its syntax, hand the raw text up to one of `ends` to healing.

    Returns the end that was removed with it, or an empty text. Raises `Unreadable` if there is no call in the raw text;
    unless one is `sure` that it was meant to be a call, also if it cannot be mended. `lead` was read before.
    """
    mark = source.mark()
    first = len(draft.calls)
    try:
        yield from read
    except NotACall:
        raise
    except Unreadable:
        source.rewind(mark)
    else:
        return ""
    finally:
        source.forget()
    mark = source.mark()
    try:
        raw, marker = yield from source.collect(ends)
        written = lead + raw + ("\n" if marker else "")  # white space says that what stands ahead of it is complete
        if draft.mend(first, written, truncated=source.truncated and not marker, sure=sure):
            return marker
        source.rewind(mark)
    finally:
        source.forget()
    raise Unreadable
