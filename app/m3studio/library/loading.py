"""The one loaded engine: begin to load, wait for it, give it up, end it. Knows files, and not where they come from."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from m3studio import gguf
from m3studio.engines import Engine
from m3studio.engines.llama import Place
from m3studio.errors import Busy, EngineError, OutOfMemory, StudioError
from m3studio.library.models import Model
from m3studio.library.planning import Planned, Planner
from m3studio.messages import Cancel
from m3studio.offload import OffloadPlan
from m3studio.settings import LoadSettings

log = logging.getLogger(__name__)
Opener = Callable[..., Engine]
MOST_DEATHS, DEATH_SECONDS = 3, 300.0  # so many in this time, and a model is not loaded by itself any more


class LoadState(StrEnum):
    """What the engine is doing."""

    NONE = "none"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Loading:
    """The engine's state for a page: `progress` 0 to 1, `seconds_left` None while unknown.

    `alternatives` are load settings that would fit, when there was too little memory: a `label` and `settings` each.
    """

    state: LoadState = LoadState.NONE
    ref: str = ""
    name: str = ""
    progress: float = 0.0
    seconds_left: float | None = None
    error: str = ""
    alternatives: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A load to do: the plan, the settings that the user chose for this model, and whether a plan may be ignored."""

    planned: Planned
    own: LoadSettings = LoadSettings()
    force: bool = False

    @property
    def model(self) -> Model:
        return self.planned.model


class Loader:
    """Holds the engine. `on_loaded` hears of each load that went well, `states` says where chats are kept."""

    def __init__(
        self, opener: Opener, planner: Planner, on_loaded: Callable[[Job], None], states: Callable[[], Place]
    ) -> None:
        self._open = opener
        self._states = states
        self._planner = planner
        self._on_loaded = on_loaded
        self._lock = threading.Condition()  # protects every field below; notified when _loading changes
        self._engine: Engine | None = None
        self._header: gguf.Header | None = None
        self._held: OffloadPlan | None = None
        self._loading = Loading()
        self._cancel = Cancel()
        self._deaths: list[float] = []  # when processes ended by themselves, since the user last asked for a load

    @property
    def loading(self) -> Loading:
        """The engine's state."""
        with self._lock:
            if self._loading.state == LoadState.READY and self._engine is not None and not self._engine.alive:
                return replace(self._loading, state=LoadState.FAILED, error="The model's process ended.")
            return self._loading

    @property
    def engine(self) -> Engine | None:
        """The engine, if one is loaded and alive."""
        with self._lock:
            return self._engine if self._engine is not None and self._engine.alive else None

    @property
    def header(self) -> gguf.Header | None:
        """The header of the loaded model's file."""
        with self._lock:
            return self._header

    @property
    def held(self) -> OffloadPlan | None:
        """The plan of the loaded model: the memory that comes back when it is unloaded."""
        with self._lock:
            return self._held if self._engine is not None and self._engine.alive else None

    def refuse(self, model: Model, error: OutOfMemory) -> None:
        """Show why nothing was loaded, unless something is."""
        with self._lock:
            if self._loading.state in (LoadState.NONE, LoadState.FAILED):
                self._loading = _failed(model, error)

    @property
    def deaths(self) -> int:
        """How often the model's process ended by itself lately, since the user last asked for a load."""
        with self._lock:
            died = self._engine is not None and not self._engine.alive
            return self._lately() + died

    def _lately(self) -> int:
        return sum(time.monotonic() - death < DEATH_SECONDS for death in self._deaths)

    def begin(self, job: Job, *, again: bool = False) -> None:
        """Begin to load in the background, ending what is loaded; `again` if nobody but a death asked for it.

        Raises `Busy` while another model loads.
        """
        model = job.model
        with self._lock:
            if self._loading.state == LoadState.LOADING:
                raise Busy(f"{self._loading.name} is still loading. Wait for it, or unload it first.")
            old, self._engine, self._header = self._engine, None, None
            if not again:
                self._deaths.clear()
            elif old is not None and not old.alive:
                self._deaths.append(time.monotonic())
            cancel = self._cancel = Cancel()
            self._loading = Loading(LoadState.LOADING, model.ref, model.name)
            self._lock.notify_all()
        threading.Thread(target=self._load, args=(job, cancel, old), name="load", daemon=True).start()

    def unload(self) -> None:
        """Give the model's memory back; a load in progress is given up."""
        with self._lock:
            self._cancel.set()
            old, self._engine, self._header = self._engine, None, None
            if self._loading.state != LoadState.LOADING:
                self._loading = Loading()
            self._lock.notify_all()
        if old is not None:
            old.close()

    def wait(self, cancel: Cancel) -> Engine:
        """The engine, once nothing loads any more. Raises `EngineError` with what went wrong."""
        cancel.on_set(self._wake)
        with self._lock:
            self._lock.wait_for(lambda: bool(cancel) or self._loading.state != LoadState.LOADING)
            if self._engine is not None:
                return self._engine
            raise EngineError(self._loading.error or "Loading the model was stopped.")

    def _wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _load(self, job: Job, cancel: Cancel, old: Engine | None) -> None:
        model = job.model
        if old is not None:
            old.close()
        ended = _failed(model, EngineError("Loading broke off; the log says why. Try again."))
        try:
            job = self._checked(job, cancel)
            header = gguf.read_header(model.path)
            ended = self._taken(job, self._opened(job, cancel), header, cancel)
        except StudioError as error:
            log.warning("loading %s: %s %s", model.path, error.message, error.details)
            ended = Loading() if cancel else _failed(model, error)
        finally:
            self._settle(ended)

    def _checked(self, job: Job, cancel: Cancel) -> Job:
        if job.force:
            return job
        planned = self._planner.checked(job.planned, cancel)
        if planned.too_big:
            raise self._planner.refusal(planned)
        return replace(job, planned=planned)

    def _opened(self, job: Job, cancel: Cancel) -> Engine:
        started = time.monotonic()

        def progress(share: float) -> None:
            seconds = time.monotonic() - started
            left = seconds / share - seconds if share > 0.02 else None
            with self._lock:
                self._loading = replace(self._loading, progress=share, seconds_left=left)

        model, planned = job.model, job.planned
        try:
            return self._open(
                model.path,
                planned.plan.load,
                layout=planned.layout,
                on_progress=progress,
                cancel=cancel,
                name=model.name,
                states=self._states(),
            )
        except OutOfMemory as error:
            raise self._planner.failure(planned, error) from error

    def _taken(self, job: Job, engine: Engine, header: gguf.Header, cancel: Cancel) -> Loading:
        """The engine is the loaded one from now on, unless loading was given up meanwhile."""
        with self._lock:
            if not cancel:
                self._engine, self._header, self._held = engine, header, job.planned.plan
        if cancel:
            engine.close()
            return Loading()
        self._planner.remember(job.planned, engine.facts)
        self._on_loaded(job)
        return Loading(LoadState.READY, job.model.ref, job.model.name, 1.0)

    def _settle(self, loading: Loading) -> None:
        with self._lock:
            self._loading = loading
            self._lock.notify_all()


def _failed(model: Model, error: StudioError) -> Loading:
    offered = error.alternatives if isinstance(error, OutOfMemory) else ()
    return Loading(LoadState.FAILED, model.ref, model.name, error=error.message, alternatives=offered)
