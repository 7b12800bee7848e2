"""Downloads in flight. Knows the models folder, and not what becomes of a model that has come."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from m3studio.errors import BadInput, NotFound, StudioError
from m3studio.messages import Cancel
from m3studio.paths import Home

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """A download for a page. `state` is running, done or failed; sizes in bytes."""

    id: str
    name: str
    state: str
    done: int
    total: int
    bytes_per_second: float = 0.0
    error: str = ""


class Downloads:
    """What is on its way, or ended since the app started. `on_done` hears of each file that has come."""

    def __init__(self, home: Home, on_done: Callable[[Path], None]) -> None:
        self._home = home
        self._on_done = on_done
        self._lock = threading.Lock()  # protects both fields below
        self._downloads: dict[str, Download] = {}
        self._cancels: dict[str, Cancel] = {}

    def all(self) -> list[Download]:
        """Every download."""
        with self._lock:
            return list(self._downloads.values())

    def begin(self, ref: str) -> Download:
        """Begin a download; one that runs already is returned as it is."""
        from m3studio.hub import starter

        if ref != "starter":
            raise BadInput(f"“{ref}” cannot be downloaded. Known: starter.")
        with self._lock:
            known = self._downloads.get(ref)
            if known and known.state == "running":
                return known
            begun = Download(ref, starter.NAME, "running", 0, starter.SIZE)
            self._downloads[ref] = begun
            cancel = self._cancels[ref] = Cancel()
        threading.Thread(target=self._fetch, args=(ref, cancel), name="download", daemon=True).start()
        return begun

    def cancel(self, ref: str) -> None:
        """Stop a download; what has come is kept for the next try."""
        with self._lock:
            cancel = self._cancels.get(ref)
        if cancel is None:
            raise NotFound("There is no such download.")
        cancel.set()

    def close(self) -> None:
        """Stop all of them."""
        with self._lock:
            cancels = list(self._cancels.values())
        for cancel in cancels:
            cancel.set()

    def _fetch(self, ref: str, cancel: Cancel) -> None:
        from m3studio.hub import starter

        started = time.monotonic()

        def progress(done: int, total: int) -> None:
            speed = done / max(time.monotonic() - started, 0.001)
            self._change(ref, done=done, total=total, bytes_per_second=speed)

        try:
            path = starter.fetch(self._home.models, progress, cancel)
        except StudioError as error:
            log.warning("download %s: %s %s", ref, error.message, error.details)
            self._change(ref, state="failed", error=error.message)
            return
        self._change(ref, state="done", done=path.stat().st_size)
        self._on_done(path)

    def _change(self, ref: str, **fields: object) -> None:
        with self._lock:
            self._downloads[ref] = replace(self._downloads[ref], **fields)  # type: ignore[arg-type]
