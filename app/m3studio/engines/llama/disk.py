"""Brings sequences of the cache to disk and back. Knows sequences and chats' ids, and nothing of who uses them."""

import importlib.metadata
import json
from pathlib import Path

import numpy as np

from m3studio.engines.llama.bindings import Context, IntArray
from m3studio.engines.llama.model import Model
from m3studio.engines.llama.states import Place, States

LEAST = 64  # tokens: fewer are computed as quickly


class Disk:
    """The states on disk that fit this context."""

    def __init__(self, context: Context, states: States) -> None:
        self._context, self._states = context, states

    def save(self, session: str, seq: int, tokens: IntArray) -> None:
        """Keep what the sequence holds, unless it is too short or too large. Takes the time of a copy in memory."""
        if len(tokens) >= LEAST and 0 < self._context.state_size(seq) < self._states.quota:
            self._states.save(session, tokens.tobytes(), self._context.state(seq))

    def tokens(self, session: str) -> IntArray:
        """What is kept for the chat; empty for nothing."""
        return np.frombuffer(self._states.tokens(session), np.int32)

    def restore(self, session: str, seq: int) -> bool:
        """Put the chat's state into the empty sequence. A state that the library refuses is deleted."""
        state = self._states.load(session)
        if not state:
            return False
        if self._context.restore(seq, state):
            return True
        self._context.forget(seq)
        self._states.drop(session)
        return False

    def settle(self) -> None:
        """Wait until everything is written."""
        self._states.settle()


def disk_of(model: Model, place: Place) -> Disk | None:
    """The disk of a loaded model; None where nothing is to be kept."""
    if place.quota <= 0 or not place.model:
        return None
    settings = model.facts["settings"]
    cache = [settings[name] for name in ("type_k", "type_v", "flash_attn", "kv_unified")]  # type: ignore[index]
    build = importlib.metadata.version("llama-cpp-python")
    try:
        return Disk(model.context, States(Path(place.folder), place.quota, json.dumps([place.model, build, cache])))
    except OSError:
        return None
