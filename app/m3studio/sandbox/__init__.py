"""Runs code that a model wrote, where it cannot hurt: a level that was tried, limits, and nothing left afterwards.

`open` gives the sandbox of one workspace. Knows no chat, no tool and no model.
"""

from pathlib import Path

from m3studio.sandbox import interpreter, tiers
from m3studio.sandbox.chats import Sandboxes
from m3studio.sandbox.limits import Level, Limits, Result
from m3studio.sandbox.sandbox import Sandbox
from m3studio.sandbox.tiers import Tier, level, ready, tried
from m3studio.sandbox.workspace import erase

__all__ = ["Level", "Limits", "Result", "Sandbox", "Sandboxes", "Tier", "erase", "level", "open", "survey", "tried"]


def open(
    workspace: Path, limits: Limits = Limits(), level: Level | None = None, *, python: str | None = None
) -> Sandbox:
    """The sandbox of `workspace` (a folder, made if need be) at `level`; without one, the strongest that holds here.

    `Level.NONE` must be named: it runs code without walls, which only the user may allow, call by call. `python` is
    the interpreter that the code gets. Raises `ToolError` when the level does not hold here; no other one is taken.
    """
    mechanism = ready(tiers.level(), Level.NONE) if level is None else ready(level)
    return Sandbox(workspace, limits, mechanism, interpreter.ask(python) if python else interpreter.base())


def survey() -> tuple[Tier, ...]:
    """Every level that tools may run at without asking, after its self-test, for the page and `m3studio doctor`."""
    return tuple(tried(each) for each in (Level.BWRAP, Level.LANDLOCK, Level.SEATBELT))
