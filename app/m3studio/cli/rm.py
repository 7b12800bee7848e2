"""`m3studio rm`: deletes a model's files, all shards of it. Knows no running app."""

import argparse
import sys

from m3studio import gguf
from m3studio.cli import _flags, _models
from m3studio.errors import BadInput, NotFound
from m3studio.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to delete, and whether to ask."""
    parser.add_argument("ref", metavar="REF", help="a GGUF file, or a model's name here")
    parser.add_argument("-y", "--yes", action="store_true", help="delete without asking")
    _flags.add(parser, "data_dir")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Delete it; 1 if the answer was no."""
    home = _flags.home(settings)
    path = _models.find(home, args.ref)
    files = [file for name in gguf.shard_names(path.name) if (file := path.with_name(name)).is_file()]
    size = sum(file.stat().st_size for file in files) / 1e9
    what = str(files[0]) if len(files) == 1 else f"{len(files)} files of {path.parent}"
    if not args.yes:
        if not sys.stdin.isatty():
            raise BadInput("Nothing was deleted: nobody can be asked here. Add --yes to delete without a question.")
        sys.stderr.write(f"Delete {what} ({size:.2f} GB)? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.stderr.write("Nothing was deleted.\n")
            return 1
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise NotFound(
                f"{file} could not be deleted ({error.strerror}). Mend its permissions and try again."
            ) from error
    folder = path.parent
    while folder != home.models and folder.is_relative_to(home.models) and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
    sys.stdout.write(f"Deleted {what} ({size:.2f} GB).\n")
    return 0
