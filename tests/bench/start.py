"""How long the command takes to answer, and what it weighs: `python tests/bench/start.py [--runs 5]`.

Prints medians, each beside a baseline that was measured in the same run: a bare interpreter for `--version`, and an
empty Gradio page under uvicorn for the time to the login page and the memory at rest. Talks to loopback alone.
"""

import argparse
import contextlib
import http.client
import importlib.metadata
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

LEAST_GRADIO = """
import sys, os
os.environ.update(GRADIO_ANALYTICS_ENABLED="False")
import gradio as gr, uvicorn
from fastapi import FastAPI
with gr.Blocks(analytics_enabled=False) as demo:
    gr.Markdown("hello")
uvicorn.run(gr.mount_gradio_app(FastAPI(), demo, "/login"), port=int(sys.argv[1]), log_level="error")
"""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body, or status 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"accept": "text/html"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""
    finally:
        connection.close()


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextlib.contextmanager
def started(command: list[str], port: int, path: str, environ: dict[str, str]):
    """A running server and the seconds until `path` answered."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
    try:
        while get(port, path)[0] not in (200, 303):
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit(f"{command[:3]} did not start")
            time.sleep(0.01)
        yield process, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(20)


def rss(process: subprocess.Popen) -> float:
    """MB of the process and its children, at rest."""
    tree = psutil.Process(process.pid)
    return sum(one.memory_info().rss for one in [tree, *tree.children(recursive=True)]) / 1e6


def installed_size() -> float:
    """MB of the packages that the app needs, itself included, as installed here."""
    needed, waiting = set(), ["m3studio"]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        needed.add(name)
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement:
                waiting.append("".join(c if c.isalnum() or c in "-_." else " " for c in requirement).split()[0])
    files = (file.locate() for name in needed for file in importlib.metadata.distribution(name).files or [])
    return sum(path.stat().st_size for path in map(Path, files) if path.is_file()) / 1e6


def one_start(runs: int) -> tuple[list[float], list[float]]:
    waits, sizes = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            environ = {**os.environ, "M3STUDIO_HOME": folder, "M3STUDIO_PASSWORD": "a long password"}
            command = [sys.executable, "-m", "m3studio", "serve", "-p", str(port), "--no-browser"]
            with started(command, port, "/healthz", environ):  # the first start of all makes the database
                pass
            with started(command, port, "/login", environ) as (process, wait):
                waits.append(wait)
                time.sleep(8)  # Gradio is behind it by now
                sizes.append(rss(process))
    return waits, sizes


def one_gradio(runs: int) -> tuple[list[float], list[float]]:
    waits, sizes = [], []
    for _ in range(runs):
        port = free_port()
        command = [sys.executable, "-c", LEAST_GRADIO, str(port)]
        with started(command, port, "/login/", dict(os.environ)) as (process, wait):
            waits.append(wait)
            time.sleep(1)
            sizes.append(rss(process))
    return waits, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    middle = statistics.median
    version = middle([seconds([sys.executable, "-m", "m3studio", "--version"]) for _ in range(runs)])
    bare = middle([seconds([sys.executable, "-c", "pass"]) for _ in range(runs)])
    waits, sizes = map(middle, one_start(runs))
    gradio_waits, gradio_sizes = map(middle, one_gradio(runs))
    report = {
        "version_s": {"ours": version, "bare python": bare, "ratio": version / bare, "limit": 0.3},
        "login_page_s": {"ours": waits, "empty gradio page": gradio_waits, "ratio": waits / gradio_waits, "limit": 1.0},
        "rss_mb": {"ours": sizes, "empty gradio page": gradio_sizes, "ratio": sizes / gradio_sizes, "limit": 200},
        "installed_mb": {"ours": installed_size(), "limit": 500},
    }
    print(json.dumps({name: {k: round(v, 3) for k, v in row.items()} for name, row in report.items()}, indent=1))


if __name__ == "__main__":
    main()
