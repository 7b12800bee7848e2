"""The text of an answer as it arrives, read by generators that pause where it ends for now. Knows no format.

A reader is a generator: it yields whenever it needs more text than there is, and goes on when more came. What it
decides depends on the text alone, never on where the pieces were cut.
"""

import re
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
Sink = Callable[[str], None]


class Unreadable(Exception):
    """The text breaks the syntax that the reader expects, or ends too early for it."""


class NotACall(Unreadable):
    """The text is plainly something else than a call: no use in mending it."""


class Stop:
    """Markers to look for. None may be the beginning of another: which one it is must not depend on what follows."""

    def __init__(self, markers: tuple[str, ...]) -> None:
        self.markers = markers
        self.regex = re.compile("|".join(map(re.escape, markers)) or r"(?!)")
        self.begun = frozenset(marker[:size] for marker in markers for size in range(1, len(marker)))
        self.longest = max(map(len, self.begun), default=0)
        heads = "".join(sorted({re.escape(marker[0]) for marker in markers}))
        self.first = re.compile(f"[{heads}]" if heads else r"(?!)")

    def overlap(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a marker."""
        found = self.first.search(text, max(0, len(text) - self.longest))
        while found:
            if text[found.start() :] in self.begun:
                return len(text) - found.start()
            found = self.first.search(text, found.start() + 1)
        return 0


@lru_cache(maxsize=512)
def stop(*markers: str) -> Stop:
    """The `Stop` for these markers; equal sets share one."""
    return Stop(markers)


class Source:
    """Unread text. `ended`: no more will come; `truncated`: it ended because a limit was reached."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self.truncated = False
        self._log: list[str] = []  # what was taken since the first mark, to be taken back
        self._marks = 0

    def take(self, size: int) -> str:
        """The next `size` characters, removed."""
        piece, self.text = self.text[:size], self.text[size:]
        if self._marks:
            self._log.append(piece)
        return piece

    # ------------------------------------------------------------------------------------------- going back

    def mark(self) -> int:
        """Remember this place; each mark must be given up by `forget`."""
        self._marks += 1
        return len(self._log)

    def rewind(self, mark: int) -> None:
        """Go back to the place that was marked."""
        self.text = "".join([*self._log[mark:], self.text])
        del self._log[mark:]

    def forget(self) -> None:
        """Give up the latest mark."""
        self._marks -= 1
        if not self._marks:
            self._log = []

    def ahead(self, read: Steps[T]) -> Steps[T]:
        """What `read` finds, with the text left in place."""
        mark = self.mark()
        try:
            return (yield from read)
        finally:
            self.rewind(mark)
            self.forget()

    # ------------------------------------------------------------------------------------------- readers

    def more(self) -> Steps[bool]:
        """Wait for more text. False if none will come."""
        if self.ended:
            return False
        yield
        return True

    def until(self, wanted: Stop, sink: Sink) -> Steps[str]:
        """Hand the text up to the first marker to `sink`, and return the marker, removed; empty at the end."""
        while True:
            found = wanted.regex.search(self.text)
            if found:
                if found.start():
                    sink(self.take(found.start()))
                return self.take(len(found.group()))
            ready = len(self.text) - (0 if self.ended else wanted.overlap(self.text))
            if ready:
                sink(self.take(ready))
            if not (yield from self.more()):
                return ""

    def collect(self, wanted: Stop) -> Steps[tuple[str, str]]:
        """The text up to the first marker, and the marker; both removed."""
        pieces: list[str] = []
        marker = yield from self.until(wanted, pieces.append)
        return "".join(pieces), marker

    def word(self, *markers: str) -> Steps[str]:
        """The text up to one of the markers, which is removed too. Raises `Unreadable` if none comes."""
        text, marker = yield from self.collect(stop(*markers))
        if not marker:
            raise Unreadable
        return text

    def name(self, end: str) -> Steps[str]:
        """The text up to `end`, which is removed too, on one line and without a tag. Raises `Unreadable`."""
        text, marker = yield from self.collect(stop(end, "\n", "<"))
        if marker != end:
            raise Unreadable
        return text.strip()

    def sees(self, *markers: str) -> Steps[str]:
        """Which of the markers comes next, left in place; empty if none does. The longest one wins."""
        longest_first = sorted(markers, key=len, reverse=True)
        while True:
            for marker in longest_first:
                if self.text.startswith(marker):
                    return marker
                if marker.startswith(self.text) and not self.ended:
                    break  # it may still come
            else:
                return ""
            yield

    def accept(self, *markers: str) -> Steps[str]:
        """Which of the markers comes next, removed; empty if none does."""
        marker = yield from self.sees(*markers)
        return self.take(len(marker))

    def expect(self, *markers: str) -> Steps[str]:
        """Like `accept`, but one of them must come. Raises `Unreadable`."""
        marker = yield from self.accept(*markers)
        if not marker:
            raise Unreadable
        return marker

    def space(self) -> Steps[str]:
        """Remove white space; returns it."""
        pieces: list[str] = []
        while True:
            size = len(self.text) - len(self.text.lstrip())
            pieces.append(self.take(size))
            if self.text or not (yield from self.more()):
                return "".join(pieces)

    def peek(self) -> Steps[str]:
        """The next character, left in place; empty at the end."""
        while not self.text:
            if not (yield from self.more()):
                return ""
        return self.text[0]
