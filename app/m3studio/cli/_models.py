"""Finds the model that a user names on the command line. Knows the models folder, and no running app."""

from pathlib import Path

from m3studio import gguf
from m3studio.errors import NotFound
from m3studio.paths import Home


def find(home: Home, ref: str) -> Path:
    """A file's path, or a model below the models folder by ref, name, file name or `name:quant`. Raises `NotFound`."""
    path = Path(ref).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        return path.resolve()
    wanted = ref.strip().lower()
    for found in sorted(home.models.rglob("*.gguf")):
        if wanted in names(home, found):
            return found
    raise NotFound(f"There is no model “{ref}” here. See the list with `m3studio list`, or give a file's path.")


def ref_of(home: Home, path: Path) -> str:
    """What the app calls the model at `path`."""
    if path.is_relative_to(home.models):
        return path.relative_to(home.models).with_suffix("").as_posix()
    return str(path)


def repo_of(home: Home, path: Path) -> str | None:
    """The repository that the file was fetched from, where its place says so: `models/owner/name/...`."""
    parts = path.relative_to(home.models).parts if path.is_relative_to(home.models) else ()
    return "/".join(parts[:2]) if len(parts) > 2 else None


def names(home: Home, path: Path) -> set[str]:
    """All words for the file, in lower case."""
    name = gguf.display_name(path)
    quant = path.stem[len(name) :].strip("-._").partition("-0")[0]
    spoken = {ref_of(home, path), name, path.name, path.stem, f"{name}:{quant}"}
    if repo := repo_of(home, path):
        spoken.add(f"{repo}:{quant}")
    return {word.lower() for word in spoken}
