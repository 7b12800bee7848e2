"""Models on disk: GGUF files below the models folder, and files that were opened by their path. Loads nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

from m3studio import gguf
from m3studio.errors import BadModelFile, NotFound
from m3studio.paths import Home
from m3studio.store import Store

SHARD_AND_QUANT = re.compile(
    r"(-\d{5}-of-\d{5})?$|[-._](UD-)?(I?Q\d\w*|TQ\d\w*|BF16|F16|F32|FP16|MXFP4\w*)(-\d{5}-of-\d{5})?$", re.IGNORECASE
)
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


def display_name(path: Path) -> str:
    """The file's name as people say it: without shard number and quant, which are shown apart.

    The name in a GGUF's own metadata is often a training run's, so it is not used.
    """
    return SHARD_AND_QUANT.sub("", path.stem) or path.stem


class Shelf:
    """Every model that can be opened."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store
        self._headers: dict[
            tuple[Path, float, int], gguf.Header | str
        ] = {}  # each entry is written whole, by any thread

    def models(self) -> list[Model]:
        """Files below the models folder, and files opened by path before."""
        inside = sorted(self._home.models.rglob("*.gguf"))
        outside = [Path(path) for path in self._opened() if Path(path).is_file()]
        return [self.model(path) for path in dict.fromkeys([*inside, *outside])]

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
        """The file as a model; one that cannot be read has a `problem`."""
        header = self._read(path)
        size = path.stat().st_size
        if isinstance(header, str):
            return Model(self.ref(path), display_name(path), path, size, "", "", 0, 0, problem=header)
        return Model(
            ref=self.ref(path),
            name=display_name(path),
            path=path,
            size=size,
            architecture=header.architecture,
            quant=header.quant,
            parameters=header.n_params,
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
        """The header of one file. Raises `BadModelFile`."""
        found = self._read(path)
        if isinstance(found, str):
            raise BadModelFile(found)
        return found

    def _opened(self) -> list[str]:
        paths = self._store.values.get(OPENED)
        return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []

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
