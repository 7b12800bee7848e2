"""Which sequence of the cache a request gets, and how much of what lies there it can use again.

Knows tokens and sequences. Knows no sampler and no text.
"""

from dataclasses import dataclass, field

import numpy as np

from m3studio.engines.llama.bindings import Context, IntArray

COPY_SHARED = 32  # tokens that must be gained for a copy: free where the cells are shared,
COPY_SPLIT = 512  # a copy of the sequence's whole memory where they are not


@dataclass(slots=True, eq=False)
class Slot:
    """A sequence of the cache: it holds `tokens[:n]`. `owner` is the request that runs in it, 0 for none; `used` grows
    with each use, for least-recently-used."""

    seq: int
    tokens: IntArray = field(default_factory=lambda: np.empty(0, np.int32))
    n: int = 0
    session: str = ""
    owner: int = 0
    used: int = 0


class Slots:
    """All sequences of one context."""

    def __init__(self, context: Context, count: int, unified: bool) -> None:
        self._context = context
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
        if shared[source.seq] - shared[slot.seq] >= self._least_gain:
            self._copy(source, slot)
            shared[slot.seq] = shared[source.seq]
        self.cut(slot, shared[slot.seq])
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
        else:
            self.forget(slot)

    def forget(self, slot: Slot) -> None:
        """Empty the sequence."""
        self._context.forget(slot.seq)
        slot.n = 0

    def evict(self) -> bool:
        """Empty the free sequence that was not used for the longest time. False if there is none left."""
        held = [slot for slot in self._slots if not slot.owner and slot.n]
        if held:
            self.forget(min(held, key=lambda slot: slot.used))
        return bool(held)

    def _copy(self, source: Slot, target: Slot) -> None:
        self.forget(target)
        self._context.copy(source.seq, target.seq)
        target.n = source.n

    def _touch(self, slot: Slot) -> None:
        self._clock += 1
        slot.used = self._clock


def common(slot: Slot, tokens: IntArray) -> int:
    """How many tokens at the beginning are the same, all but the last of `tokens` at most."""
    length = min(slot.n, len(tokens) - 1)
    different = np.flatnonzero(slot.tokens[:length] != tokens[:length])
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
