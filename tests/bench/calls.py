"""How well the 135M starter model calls tools: `python tests/bench/calls.py [number]`.

Each of 50 simple requests is asked freely first; where that gives no call that fits, it is asked again as the turn loop
does it, held to the tools' schemas. Also: what the grammar and the reading of an answer cost beside generating it, and its growth.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from m3studio import parsers, templates
from m3studio.engines import CallRule, ChatRequest, Engine, llama
from m3studio.messages import Cancel, Message, Role, RoundFinished, Tool
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings
from m3studio.tools.calculator import SPEC as CALCULATOR
from m3studio.tools.current_time import SPEC as CURRENT_TIME

STARTER = Path.home() / ".cache" / "m3studio-tests" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SUMS = [
    *("17 * 23", "(3 + 4) * 12", "125 / 5", "2 ** 10", "99 - 45", "3.5 * 4", "1000 / 8", "12 + 30 + 58", "81 / 9"),
    *("7 * 6", "15 * 15", "256 - 128", "0.5 * 0.5", "1024 / 32", "33 * 3", "4500 + 550"),
]
PLACES = ["Tokyo", "Berlin", "London", "Paris", "New York", "Sydney", "Cairo", "Madrid", "Rome", "Delhi"]
ASKED = [
    *((CALCULATOR, f"Calculate {one}.") for one in SUMS),
    *((CALCULATOR, f"What is {one}?") for one in SUMS[:9]),
    *((CURRENT_TIME, f"What time is it in {place}?") for place in PLACES),
    *((CURRENT_TIME, f"Tell me the current time in {place}.") for place in PLACES),
    *((CURRENT_TIME, text) for text in ("What time is it now?", "What is the date today?", "What day is it today?")),
    *((CURRENT_TIME, text) for text in ("Which day of the week is it?", "Tell me the time.")),
]
TOOLS = (CALCULATOR, CURRENT_TIME)


@dataclass
class Outcome:
    """Of one request: whether the free try gave a call that fits, and what the last try gave."""

    free: bool
    fits: bool
    right: bool
    said: str


def fits(finished: RoundFinished) -> bool:
    calls = finished.message.tool_calls
    return bool(calls) and not finished.failed and not any(parsers.validate(call, TOOLS) for call in calls)


def ask(engine: Engine, wanted: Tool, text: str) -> Outcome:
    """One request: freely, and again under the rules if that gives no call that fits."""
    request = ChatRequest(
        (Message(Role.USER, text),), tools=TOOLS, sampling=Sampling(temperature=0), max_tokens=48, session="bench"
    )
    finished = _last(engine, request)
    free = fits(finished)
    if not free:
        finished = _last(engine, replace(request, calls=CallRule.REQUIRED, max_tokens=450))
    calls = finished.message.tool_calls
    right = bool(calls) and all(call.name == wanted.name for call in calls)
    return Outcome(free, fits(finished), right, "; ".join(f"{call.name} {call.arguments}" for call in calls))


def _last(engine: Engine, request: ChatRequest) -> RoundFinished:
    *_, last = engine.chat(request, Cancel())
    assert isinstance(last, RoundFinished)
    return last


def reading_share(engine: Engine) -> tuple[float, float]:
    """Seconds per token of generating an answer, and of reading the same pieces."""
    request = ChatRequest(
        (Message(Role.USER, "Tell me a long story."),), sampling=Sampling(temperature=0), max_tokens=200
    )
    *events, last = engine.chat(request, Cancel())
    pieces = [event.text for event in events if hasattr(event, "text")]
    started = time.process_time()
    for _ in range(50):
        parser = parsers.for_template(templates.CHATML, tools=TOOLS)
        for piece in pieces:
            parser.feed(piece)
        parser.finish()
    reading = (time.process_time() - started) / 50 / len(pieces)
    return last.timings.predicted_ms / 1000 / last.usage.completion_tokens, reading


def reading_time(family: str, size: int) -> float:
    """CPU seconds for an answer of `size` characters in pieces of 4: half text, half one long argument."""
    text = "Some words, <b>tags</b> & more. " * (size // 64)
    call = (
        '<tool_call>\n{"name": "calculator", "arguments": {"expression": "'
        + "1 + " * (size // 8)
        + '1"}}\n</tool_call>'
    )
    whole = text + call
    parser = parsers.for_family(family, tools=TOOLS)
    started = time.process_time()
    for place in range(0, len(whole), 4):
        parser.feed(whole[place : place + 4])
    parser.finish()
    return time.process_time() - started


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else len(ASKED)
    engine = llama.open(STARTER, LoadSettings(n_ctx=2048))
    found = []
    for wanted, text in ASKED[:: max(1, len(ASKED) // number)]:
        found.append(ask(engine, wanted, text))
        mark = "ok" if found[-1].fits and found[-1].right else "NO"
        print(f"{mark:3}{text:45}{found[-1].said[:90]}")
    total = len(found)
    print(
        f"a call that fits: {sum(one.free for one in found)} of {total} free, {sum(one.fits for one in found)} in the end"
    )
    print(f"and of the right tool: {sum(one.fits and one.right for one in found)} of {total}")
    held = _last(
        engine, ChatRequest((Message(Role.USER, "Go."),), tools=TOOLS, calls=CallRule.REQUIRED, max_tokens=150)
    )
    each = held.timings.predicted_ms / held.usage.completion_tokens
    print(f"under a grammar: {each:.2f} ms per token")
    generating, reading = reading_share(engine)
    print(
        f"per token: generating {generating * 1e3:.2f} ms, reading {reading * 1e6:.1f} us = {reading / generating:.2%}"
    )
    for family in ("generic", "minimax_m3"):
        times = {size: reading_time(family, size) for size in (25_000, 50_000, 100_000, 200_000)}
        print(
            family, ", ".join(f"{size:,}: {1e9 * seconds / size:.0f} ns/character" for size, seconds in times.items())
        )
    engine.close()


if __name__ == "__main__":
    main()
