"""How the next token is chosen, under llama.cpp's names. Knows no model: what a model wants is in `presets`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from m3studio.errors import BadInput


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampler settings. The defaults are neutral: a field at its default changes nothing, but for temperature.

    `temperature` 0 is greedy; `top_k` 0, `top_p` 1, `min_p` 0, `typical_p` 1, penalties 1 / 0, `xtc_probability` 0 and
    `dry_multiplier` 0 are off; `repeat_last_n` -1 looks back over the whole context; `seed` None picks one.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    seed: int | None = None


RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 10),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "repeat_penalty": (0.01, 10),
    "repeat_last_n": (-1, 10_000_000),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
    "dry_multiplier": (0, 10),
    "dry_base": (1, 10),
    "dry_allowed_length": (0, 1000),
    "seed": (0, 2**32 - 1),
}
WHOLE = {"top_k", "repeat_last_n", "dry_allowed_length", "seed"}
NAMES = tuple(field.name for field in fields(Sampling))


def change(base: Sampling, values: Mapping[str, object]) -> Sampling:
    """`base` with `values` put over it. Raises `BadInput` for an unknown name or a value out of its range."""
    return replace(base, **{name: checked(name, value) for name, value in values.items() if value is not None})  # type: ignore[arg-type]


def checked(name: str, value: object) -> float | int:
    """The value as its parameter's type, if it lies in the parameter's range."""
    if name not in RANGES:
        raise BadInput(f"There is no sampling parameter “{name}”. Known ones: {', '.join(RANGES)}.")
    low, high = RANGES[name]
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not low <= number <= high:  # false for NaN too
        raise BadInput(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")
    if name in WHOLE and number != int(number):
        raise BadInput(f"{name} must be a whole number, not {value!r}.")
    return int(number) if name in WHOLE else float(number)
