"""Models on disk, downloads in flight, and the one loaded engine. Knows no chat and no page."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from m3studio import presets
from m3studio.engines import Engine, llama
from m3studio.errors import BadInput, BadModelFile, Busy, NotFound, OutOfMemory, StudioError
from m3studio.library.downloads import Download, Downloads
from m3studio.library.loading import Job, Loader, Loading, LoadState, Opener
from m3studio.library.machine import Machine
from m3studio.library.models import Model, Shelf, display_name
from m3studio.library.planning import Fit, Planned, Planner, merged
from m3studio.messages import Cancel
from m3studio.paths import Home
from m3studio.settings import LoadSettings, load_settings
from m3studio.store import Store

__all__ = ["Download", "Fit", "Library", "LoadState", "Loading", "Model", "Planned", "display_name"]
OWN = "load.settings."  # in the store, before a model's ref: what the user chose for it


class Library:
    """What can be loaded, what is loaded, what is on its way."""

    def __init__(
        self,
        home: Home,
        store: Store,
        settings: LoadSettings,
        opener: Opener = llama.open,
        machine: Machine | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._shelf = Shelf(home, store)
        self._machine = machine or Machine(store)
        self._planner = Planner(store, self._shelf, self._machine)
        self._loader = Loader(opener, self._planner, self._loaded)
        self._downloads = Downloads(home, self._downloaded)

    # ------------------------------------------------------------------------------------------------ on disk

    def models(self) -> list[Model]:
        """Every model that can be opened: files below the models folder, and files opened by path before."""
        return self._shelf.models()

    def find(self, ref: str) -> Model:
        """The model that `ref` names: a path, or a name in the library. Raises `NotFound`."""
        return self._shelf.find(ref)

    # ------------------------------------------------------------------------------------------------ the engine

    @property
    def loading(self) -> Loading:
        """The engine's state."""
        return self._loader.loading

    def facts(self) -> Mapping[str, object]:
        """What the loaded model is, as plain JSON values; empty without one."""
        engine = self._loader.engine
        if engine is None:
            return {}
        facts = asdict(engine.facts)
        del facts["chat_template"]
        return facts

    def chosen(self) -> str:
        """The model that a turn will use: the loaded one, else the last one that was, else the only one there."""
        loading = self._loader.loading
        if loading.state in (LoadState.READY, LoadState.LOADING):
            return loading.ref
        last = str(self._store.values.get("last_model", "") or "")
        models = [model for model in self.models() if not model.problem]
        if any(model.ref == last for model in models):
            return last
        return models[0].ref if models else ""

    def chosen_name(self) -> str:
        """The chosen model's name, or empty."""
        ref = self.chosen()
        if not ref:
            return ""
        try:
            return self.find(ref).name
        except StudioError:
            return ""

    def plan(self, ref: str, settings: LoadSettings | None = None) -> Planned:
        """How `ref` would be loaded with these settings; None: those that were chosen for it last.

        Takes the time of asking the machine. Raises `NotFound`, `BadModelFile`, and `BadInput` for settings that
        contradict each other.
        """
        model = self.find(ref)
        if model.problem:
            raise BadModelFile(model.problem)
        own = self._own(model) if settings is None else settings
        return self._planner.plan(model, merged(own, self._settings), self._loader.held)

    def fits(self, models: list[Model]) -> dict[str, Fit]:
        """Verdicts for a list, by `ref`, at once: what is not known yet comes with one of the next calls."""
        return self._planner.fits(models, self._settings, self._loader.held)

    def load(self, ref: str, settings: LoadSettings | None = None, *, force: bool = False) -> Loading:
        """Begin to load `ref` in the background as planned, ending what is loaded.

        Raises as `plan` does, `Busy`, and `OutOfMemory` with what would fit; with `force` it is tried all the same.
        """
        planned = self.plan(ref, settings)
        model = planned.model
        if planned.too_big and not force:
            error = self._planner.refusal(planned)
            self._loader.refuse(model, error)
            raise error
        self._loader.begin(Job(planned, self._own(model) if settings is None else settings, force))
        return self.loading

    def unload(self) -> None:
        """Give the model's memory back; a load in progress is given up."""
        self._loader.unload()

    def engine(self, cancel: Cancel) -> Engine:
        """The loaded engine; loads the chosen model first if need be, also again after its process died.

        Raises `NotFound` when there is no model, or what loading it raised.
        """
        engine = self._loader.engine
        if engine is not None:
            return engine
        loading = self._loader.loading
        if loading.state != LoadState.LOADING:
            ref = self.chosen() or loading.ref
            if not ref:
                raise NotFound("There is no model yet. Download the starter model, or open a GGUF file by its path.")
            with contextlib.suppress(Busy):  # another turn was quicker: wait with it
                self.load(ref)
        return self._loader.wait(cancel)

    def recommended(self) -> Mapping[str, object]:
        """Sampling values that the loaded model's makers recommend."""
        header = self._loader.header
        return {name: sourced.value for name, sourced in presets.sampling_for(header).items()} if header else {}

    def system_prompt(self) -> str:
        """The system prompt that the loaded model's makers recommend, or empty."""
        header = self._loader.header
        sourced = presets.system_prompt_for(header) if header else None
        return str(sourced.value) if sourced else ""

    def close(self) -> None:
        """End downloads and the engine."""
        self._downloads.close()
        self.unload()
        self._machine.close()

    def _loaded(self, job: Job) -> None:
        self._store.values.set("last_model", job.model.ref)
        self._shelf.remember(job.model)
        own = {name: value for name, value in asdict(job.own).items() if value is not None}
        self._store.values.set(OWN + job.model.ref, own)

    def _own(self, model: Model) -> LoadSettings:
        """What the user chose for this model."""
        kept = self._store.values.get(OWN + model.ref)
        try:
            return load_settings(kept) if isinstance(kept, dict) else LoadSettings()
        except BadInput:  # stored by another version
            return LoadSettings()

    # ------------------------------------------------------------------------------------------------ downloads

    def downloads(self) -> list[Download]:
        """What is on its way, or ended since the app started."""
        return self._downloads.all()

    def download(self, ref: str) -> Download:
        """Begin a download; one that runs already is returned as it is."""
        return self._downloads.begin(ref)

    def cancel_download(self, ref: str) -> None:
        """Stop a download; what has come is kept for the next try."""
        self._downloads.cancel(ref)

    def _downloaded(self, path: Path) -> None:
        if self.loading.state in (
            LoadState.NONE,
            LoadState.FAILED,
        ):  # the first model is why the user came: have it ready
            with contextlib.suppress(OutOfMemory):  # its state says so
                self.load(self._shelf.ref(path))
