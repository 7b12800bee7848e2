"""A chat of 1,000 long messages in a real browser: `python tests/bench/transcript.py MODEL.gguf [--messages 1000]`.

Prints how soon the page can be typed into, what streaming an answer costs on top of generating it, frames per second
while it streams, and bytes on the wire per token; each also for an empty chat in the same run, as the baseline.
Needs Debian's chromium, playwright and a model; talks to loopback alone.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from start import free_port, get

from m3studio import store
from m3studio.messages import Role

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "a long password"
ASK = "Write a very long story about a dragon and a small robot."
LONG = (
    """Here is **section {n}** of the report, with `code`, a list and a table.

- first point, with some words that make it a little longer than a line of the column would be
- second point: $e^{{i\\pi}} + 1 = 0$

| property | value |
|---|---|
| number | {n} |

```python
def section_{n}(values):
    return [value * {n} for value in values if value > {n}]
```

"""
    + "The quick brown fox jumps over the lazy dog near the river bank. " * 14
)
FRAMES = """() => { window.m3frames = []; let last = performance.now();
  const tick = now => { m3frames.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick); }"""


def seed(folder: Path, count: int) -> tuple[str, str]:
    """A long chat and an empty one; returns their ids."""
    kept = store.open(folder / "chat.db")
    try:
        chat, parent = kept.chats.create("A long one"), None
        for n in range(count):
            role = Role.ASSISTANT if n % 2 else Role.USER
            parent = kept.messages.add(chat.id, parent, role, LONG.format(n=n)).id
        return chat.id, kept.chats.create("An empty one").id
    finally:
        kept.close()


@contextlib.contextmanager
def serving(folder: Path, model: str):
    port = free_port()
    environ = {**os.environ, "M3STUDIO_HOME": str(folder), "M3STUDIO_PASSWORD": PASSWORD}
    command = [sys.executable, "-m", "m3studio", "serve", "-p", str(port), "--no-browser", "--model", model]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while get(port, "/healthz")[0] != 200:
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit("the app did not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.get_by_test_id("composer").wait_for(timeout=60_000)
    page.wait_for_function(
        "async () => (await (await fetch('api/models')).json()).engine.state === 'ready'", timeout=60_000
    )


def measure(page: Page, url: str, chat: str) -> dict[str, float]:
    """One answer in `chat`. Reads the generation time from the answer's own statistics."""
    began = time.perf_counter()
    page.goto(f"{url}?chat={chat}")
    page.get_by_test_id("composer").fill(ASK)
    usable = time.perf_counter() - began
    page.wait_for_timeout(1500)
    session, received = page.context.new_cdp_session(page), []
    session.send("Network.enable")
    session.on("Network.dataReceived", lambda event: received.append(event["encodedDataLength"] or event["dataLength"]))
    page.evaluate(FRAMES)
    page.get_by_test_id("send").click()
    page.get_by_test_id("stop").wait_for()
    sent = time.perf_counter()
    page.get_by_test_id("stop").wait_for(state="hidden", timeout=120_000)
    wall = time.perf_counter() - sent
    frames = page.evaluate("m3frames")
    stats = page.evaluate(f"async () => (await (await fetch('api/chats/{chat}')).json()).messages.at(-1).stats")
    tokens, timings = stats["usage"]["completion_tokens"], stats["timings"]
    generated = (timings["first_token_ms"] + timings["predicted_ms"]) / 1000
    frames.sort()
    return {
        "usable_s": usable,
        "tokens": tokens,
        "generated_s": generated,
        "wall_s": wall,
        "wall_over_generated": wall / generated,
        "fps": 1000 * len(frames) / sum(frames),
        "p95_frame_ms": frames[int(len(frames) * 0.95)],
        "bytes_per_token": sum(received) / max(tokens, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--messages", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["M3STUDIO_HOME"] = folder
        long, empty = seed(Path(folder), arguments.messages)
        with serving(Path(folder), arguments.model) as url:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            sign_in(page, url)
            page.evaluate(
                "fetch('api/settings', {method: 'PUT', headers: {'content-type': 'application/json'}, "
                "body: JSON.stringify({max_tokens: 400, sampling: {seed: 7}})})"
            )
            report = {
                "empty chat": measure(page, url, empty),
                f"{arguments.messages} messages": measure(page, url, long),
            }
            browser.close()
    print(json.dumps({name: {k: round(v, 3) for k, v in row.items()} for name, row in report.items()}, indent=1))


if __name__ == "__main__":
    main()
