"""`m3studio passwd`: sets the password from the terminal or a file. Knows nothing of how it is kept."""

import argparse
import contextlib
import getpass
import sys
from pathlib import Path

from m3studio import store
from m3studio.auth import Auth
from m3studio.cli import _flags
from m3studio.errors import BadInput
from m3studio.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the password comes from."""
    _flags.add(parser, "data_dir", "password_file")


def run(_args: argparse.Namespace, settings: Settings) -> int:
    """Set it, and sign every browser out. Whoever can write the data folder needs no old password."""
    home = _flags.home(settings)
    home.prepare()
    with contextlib.closing(store.open(home.database)) as kept:
        password = from_file(settings.password_file) if settings.password_file else ask()
        Auth(kept).reset_password(password)
    sys.stdout.write("The password is set. Every browser has to sign in again.\n")
    return 0


def from_file(path: Path) -> str:
    """The file's first line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The password file {path} cannot be read: {error}.") from error
    return lines[0] if lines else ""


def ask() -> str:
    """Twice the same from the terminal, without showing it."""
    if not sys.stdin.isatty():
        raise BadInput(
            "There is no terminal to ask for the password. Put it into a file, and name it: --password-file."
        )
    try:
        first = getpass.getpass("New password: ")
        second = getpass.getpass("Once more: ")
    except EOFError:
        raise BadInput("No password was typed; the old one stays.") from None
    if first != second:
        raise BadInput("These are two different passwords; the old one stays. Try again.")
    return first
