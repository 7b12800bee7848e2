"""How a model wants to be sampled, and who says so: a ladder from the vendor's advice down to neutral values.

Knows files' headers and vendors' pages, no engine and no user: a user's own settings go on top of what stands here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from m3studio.errors import BadInput
from m3studio.presets.data import FAMILIES, PRESETS
from m3studio.presets.identity import ModelHeader, names, unbound
from m3studio.presets.preset import Preset
from m3studio.sampling import NAMES, Sampling, checked

__all__ = [
    "FAMILIES",
    "FILE",
    "GENERATION_CONFIG",
    "NEUTRAL",
    "PRESETS",
    "ModelHeader",
    "Preset",
    "Sourced",
    "sampling_for",
    "system_prompt_for",
]

NEUTRAL = "neutral value"
FILE = "the model file (general.sampling)"
GENERATION_CONFIG = "generation_config.json"
# Our names for what files call otherwise.
_FILE_NAMES = {"temp": "temperature", "penalty_repeat": "repeat_penalty", "penalty_last_n": "repeat_last_n"}
_CONFIG_NAMES = {"repetition_penalty": "repeat_penalty"}


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value, where it comes from (a page or a file), and when that said so (year-month; "" where it has no date)."""

    value: object
    source: str
    date: str = ""


def sampling_for(
    header: ModelHeader,
    repo_id: str | None = None,
    *,
    thinking: bool | None = None,
    generation_config: Mapping[str, object] | None = None,
) -> dict[str, Sourced]:
    """A value for each sampling parameter but the seed, in `Sampling`'s names.

    For each parameter the first that has one: the vendor's advice for exactly this model (in this mode: `thinking`,
    None for the usual one), the file's `general.sampling`, the base model's generation_config.json, the family, a
    neutral value. Raises `BadModelFile` for a header with impossible entries.
    """
    exact, family = _preset(header, repo_id)
    rungs = (
        _advised(exact, thinking, ""),
        _from_file(header.sampling),
        _from_config(generation_config or {}),
        _advised(family, thinking, "the same family: "),
        {name: Sourced(value, NEUTRAL) for name, value in asdict(Sampling()).items()},
    )
    return {name: next(rung[name] for rung in rungs if name in rung) for name in NAMES if name != "seed"}


def system_prompt_for(header: ModelHeader, repo_id: str | None = None) -> Sourced | None:
    """The vendor's default system prompt for exactly this model."""
    exact, _ = _preset(header, repo_id)
    return Sourced(exact.system, exact.url, exact.date) if exact and exact.system else None


def _preset(header: ModelHeader, repo_id: str | None) -> tuple[Preset | None, Preset | None]:
    """The preset of exactly this model, and the one of its family."""
    known = names(header, repo_id)
    exact = next((preset for name in known for preset in _fitting(name)), None)
    kin = [*(unbound(name) for name in known), FAMILIES.get(header.architecture, "")]
    return exact, next((preset for name in kin for preset in _fitting(name)), None)


def _fitting(name: str) -> Iterator[Preset]:
    return (preset for preset in PRESETS if preset.fits(name))


def _advised(preset: Preset | None, thinking: bool | None, prefix: str) -> dict[str, Sourced]:
    if preset is None:
        return {}
    values = preset.values_for(thinking)
    return {name: Sourced(value, f"{prefix}{preset.url}", preset.date) for name, value in values.items()}


def _from_file(values: Mapping[str, object]) -> dict[str, Sourced]:
    """Values of a file, which stores them with the rounding errors of 32 bits."""
    found = {}
    for name, value in values.items():
        ours = _FILE_NAMES.get(name, name)
        rounded = float(f"{value:.6g}") if isinstance(value, float) else value
        if (sane := _checked(ours, rounded)) is not None:
            found[ours] = Sourced(sane, FILE)
    return found


def _from_config(values: Mapping[str, object]) -> dict[str, Sourced]:
    """Values of a generation_config.json in the sense of its inventor: without sampling it takes the likeliest token,
    and a temperature that is not given is 1."""
    if values.get("do_sample") is False:
        return {"temperature": Sourced(0.0, GENERATION_CONFIG)}
    found = {"temperature": Sourced(1.0, GENERATION_CONFIG)} if values.get("do_sample") is True else {}
    for name, value in values.items():
        ours = _CONFIG_NAMES.get(name, name)
        if (sane := _checked(ours, value)) is not None:
            found[ours] = Sourced(sane, GENERATION_CONFIG)
    return found


def _checked(name: str, value: object) -> float | int | None:
    try:
        return checked(name, value) if name != "seed" else None
    except BadInput:  # another parameter than ours, or nonsense
        return None
