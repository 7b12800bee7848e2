"""A model that nobody uses is unloaded when the user wants that, and one that keeps dying is not loaded for ever."""

import threading
import time

import pytest

import gguf_models as geometry
from fakes import ScriptedEngine
from m3studio import hardware, store
from m3studio.engines import EngineFacts
from m3studio.errors import EngineError
from m3studio.library import Library
from m3studio.library.idle import IdleWatch
from m3studio.library.machine import Machine
from m3studio.messages import Cancel
from m3studio.paths import Home
from m3studio.settings import LoadSettings


@pytest.mark.parametrize(
    ("minutes", "idle", "unloads"), [(5, 301, True), (5, 299, False), (0, 9999, False), (1, 0, False)]
)
def test_only_what_was_idle_for_longer_than_the_user_wants_is_unloaded(minutes, idle, unloads):
    engine, unloaded, looked = ScriptedEngine(), threading.Event(), threading.Semaphore(0)
    engine.idle_seconds = idle

    def found():
        looked.release()
        return engine

    watch = IdleWatch(found, lambda: minutes, unloaded.set, look=0.01)
    for _ in range(3):  # the third look begins after the second one has ended
        assert looked.acquire(timeout=5)
    watch.close()
    assert unloaded.is_set() == unloads


@pytest.fixture
def library(home):
    (home / "models").mkdir(parents=True)
    geometry.ALL["llama"]().write(home / "models" / "llama-Q8_0.gguf")
    kept = store.open(home / "chat.db")
    kept.values.set("bandwidth", {})

    def opener(path, settings, **options):
        engine = ScriptedEngine()
        engine.facts = EngineFacts("llama", "llama", settings.n_ctx, 131072, 1, 1, "")
        return engine

    machine = Machine(kept, lambda: hardware.imagined(64))
    machine._measuring = True  # no measurement of this real machine
    library = Library(Home(home), kept, LoadSettings(), opener, machine)
    machine.close = lambda: None
    yield library
    library.close()
    kept.close()


def test_a_model_that_dies_three_times_is_not_started_again_until_the_user_asks(library):
    for _ in range(3):
        library.engine(Cancel()).alive = False
    with pytest.raises(EngineError, match=r"3 times.*smaller n_ctx"):
        library.engine(Cancel())
    library.load("llama-Q8_0")
    assert library.engine(Cancel()).alive


def test_deaths_of_long_ago_are_forgotten(library):
    for _ in range(3):
        library.engine(Cancel()).alive = False
    library._loader._deaths[:] = [time.monotonic() - 301 for _ in library._loader._deaths]
    assert library.engine(Cancel()).alive
