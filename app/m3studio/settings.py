"""What can be set from outside: flag over environment over stored over default, in one frozen object.

A new flag is one field here. Knows nothing of who uses a setting.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from m3studio.errors import BadInput


def flag(default: object, help: str, *, short: str = "", metavar: str = "") -> Any:
    """A setting with its line of help."""
    return field(default=default, metadata={"help": help, "short": short, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How a model is loaded, under llama.cpp's names. None: the planner or the model decides."""

    n_ctx: int | None = flag(None, "context length in tokens")
    n_gpu_layers: int | None = flag(None, "layers on the GPU; -1 is all of them")
    n_batch: int | None = flag(None, "tokens in one decode call")
    n_ubatch: int | None = flag(None, "tokens computed at once")
    n_seq_max: int | None = flag(None, "sequences that run at the same time")
    threads: int | None = flag(None, "CPU threads")
    type_k: str | None = flag(None, "type of the K cache: f16 or q8_0")
    type_v: str | None = flag(None, "type of the V cache: f16 or q8_0")
    flash_attn: bool | None = flag(None, "flash attention")
    use_mmap: bool | None = flag(None, "map the file instead of reading it")
    use_mlock: bool | None = flag(None, "keep the model from being swapped out")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the app is started."""

    host: str = flag("127.0.0.1", "address to listen on; 0.0.0.0 for the whole network", short="-H", metavar="HOST")
    port: int = flag(8888, "port to listen on", short="-p", metavar="PORT")
    data_dir: Path | None = flag(None, "folder for chats, models and logs (default: ~/.m3studio)", metavar="DIR")
    model: str | None = flag(None, "model to load at start: a path or a name in the library", metavar="REF")
    force: bool = flag(False, "load that model even if it seems not to fit into memory")
    password_file: Path | None = flag(None, "file whose first line becomes the password", metavar="FILE")
    browser: bool = flag(True, "open the page in a browser")
    allow_host: str = flag("", "further host names of the page, separated by commas", metavar="HOSTS")
    root_path: str = flag("", "path below which a reverse proxy serves the app", metavar="PATH")
    load: LoadSettings = field(default_factory=LoadSettings)


def resolve(
    flags: Mapping[str, object], stored: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from flags, `M3STUDIO_*` variables and stored values; what none of them names keeps its default.

    `flags` holds only what the user typed. Raises `BadInput` with the variable's name for a value that does not fit.
    """
    load = LoadSettings(**dict(_values(LoadSettings, flags, stored, environ)))
    top = dict(_values(Settings, flags, stored, environ))
    return Settings(**{**top, "load": load})


def load_settings(values: Mapping[str, object]) -> LoadSettings:
    """Load settings from plain values, as a page or the API sends them. Raises `BadInput`."""
    known = {item.name for item in fields(LoadSettings)}
    if unknown := set(values) - known:
        raise BadInput(f"There is no load setting “{sorted(unknown)[0]}”. Known ones: {', '.join(sorted(known))}.")
    return LoadSettings(**dict(_values(LoadSettings, values, {}, {})))


def _values(
    cls: type, flags: Mapping[str, object], stored: Mapping[str, object], environ: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(cls)
    for item in fields(cls):
        if item.default is MISSING:
            continue
        variable = f"M3STUDIO_{item.name.upper()}"
        for place, value in (
            (item.name, flags.get(item.name)),
            (variable, environ.get(variable) or None),
            (item.name, stored.get(item.name)),
        ):
            if value is not None:
                yield item.name, _cast(place, value, hints[item.name])
                break


def _cast(place: str, value: object, hint: Any) -> object:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if isinstance(hint, UnionType) else [hint]
    kind = kinds[0]
    if kind is bool and isinstance(value, str):
        word = value.strip().lower()
        if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise BadInput(f"{place} must be yes or no, not “{value}”.")
        return word in ("1", "true", "yes", "on")
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise BadInput(f"{place} must be a {'number' if kind is int else kind.__name__}, not “{value}”.") from None
