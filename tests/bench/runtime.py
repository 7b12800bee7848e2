"""Our server against llama-server, over HTTP, in turn: `runtime.py MODEL.gguf --peer PYTHON [--rounds 5] [--threads 1]`.

PYTHON is the interpreter of an environment with the package `xllamacpp`, which carries llama-server. Both get the same
prompts through `/v1/completions` with the same sampling. CPU time is that of a server's whole process tree. Prints the
median of each figure and the ratio ours / theirs, round by round. Talks to loopback alone.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from running import App, free_port

PEER = """
import sys, time, xllamacpp as x
model, port, threads, slots, n_ctx = sys.argv[1], *map(int, sys.argv[2:])
p = x.CommonParams()
p.model.path, p.port, p.n_parallel, p.n_ctx = model, port, slots, n_ctx
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
p.warmup, p.use_jinja = True, True
server = x.Server(p)
print(server.listening_address, flush=True)
time.sleep(3600)
"""
WORDS = "The quick brown fox jumps over the lazy dog near the old river bank while seven ships sail home at dawn. "
SAMPLING = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 7}


@contextlib.contextmanager
def ours(model: str, threads: int, slots: int, n_ctx: int):
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"M3STUDIO_THREADS": str(threads), "M3STUDIO_N_SEQ_MAX": str(slots)}
        app = App(Path(folder), "--model", model, "--n-ctx", str(n_ctx)).start().sign_in()
        try:
            app.wait(lambda: app.get("/api/models")["engine"]["state"] == "ready")
            key = app.post("/api/keys", {"name": "bench"})["key"]
            time.sleep(8)  # Gradio is behind it by now
            yield app.url, {"authorization": f"Bearer {key}"}, app.process.pid
        finally:
            app.stop()


@contextlib.contextmanager
def theirs(python: str, model: str, threads: int, slots: int, n_ctx: int):
    arguments = [model, str(free_port()), str(threads), str(slots), str(n_ctx)]
    command = [python, "-c", PEER, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process.stdout.readline().strip(), {}, process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def cpu_of(pid: int) -> float:
    """CPU seconds of the process and its children so far."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in tree)


def stream(url: str, headers: dict, prompt: str, tokens: int) -> tuple[float, float, int]:
    """Seconds to the first text, seconds in all, and pieces, of one streamed completion."""
    body = {"model": "any", "prompt": prompt, "max_tokens": tokens, "stream": True, **SAMPLING}
    body |= {"stream_options": {"include_usage": True}, "ignore_eos": True, "cache_prompt": False}
    began, first, made = time.perf_counter(), 0.0, 0
    with httpx.stream("POST", f"{url}/v1/completions", json=body, headers=headers, timeout=300) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            data = json.loads(line[6:])
            if data.get("choices") and data["choices"][0].get("text") and not first:
                first = time.perf_counter() - began
            made = (data.get("usage") or {}).get("completion_tokens", made)
    return first, time.perf_counter() - began, made


def one_stream(server, number: int) -> dict[str, float]:
    url, headers, pid = server
    before = cpu_of(pid)
    first, whole, made = stream(url, headers, f"Story {number}: once upon a time there was", 200)
    used = cpu_of(pid) - before
    return {"cpu_ms_per_token": 1000 * used / made, "tokens_per_second": made / (whole - first)}


def long_prompt(server, number: int) -> dict[str, float]:
    url, headers, _ = server
    return {"first_token_1000_s": stream(url, headers, f"{number}. " + WORDS * 45, 4)[0]}


def four_streams(server, number: int) -> dict[str, float]:
    url, headers, _ = server
    out: list[tuple[float, float, int]] = []

    def ask(n: int) -> None:
        out.append(stream(url, headers, f"Tale {number}.{n}: in the city of", 64))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    return {
        "four_tokens_per_second": sum(made for *_, made in out) / wall,
        "four_worst_first_s": max(f for f, *_ in out),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    got = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    for slots, tasks in ((1, (one_stream, long_prompt)), (4, (four_streams,))):
        n_ctx = 8192
        with (
            ours(got.model, got.threads, slots, n_ctx) as our,
            theirs(got.peer, got.model, got.threads, slots, n_ctx) as their,
        ):
            for server in (our, their):
                stream(server[0], server[1], "Warm up.", 8)
            for number in range(got.rounds):
                for task in tasks:
                    for name, server in (("ours", our), ("theirs", their)):
                        for figure, value in task(server, number).items():
                            figures.setdefault(figure, {}).setdefault(name, []).append(value)
    middle = statistics.median
    for figure, sides in figures.items():
        ratios = [a / b for a, b in zip(sides["ours"], sides["theirs"], strict=True)]
        print(
            f"{figure:20} ours {middle(sides['ours']):8.3f}  llama-server {middle(sides['theirs']):8.3f}  ratio {middle(ratios):.3f}"
        )


if __name__ == "__main__":
    main()
