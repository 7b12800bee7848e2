"""The words of the sandbox: levels, limits, what a call gave. Knows no mechanism."""

from dataclasses import dataclass
from enum import StrEnum

MIB, GIB = 1 << 20, 1 << 30


class Level(StrEnum):
    """How tool code is held, from the strongest to nothing at all."""

    BWRAP = "bwrap"
    LANDLOCK = "landlock"
    SEATBELT = "seatbelt"
    APPCONTAINER = "appcontainer"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one call, and one workspace, may go. Seconds and bytes.

    `address_space`, `file_size` and `open_files` count for each process, `memory` (resident) and `processes` for all of
    a chat together. `output` is kept of each stream, `output_total` ends the call, `scratch` is what /tmp holds.
    """

    wall: float = 60.0
    address_space: int = 4 * GIB
    memory: int = 2 * GIB
    file_size: int = 64 * MIB
    processes: int = 64
    open_files: int = 256
    workspace_bytes: int = GIB
    workspace_files: int = 2000
    workspace_depth: int = 40
    scratch: int = 64 * MIB
    output: int = 64 << 10
    output_total: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave.

    `files` are the regular files that are new or changed, `images` those of them that a page can show; both as paths
    relative to the workspace. `limit` is a sentence when a limit ended the call, `notes` are further sentences, both
    for the model and the user. `exit_code` is 0 when all went well and less than 0 when a signal ended the call.
    """

    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool = False
    files: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    limit: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def size(count: float) -> str:
    """Bytes as people say them: `64 MB`, `1.5 GB` (powers of 1024)."""
    unit = "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count:.1f}".removesuffix(".0") + f" {unit}"
