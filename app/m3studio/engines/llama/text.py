"""From tokens to text: token pieces of any length, incremental UTF-8, stop strings. Knows no model and no scheduler."""

import codecs
from collections.abc import Sequence


class TextStream:
    """The text of one answer as it grows.

    Text that may be the beginning of a stop string is held back until that is decided, so a stop string never shows.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """The text that can be shown after `piece`; `stopped` is set when a stop string is complete."""
        text = self._decode(piece)
        return self._search(text) if self._stop and text else text

    def finish(self) -> str:
        """What was held back. Half a character at the very end becomes U+FFFD."""
        text = "" if self.stopped else self._search(self._decode(b"", True)) + self._held
        self._held = ""
        return "" if self.stopped else text

    def _search(self, text: str) -> str:
        # What is held is shorter than the longest stop string, so this looks at a short tail, never at all of it.
        text = self._held + text
        places = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        keep = max(_overlap(text, stop) for stop in self._stop) if self._stop else 0
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
