"""Where the program's own log goes: a file that rotates, and warnings to the terminal. Never a prompt or a password."""

import logging
import logging.handlers
import sys
from pathlib import Path


def start(folder: Path, *, verbose: bool = False) -> None:
    """Log to `folder/m3studio.log` (three files of 2 MB), and warnings (or all, if `verbose`) to stderr."""
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    file = logging.handlers.RotatingFileHandler(folder / "m3studio.log", maxBytes=2_000_000, backupCount=3, delay=True)
    file.setFormatter(form)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    terminal.setLevel(logging.DEBUG if verbose else logging.WARNING)
    root = logging.getLogger("m3studio")
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    root.handlers = [file, terminal]
    root.propagate = False
