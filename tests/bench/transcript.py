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

from playwright.sync_api import Page, Route, sync_playwright
from start import free_port, get

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


NEW_CHAT = """async () => {
  const post = async (path, body) => (await fetch(path, {
    method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body) })).json();
  const { id } = await post('api/chats', {});
  await post(`api/chats/${id}/turns`, { text: 'Hello.' });
  while ((await (await fetch(`api/chats/${id}`)).json()).turn_id) await new Promise(done => setTimeout(done, 100));
  return id;
}"""


def with_history(page: Page, chat: str, count: int) -> None:
    """Let the page get `count` long messages ahead of what the chat really holds.

    They are added on the way to the browser: a model would have to compute 300,000 tokens before its first word, and
    the figures here are the page's.
    """
    roles = ("user", "assistant")
    history = [
        {
            **dict.fromkeys(("reasoning_content", "tool_call_id", "name", "model", "error"), ""),
            **{"id": -count + n, "parent_id": -count + n - 1 if n else None, "role": roles[n % 2], "state": "done"},
            **{"content": LONG.format(n=n), "tool_calls": [], "stats": {}, "extra": {}, "siblings": [-count + n]},
            "created_at": time.time(),
        }
        for n in range(count)
    ]

    def add(route: Route) -> None:
        answer = route.fetch()
        chat = answer.json()
        if not chat["since"]:
            chat["messages"] = [*history, *chat["messages"]]
        route.fulfill(response=answer, json=chat)

    page.route(
        f"**/api/chats/{chat}**", lambda route: add(route) if route.request.method == "GET" else route.continue_()
    )


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
        with serving(Path(folder), arguments.model) as url:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            sign_in(page, url)
            page.evaluate(
                "fetch('api/settings', {method: 'PUT', headers: {'content-type': 'application/json'}, "
                "body: JSON.stringify({max_tokens: 1500, sampling: {seed: 7}})})"
            )
            chats = [page.evaluate(NEW_CHAT) for _ in range(2)]
            report = {"empty chat": measure(page, url, chats[0])}
            with_history(page, chats[1], arguments.messages)
            report[f"{arguments.messages} messages"] = measure(page, url, chats[1])
            browser.close()
    print(json.dumps({name: {k: round(v, 3) for k, v in row.items()} for name, row in report.items()}, indent=1))


if __name__ == "__main__":
    main()
