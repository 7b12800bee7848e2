"""Unloads a model that nobody has used for a while. Knows no model and no setting by name."""

import logging
import threading
from collections.abc import Callable

from m3studio.engines import Engine

log = logging.getLogger(__name__)
LOOK = 15.0  # seconds between two looks


class IdleWatch:
    """Looks at the engine from time to time; `minutes` says how long it may be idle, 0 for ever."""

    def __init__(
        self,
        engine: Callable[[], Engine | None],
        minutes: Callable[[], float],
        unload: Callable[[], None],
        look: float = LOOK,
    ) -> None:
        self._engine, self._minutes, self._unload = engine, minutes, unload
        self._look = look
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="idle", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._look):
            engine = self._engine()
            if engine is None or engine.idle_seconds < 60:
                continue
            minutes = self._minutes()
            if minutes > 0 and engine.idle_seconds >= 60 * minutes:
                log.info("unloading %s: idle for %g minutes", engine.facts.name, minutes)
                self._unload()
