"""A running sandbox as the app sees it: starts the warden, runs one call at a time, watches its limits, ends it.

Knows no mechanism: it is handed what to start. All that comes from inside is bounded and may be a lie.
"""

import contextlib
import marshal
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO

from m3studio.errors import ToolError
from m3studio.messages import Cancel
from m3studio.sandbox import tree
from m3studio.sandbox.inside import frames, kernel, warden
from m3studio.sandbox.limits import Limits
from m3studio.sandbox.mechanism import Launch
from m3studio.sandbox.output import Stream
from m3studio.sandbox.watch import Watch

_TICK = 0.03  # seconds between two looks at the limits
_START, _ANSWER = 15.0, 3.0
_GRACE_WALL, _GRACE_STOP = 1.0, 0.2  # seconds from the interrupt to the kill
_SMALL = 4096  # bytes of a warden's message
STOPPED = "The user stopped it."


@dataclass(slots=True)
class Call:
    """One call in flight. `ended_by` is a sentence when a limit or the user ended it."""

    out: Stream
    err: Stream
    cancel: Cancel
    code: int | None = None
    ended_by: str = ""
    timed_out: bool = False
    begun: bool = False
    broke: bool = False  # a limit that was looked at from outside
    lost: bool = False
    began: float = field(default_factory=time.monotonic)


class Box:
    """One warden and what it runs. Not safe for two threads at once; `Sandbox` sees to that."""

    def __init__(self, launch: Launch, limits: Limits) -> None:
        """Raises `ToolError` when it does not start."""
        self._limits = limits
        self._control, theirs = socket.socketpair()
        inputs = [_readable(data) for data in launch.inputs]
        argv = [part.format(*inputs) if part.startswith("{") else part for part in launch.argv]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=pipe, stderr=pipe, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                pass_fds=inputs, start_new_session=True, cwd="/",
            )  # fmt: skip
        except OSError as error:
            self._control.close()
            raise ToolError(f"The sandbox does not start: {error}.") from error
        finally:
            theirs.close()
            for descriptor in inputs:
                os.close(descriptor)
        self._kernel: socket.socket | None = None
        self._answers = frames.Reader(warden.ANSWERS, _SMALL)
        self._files = -1
        self.started_kernels = self._calls = 0
        for stream in self._pipes():
            os.set_blocking(stream.fileno(), False)
        try:
            self._control.settimeout(_START)
            self._control.sendall(frames.pack(warden.POLICY, marshal.dumps(dict(launch.policy), 2)))
            self._files = self._expect(warden.HELLO)
        except (OSError, ValueError) as error:
            said = self._last_words()
            self.close()
            raise ToolError(f"The sandbox does not start: {said or error}") from error
        tree.first_to_go(self._process.pid)

    @property
    def files(self) -> int:
        """The open root of the workspace's own file system, or -1. It outlives all inside; the taker closes it."""
        return self._files

    @property
    def pid(self) -> int:
        return self._process.pid

    # -------------------------------------------------------------------------------------------------- calls

    def python(self, code: str, call: Call, watch: Watch) -> None:
        """Run code in the kept interpreter, which is started if need be."""
        for _ in range(2):  # it may have been dying since the last call; then the code has not begun, and may run again
            self._send_code(code, call, watch)
            if call.begun or call.ended_by:
                break
        self._finish(call)

    def _send_code(self, code: str, call: Call, watch: Watch) -> None:
        try:
            if self._kernel is None:
                self._ask(warden.KERNEL)
                self._kernel = socket.socket(fileno=self._expect(warden.STARTED))
                self.started_kernels += 1
            else:
                self._ask(warden.RESUME)
            self._calls += 1
            self._kernel.settimeout(_ANSWER)
            text = f"{self._calls}\n{code}".encode("utf-8", "replace")
            self._kernel.sendall(frames.pack(kernel.RUN, text))
            self._follow(call, watch, self._kernel)
        except (OSError, ValueError):
            self._forget_kernel(call)

    def bash(self, script: str, call: Call, watch: Watch) -> None:
        """Run a script in a shell of its own."""
        with contextlib.suppress(OSError, ValueError):
            self._ask(warden.SHELL, script.encode("utf-8", "replace"))
            self._follow(call, watch, None)
        if call.code is None:
            self._kill(call)
        self._drain(call)

    def close(self) -> None:
        """End everything inside. Safe to repeat."""
        self._control.close()  # the warden kills all and ends itself
        if self._kernel:
            self._kernel.close()
            self._kernel = None
        try:
            self._process.wait(_ANSWER)
        except subprocess.TimeoutExpired:
            tree.kill(self._process.pid)
            self._process.wait()
        for stream in self._pipes():
            stream.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    # ------------------------------------------------------------------------------------------- one call, inside

    def _follow(self, call: Call, watch: Watch, socket_: socket.socket | None) -> None:
        """Read until the call is done or must end. `ValueError` when what answers talks nonsense."""
        answers = frames.Reader(kernel.BEGUN + kernel.DONE)
        deadline, killing = call.began + self._limits.wall, 0.0
        with selectors.DefaultSelector() as selector:
            for pipe, stream in zip(self._pipes(), (call.out, call.err), strict=True):
                selector.register(pipe, selectors.EVENT_READ, stream)
            for each in (self._control, socket_):
                if each:
                    selector.register(each, selectors.EVENT_READ)
            while call.code is None:
                self._hear(selector, call, answers)
                now = time.monotonic()
                if call.code is not None or now < killing:
                    continue
                if killing:
                    return
                call.ended_by, grace = self._why_end(call, watch, deadline - now)
                if call.ended_by:
                    if not grace or not socket_:
                        return
                    self._ask(warden.INTERRUPT)
                    killing = now + grace

    def _hear(self, selector: selectors.BaseSelector, call: Call, answers: frames.Reader) -> None:
        """Take what has come, or wait one tick for it."""
        for key, _ in selector.select(_TICK):
            if key.fileobj is self._control:
                call.code = self._status()
            elif isinstance(key.fileobj, socket.socket):
                take_answer(call, answers, key.fileobj.recv(1 << 16), self._calls)
            elif not _read(key.fd, key.data):
                selector.unregister(key.fileobj)

    def _why_end(self, call: Call, watch: Watch, left: float) -> tuple[str, float]:
        """A sentence if the call must end now, and the seconds that it may use to do so itself."""
        if call.cancel:
            return STOPPED, _GRACE_STOP
        if left < 0:
            call.timed_out = True
            return f"It ran longer than {self._limits.wall:g} seconds.", _GRACE_WALL
        if call.out.total + call.err.total > self._limits.output_total:
            return "It printed more than is allowed.", 0.0
        broken = watch.breach()
        call.broke = bool(broken)
        return broken, 0.0

    def _finish(self, call: Call) -> None:
        """After Python code: freeze the interpreter, kill what it started, read what is left to read."""
        if call.code is None:
            self._kill(call)
        else:
            try:
                self._ask(warden.FINISH)
                self._status()
            except (OSError, ValueError):
                self._kill(call)
        self._drain(call)

    def _kill(self, call: Call) -> None:
        """End all code at once; the warden stays, and with it the files. If it does not answer, it goes as well."""
        self._forget_kernel(call)
        try:
            self._ask(warden.KILL)
            status = self._status()
            call.code = status if status < 0 or not call.ended_by else -signal.SIGKILL
        except (OSError, ValueError):
            tree.kill(self._process.pid)
            call.code = -signal.SIGKILL
            call.ended_by = call.ended_by or "The sandbox itself broke down and was ended."

    def _forget_kernel(self, call: Call) -> None:
        if self._kernel:
            self._kernel.close()
            self._kernel = None
            call.lost = True

    def _drain(self, call: Call) -> None:
        """Read what is still in the pipes: nobody writes any more, so a pipe's size is the bound."""
        for pipe, stream in zip(self._pipes(), (call.out, call.err), strict=True):
            for _ in range(64):
                if not _read(pipe.fileno(), stream):
                    break

    # ----------------------------------------------------------------------------------------------- the warden

    def _ask(self, kind: bytes, payload: bytes = b"") -> None:
        self._control.settimeout(_ANSWER)
        self._control.sendall(frames.pack(kind, payload))

    def _expect(self, kind: bytes) -> int:
        """Wait for one message and the descriptor that came with it (-1: none). Raises `ValueError`, `OSError`."""
        data, descriptors, _, _ = socket.recv_fds(self._control, _SMALL, 4)
        messages = self._answers.feed(data)
        if len(messages) == 1 and messages[0][0] == kind:
            return descriptors[0] if descriptors else -1
        for descriptor in descriptors:
            os.close(descriptor)
        if messages and messages[0][0] == warden.FAILED:
            raise ValueError(messages[0][1].decode("utf-8", "replace"))
        raise ValueError("the process inside ended at once" if not data else "the process inside talks nonsense")

    def _status(self) -> int:
        """The exit code that the warden tells. Raises `ValueError`, `OSError`."""
        return take_status(self._answers, self._control.recv(_SMALL))

    def _pipes(self) -> tuple[IO[bytes], ...]:
        return tuple(pipe for pipe in (self._process.stdout, self._process.stderr) if pipe)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(0.5)
        try:
            return os.read(self._pipes()[1].fileno(), _SMALL).decode("utf-8", "replace").strip()[-300:]
        except OSError:
            return ""


def take_answer(call: Call, answers: frames.Reader, data: bytes, number: int) -> None:
    """Note what the interpreter says of call `number`. Raises `ValueError` when it has ended, or talks nonsense."""
    if not data:
        raise ValueError("the interpreter has ended")
    for kind, payload in answers.feed(data):
        about, code, *_ = [*payload[:64].decode("utf-8", "replace").split("\0"), ""]
        if about != str(number):  # of an earlier call that claimed its end too soon
            continue
        if kind == kernel.BEGUN:
            call.begun = True
        else:
            call.code = int(code[:4]) & 0xFF


def take_status(answers: frames.Reader, data: bytes) -> int:
    """The exit code that the warden tells; less than 0: a signal. Raises `ValueError`."""
    for kind, payload in answers.feed(data):
        if kind == warden.ENDED:
            return max(-64, min(255, int(payload[:8])))
    raise ValueError("the warden has ended" if not data else "the warden talks nonsense")


def _read(descriptor: int, stream: Stream) -> bool:
    try:
        data = os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return False
    stream.write(data)
    return bool(data)


def _readable(data: bytes) -> int:
    """A descriptor from which a child reads `data` once."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return os.dup(file.fileno())
