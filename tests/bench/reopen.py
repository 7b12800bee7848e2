"""How soon a chat goes on that left memory: `python tests/bench/reopen.py MODEL [--tokens 1500] [--runs 3]`.

Prints medians of the time to first token: cold, after the model was closed and opened again, and after another chat
of the same length. The shares are of the cold time. States go to a temporary folder.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from m3studio.engines import llama
from m3studio.engines.llama.engine import LlamaEngine
from m3studio.sampling import Sampling
from m3studio.settings import LoadSettings

WORDS = "The {} sat near the old river bank and looked at the water for a long time. "


def prompt(engine: LlamaEngine, subject: str, tokens: int) -> str:
    line = WORDS.format(subject)
    return line * max(1, round(tokens / engine.count_tokens(line)))


def first_token(engine: LlamaEngine, text: str, session: str) -> tuple[float, int]:
    """Milliseconds, and the tokens that came from the cache."""
    finished = list(engine.complete(text, sampling=Sampling(temperature=0), max_tokens=2, session=session))[-1]
    return finished.timings.first_token_ms, finished.usage.cached_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    settings = LoadSettings(n_ctx=2 * asked.tokens + 1024, n_seq_max=2)
    times: dict[str, list[float]] = {"cold": [], "reopened": [], "switched": []}
    for _ in range(asked.runs):
        with tempfile.TemporaryDirectory() as folder:
            place = llama.Place(folder, 4_000_000_000)
            engine = llama.open(asked.model, settings, states=place)
            fox, owl = (prompt(engine, subject, asked.tokens) for subject in ("fox", "young owl"))
            first_token(engine, "Warm up.", "")
            times["cold"].append(first_token(engine, fox, "fox")[0])
            first_token(engine, owl, "owl")
            switched, cached = first_token(engine, fox, "fox")
            assert cached > asked.tokens // 2
            times["switched"].append(switched)
            engine.close()
            engine = llama.open(asked.model, settings, states=place)
            first_token(engine, "Warm up.", "")
            reopened, cached = first_token(engine, fox, "fox")
            assert cached > asked.tokens // 2
            times["reopened"].append(reopened)
            engine.close()
    cold = statistics.median(times["cold"])
    for name, values in times.items():
        found = statistics.median(values)
        print(f"{name:10} {found:9.1f} ms  {found / cold:6.3f}")


if __name__ == "__main__":
    main()
