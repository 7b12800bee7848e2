"""`m3studio show`: what a model file says of itself, and how its makers want it sampled. Loads nothing."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from m3studio import gguf, presets, templates
from m3studio.cli import _flags, _models
from m3studio.errors import BadInput
from m3studio.paths import Home
from m3studio.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument("ref", metavar="REF", help="a GGUF file, or a model's name here")
    parser.add_argument("--json", action="store_true", help="as JSON")
    _flags.add(parser, "data_dir")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print it."""
    home = _flags.home(settings)
    found = shown(home, _models.find(home, args.ref))
    sys.stdout.write((json.dumps(found, indent=2) if args.json else "\n".join(_told(found))) + "\n")
    return 0


def shown(home: Home, path: Path) -> dict[str, object]:
    """The model as `--json` prints it. Raises `BadModelFile`."""
    model = gguf.read_model(path)
    header = model.header
    repo_id = _models.repo_of(home, path)
    sampling = presets.sampling_for(header, repo_id)
    prompt = presets.system_prompt_for(header, repo_id)
    return {
        "ref": _models.ref_of(home, path),
        "name": gguf.display_name(path),
        "path": str(model.path or path),
        "files": len(model.names),
        "size": model.file_size,
        "architecture": header.architecture,
        "parameters": model.n_params,
        "context": header.context_length,
        "quant": header.quant,
        "tensors": len(model.tensors),
        "layers": header.block_count,
        "experts": header.expert_count,
        "experts_used": header.expert_used_count,
        "template": template_of(header),
        "sampling": {name: asdict(sourced) for name, sourced in sampling.items()},
        "system_prompt": asdict(prompt) if prompt else None,
    }


def template_of(header: gguf.Header) -> dict[str, object]:
    """What the chat template can do; `problem` says why it cannot be used."""
    text = templates.choose(header.chat_templates)
    if not text:
        return {"problem": "The file has no chat template; ChatML is used."}
    try:
        return {"names": list(header.chat_templates), **_plain(templates.capabilities(text)), "problem": ""}
    except BadInput as error:
        return {"names": list(header.chat_templates), "problem": error.message}


def _plain(found: templates.Capabilities) -> dict[str, object]:
    plain: dict[str, object] = json.loads(json.dumps(asdict(found), default=str))
    return plain


def _told(found: Mapping[str, object]) -> Iterator[str]:
    for name in ("name", "path", "architecture", "quant", "tensors", "layers"):
        yield f"{name:<14} {found[name]}"
    yield f"{'size':<14} {int(str(found['size'])) / 1e9:.2f} GB in {found['files']} file(s)"
    yield f"{'parameters':<14} {int(str(found['parameters'])) / 1e9:.2f} B"
    yield f"{'context':<14} {int(str(found['context'])):,} tokens"
    sampling = found["sampling"]
    if isinstance(sampling, Mapping):
        for name, row in sampling.items():
            source = " ".join(filter(None, (row["source"], row["date"])))
            yield f"{name:<14} {row['value']:<6} {source}"
