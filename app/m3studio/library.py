"""Models on disk, downloads in flight, and the one loaded engine. Knows no chat and no page."""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from m3studio import gguf, presets
from m3studio.engines import Engine, llama
from m3studio.errors import BadInput, BadModelFile, Busy, EngineError, NotFound, StudioError
from m3studio.messages import Cancel
from m3studio.paths import Home
from m3studio.settings import LoadSettings
from m3studio.store import Store

log = logging.getLogger(__name__)
Opener = Callable[..., Engine]


class LoadState(StrEnum):
    """What the engine is doing."""

    NONE = "none"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Model:
    """A GGUF file on this machine. `ref` is what the command line and the API call it; `size` in bytes."""

    ref: str
    name: str
    path: Path
    size: int
    architecture: str
    quant: str
    parameters: int
    n_ctx_train: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    """The engine's state for a page: `progress` 0 to 1, `seconds_left` None while unknown."""

    state: LoadState = LoadState.NONE
    ref: str = ""
    name: str = ""
    progress: float = 0.0
    seconds_left: float | None = None
    error: str = ""


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


SHARD_AND_QUANT = re.compile(
    r"(-\d{5}-of-\d{5})?$|[-._](UD-)?(I?Q\d\w*|TQ\d\w*|BF16|F16|F32|FP16|MXFP4\w*)(-\d{5}-of-\d{5})?$", re.IGNORECASE
)


def display_name(path: Path) -> str:
    """The file's name as people say it: without shard number and quant, which are shown apart.

    The name in a GGUF's own metadata is often a training run's, so it is not used.
    """
    return SHARD_AND_QUANT.sub("", path.stem) or path.stem


class Library:
    """What can be loaded, what is loaded, what is on its way."""

    def __init__(self, home: Home, store: Store, settings: LoadSettings, opener: Opener = llama.open) -> None:
        self._home = home
        self._store = store
        self._settings = settings
        self._open = opener
        self._lock = threading.Condition()  # protects every field below; notified when _loading changes
        self._engine: Engine | None = None
        self._header: gguf.Header | None = None
        self._loading = Loading()
        self._load_cancel = Cancel()
        self._headers: dict[tuple[Path, float, int], gguf.Header | str] = {}
        self._downloads: dict[str, Download] = {}
        self._download_cancels: dict[str, Cancel] = {}

    # ------------------------------------------------------------------------------------------------ on disk

    def models(self) -> list[Model]:
        """Every model that can be opened: files below the models folder, and files opened by path before."""
        inside = sorted(self._home.models.rglob("*.gguf"))
        outside = [Path(path) for path in self._opened() if Path(path).is_file()]
        return [self._model(path) for path in dict.fromkeys([*inside, *outside])]

    def find(self, ref: str) -> Model:
        """The model that `ref` names: a path, or a name in the library. Raises `NotFound`."""
        path = Path(ref).expanduser()
        if path.suffix == ".gguf" and (path.is_absolute() or path.is_file()):
            if not path.is_file():
                raise NotFound(f"There is no file {path}. Check the path.")
            return self._model(path.resolve())
        wanted = ref.strip().lower()
        for model in self.models():
            if wanted in (model.ref.lower(), model.name.lower(), model.path.name.lower(), model.path.stem.lower()):
                return model
        if path.is_file():
            raise BadModelFile(f"{path.name} is not a GGUF file. Choose a file that ends in .gguf.")
        raise NotFound(f"There is no model “{ref}” here. See the list with `m3studio list`.")

    def _opened(self) -> list[str]:
        paths = self._store.values.get("opened_paths")
        return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []

    def _ref(self, path: Path) -> str:
        if path.is_relative_to(self._home.models):
            return path.relative_to(self._home.models).with_suffix("").as_posix()
        return str(path)

    def _model(self, path: Path) -> Model:
        header = self._read(path)
        size = path.stat().st_size
        if isinstance(header, str):
            return Model(self._ref(path), display_name(path), path, size, "", "", 0, 0, problem=header)
        return Model(
            ref=self._ref(path),
            name=display_name(path),
            path=path,
            size=size,
            architecture=header.architecture,
            quant=header.quant,
            parameters=header.n_params,
            n_ctx_train=header.context_length or 0,
        )

    def _read(self, path: Path) -> gguf.Header | str:
        """The file's header, or the sentence that says what is wrong with it; kept until the file changes."""
        stat = path.stat()
        key = (path, stat.st_mtime, stat.st_size)
        if key not in self._headers:
            try:
                self._headers[key] = gguf.read_header(path)
            except BadModelFile as error:
                self._headers[key] = error.message
        return self._headers[key]

    # ------------------------------------------------------------------------------------------------ the engine

    @property
    def loading(self) -> Loading:
        """The engine's state."""
        with self._lock:
            if self._loading.state == LoadState.READY and self._engine is not None and not self._engine.alive:
                return replace(self._loading, state=LoadState.FAILED, error="The model's process ended.")
            return self._loading

    def facts(self) -> Mapping[str, object]:
        """What the loaded model is, as plain JSON values; empty without one."""
        with self._lock:
            if self._engine is None or not self._engine.alive:
                return {}
            facts = asdict(self._engine.facts)
        del facts["chat_template"]
        return facts

    def chosen(self) -> str:
        """The model that a turn will use: the loaded one, else the last one that was, else the only one there."""
        with self._lock:
            if self._loading.state in (LoadState.READY, LoadState.LOADING):
                return self._loading.ref
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

    def load(self, ref: str, settings: LoadSettings | None = None) -> Loading:
        """Begin to load `ref` in the background, ending what is loaded. Raises for what can be known at once."""
        model = self.find(ref)
        if model.problem:
            raise BadModelFile(model.problem)
        with self._lock:
            if self._loading.state == LoadState.LOADING:
                raise Busy(f"{self._loading.name} is still loading. Wait for it, or unload it first.")
            old, self._engine, self._header = self._engine, None, None
            self._load_cancel = Cancel()
            self._loading = Loading(LoadState.LOADING, model.ref, model.name)
            self._lock.notify_all()
        work = (model, settings or self._settings, self._load_cancel, old)
        threading.Thread(target=self._load, args=work, name="load", daemon=True).start()
        return self.loading

    def unload(self) -> None:
        """Give the model's memory back; a load in progress is given up."""
        with self._lock:
            self._load_cancel.set()
            old, self._engine, self._header = self._engine, None, None
            if self._loading.state != LoadState.LOADING:
                self._loading = Loading()
            self._lock.notify_all()
        if old is not None:
            old.close()

    def engine(self, cancel: Cancel) -> Engine:
        """The loaded engine; loads the chosen model first if need be, also again after its process died.

        Raises `NotFound` when there is no model, or what loading it raised.
        """
        with self._lock:
            if self._engine is not None and self._engine.alive:
                return self._engine
            waiting = self._loading.state == LoadState.LOADING
        if not waiting:
            ref = self.chosen() or self._loading.ref
            if not ref:
                raise NotFound("There is no model yet. Download the starter model, or open a GGUF file by its path.")
            with contextlib.suppress(Busy):  # another turn was quicker: wait with it
                self.load(ref)
        cancel.on_set(self._wake)
        with self._lock:
            self._lock.wait_for(lambda: bool(cancel) or self._loading.state != LoadState.LOADING)
            if self._engine is not None:
                return self._engine
            raise EngineError(self._loading.error or "Loading the model was stopped.")

    def recommended(self) -> Mapping[str, object]:
        """Sampling values that the loaded model's makers recommend."""
        if self._header is None:
            return {}
        return {name: sourced.value for name, sourced in presets.sampling_for(self._header).items()}

    def system_prompt(self) -> str:
        """The system prompt that the loaded model's makers recommend, or empty."""
        sourced = presets.system_prompt_for(self._header) if self._header else None
        return str(sourced.value) if sourced else ""

    def close(self) -> None:
        """End downloads and the engine."""
        for cancel in list(self._download_cancels.values()):
            cancel.set()
        self.unload()

    def _wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _load(self, model: Model, settings: LoadSettings, cancel: Cancel, old: Engine | None) -> None:
        started = time.monotonic()

        def progress(share: float) -> None:
            seconds = time.monotonic() - started
            left = seconds / share - seconds if share > 0.02 else None
            with self._lock:
                self._loading = replace(self._loading, progress=share, seconds_left=left)

        if old is not None:
            old.close()
        ended = Loading(
            LoadState.FAILED, model.ref, model.name, error="Loading broke off; the log says why. Try again."
        )
        try:
            header = gguf.read_header(model.path)
            engine = self._open(model.path, settings, on_progress=progress, cancel=cancel, name=model.name)
            ended = self._taken(model, engine, header, cancel)
        except StudioError as error:
            log.warning("loading %s: %s %s", model.path, error.message, error.details)
            ended = Loading() if cancel else replace(ended, error=error.message)
        finally:
            self._settle(ended)

    def _taken(self, model: Model, engine: Engine, header: gguf.Header, cancel: Cancel) -> Loading:
        """The engine is the loaded one from now on, unless loading was given up meanwhile."""
        with self._lock:
            if not cancel:
                self._engine, self._header = engine, header
        if cancel:
            engine.close()
            return Loading()
        self._remember(model)
        return Loading(LoadState.READY, model.ref, model.name, 1.0)

    def _settle(self, loading: Loading) -> None:
        with self._lock:
            self._loading = loading
            self._lock.notify_all()

    def _remember(self, model: Model) -> None:
        self._store.values.set("last_model", model.ref)
        if not model.path.is_relative_to(self._home.models):
            opened = [path for path in self._opened() if path != str(model.path)]
            self._store.values.set("opened_paths", [str(model.path), *opened][:50])

    # ------------------------------------------------------------------------------------------------ downloads

    def downloads(self) -> list[Download]:
        """What is on its way, or ended since the app started."""
        with self._lock:
            return list(self._downloads.values())

    def download(self, ref: str) -> Download:
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
            cancel = self._download_cancels[ref] = Cancel()
        threading.Thread(target=self._fetch, args=(ref, cancel), name="download", daemon=True).start()
        return begun

    def cancel_download(self, ref: str) -> None:
        """Stop a download; what has come is kept for the next try."""
        if ref not in self._download_cancels:
            raise NotFound("There is no such download.")
        self._download_cancels[ref].set()

    def _fetch(self, ref: str, cancel: Cancel) -> None:
        from m3studio.hub import starter

        started = time.monotonic()

        def progress(done: int, total: int) -> None:
            speed = done / max(time.monotonic() - started, 0.001)
            self._change_download(ref, done=done, total=total, bytes_per_second=speed)

        try:
            path = starter.fetch(self._home.models, progress, cancel)
        except StudioError as error:
            log.warning("download %s: %s %s", ref, error.message, error.details)
            self._change_download(ref, state="failed", error=error.message)
            return
        self._change_download(ref, state="done", done=path.stat().st_size)
        with self._lock:
            idle = self._loading.state in (LoadState.NONE, LoadState.FAILED)
        if idle:  # the first model is why the user came: have it ready
            self.load(self._ref(path))

    def _change_download(self, ref: str, **fields: object) -> None:
        with self._lock:
            self._downloads[ref] = replace(self._downloads[ref], **fields)  # type: ignore[arg-type]
