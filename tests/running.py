"""The real app as a process of its own, and a signed-in HTTP client for it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

PASSWORD = "correct horse battery"
DEADLINE = 60.0

# Written ahead of the app's own code: notes every host name that is looked up and every address that is connected to.
WATCH = """
import sys
def note(event, args):
    if event == "socket.getaddrinfo" or event == "socket.connect":
        with open({file!r}, "a") as out:
            print(event, args[0] if event == "socket.getaddrinfo" else args[1], file=out)
sys.addaudithook(note)
from m3studio.cli import main
sys.exit(main())
"""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class App:
    """`m3studio serve` on a free port of this machine, with a data folder that outlives its restarts."""

    def __init__(self, home: Path, *flags: str, watched: Path | None = None) -> None:
        self.home, self.flags, self.watched = home, flags, watched
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "App":
        self.client = httpx.Client(base_url=self.url, timeout=30)
        start = ["-c", WATCH.format(file=str(self.watched))] if self.watched else ["-m", "m3studio"]
        command = [sys.executable, *start, "serve", "-p", str(self.port), "--no-browser", *self.flags]
        environ = {
            **os.environ,
            "M3STUDIO_HOME": str(self.home),
            "M3STUDIO_PASSWORD": PASSWORD,
            "M3STUDIO_N_CTX": "4096",
        }
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.wait(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.process.stdout.read()
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/healthz").status_code == 200
        return False

    def sign_in(self) -> "App":
        answer = self.client.post("/login", json={"password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return self

    def wait(self, condition, seconds: float = DEADLINE):
        """What `condition` returns as soon as it is true."""
        until = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < until, "waited too long"
            time.sleep(0.02)
        return found

    def kill(self) -> None:
        """`kill -9`, as a power cut would."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self.process.stdout.close()
        self.client.close()

    def stop(self) -> int:
        """Ctrl+C's gentle sibling; returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self._close()

    # ------------------------------------------------------------------------------------------ what a page does

    def get(self, path: str):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None):
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def load(self, model: Path) -> None:
        self.post("/api/models/load", {"ref": str(model)})
        self.wait(lambda: self.get("/api/models")["engine"]["state"] == "ready")

    def ask(self, text: str, chat: str | None = None, **settings: object) -> tuple[str, str]:
        """Begin a turn; returns the ids of chat and turn."""
        chat = chat or self.post("/api/chats", {"settings": settings})["id"]
        return chat, self.post(f"/api/chats/{chat}/turns", {"text": text})["turn_id"]

    def messages(self, chat: str) -> list[dict]:
        return self.get(f"/api/chats/{chat}")["messages"]

    def events(self, turn: str, after: int = 0) -> Iterator[tuple[int, str, dict]]:
        """Number, type and data of each event of the turn, until it ends."""
        with self.client.stream("GET", f"/api/turns/{turn}/events", params={"after": after}) as answer:
            assert answer.status_code == 200
            number, kind = 0, ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    yield number, kind, json.loads(value)
