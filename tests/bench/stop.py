"""How soon Stop stops, over HTTP: `python tests/bench/stop.py MODEL.gguf [--rounds 9]`.

Prints the median and the worst time from the request to the turn's last event, in the middle of an answer and in the
middle of a long prefill, beside the time that the prefill would have taken. Talks to loopback alone.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from running import App

STORY = "Write a very long story about a dragon and a small robot."


def stop_after(app: App, text: str, kinds: tuple[str, ...]) -> float:
    """Seconds from Stop to the last event, sent at the first event of one of `kinds`."""
    _, turn = app.ask(text, max_tokens=1500, sampling={"temperature": 0.9})
    events = app.events(turn)
    for _, kind, _ in events:
        if kind in kinds:
            break
    began = time.perf_counter()
    app.post(f"/api/turns/{turn}/stop")
    *_, last = events
    assert last[2]["finish_reason"] == "cancelled", last
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=9)
    got = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder), "--model", got.model).start().sign_in()
        try:
            app.wait(lambda: app.get("/api/models")["engine"]["state"] == "ready")
            began = time.perf_counter()
            _, turn = app.ask("warm " * 3000, max_tokens=1)
            list(app.events(turn))
            whole = time.perf_counter() - began
            answers = [stop_after(app, f"{STORY} {n}", ("TextDelta",)) for n in range(got.rounds)]
            prefills = [stop_after(app, f"{n} word " * 1100, ("PromptProgress",)) for n in range(got.rounds)]
        finally:
            app.stop()
    for name, times in (("in an answer", answers), ("in a prefill", prefills)):
        print(f"stop {name}: median {statistics.median(times):.3f} s, worst {max(times):.3f} s, limit 0.5 s")
    print(f"that prefill whole: {whole:.1f} s, ratio {statistics.median(prefills) / whole:.3f}")


if __name__ == "__main__":
    main()
