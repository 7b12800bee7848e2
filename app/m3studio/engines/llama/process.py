"""A model's process as the app sees it: start it, write to it, hear of each message and of its end.

Knows messages, and no chat. Native code runs in that process alone; this file never imports it.
"""

import collections
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

from m3studio.engines.llama import wire
from m3studio.paths import PACKAGE

# What the process may know of the environment: where programs and libraries lie, and how GPUs are driven. No secrets.
_NAMES = {
    *("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TMP", "TEMP", "LD_LIBRARY_PATH", "LLAMA_CPP_LIB_PATH"),
    *("SYSTEMROOT", "WINDIR", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "PROGRAMDATA", "NUMBER_OF_PROCESSORS"),
}
_PREFIXES = (
    *("LC_", "DYLD_", "CUDA_", "NVIDIA_", "HIP_", "HSA_", "ROCR_", "ROCM_", "AMD_", "GPU_", "VK_", "MESA_", "XDG_"),
    *("GGML_", "OMP_", "KMP_", "MTL_", "ONEAPI_", "SYCL_", "ZE_"),
)
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")  # as in NVIDIA_API_KEY
_LOG_LINES, _LOG_WIDTH = 400, 500


class Process:
    """One running worker.

    `on_message` is called in the reading thread with each message, `on_end` at last with the exit code (less than 0:
    a signal). Both must be quick and must not raise.
    """

    def __init__(self, on_message: Callable[[wire.Answer], None], on_end: Callable[[int], None]) -> None:
        """Raises `OSError` when the system starts no process."""
        self._on_message, self._on_end = on_message, on_end
        self._log: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        self._writing = threading.Lock()  # protects stdin: a line is never cut by another one
        self._started = threading.Event()
        self._refusal: OSError | None = None
        self._child: subprocess.Popen[bytes]
        # The thread that reads also starts the process and lives as long: Linux ends the process with that thread.
        self._thread = threading.Thread(target=self._live, name="model", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._refusal:
            raise self._refusal

    @property
    def pid(self) -> int:
        return self._child.pid

    def log(self) -> list[str]:
        """The last lines that the process and its native library wrote to stderr."""
        return list(self._log)

    def send(self, message: wire.Request) -> None:
        """Write a message. A process that has ended is no error here: `on_end` tells."""
        line = wire.encode(message)
        with contextlib.suppress(OSError, ValueError), self._writing:
            stdin = self._stdin()
            stdin.write(line)
            stdin.flush()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended and `on_end` was called. False if it still runs after `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def end(self, patience: float = 3.0, last: wire.Request | None = None) -> None:
        """Ask it to end by closing its stdin, after the message `last`, and make it after `patience` seconds.

        Safe to repeat.
        """
        if self._writing.acquire(timeout=patience):  # a full pipe may hold the lock for ever
            with contextlib.suppress(OSError, ValueError):  # it has ended, or was asked before
                if last is not None:
                    self._stdin().write(wire.encode(last))
                self._stdin().close()
            self._writing.release()
            if self.wait(patience):
                return
        self._child.kill()
        self.wait()

    def _stdin(self) -> IO[bytes]:
        if self._child.stdin is None:
            raise ValueError("the process was started without pipes")
        return self._child.stdin

    def _live(self) -> None:
        # -P: the folder that the app was started from is no place to look for modules
        command = [sys.executable, "-P", "-m", "m3studio.engines.llama.worker"]
        pipe = subprocess.PIPE
        try:
            flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows
            self._child = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(), creationflags=flags
            )
        except OSError as error:
            self._refusal = error
            return
        finally:
            self._started.set()
        listener = threading.Thread(target=self._listen, name="model-log", daemon=True)
        listener.start()
        try:
            for line in self._child.stdout or ():
                self._on_message(wire.decode(line))  # type: ignore[arg-type]
        finally:
            with contextlib.suppress(OSError), self._child:  # closes the pipes, and waits
                listener.join()
            self._on_end(self._child.wait())

    def _listen(self) -> None:
        stderr = self._child.stderr
        while stderr and (line := stderr.readline(1 << 16)):
            self._log.append(line.decode("utf-8", "replace").rstrip()[:_LOG_WIDTH])


def environment() -> dict[str, str]:
    """The environment of a model's process."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _NAMES or name.upper().startswith(_PREFIXES))
        and not any(word in name.upper() for word in _SECRET)
    }
    # Without GGML_NO_BACKTRACE an abort starts a debugger and prints for seconds.
    return {**kept, "GGML_NO_BACKTRACE": "1", "PYTHONPATH": str(PACKAGE.parent), "PYTHONUNBUFFERED": "1"}
