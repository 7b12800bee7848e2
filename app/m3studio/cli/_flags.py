"""Flags made of the fields of the settings, so that a setting is one line in one place. Knows no verb."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

from m3studio.paths import Home, default_home
from m3studio.settings import LoadSettings, Settings


def add_all(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting of the app and of a model's load. A flag that nobody typed leaves no trace."""
    _add(parser, Settings)
    _add(parser.add_argument_group("how a model is loaded; what is not said here, the model decides"), LoadSettings)


def add(parser: argparse.ArgumentParser, *names: str) -> None:
    """The flags of some of the app's settings."""
    _add(parser, Settings, names)


def home(settings: Settings) -> Home:
    """The data folder that flags or environment name, else the user's own."""
    return Home(settings.data_dir or default_home())


def _add(group: argparse._ActionsContainer, cls: type, names: Sequence[str] = ()) -> None:
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.metadata and (not names or field.name in names):
            _add_one(group, field, hints[field.name])


def _add_one(group: argparse._ActionsContainer, field: dataclasses.Field[Any], hint: object) -> None:
    name = field.name.replace("_", "-")
    text = field.metadata["help"]
    common: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
    if field.default is True:
        group.add_argument(f"--no-{name}", action="store_false", help=f"do not {text}", **common)
    elif hint in (bool, bool | None):
        group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=text, **common)
    else:
        names = [field.metadata["short"]] if field.metadata["short"] else []
        metavar = field.metadata["metavar"] or ("N" if hint == int | None else "X")
        shown = f" (default: {field.default})" if field.default not in (None, "") else ""
        group.add_argument(*names, f"--{name}", metavar=metavar, help=text + shown, **common)
