"""A chat's title: the beginning of its first message at once, a better one from the model when it has time."""

import re
from collections.abc import Iterator

from m3studio.engines import ChatRequest, Engine
from m3studio.messages import Cancel, Message, Role, RoundFinished
from m3studio.sampling import Sampling

LONGEST = 60  # characters
ASK = (
    "Write a title of two to six words for a conversation that begins with the message below. "
    "Answer with the title alone, without quotes.\n\n"
)


def first_title(text: str) -> str:
    """The first line with words in it, cut at a word."""
    line = next((line for line in _plain_lines(text)), "")
    if len(line) <= LONGEST:
        return line
    cut = line[:LONGEST].rsplit(" ", 1)[0] if " " in line[:LONGEST] else line[:LONGEST]
    return cut.rstrip(" ,;:.-") + "…"


def model_title(engine: Engine, text: str, cancel: Cancel) -> str:
    """Ask the model, after everything else that it has to do. Empty if it has no usable answer."""
    request = ChatRequest(
        messages=(Message(Role.USER, ASK + text[:2000]),),
        thinking="off",
        thinking_budget=0,
        sampling=Sampling(temperature=0.0),
        max_tokens=24,
        background=True,
    )
    for event in engine.chat(request, cancel):
        if isinstance(event, RoundFinished) and not cancel:
            return usable(event.message.content)
    return ""


def usable(answer: str) -> str:
    """The title in a model's answer, or nothing if what it said is no title."""
    line = next(_plain_lines(answer), "")
    line = re.sub(r"^(title|chat title)\s*:\s*", "", line, flags=re.IGNORECASE).strip(" \"'“”‘’*_#.")
    return line if 3 <= len(line) <= LONGEST and len(line.split()) <= 10 else ""


def _plain_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain = " ".join(re.sub(r"[`*_#>]+", " ", line).split())
        if re.search(r"\w", plain):
            yield plain
