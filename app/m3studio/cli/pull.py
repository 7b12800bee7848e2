"""`m3studio pull`: fetches a model and shows how far it is. Knows nothing of where models come from."""

import argparse
import json
import sys
import time

from m3studio.cli import _flags
from m3studio.errors import BadInput
from m3studio.hub import starter
from m3studio.settings import Settings

BAR = 24  # characters


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to fetch."""
    parser.add_argument("ref", metavar="starter", help="the small model to begin with (98 MB)")
    parser.add_argument("--json", action="store_true", help="say only what is there at the end, as JSON")
    _flags.add(parser, "data_dir")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Fetch it. Running it again goes on where it was."""
    if args.ref != "starter":
        raise BadInput(f"“{args.ref}” cannot be fetched. Known: starter.")
    home = _flags.home(settings)
    home.prepare()
    show = Meter(quiet=args.json)
    path = starter.fetch(home.models, show)
    show.end()
    if args.json:
        ref = path.relative_to(home.models).with_suffix("").as_posix()
        sys.stdout.write(json.dumps({"ref": ref, "path": str(path), "size": path.stat().st_size}) + "\n")
    else:
        sys.stdout.write(f"{path}\n")
    return 0


class Meter:
    """Progress on stderr: a bar that moves on a terminal, else a line at every tenth."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._started = 0.0
        self._from = 0
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` bytes are here."""
        if not self._started:
            self._started, self._from = time.monotonic(), done
        share = done / max(total, 1)
        step = int(share * (200 if self._terminal else 10))
        if self._quiet or step == self._shown:
            return
        self._shown = step
        line = self._line(done, total, share)
        sys.stderr.write(f"\r{line:<72}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def _line(self, done: int, total: int, share: float) -> str:
        speed = (done - self._from) / max(time.monotonic() - self._started, 0.001)
        left = f"{(total - done) / speed:.0f} s left" if speed > 0 and done < total else ""
        bar = "#" * int(share * BAR)
        bar = f"[{bar:<{BAR}}] " if self._terminal else ""
        return f"{bar}{share:4.0%}  {done / 1e6:.1f} of {total / 1e6:.1f} MB  {left}".rstrip()

    def end(self) -> None:
        """Leave the line of the bar."""
        if self._terminal and self._shown >= 0:
            sys.stderr.write("\n")
