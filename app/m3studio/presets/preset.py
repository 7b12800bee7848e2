"""The form of a preset: a vendor's advice for models of certain names. Knows no model itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

Values = Mapping[str, float | int]
# A model's size as vendors write it: 8b, 0.6b, 135m, 1t, 8x7b, 30b-a3b, e2b.
_SIZE = r"(?:(?:\d+x)?\d+(?:\.\d+)?[bmt](?:-a\d+(?:\.\d+)?b)?|e\d+b)"


@dataclass(frozen=True, slots=True)
class Preset:
    """A vendor's advice.

    `names`: the model's name in lower case with hyphens, matched as a whole; `#` stands for any size, a part in
    brackets may be missing, `|` separates several names. `page` is the repository whose card or generation_config.json
    says so, `date` (year and month) when it did. `values` are in `Sampling`'s names; `direct` are those without
    thinking, where the vendor tells them apart. `system` is the vendor's default system prompt.
    """

    names: str
    page: str
    date: str
    values: Values
    direct: Values | None = None
    system: str = ""

    @property
    def url(self) -> str:
        return self.page if self.page.startswith("https://") else f"https://huggingface.co/{self.page}"

    def fits(self, name: str) -> bool:
        return _pattern(self.names).fullmatch(name) is not None

    def values_for(self, thinking: bool | None) -> Values:
        """The values for a mode; None is the one that the model comes with."""
        return self.direct if thinking is False and self.direct is not None else self.values


def at(
    temperature: float,
    top_p: float | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
    **others: float,
) -> dict[str, float]:
    """Values in the order in which vendors give them; what is None was not advised."""
    given = {"temperature": temperature, "top_p": top_p, "top_k": top_k, "min_p": min_p, **others}
    return {name: value for name, value in given.items() if value is not None}


@cache
def _pattern(names: str) -> re.Pattern[str]:
    text = re.escape(names).replace(r"\#", _SIZE).replace(r"\|", "|")
    return re.compile(text.replace(r"\[", "(?:").replace(r"\]", ")?"))
