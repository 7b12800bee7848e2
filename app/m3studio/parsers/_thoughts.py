"""Where an answer thinks: the tags around its thoughts, and how to end one in the model's own words. Reads nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thought:
    """A thought begins with `opening` and ends with any of `endings`. `closing` is the text that ends it at once and
    leaves the model where its answer begins."""

    opening: str
    endings: tuple[str, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class Thoughts:
    """The thoughts of one answer. `given` is what the prompt holds of the answer already; `first` is the thought that
    the answer begins inside without a tag; `anywhere`: a thought may begin in the middle of the answer."""

    kinds: tuple[Thought, ...]
    given: str = ""
    first: Thought | None = None
    anywhere: bool = False


def closing_of(ending: str) -> str:
    """An ending tag as models are trained to write it: `</think>` stands on a line of its own."""
    return f"\n{ending}\n\n" if ending == "</think>" else ending
