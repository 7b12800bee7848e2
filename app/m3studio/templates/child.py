"""The child process that runs a model's template: requests and answers are lines of JSON. Knows no network, no files.

Covered: endless loops (its parent kills this process, else it ends itself), memory where the system can limit it, and
whatever Jinja's sandbox keeps out. Not covered: a fault in Python itself that breaks that sandbox.
"""

import faulthandler
import json
import sys
from collections.abc import Mapping
from functools import cache

from m3studio.templates.environment import RUNTIME_ERRORS, Template, TemplateFailed, reason
from m3studio.templates.prompts import build
from m3studio.templates.shape import Shape, probe
from m3studio.templates.thinking import examine

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

MEMORY = 2 << 30  # bytes of address space; a prompt of the longest allowed output takes a quarter of it
LAST_RESORT = 8.0  # seconds; the parent kills earlier, unless it is gone


def main() -> None:
    """Answer requests until the parent closes the pipe. The first line is the template."""
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    source = str(json.loads(sys.stdin.buffer.readline()))
    _tell(b'"ready"')
    for line in sys.stdin.buffer:
        faulthandler.dump_traceback_later(LAST_RESORT, exit=True)
        answer = _answer(source, line)
        faulthandler.cancel_dump_traceback_later()
        _tell(answer)


def _tell(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _answer(source: str, line: bytes) -> bytes:
    try:
        return json.dumps(_done(source, json.loads(line))).encode()
    except TemplateFailed as error:
        return json.dumps({"line": error.line, "reason": error.reason}).encode()
    except RUNTIME_ERRORS as error:  # in a probe, or for messages of an odd shape
        return json.dumps({"line": 0, "reason": reason(error)}).encode()


def _done(source: str, request: Mapping[str, object]) -> object:
    template, shape = _known(source)
    if request["do"] == "examine":
        return examine(template, shape).to_json()
    done = build(template, shape, *request["prompt"])  # type: ignore[misc]
    return {"text": done.text, "generation_prompt": done.generation_prompt}


@cache
def _known(source: str) -> tuple[Template, Shape]:
    template = Template(source)
    return template, probe(template)


if __name__ == "__main__":
    main()
