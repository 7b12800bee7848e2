"""Which sequence of the cache a request gets, and how much of what lies there it can use again.

Knows tokens and sequences. Knows no sampler and no text.
"""

from dataclasses import dataclass, field

import numpy as np

from m3studio.engines.llama.bindings import Context, IntArray
from m3studio.engines.llama.disk import Disk

COPY_SHARED = 32  # tokens that must be gained for a copy: free where the cells are shared,
COPY_SPLIT = 512  # a copy of the sequence's whole memory where they are not
READ = 64  # tokens that must be gained for a look at the disk


@dataclass(slots=True, eq=False)
class Slot:
    """A sequence of the cache: it holds `tokens[:n]`, of which `tokens[:saved]` are on disk. `owner` is the request
    that runs in it, 0 for none; `used` grows with each use, for least-recently-used."""

    seq: int
    tokens: IntArray = field(default_factory=lambda: np.empty(0, np.int32))
    n: int = 0
    session: str = ""
    owner: int = 0
    used: int = 0
    saved: int = 0

    @property
    def unsaved(self) -> bool:
        return bool(self.session) and self.n != self.saved


class Slots:
    """All sequences of one context. What a chat leaves behind goes to `disk`, if there is one."""

    def __init__(self, context: Context, count: int, unified: bool, disk: Disk | None = None) -> None:
        self._context = context
        self._disk = disk
        self._slots = [Slot(seq) for seq in range(count)]
        self._least_gain = COPY_SHARED if unified else COPY_SPLIT
        self._clock = 0

    def take(self, owner: int, buffer: IntArray, length: int, session: str) -> Slot | None:
        """A free sequence for `owner`, which wants `buffer[:length]` (a token at least) in it; None if all are in use.

        The slot's `n` says how many of them are there already: never all, since the last one must be computed to be
        followed by another. `buffer` becomes the slot's record: its owner writes it and keeps `n` true.
        """
        tokens = buffer[:length]
        free = [slot for slot in self._slots if not slot.owner]
        if not free:
            return None
        shared = {slot.seq: common(slot, tokens) for slot in self._slots}
        slot = _choose(free, shared, session)
        source = max(self._slots, key=lambda other: shared[other.seq])
        if slot.session != session:
            self._leave(slot)
        best = max(shared[source.seq], shared[slot.seq])
        if self._restored(slot, tokens, session, best):
            shared[slot.seq] = common(slot, tokens)
        if shared[source.seq] - shared[slot.seq] >= self._least_gain:
            self._copy(source, slot)
            shared[slot.seq] = shared[source.seq]
        self.cut(slot, shared[slot.seq])
        if slot.session != session:
            slot.saved = 0
        slot.tokens, slot.session, slot.owner = buffer, session, owner
        self._touch(slot)
        return slot

    def release(self, slot: Slot) -> None:
        """Nobody runs in it any more; what it holds stays for the next turn."""
        slot.owner = 0
        self._touch(slot)

    def cut(self, slot: Slot, keep: int) -> None:
        """Forget everything from token `keep` on; all of it where the cache cannot forget in part."""
        if self._context.cut(slot.seq, keep):
            slot.n = min(slot.n, keep)
            slot.saved = slot.saved if slot.saved <= keep else 0
        else:
            self.forget(slot)

    def forget(self, slot: Slot) -> None:
        """Empty the sequence."""
        self._context.forget(slot.seq)
        slot.n = slot.saved = 0

    def evict(self) -> bool:
        """Empty the free sequence that was not used for the longest time. False if there is none left."""
        held = [slot for slot in self._slots if not slot.owner and slot.n]
        if held:
            oldest = min(held, key=lambda slot: slot.used)
            self._leave(oldest)
            self.forget(oldest)
        return bool(held)

    @property
    def unsaved(self) -> list[Slot]:
        """Sequences of chats that changed since they were saved, and that nobody runs in."""
        return [slot for slot in self._slots if self._disk and slot.unsaved and not slot.owner]

    def save(self, slot: Slot) -> None:
        """Bring a chat's sequence to disk."""
        if self._disk is not None:
            self._disk.save(slot.session, slot.seq, slot.tokens[: slot.n])
        slot.saved = slot.n  # also where it was too large: it would be so again

    def close(self) -> None:
        """Bring everything to disk, also what answers run in; returns when it is there."""
        for slot in self._slots:
            if slot.unsaved:
                self.save(slot)
        if self._disk is not None:
            self._disk.settle()

    def _leave(self, slot: Slot) -> None:
        """The chat in this sequence loses it."""
        if slot.unsaved:
            self.save(slot)

    def _restored(self, slot: Slot, tokens: IntArray, session: str, best: int) -> bool:
        """Bring the chat's state from disk into the sequence if that gains enough. True if the sequence was touched."""
        if self._disk is None or not session or len(tokens) - best < READ:
            return False
        kept = self._disk.tokens(session)
        if _common(kept, len(kept), tokens) - best < READ:
            return False
        self.forget(slot)
        if self._disk.restore(session, slot.seq):
            slot.tokens, slot.session = kept, session
            slot.n = slot.saved = len(kept)
        return True

    def _copy(self, source: Slot, target: Slot) -> None:
        self.forget(target)
        self._context.copy(source.seq, target.seq)
        target.n = source.n

    def _touch(self, slot: Slot) -> None:
        self._clock += 1
        slot.used = self._clock


def common(slot: Slot, tokens: IntArray) -> int:
    """How many tokens at the beginning are the same, all but the last of `tokens` at most."""
    return _common(slot.tokens, slot.n, tokens)


def _common(there: IntArray, n: int, tokens: IntArray) -> int:
    length = min(n, len(tokens) - 1)
    different = np.flatnonzero(there[:length] != tokens[:length])
    return int(different[0]) if len(different) else length


def _choose(free: list[Slot], shared: dict[int, int], session: str) -> Slot:
    """The chat's own sequence; else one that nobody else will miss; else the least recently used."""
    own = [slot for slot in free if session and slot.session == session]
    if own:
        return max(own, key=lambda slot: shared[slot.seq])
    alike = max(free, key=lambda slot: shared[slot.seq])
    goes_on = alike.n > 0 and shared[alike.seq] == alike.n  # nothing of it is lost by going on
    if goes_on or (not alike.session and 2 * shared[alike.seq] > alike.n):
        return alike
    return min(free, key=lambda slot: (slot.n > 0, slot.used))
