"""Results that are too long for the model: it gets both ends, the chat's folder keeps the whole. Knows no tool."""

import os
import re
from contextlib import suppress
from pathlib import Path

from m3studio.tools import ToolResult

FOLDER = "tool-results"


def shortened(result: ToolResult, most: int, workspace: Path, name: str) -> ToolResult:
    """The result with `most` characters of its text, and a note where the rest is. Short ones stay as they are."""
    text = result.text
    if len(text) <= most:
        return result
    kept = _keep(text, workspace, re.sub(r"[^\w.-]", "_", name)[:80] + ".txt")
    place = f"the whole result is in the file {kept}" if kept else "the rest could not be kept"
    head, tail = most * 3 // 4, most // 4
    note = f"\n[… {len(text) - head - tail:,} characters left out; {place} …]\n"
    return ToolResult(text[:head] + note + text[len(text) - tail :], result.error)


def _keep(text: str, workspace: Path, name: str) -> str:
    """Write the file; its path within the workspace, or nothing if that fails."""
    folder = workspace / FOLDER
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Code of the model may have put a link in the folder's place, or in the file's: never follow it.
        if os.open in os.supports_dir_fd:
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=place)
            finally:
                os.close(place)
        else:
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(text.encode("utf-8", "replace"))
        return f"{FOLDER}/{name}"
    return ""
