"""Runs one model's chat template in a child process, with a limit of time and memory. Knows no Jinja."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from threading import Lock, Timer
from types import TracebackType
from typing import Self

from m3studio.errors import BadInput
from m3studio.messages import Message, Tool
from m3studio.templates.environment import TemplateFailed
from m3studio.templates.prompts import Prompt
from m3studio.templates.thinking import Capabilities

SECONDS = 5.0  # for one rendering
START_SECONDS = 30.0  # for Python to start; a busy machine is no fault of the template
LONGEST = 256 << 20  # bytes of an answer: the longest output, every character escaped
CHATML = (
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
_KEPT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "HOME", "TMPDIR", "TEMP")


class Renderer:
    """One template, ready to render again and again. Every method may be called from any thread.

    `defaults` are variables for every prompt (`bos_token`, `eos_token`); a prompt's own come on top. `fallback` is true
    for a model without a template: ChatML is used, which most models know.
    """

    def __init__(self, template: str, *, defaults: Mapping[str, object] = {}) -> None:
        self.fallback = not template.strip()
        self._source = CHATML if self.fallback else template
        self._defaults = dict(defaults)
        self._lock = Lock()  # protects _child and the pipes to it: one question at a time
        self._child: subprocess.Popen[bytes] | None = None
        self._capabilities: Capabilities | None = None

    def prompt(
        self,
        messages: Sequence[Message | Mapping[str, object]],
        tools: Sequence[Tool | Mapping[str, object]] = (),
        variables: Mapping[str, object] = {},
        continue_final: bool | str = False,
    ) -> Prompt:
        """The prompt for a conversation. `variables`, `continue_final`: as for `templates.prompts.build`.

        Raises `BadInput` when the template refuses the conversation, or takes too long.
        """
        parts = (_plain(messages), _plain(tools), _pinned({**self._defaults, **variables}), continue_final)
        answer = self._ask({"do": "prompt", "prompt": parts})
        return Prompt(str(answer["text"]), str(answer["generation_prompt"]))

    def capabilities(self) -> Capabilities:
        """What the template can do. Found out once."""
        if self._capabilities is None:
            self._capabilities = Capabilities.from_json(self._ask({"do": "examine"}))
        return self._capabilities

    def close(self) -> None:
        """End the child process. A later prompt starts a new one. Safe to repeat."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: Mapping[str, object]) -> Mapping[str, object]:
        try:
            line = json.dumps(request).encode() + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"The messages or variables for the chat template are no plain JSON: {error}.") from None
        with self._lock:
            child = self._child
            if child is None or child.poll() is not None:
                self._end()
                child = self._child = self._started()
            answer, late = _exchange(child, line, SECONDS)
            whole = answer.endswith(b"\n")
            if late or not whole:
                self._end()
            if not whole:
                raise TemplateFailed(0, _death(late))
        found = json.loads(answer)
        if "reason" in found:
            raise TemplateFailed(int(found["line"]), str(found["reason"]))
        return dict(found)

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "m3studio.templates.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONUTF8": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        ready, _ = _exchange(child, json.dumps(self._source).encode() + b"\n", START_SECONDS)
        if not ready:
            _stop(child)
            raise BadInput("The process that runs chat templates does not start. Run “m3studio doctor” to see why.")
        return child

    def _end(self) -> None:
        if self._child is not None:
            _stop(self._child)
            self._child = None


def _exchange(child: subprocess.Popen[bytes], line: bytes, seconds: float) -> tuple[bytes, bool]:
    """One line out, one line in. A child that takes longer is killed: then the second value is true."""
    assert child.stdin is not None and child.stdout is not None
    timer = Timer(seconds, child.kill)
    timer.start()
    try:
        child.stdin.write(line)
        child.stdin.flush()
        answer = child.stdout.readline(LONGEST)
    except OSError:  # the child ended while we wrote
        answer = b""
    late = not timer.is_alive()
    timer.cancel()
    return answer, late


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    for pipe in (child.stdin, child.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:  # what was still to be written has no reader any more
            pass
    child.wait()


def _death(late: bool) -> str:
    return f"it did not finish within {SECONDS:g} s and was stopped" if late else "it ran out of memory and was stopped"


def _plain(items: Sequence[Message | Tool | Mapping[str, object]]) -> list[object]:
    for item in items:
        if not isinstance(item, (Message, Tool, Mapping)):
            raise BadInput("Each message and each tool must be an object with its fields by name.")
    return [item.to_openai() if isinstance(item, (Message, Tool)) else dict(item) for item in items]


def _pinned(variables: Mapping[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in variables.items()}
