"""Which level holds on this machine: found by trying to escape, once, and never lowered silently."""

import functools
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from m3studio.errors import StudioError, ToolError
from m3studio.sandbox import interpreter
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.mechanism import Mechanism
from m3studio.sandbox.sandbox import Sandbox
from m3studio.sandbox.selftest import escapes

if sys.platform == "win32":
    _MECHANISMS: tuple[Mechanism, ...] = ()
else:
    from m3studio.sandbox import bwrap, landlock, seatbelt, unconfined

    _MECHANISMS = (bwrap.MECHANISM, landlock.MECHANISM, seatbelt.MECHANISM, unconfined.MECHANISM)


@dataclass(frozen=True, slots=True)
class Tier:
    """A level as the page shows it. `reason` says why it does not hold here; empty: it does."""

    level: Level
    reason: str
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.reason


def mechanism(level: Level) -> Mechanism | None:
    """The way to hold code at `level`, if this system knows one."""
    return next((each for each in _MECHANISMS if each.level == level), None)


@functools.cache
def tried(level: Level) -> Tier:
    """A level after its self-test, which takes under 1.5 s and is done once."""
    found = mechanism(level)
    if not found:
        return Tier(level, "This system has no such mechanism.", (), ())
    reason = found.missing()
    if not reason and level != Level.NONE:
        with tempfile.TemporaryDirectory(prefix="m3studio-selftest-") as folder:
            place = Path(folder)
            box = Sandbox(place / "workspace", Limits(wall=10), found, interpreter.base())
            try:
                escaped = escapes(box, place)
                reason = f"Its self-test was not held: {', '.join(escaped)}." if escaped else ""
            except StudioError as error:
                reason = error.message
            finally:
                box.close()
    return Tier(level, reason, found.covered, found.not_covered)


def ready(wanted: Level, refused: Level | None = None) -> Mechanism:
    """The mechanism of a level that holds here. Raises `ToolError`, also for the level that is `refused`."""
    if wanted == refused:
        raise ToolError("Tools are off: no sandbox holds on this machine. `m3studio doctor` says why.")
    tier, found = tried(wanted), mechanism(wanted)
    if not tier.holds or not found:
        raise ToolError(f"The sandbox level “{wanted}” cannot be used here. {tier.reason}")
    return found


@functools.cache
def level() -> Level:
    """The strongest level that holds here, `none` if no one does. Found at the first call, then kept."""
    for each in (Level.BWRAP, Level.LANDLOCK, Level.SEATBELT):
        if tried(each).holds:
            return each
    return Level.NONE
