"""One chat's sandbox: Python that remembers and Bash, in one workspace. Knows no chat and no tool."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from m3studio.errors import BadInput, ToolError
from m3studio.messages import Cancel
from m3studio.sandbox import workspace
from m3studio.sandbox.box import Box, Call
from m3studio.sandbox.interpreter import Interpreter
from m3studio.sandbox.limits import Limits, Result
from m3studio.sandbox.mechanism import FILES, SCRATCH, Mechanism
from m3studio.sandbox.mirror import Mirror, printable
from m3studio.sandbox.output import Stream
from m3studio.sandbox.watch import Watch

_SCRIPT = 100_000  # bytes: what an argument of a program may hold
_CODE = 2_000_000
_LISTED = 200
RESTARTED = "Python was started anew: variables and imports of earlier calls are gone."
Emit = Callable[[str], None]


class Sandbox:
    """Runs code behind the walls of `level`. The first call starts it; `rest` ends what runs and keeps the files."""

    def __init__(self, workspace: Path, limits: Limits, mechanism: Mechanism, interpreter: Interpreter) -> None:
        self.workspace, self.limits, self.level = workspace, limits, mechanism.level
        self.last_used = time.monotonic()
        self._mechanism, self._interpreter = mechanism, interpreter
        self._lock = threading.Lock()  # protects the box and the files: one call at a time
        self._box: Box | None = None
        self._mirror: Mirror | None = None
        self._place: Path | None = None
        # Open folders: the workspace on disk, as tools see it, and all that they can write.
        self._folder = self._inside = self._watched = -1
        self._python_used = False
        self._closed = False

    def python(self, code: str, *, emit: Emit | None = None, cancel: Cancel | None = None) -> Result:
        """Run Python in the chat's interpreter. A last expression is printed, open figures become images.

        Never raises for what the code does; `ToolError` when the sandbox cannot run it at all.
        """
        if len(code) > _CODE:
            raise BadInput("The code is too long: write data to a file instead.")
        return self._call("python", code, emit, cancel)

    def bash(self, script: str, *, emit: Emit | None = None, cancel: Cancel | None = None) -> Result:
        """Run a shell script in the same workspace. Raises as `python` does."""
        if len(script.encode("utf-8", "replace")) > _SCRIPT or "\0" in script:
            raise BadInput("The script is too long, or holds a zero byte: write data to a file instead.")
        return self._call("bash", script, emit, cancel)

    def rest(self, *, wait: bool = True) -> None:
        """End what runs inside and free its memory; files stay, variables are lost. Not `wait`: unless a call runs."""
        if self._lock.acquire(blocking=wait):
            try:
                self._stop()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End it for good. Safe to repeat."""
        with self._lock:
            self._closed = True
            self._stop()

    @property
    def running(self) -> bool:
        """Whether anything is alive inside."""
        return self._box is not None

    # ------------------------------------------------------------------------------------------------- a call

    def _call(self, kind: str, text: str, emit: Emit | None, cancel: Cancel | None) -> Result:
        with self._lock:
            began = time.monotonic()
            box, notes = self._ready()
            kept = self.limits.output
            call = Call(Stream(kept, emit), Stream(kept, emit), Cancel() if cancel is None else cancel)
            watch = Watch(box.pid, self.limits, self._watched, self._mechanism.own_files)
            fresh = box.started_kernels
            (box.python if kind == "python" else box.bash)(text, call, watch)
            if kind == "python":
                if self._python_used and box.started_kernels != fresh:
                    notes.append(RESTARTED)
                self._python_used = True
            result = self._result(call, notes, watch)
            if (self._mirror and self._mirror.cut) or (call.broke and self._place):
                self._stop()  # the next call starts from what was kept, which is within the limits
            self.last_used = time.monotonic()
            return replace(result, seconds=self.last_used - began)

    def _result(self, call: Call, notes: list[str], watch: Watch) -> Result:
        files, note = self._mirror.fetch() if self._mirror else ([], "")
        out, err = self._kept(call.out, "stdout", files), self._kept(call.err, "stderr", files)
        shown = [path for path in sorted(files) if path == printable(path)][:_LISTED]
        if not call.ended_by and call.code:
            call.ended_by = watch.full()
        if call.lost:
            notes.append("The interpreter has ended: variables and imports of this chat are gone, its files are kept.")
        return Result(
            out,
            err,
            -9 if call.code is None else call.code,
            call.timed_out,
            tuple(shown),
            tuple(path for path in shown if workspace.is_picture(self._folder, path)),
            call.ended_by,
            tuple(note for note in (*notes, note) if note),
        )

    def _kept(self, stream: Stream, name: str, files: list[str]) -> str:
        """What is shown of a stream; a long one goes to a file as well."""
        saved = ""
        if stream.long:
            with contextlib.suppress(OSError):
                saved = workspace.create(self._folder, name, ".txt", stream.whole())
                files.append(saved)
        return stream.text(saved)

    # ----------------------------------------------------------------------------------------- start and stop

    def _ready(self) -> tuple[Box, list[str]]:
        """The running box, started if need be, with the workspace's files in it."""
        if self._closed:
            raise ToolError("This chat's tools are closed. Open the chat again.")
        if self._box and not self._box.alive:
            self._stop()
        if not self._box:
            self._start()
        if not self._box:
            raise AssertionError("a sandbox that did not start has raised")
        return self._box, [self._mirror.bring()] if self._mirror else []

    def _start(self) -> None:
        try:
            self.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
            disk = workspace.open_folder(self.workspace)
        except OSError as error:
            raise ToolError(f"The workspace cannot be used: {error}.") from error
        try:
            place = None if self._mechanism.own_files else _private_place()
            launch = self._mechanism.launch(place or self.workspace, self.limits, self._interpreter)
            if place:
                self._place, self._watched = place, workspace.open_folder(place)
                self._inside = _furnish(place, launch.uid)
            self._box = Box(launch, self.limits)
            if not place:
                self._inside, self._watched = self._box.files, os.dup(self._box.files)
            if launch.uid is not None:
                os.fchown(self._inside, launch.uid, launch.uid)  # git and ssh distrust folders of others
            self._folder = disk
            self._mirror = Mirror(disk, self._inside, self.limits, launch.uid)
        except (OSError, ToolError) as error:
            self._folder = disk
            self._stop()
            raise (
                error if isinstance(error, ToolError) else ToolError(f"The sandbox does not start: {error}.")
            ) from error

    def _stop(self) -> None:
        if self._box:
            self._box.close()
        for descriptor in (self._folder, self._inside, self._watched):
            if descriptor >= 0:
                os.close(descriptor)
        if self._place:
            with contextlib.suppress(OSError):
                workspace.erase(self._place)
        self._box = self._mirror = self._place = None
        self._folder = self._inside = self._watched = -1


def _private_place() -> Path:
    """A new folder for a box without a file system of its own. Other users may pass through, not look."""
    place = Path(tempfile.mkdtemp(prefix="m3studio-", dir="/tmp" if os.getuid() == 0 else None))
    place.chmod(0o711)
    return place


def _furnish(place: Path, uid: int | None) -> int:
    """Make the folders in a private place; the open one for files."""
    for name in (FILES, SCRATCH):
        (place / name).mkdir(mode=0o700)
        if uid is not None:
            os.chown(place / name, uid, uid)
    return workspace.open_folder(place / FILES)
