"""Where llama.cpp's own chat tests lie: beside the project, or where M3STUDIO_CONFORMANCE points.

The cases (`toolcalls.jsonl`) and templates (`templates/*.jinja`) belong to their makers and are not part of the project.
"""

import json
import os
from functools import cache
from pathlib import Path

DATA = Path(os.environ.get("M3STUDIO_CONFORMANCE") or Path(__file__).parents[2] / "shared" / "data")
FILE = DATA / "toolcalls.jsonl"
MISSING = f"no conformance data in {DATA}; set M3STUDIO_CONFORMANCE"


@cache
def cases() -> list[dict]:
    """Every case; none where the data are not there."""
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] if FILE.is_file() else []


@cache
def template(name: str) -> str:
    return (DATA / "templates" / f"{name}.jinja").read_text("utf-8")


def templates() -> dict[str, str]:
    """Every template by its name."""
    return {path.stem: template(path.stem) for path in sorted((DATA / "templates").glob("*.jinja"))}
