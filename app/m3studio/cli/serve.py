"""`m3studio serve`: hands the settings to the server. Knows nothing of what the server does."""

import argparse

from m3studio.cli import _flags
from m3studio.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting."""
    _flags.add_all(parser)


def run(_args: argparse.Namespace, settings: Settings) -> int:
    """Serve until interrupted."""
    from m3studio import server  # takes a second, which `--help` and a wrong flag need not wait for

    return server.main(settings)
