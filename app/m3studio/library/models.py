"""Models on disk: GGUF files below the models folder, and files that were opened by their path. Loads nothing."""

from dataclasses import dataclass
from pathlib import Path

from m3studio import gguf
from m3studio.errors import BadModelFile, NotFound
from m3studio.gguf import display_name
from m3studio.paths import Home
from m3studio.store import Store

OPENED = "opened_paths"  # in the store


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


class Shelf:
    """Every model that can be opened."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store
        # by files with their sizes and times; each entry is written whole, by any thread
        self._read_ones: dict[tuple[tuple[Path, float, int], ...], gguf.Model | str] = {}

    def models(self) -> list[Model]:
        """Files below the models folder, and files opened by path before; a split model once."""
        inside = sorted(self._home.models.rglob("*.gguf"))
        outside = [Path(path) for path in self._opened() if Path(path).is_file()]
        return [self.model(path) for path in dict.fromkeys(map(first_shard, [*inside, *outside]))]

    def find(self, ref: str) -> Model:
        """The model that `ref` names: a path, or a name in the library. Raises `NotFound`."""
        path = Path(ref).expanduser()
        if path.suffix == ".gguf" and (path.is_absolute() or path.is_file()):
            if not path.is_file():
                raise NotFound(f"There is no file {path}. Check the path.")
            return self.model(path.resolve())
        wanted = ref.strip().lower()
        for model in self.models():
            if wanted in (model.ref.lower(), model.name.lower(), model.path.name.lower(), model.path.stem.lower()):
                return model
        if path.is_file():
            raise BadModelFile(f"{path.name} is not a GGUF file. Choose a file that ends in .gguf.")
        raise NotFound(f"There is no model “{ref}” here. See the list with `m3studio list`.")

    def model(self, path: Path) -> Model:
        """The file as a model, by any of its shards; one that cannot be read has a `problem`."""
        path = first_shard(path)
        found = self._read(path)
        if isinstance(found, str):
            return Model(self.ref(path), display_name(path), path, path.stat().st_size, "", "", 0, 0, problem=found)
        header = found.header
        return Model(
            ref=self.ref(path),
            name=display_name(path),
            path=path,
            size=found.file_size,
            architecture=header.architecture,
            quant=header.quant,
            parameters=found.n_params,
            n_ctx_train=header.context_length or 0,
        )

    def ref(self, path: Path) -> str:
        """What the model at `path` is called."""
        if path.is_relative_to(self._home.models):
            return path.relative_to(self._home.models).with_suffix("").as_posix()
        return str(path)

    def remember(self, model: Model) -> None:
        """A file from outside the models folder that could be loaded is shown from now on."""
        if not model.path.is_relative_to(self._home.models):
            opened = [path for path in self._opened() if path != str(model.path)]
            self._store.values.set(OPENED, [str(model.path), *opened][:50])

    def header(self, path: Path) -> gguf.Header:
        """The first header of the model at `path`. Raises `BadModelFile`."""
        return self.read(path).header

    def read(self, path: Path) -> gguf.Model:
        """The whole model at `path`, all its headers. Raises `BadModelFile`."""
        found = self._read(path)
        if isinstance(found, str):
            raise BadModelFile(found)
        return found

    def _opened(self) -> list[str]:
        paths = self._store.values.get(OPENED)
        return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []

    def _read(self, path: Path) -> gguf.Model | str:
        """The model, or the sentence that says what is wrong with it; kept until one of its files changes."""
        files = [file for name in gguf.shard_names(path.name) if (file := path.with_name(name)).is_file()]
        key = tuple((file, stat.st_mtime, stat.st_size) for file in files for stat in [file.stat()])
        if key not in self._read_ones:
            try:
                self._read_ones[key] = gguf.read_model(path)
            except BadModelFile as error:
                self._read_ones[key] = error.message
        return self._read_ones[key]


def first_shard(path: Path) -> Path:
    """The file that stands for the whole model; `path` itself when its first shard is not there."""
    first = path.with_name(gguf.shard_names(path.name)[0])
    return first if first.is_file() else path
