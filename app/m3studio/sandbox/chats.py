"""The sandboxes of all chats: one each, kept between calls, ended when idle. Knows no tool."""

import threading
import time
from pathlib import Path

from m3studio.sandbox import interpreter, tiers
from m3studio.sandbox.limits import Level, Limits
from m3studio.sandbox.sandbox import Sandbox
from m3studio.sandbox.tiers import ready

IDLE = 900.0  # seconds after which variables are given up for memory
MOST = 4  # that are alive at once
_LOOK = 30.0


class Sandboxes:
    """One `Sandbox` per chat, at the strongest level that holds here. Safe from any thread."""

    def __init__(self, limits: Limits = Limits(), python: str | None = None, *, idle: float = IDLE) -> None:
        """`python` is the interpreter that code gets; without one, the app's base interpreter."""
        self._limits, self._python, self._idle = limits, python, idle
        self._lock = threading.Lock()  # protects _open and _watcher
        self._open: dict[str, Sandbox] = {}
        self._watcher: threading.Thread | None = None
        self._closing = threading.Event()

    def for_chat(self, chat_id: str, workspace: Path) -> Sandbox:
        """The chat's sandbox. Raises `ToolError` when no level holds here."""
        mechanism = ready(tiers.level(), Level.NONE)
        with self._lock:
            found = self._open.get(chat_id)
            if found and found.workspace == workspace:
                found.last_used = time.monotonic()
            else:
                python = interpreter.ask(self._python) if self._python else interpreter.base()
                found = self._open[chat_id] = Sandbox(workspace, self._limits, mechanism, python)
            oldest = sorted(self._open.values(), key=lambda each: each.last_used)
            spare = [each for each in oldest if each.running and each is not found][: -(MOST - 1)]
            if not self._watcher:
                self._closing.clear()
                self._watcher = threading.Thread(target=self._watch, name="sandboxes", daemon=True)
                self._watcher.start()
        for each in spare:
            each.rest(wait=False)
        return found

    def forget(self, chat_id: str) -> None:
        """The chat is gone: end its sandbox. Its workspace is its owner's to delete (`sandbox.erase`)."""
        with self._lock:
            found = self._open.pop(chat_id, None)
        if found:
            found.close()

    def close(self) -> None:
        """End all of them. A later `for_chat` starts anew."""
        with self._lock:
            found, self._open = list(self._open.values()), {}
            self._closing.set()
            watcher, self._watcher = self._watcher, None
        for each in found:
            each.close()
        if watcher:
            watcher.join()

    def _watch(self) -> None:
        while not self._closing.wait(min(_LOOK, self._idle)):
            with self._lock:
                old = time.monotonic() - self._idle
                idle = [each for each in self._open.values() if each.running and each.last_used < old]
            for each in idle:
                each.rest(wait=False)
