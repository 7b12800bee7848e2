"""Asks llama.cpp what a load would take, without allocating it: a child that prints JSON. Knows no plan.

It ends after the first answer; a file that makes native code abort costs this process and nothing else.
"""

import json
import os
import sys

from m3studio.engines.llama import wire
from m3studio.engines.llama.memory import layout_of
from m3studio.engines.llama.model import measure
from m3studio.settings import LoadSettings


def main() -> None:
    """Take the `Load` message from stdin, and print bytes by device and kind."""
    out = os.dup(1)
    os.dup2(2, 1)  # native code may print there
    request = wire.decode(sys.stdin.buffer.readline())
    if not isinstance(request, wire.Load):
        raise ValueError(f"the first message is {type(request).__name__}, not Load")
    settings = LoadSettings(**request.settings)  # type: ignore[arg-type]
    found = measure(request.path, settings, layout_of(request.layout))
    os.write(out, json.dumps(found).encode())


if __name__ == "__main__":
    main()
