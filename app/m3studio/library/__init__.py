"""Models on disk, downloads in flight, and the one loaded engine. Knows no chat and no page."""

import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from m3studio import templates
from m3studio.engines import ChatRequest, Engine, llama
from m3studio.errors import BadInput, BadModelFile, Busy, EngineError, NotFound, OutOfMemory, StudioError
from m3studio.gguf import display_name
from m3studio.library.advice import Advice, advice_for
from m3studio.library.downloads import Download, Downloads
from m3studio.library.idle import IdleWatch
from m3studio.library.loading import MOST_DEATHS, Job, Loader, Loading, LoadState, Opener
from m3studio.library.machine import Machine
from m3studio.library.models import Model, Shelf
from m3studio.library.planning import Fit, Planned, Planner, merged
from m3studio.messages import Cancel
from m3studio.paths import Home
from m3studio.settings import LoadSettings, load_settings
from m3studio.store import Store

__all__ = ["Download", "Fit", "Library", "LoadState", "Loading", "Model", "Planned", "display_name"]
log = logging.getLogger(__name__)
DIES = (
    "The process of {name} ended {times} times within five minutes, so it is not started again by itself. Load it once "
    "more from the models page, with a smaller n_ctx or fewer layers on the GPU, or choose another model."
)
IDLE_MINUTES = "idle_unload_minutes"  # in the store: the model is unloaded after so long without a call; 0 is never
TEMPLATE = "template:"  # in the store, before a model's ref: the chat template in place of its own
KV_BYTES = "kv_disk_bytes"  # in the store: what KV states of chats may take on disk; 0 is nothing, None the default
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
        self._home = home
        self._store = store
        self._settings = settings
        self._shelf = Shelf(home, store)
        self._machine = machine or Machine(store)
        self._planner = Planner(store, self._shelf, self._machine)
        self._loader = Loader(opener, self._planner, self._loaded, self._states)
        self._downloads = Downloads(home, self._downloaded)
        self._idle = IdleWatch(lambda: self._loader.engine, self._idle_minutes, self.unload)

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
        self._begin(ref, settings, force=force, again=False)
        return self.loading

    def _begin(self, ref: str, settings: LoadSettings | None, *, force: bool, again: bool) -> None:
        planned = self.plan(ref, settings)
        model = planned.model
        if planned.too_big and not force:
            error = self._planner.refusal(planned)
            self._loader.refuse(model, error)
            raise error
        self._loader.begin(Job(planned, self._own(model) if settings is None else settings, force), again=again)

    def unload(self) -> None:
        """Give the model's memory back; a load in progress is given up."""
        self._loader.unload()

    def engine(self, cancel: Cancel) -> Engine:
        """The loaded engine; loads the chosen model first if need be, also again after its process died.

        Raises `NotFound` when there is no model, what loading it raised, and `EngineError` for one whose process
        keeps dying.
        """
        engine = self._loader.engine
        if engine is not None:
            return engine
        loading = self._loader.loading
        if loading.state != LoadState.LOADING:
            ref = self.chosen() or loading.ref
            if not ref:
                raise NotFound("There is no model yet. Download the starter model, or open a GGUF file by its path.")
            if self._loader.deaths >= MOST_DEATHS:
                raise EngineError(DIES.format(name=loading.name, times=MOST_DEATHS))
            with contextlib.suppress(Busy):  # another turn was quicker: wait with it
                self._begin(ref, None, force=False, again=True)
        return self._loader.wait(cancel)

    def advice(self, thinking: bool | None = None) -> Advice:
        """What the makers of the chosen model recommend, with or without thinking (None: as it comes); nothing without
        a model."""
        try:
            model = self.find(self.chosen())
            return advice_for(self._shelf.header(model.path), model.path, self._home.models, thinking)
        except StudioError:
            return Advice()

    def recommended(self, thinking: bool | None = None) -> Mapping[str, object]:
        """Sampling values that the chosen model's makers recommend."""
        return {name: sourced.value for name, sourced in self.advice(thinking).sampling.items()}

    def system_prompt(self) -> str:
        """The system prompt that the chosen model's makers recommend, or empty."""
        prompt = self.advice().system_prompt
        return str(prompt.value) if prompt else ""

    def preview(self, request: ChatRequest, template: str) -> tuple[str, int | None]:
        """The prompt of a request as `template` renders it, and its tokens if a model is loaded that counts them.
        Loads none. Raises `BadInput`."""
        engine = self._loader.engine
        if engine is None:
            return templates.prompt(template, request.messages, request.tools, request.variables).text, None
        text = engine.preview(request, template)
        return text, engine.count_tokens(text)

    def template(self, ref: str) -> str:
        """The chat template that the model's file brings; empty without one. Raises `NotFound`, `BadModelFile`."""
        return self._shelf.header(self.find(ref).path).chat_template

    def own_template(self, ref: str) -> str:
        """The chat template that the user put in place of the model's own; empty without one."""
        return str(self._store.values.get(TEMPLATE + ref, "") or "")

    def use_template(self, ref: str, template: str) -> None:
        """Use `template` for the model from now on, also if it is loaded; its own one again if it is empty.

        Raises `BadInput` with the line that fails, and keeps nothing then.
        """
        engine = self._loader.engine
        if engine is not None and self._loader.loading.ref == ref:
            engine.use_template(template)
        self._store.values.set(TEMPLATE + ref, template)

    def keep_states(self, chats: Collection[str]) -> None:
        """Delete what is kept on disk of the cache for every chat that is not among `chats`."""
        llama.keep_only(self._home.kv, chats)

    def _idle_minutes(self) -> float:
        minutes = self._store.values.get(IDLE_MINUTES)
        return float(minutes) if isinstance(minutes, (int, float)) else 0.0

    def _states(self) -> llama.Place:
        """Where chats' KV states go, and how much they may take."""
        quota = self._store.values.get(KV_BYTES)
        if not isinstance(quota, int) or quota < 0:
            quota = llama.default_quota(self._home.root)
        return llama.Place(str(self._home.kv), quota)

    def close(self) -> None:
        """End downloads and the engine."""
        self._idle.close()
        self._downloads.close()
        self.unload()
        self._machine.close()

    def _loaded(self, job: Job) -> None:
        self._store.values.set("last_model", job.model.ref)
        self._shelf.remember(job.model)
        self._give_template(job.model.ref)
        own = {name: value for name, value in asdict(job.own).items() if value is not None}
        self._store.values.set(OWN + job.model.ref, own)

    def _give_template(self, ref: str) -> None:
        template, engine = self.own_template(ref), self._loader.engine
        if template and engine is not None:
            try:
                engine.use_template(template)
            except BadInput as error:  # it was fine when it was saved: answer with the model's own
                log.warning("template of %s: %s", ref, error.message)

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
