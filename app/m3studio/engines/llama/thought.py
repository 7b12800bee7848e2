"""Watches whether an answer is inside its thought, and says when that must end. Knows bytes, and no token.

The tags come from the app, which knows the model's family; here they are only looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 3  # times that a thought is closed in one answer: a model that thinks on after that is let be


@dataclass(frozen=True, slots=True)
class Tags:
    """A thought begins with `opening`, ends with any of `endings`, and is ended from outside by the text `closing`."""

    opening: bytes
    endings: tuple[bytes, ...]
    closing: str


class Thought:
    """The thoughts of one answer as it grows. `budget` is how many tokens they may have together; None: any number."""

    def __init__(
        self, kinds: Sequence[Tags], given: bytes, first: Tags | None, *, anywhere: bool, budget: int | None
    ) -> None:
        self._kinds, self._anywhere, self._budget = tuple(kinds), anywhere, budget
        self._inside = first
        self._text = b""  # what is still to be looked at: the tags may come in pieces
        self._answered = False
        self._hurry = False
        self._closed = 0
        self._tokens = 0
        self._feed(given)

    def add(self, piece: bytes) -> None:
        """A token's text came."""
        if self._kinds or self._inside:
            self._tokens += self._inside is not None
            self._feed(piece)

    @property
    def inside(self) -> bool:
        """It thinks."""
        return self._inside is not None

    def hurry(self) -> None:
        """End the thought that goes on or comes next."""
        self._hurry = True

    def close(self) -> str:
        """The text that must come next, because the thought has to end here; empty while it may go on."""
        tags = self._inside
        spent = self._budget is not None and self._tokens >= self._budget
        if tags is None or not (spent or self._hurry) or self._closed >= MOST:
            return ""
        self._inside, self._text = None, b""
        self._closed += 1
        return tags.closing

    def _feed(self, piece: bytes) -> None:
        self._text += piece
        while self._moved():
            pass

    def _moved(self) -> bool:
        """Go past the next tag, if there is one."""
        if self._inside is not None:
            at, end = _first(self._text, self._inside.endings)
            if at < 0:
                self._text = _tail(self._text, self._inside.endings)
                return False
            self._inside, self._text = None, self._text[at + len(end) :]
            return True
        openings = [tags.opening for tags in self._kinds]
        at, begin = _first(self._text, openings)
        if at >= 0 and (self._anywhere or not (self._answered or self._text[:at].strip())):
            self._inside = self._kinds[openings.index(begin)]
            self._text = self._text[at + len(begin) :]
            return True
        begun = self._text.lstrip()
        self._answered |= bool(begun) and not any(opening.startswith(begun) for opening in openings)
        self._text = _tail(self._text, openings) if self._anywhere or not self._answered else b""
        return False


def thought_of(plan: Mapping[str, Any]) -> Thought:
    """The watch that a request asks for: fields `kinds`, `given`, `first`, `anywhere` as in `parsers.Thoughts`, and
    `budget`. An empty plan watches nothing."""
    first = plan.get("first")
    return Thought(
        [_tags(kind) for kind in plan.get("kinds", ())],
        str(plan.get("given", "")).encode("utf-8", "replace"),
        _tags(first) if first else None,
        anywhere=bool(plan.get("anywhere")),
        budget=plan.get("budget"),
    )


def _tags(kind: Mapping[str, Any]) -> Tags:
    return Tags(kind["opening"].encode(), tuple(end.encode() for end in kind["endings"]), kind["closing"])


def _first(text: bytes, marks: Sequence[bytes]) -> tuple[int, bytes]:
    """The place of the mark that comes first, and the mark; -1 if none is there."""
    found = [(at, mark) for mark in marks if (at := text.find(mark)) >= 0]
    return min(found, default=(-1, b""))


def _tail(text: bytes, marks: Sequence[bytes]) -> bytes:
    """The end of the text that may be the beginning of a mark."""
    longest = max(map(len, marks), default=1) - 1
    return text[len(text) - longest :] if 0 < longest < len(text) else text if longest else b""
