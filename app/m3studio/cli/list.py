"""`m3studio list`: the models in the data folder, a split one once. Knows nothing of what runs them."""

import argparse
import json
import sys
from pathlib import Path

from m3studio import gguf
from m3studio.cli import _flags
from m3studio.errors import StudioError
from m3studio.paths import Home
from m3studio.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """How to say it."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    _flags.add(parser, "data_dir")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print a line per model."""
    home = _flags.home(settings)
    models = found(home)
    if args.json:
        sys.stdout.write(json.dumps({"models": models}, indent=2) + "\n")
    elif not models:
        sys.stdout.write(f"There is no model in {home.models}. `m3studio pull starter` fetches one to begin with.\n")
    else:
        width = max(len(str(model["ref"])) for model in models)
        for model in models:
            size = f"{int(str(model['size'])) / 1e9:.2f} GB"
            sys.stdout.write(f"{model['ref']:<{width}}  {size:>10}  {model['problem'] or model['quant']}\n")
    return 0


def found(home: Home) -> list[dict[str, object]]:
    """Every model below the models folder: `ref`, `name`, `path`, `size` in bytes, `quant`, and `problem` or empty."""
    paths = sorted(home.models.rglob("*.gguf"))
    return [entry(home, path) for path in paths if is_first(path)]


def is_first(path: Path) -> bool:
    """False for a shard whose first shard is there and stands for the whole."""
    first = path.with_name(gguf.shard_names(path.name)[0])
    return first == path or not first.is_file()


def entry(home: Home, path: Path) -> dict[str, object]:
    """One model, as `--json` prints it."""
    ref = path.relative_to(home.models).with_suffix("").as_posix()
    name, size, quant, problem = path.stem, path.stat().st_size, "", ""
    try:
        model = gguf.read_model(path)
        name, size, quant = model.header.name or name, model.file_size, model.header.quant
    except StudioError as error:
        problem = str(error)
    return {"ref": ref, "name": name, "path": str(path), "size": size, "quant": quant, "problem": problem}
