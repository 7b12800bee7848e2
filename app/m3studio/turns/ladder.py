"""Every setting of an answer with its value and where that comes from: the user, the makers' page, the file. Pure.

The ladder: this chat, this model, every model, then what the makers advise. Knows no engine and no page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from m3studio.presets import FILE, GENERATION_CONFIG, NEUTRAL, Sourced
from m3studio.sampling import NAMES, Sampling
from m3studio.turns.history import Wishes

OTHERS = ("system_prompt", "thinking", "thinking_budget", "max_tokens", "stop", "response_format")
FIELDS = (*OTHERS, *NAMES)
_KIN = "the same family: "


class Origin(StrEnum):
    """Whose value it is. The first three are the user's own."""

    CHAT = "chat"
    MODEL = "model"
    ALL = "all"
    MAKERS = "makers"
    FILE = "file"
    CONFIG = "config"
    FAMILY = "family"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in use. `source` is the page that says so, `date` (year-month) when it did; both may be empty."""

    value: object
    origin: Origin
    source: str = ""
    date: str = ""


def settings_in_use(
    sampling: Mapping[str, Sourced], prompt: Sourced | None, own: Mapping[Origin, Wishes]
) -> dict[str, Setting]:
    """Each of `FIELDS` with the value of the highest rung that has one. `own` has the user's rungs, highest first."""
    advised: dict[str, Setting] = {name: _sourced(sourced) for name, sourced in sampling.items()}
    if prompt:
        advised["system_prompt"] = _sourced(prompt)
    found = {}
    for name in FIELDS:
        mine = ((origin, value) for origin, wishes in own.items() if (value := value_of(wishes, name)) is not None)
        origin, value = next(mine, (None, None))
        found[name] = Setting(value, origin) if origin else advised.get(name) or _neutral(name)
    return found


def value_of(wishes: Wishes, name: str) -> object:
    """The user's wish for a field; None for none."""
    if name in NAMES:
        return wishes.sampling.get(name)
    value = getattr(wishes, name)
    return (list(value) or None) if name == "stop" else value


def changed(stored: Mapping[str, object], name: str, value: object) -> dict[str, object]:
    """Stored wishes with one field set anew, or forgotten if `value` is None."""
    new = dict(stored)
    if name in NAMES:
        given = stored.get("sampling")
        numbers = {**(given if isinstance(given, dict) else {}), name: value}
        new["sampling"] = {key: number for key, number in numbers.items() if number is not None}
    else:
        new[name] = value
    return {key: item for key, item in new.items() if item not in (None, {}, [])}


def _sourced(sourced: Sourced) -> Setting:
    source = sourced.source
    known = {NEUTRAL: Origin.NEUTRAL, FILE: Origin.FILE, GENERATION_CONFIG: Origin.CONFIG}
    if source in known:
        return Setting(sourced.value, known[source])
    if source.startswith(_KIN):
        return Setting(sourced.value, Origin.FAMILY, source.removeprefix(_KIN), sourced.date)
    return Setting(sourced.value, Origin.MAKERS, source, sourced.date)


def _neutral(name: str) -> Setting:
    usual = {"system_prompt": "", "response_format": "", "thinking": "auto", "stop": []}
    return Setting(getattr(Sampling(), name) if name in NAMES else usual.get(name), Origin.NEUTRAL)
