"""`m3studio plan`: what of a model fits, where, how fast, on this machine or on another one. Loads nothing."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace

from m3studio import gguf, hardware, offload
from m3studio.cli import _flags, _models
from m3studio.errors import BadInput, NotFound
from m3studio.hardware import Hardware
from m3studio.offload import ModelFacts, OffloadPlan, Verdict, Wishes, words
from m3studio.settings import Settings

WORDS = {Verdict.FITS: "fits", Verdict.TIGHT: "tight", Verdict.TOO_BIG: "too big"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the wishes, and the machine where it is not this one."""
    parser.add_argument("ref", metavar="REF", help="a GGUF file, a model's name here, repo:quant, or a whole repo")
    parser.add_argument("--ctx", type=int, metavar="N", help="context length in tokens")
    parser.add_argument("--kv", choices=("f16", "q8_0"), help="type of the cache")
    other = parser.add_argument_group("another machine than this one; sizes in GiB")
    other.add_argument("--ram", type=float, metavar="GIB", help="RAM")
    other.add_argument("--vram", metavar="GIB,GIB", help="memory of each graphics card")
    other.add_argument("--unified", type=float, metavar="GIB", help="memory that CPU and GPU share, as on a Mac")
    other.add_argument("--wired", type=float, metavar="GIB", help="how much of it macOS lets the GPU use")
    parser.add_argument("--json", action="store_true", help="as JSON")
    _flags.add(parser, "data_dir")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the plan; a table for a whole repository."""
    load = replace(settings.load, n_ctx=args.ctx or settings.load.n_ctx)
    if args.kv:
        load = replace(load, type_k=args.kv, type_v=args.kv)
    quants, single = models(args.ref, settings)
    machine = machine_of(args)
    plans = [(model, offload.plan(model, machine, Wishes(load, quants))) for model in quants]
    if single is not None:
        model, plan = next((model, plan) for model, plan in plans if model is single)
        most = offload.largest_context(model, machine, Wishes(load))
        text = (
            json.dumps(_whole(args.ref, model, plan, most), indent=2)
            if args.json
            else "\n".join(_told(model, plan, most))
        )
    else:
        rows = [_row(model, plan) for model, plan in plans]
        shape = {
            "ref": args.ref,
            "quants": [{"quant": model.quant, "size_bytes": model.size, **plan.to_json()} for model, plan in plans],
        }
        text = json.dumps(shape, indent=2) if args.json else "\n".join(_table(rows))
    sys.stdout.write(text + "\n")
    return 0


def models(ref: str, settings: Settings) -> tuple[tuple[ModelFacts, ...], ModelFacts | None]:
    """The quants that REF names, and the one that is meant; None: all of them. Raises `NotFound`, `BadModelFile`."""
    repo, _, quant = ref.partition(":")
    try:
        path = _models.find(_flags.home(settings), ref)
    except NotFound:
        if quants := offload.known(repo):
            single = offload.of_quant(quants, quant) if quant else None
            if quant and single is None:
                names = ", ".join(one.quant for one in quants)
                raise NotFound(
                    f"Sizes of {repo} are known for {names}, not for “{quant}”. Choose one of them."
                ) from None
            return quants, single
        raise
    facts = replace(offload.facts(gguf.read_model(path)), name=gguf.display_name(path))
    return (facts,), facts


def machine_of(args: argparse.Namespace) -> Hardware:
    """The machine that the flags describe, else this one. Raises `BadInput`."""
    if args.ram is None and args.vram is None and args.unified is None and args.wired is None:
        found = hardware.probe()
        return replace(found, bandwidth=hardware.measure_bandwidth(found.threads))
    try:
        vram = [float(size) for size in (args.vram or "").split(",") if size.strip()]
    except ValueError:
        raise BadInput(f"--vram is a list of sizes in GiB, such as 24,24; not “{args.vram}”.") from None
    return hardware.imagined(args.ram or 0, vram, unified=args.unified or 0, wired=args.wired or 0)


def _whole(ref: str, model: ModelFacts, plan: OffloadPlan, most: int) -> dict[str, object]:
    about = {"ref": ref, "name": model.name, "quant": model.quant, "architecture": model.architecture}
    return {**about, "n_ctx_train": model.n_ctx_train, "max_n_ctx": most, **plan.to_json()}


def _told(model: ModelFacts, plan: OffloadPlan, most: int) -> Iterator[str]:
    yield f"{model.name} {model.quant}: {WORDS[plan.verdict]}"
    sizes = {"weights": plan.weights_bytes, "cache": plan.kv_bytes, "buffers": plan.compute_bytes}
    parts = ", ".join(f"{name} {words.size(count)}" for name, count in sizes.items())
    yield f"  memory   {words.size(plan.total_bytes)}: {parts}"
    for share in plan.devices:
        yield f"  {share.name:<8} {words.size(share.bytes)} of {words.size(share.room)} free"
    yield f"  context  {plan.load.n_ctx:,} tokens, up to {most:,} fit"
    if plan.verdict is not Verdict.TOO_BIG:
        yield f"  speed    {_speed(plan)} tokens per second, expected"
    yield from (f"  {text}" for text in (*plan.reasons, *plan.suggestions))


def _speed(plan: OffloadPlan) -> str:
    low, high = plan.speed
    return f"{low:.1f} to {high:.1f}" if high < 10 else f"{low:.0f} to {high:.0f}"


def _row(model: ModelFacts, plan: OffloadPlan) -> tuple[str, ...]:
    fits = plan.verdict is not Verdict.TOO_BIG
    where = ", ".join(f"{words.size(share.bytes)} {share.name}" for share in plan.devices)
    missing = f"{words.size(plan.shortfall)} short"
    context = f"{plan.load.n_ctx:,}" if fits else "-"
    return (
        model.quant,
        words.size(model.size),
        WORDS[plan.verdict],
        context,
        _speed(plan) if fits else "-",
        where if fits else missing,
    )


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    head = ("quant", "size", "", "context", "tokens/s", "memory")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
