"""The model's own process: reads requests from stdin, writes answers to stdout. Knows no chat, template or parser.

It ends when stdin ends, so it never outlives the app. A fault in native code costs this process and nothing else.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO

from m3studio.engines.llama import wire
from m3studio.engines.llama.bindings import IntArray
from m3studio.engines.llama.disk import disk_of
from m3studio.engines.llama.memory import layout_of
from m3studio.engines.llama.model import Model, load
from m3studio.engines.llama.scheduler import Scheduler
from m3studio.engines.llama.states import Place
from m3studio.settings import LoadSettings

TOO_LONG = (
    "The conversation has {tokens:,} tokens, and the context of this model as it is loaded holds {n_ctx:,}. "
    "Start a new chat, shorten or remove messages, or load the model with a larger n_ctx."
)
PAUSE = 2.0  # seconds without work after which what changed is brought to disk
PR_SET_PDEATHSIG = 1  # linux/prctl.h


Item = tuple[wire.Generate, IntArray] | wire.Abort | wire.Conclude | wire.Close


class Pipe:
    """The way out: whole messages, from any thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()  # protects _file: a line is never cut by another one

    def post(self, messages: Sequence[wire.Answer]) -> None:
        """Write the messages at once. Ends the process when nobody reads any more."""
        try:
            with self._lock:
                self._file.write(b"".join(map(wire.encode, messages)))
                self._file.flush()
        except OSError:
            os._exit(0)


class Reader(threading.Thread):
    """Listens while the engine loads and computes: prompts become tokens here, and a cancel takes effect at once."""

    model: Model  # both are set before the app is told that it may ask
    scheduler: Scheduler

    def __init__(self, lines: BinaryIO, pipe: Pipe) -> None:
        super().__init__(name="reader", daemon=True)
        self._lines, self._pipe = lines, pipe
        self.inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()

    def run(self) -> None:
        for line in self._lines:
            message = wire.decode(line)
            if isinstance(message, wire.Generate):
                self._tokenize(message)
            elif isinstance(message, wire.Abort):
                self.inbox.put(message)  # first: whoever was interrupted finds the reason
                self.scheduler.interrupt(message.id)
            elif isinstance(message, wire.Conclude):
                self.inbox.put(message)
            elif isinstance(message, wire.Count):
                self._pipe.post([wire.Counted(message.id, len(self.model.weights.vocab.tokens(message.text)))])
            elif isinstance(message, wire.Close):
                self.inbox.put(message)
                self.scheduler.interrupt_all()
                return  # the engine's thread ends the process, in its own time
        os._exit(0)  # at once, also in the middle of a batch: the app closed the pipe, or is gone

    def _tokenize(self, request: wire.Generate) -> None:
        prompt = self.model.weights.vocab.tokens(request.prompt)
        n_ctx = self.model.context.n_ctx
        if len(prompt) == 0:
            self._pipe.post(
                [wire.Failed(request.id, "BadInput", "There is nothing to go on from: the prompt is empty.")]
            )
        elif len(prompt) >= n_ctx:
            reason = TOO_LONG.format(tokens=len(prompt), n_ctx=n_ctx)
            self._pipe.post([wire.Failed(request.id, "ContextFull", reason)])
        else:
            self.inbox.put((request, prompt))


def serve(lines: BinaryIO, pipe: Pipe) -> None:
    """Load what the first line says, then answer until the process ends."""
    first = wire.decode(lines.readline())
    if not isinstance(first, wire.Load):
        raise ValueError(f"the first message is {type(first).__name__}, not Load")
    reader = Reader(lines, pipe)
    reader.start()
    model = _load(first, pipe)
    if model is None:
        return
    scheduler = Scheduler(model, pipe.post, disk_of(model, Place(**first.states)))  # type: ignore[arg-type]
    reader.model, reader.scheduler = model, scheduler
    pipe.post([wire.Ready(model.facts, model.variables)])
    while True:
        scheduler.clear_interrupt()
        while scheduler.idle or not reader.inbox.empty():
            scheduler.flush()  # the last answer may just have been cancelled, and the next request be hours away
            message = _next(reader.inbox, scheduler)
            if isinstance(message, wire.Close):
                scheduler.close()
                return
            if isinstance(message, wire.Abort):
                scheduler.cancel(message.id)
            elif isinstance(message, wire.Conclude):
                scheduler.conclude(message.id)
            else:
                scheduler.start(*message)
        scheduler.step()


def _next(inbox: "queue.SimpleQueue[Item]", scheduler: Scheduler) -> Item:
    """The next message. In a pause the chats that changed are brought to disk, one between two looks."""
    while scheduler.idle and scheduler.unsaved:
        try:
            return inbox.get(timeout=PAUSE)
        except queue.Empty:
            scheduler.save_one()
    return inbox.get()


def _load(request: wire.Load, pipe: Pipe) -> Model | None:
    told = -1

    def progress(share: float) -> None:
        nonlocal told
        if int(100 * share) > told:  # a file has thousands of tensors
            told = int(100 * share)
            pipe.post([wire.Loaded(round(share, 4))])

    try:
        return load(request.path, LoadSettings(**request.settings), layout_of(request.layout), progress)  # type: ignore[arg-type]
    except OSError:
        pipe.post([wire.Refused("model")])
    except MemoryError:
        pipe.post([wire.Refused("context")])
    except ValueError as error:
        pipe.post([wire.Refused("model", str(error))])
    return None


def _die(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # At once: an orderly end would wait for the thread that is blocked on stdin.
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    """Take stdout for the messages alone; what native code prints there goes to stderr."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the app, which ends this process in its own way
    sys.excepthook = _die
    threading.excepthook = lambda args: _die(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, Pipe(out))
    os._exit(0)


if __name__ == "__main__":
    main()
