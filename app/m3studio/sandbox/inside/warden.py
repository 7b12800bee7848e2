"""Starts and ends all code of one chat: the interpreter that is kept, and shell scripts. Never runs user code itself.

It is the first process of the sandbox (number 1 of its own process namespace), or, where processes cannot be hidden,
stays outside as the parent that orphans come back to. In both places: what a call leaves behind is killed before the
call counts as ended, the interpreter is frozen between calls, and when the app is gone (its socket is closed)
everything ends. Covered: daemons, double forks, respawning children. Not covered without a process namespace and
without an own uid: a child whose every ancestor died while the warden was killed by the system.
"""

import _socket  # the C part alone: `socket` takes milliseconds to import
import marshal
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable

from . import frames, kernel, walls

HELLO, FAILED, STARTED, ENDED = b"H", b"F", b"S", b"E"  # to the app
POLICY, KERNEL, RESUME, SHELL, FINISH, INTERRUPT, KILL = b"P", b"K", b"G", b"B", b"E", b"I", b"X"  # from the app
REQUESTS, ANSWERS = POLICY + KERNEL + RESUME + SHELL + FINISH + INTERRUPT + KILL, HELLO + FAILED + STARTED + ENDED
_SWEEPS = 400
_GONE = (b"", b"Z", b"X")
Value = dict[str, object]


class Warden:
    """One chat's processes. `policy` is what the mechanism on the app's side wrote."""

    def __init__(self, control: _socket.socket, policy: Value) -> None:
        self._control, self._policy = control, policy
        self._env = {str(name): str(value) for name, value in dict(policy["env"]).items()}  # type: ignore[call-overload]
        self._kernel = self._shell = 0
        self._status = 0

    # ------------------------------------------------------------------------------------------ what the app asks

    def serve(self) -> None:
        """Answer the app until its end of the socket closes; then kill everything."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll, reader = select.poll(), frames.Reader(REQUESTS)
        poll.register(self._control.fileno(), select.POLLIN)
        poll.register(wake, select.POLLIN)
        share = self._policy.get("share")
        self._send(HELLO, b"", os.open(str(share), os.O_RDONLY | os.O_DIRECTORY) if share else None)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if wake in ready:
                os.read(wake, 4096)
                if self._reap():
                    self._finish()
            if self._control.fileno() in ready:
                data = self._control.recv(1 << 16)
                if not data:
                    break
                for kind, payload in reader.feed(data):
                    self._do(kind, payload)
        self._end_all()

    def _do(self, kind: bytes, payload: bytes) -> None:
        if kind == KERNEL:
            self._start_kernel()
        elif kind == RESUME and self._kernel:
            os.kill(self._kernel, signal.SIGCONT)
        elif kind == SHELL:
            self._start_shell(payload.decode("utf-8", "replace"))
        elif kind == FINISH:
            self._finish()
        elif kind == INTERRUPT and self._kernel:
            self._kill(self._others())
            os.kill(self._kernel, signal.SIGINT)
        elif kind == KILL:
            self._end_all()
            self._send(ENDED, str(self._status).encode())

    def _finish(self) -> None:
        """Kill everything but the interpreter, freeze that, answer."""
        for _ in range(_SWEEPS):
            self._kill(self._others())
            self._reap()
            if not self._others() and self._freeze() and not self._others():
                break
        else:
            self._end_all()
        self._send(ENDED, str(self._status).encode())

    def _end_all(self) -> None:
        """Kill everything. In a process namespace, and with an own uid, that is one step that nothing outruns."""
        if self._kernel:
            os.kill(self._kernel, signal.SIGKILL)
        for _ in range(_SWEEPS):
            if self._policy.get("first"):
                try:
                    os.kill(-1, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._reap()
            others = self._others()
            if not others and not self._kernel and not self._shell:
                break
            self._kill(others)

    # ----------------------------------------------------------------------------------------------- processes

    def _start_kernel(self) -> None:
        if self._kernel:
            self._end_all()
        ours, theirs = _socket.socketpair()
        self._kernel = os.fork()
        if self._kernel == 0:
            os.dup2(theirs.detach(), 3)
            _leave(self._kernel_child)
        theirs.close()
        self._send(STARTED, b"", ours.detach())

    def _kernel_child(self) -> None:
        self._enter(4)
        os.environ.clear()
        os.environ.update(self._env)
        sys.argv = [""]
        sys.path.insert(0, str(self._policy["cwd"]))
        kernel.serve(3)

    def _start_shell(self, script: str) -> None:
        self._shell = os.fork()
        if self._shell == 0:
            _leave(lambda: self._shell_child(script))

    def _shell_child(self, script: str) -> None:
        self._enter(3)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, other programs rely on them
            signal.signal(number, signal.SIG_DFL)
        for shell, options in (("/bin/bash", ("--noprofile", "--norc")), ("/bin/sh", ())):
            if os.path.exists(shell):  # noqa: PTH110 (start time)
                os.execve(shell, [shell, *options, "-c", script], self._env)

    def _enter(self, first_closed: int) -> None:
        """What every child does between fork and the first line of user code."""
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.closerange(first_closed, 1024)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        walls.limit(dict(self._policy["limits"]))  # type: ignore[call-overload]
        if sys.platform.startswith("linux"):
            walls.hide(False)
        if not self._policy["around"]:
            raise_walls(self._policy)
        if sys.platform.startswith("linux"):
            walls.die_with_parent()  # forgotten at a change of the uid, so it comes last
        os.chdir(str(self._policy["cwd"]))

    def _reap(self) -> bool:
        """Take leave of ended children. True when the shell was one of them."""
        shell = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return shell
            if not pid:
                return shell
            if pid == self._kernel:
                self._kernel, self._status = 0, os.waitstatus_to_exitcode(status)
            elif pid == self._shell:
                self._shell, self._status, shell = 0, os.waitstatus_to_exitcode(status), True

    def _freeze(self) -> bool:
        """Stop the interpreter with all its threads. True when it stands still, or is not there."""
        for _ in range(_SWEEPS):
            if not self._kernel:
                return True
            os.kill(self._kernel, signal.SIGSTOP)
            pid, status = os.waitpid(self._kernel, os.WUNTRACED | os.WNOHANG)
            if pid and os.WIFSTOPPED(status):
                return True
            if pid:
                self._kernel, self._status = 0, os.waitstatus_to_exitcode(status)
            elif _state(self._kernel) == b"T":
                return True
            time.sleep(0.0002)
        return False

    def _others(self) -> list[int]:
        """Living processes of this chat but the warden and the interpreter."""
        own_uid = self._policy.get("uid")
        me = os.getpid()
        if sys.platform == "darwin":
            return [pid for pid in walls.seatbelt_members(str(self._policy["cwd"])) if pid not in (me, self._kernel)]
        if self._policy.get("first"):
            found = _numbered("/proc")
        elif own_uid is not None:
            found = [pid for pid in _numbered("/proc") if _owner(pid) == own_uid]
        else:
            found = descendants(me)
        return [pid for pid in found if pid not in (me, self._kernel) and _state(pid) not in _GONE]

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:  # first no more forks, so that a fork bomb cannot outrun the second loop
            walls.starve(pid)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _send(self, kind: bytes, payload: bytes, descriptor: int | None = None) -> None:
        rights = []
        if descriptor is not None:
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", descriptor))]
        try:
            self._control.sendmsg([frames.pack(kind, payload)], rights)
        except OSError:
            pass  # the app is gone; the next read says so
        if descriptor is not None:
            os.close(descriptor)


def raise_walls(policy: Value) -> None:
    """Confine this process and all that it starts. Raises `OSError`; then nothing may run."""
    uid = policy.get("uid")
    if uid is not None:
        walls.become(int(str(uid)))
        walls.drop_capabilities()
    rules = policy.get("landlock")
    if isinstance(rules, list):
        walls.landlock([(str(path), str(mode)) for path, mode in rules], tcp=bool(policy.get("tcp")))
    program = policy.get("seccomp")
    if program:
        walls.seccomp(bytes.fromhex(str(program)))
    profile = policy.get("seatbelt")
    if isinstance(profile, dict):
        walls.seatbelt(str(profile["text"]), profile["parameters"])


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`, by the kernel's own lists."""
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for thread in _numbered(f"/proc/{parent}/task"):
            try:
                with open(f"/proc/{parent}/task/{thread}/children") as file:  # noqa: PTH123 (start time)
                    children = [int(child) for child in file.read().split()]
            except OSError:
                continue
            found += children
            todo += children
    return found


def _numbered(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 (start time)
    except OSError:
        return []


def _owner(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 (start time)
    except OSError:
        return -1


def _state(pid: int) -> bytes:
    """The kernel's letter for what a process does; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (start time)
            return file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return b""


def _leave(work: Callable[[], None]) -> None:
    """Run a forked child's work; it never comes back into the warden's code."""
    code = 126
    try:
        work()
        code = 0
    except OSError as error:
        os.write(2, f"the sandbox could not be entered: {error}\n".encode())
    finally:
        os._exit(code)


def main() -> None:
    """Read the policy, raise the walls, serve. Descriptor 0 is the socket to the app."""
    control = _socket.socket(fileno=os.dup(0))
    reader = frames.Reader(POLICY)
    messages: list[tuple[bytes, bytes]] = []
    while not messages:
        data = control.recv(1 << 16)
        if not data:
            return
        messages = reader.feed(data)
    policy = marshal.loads(messages[0][1])
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        if sys.platform.startswith("linux"):
            walls.adopt_orphans()
        if policy["around"]:
            raise_walls(policy)
        if sys.platform.startswith("linux"):
            walls.hide(True)
    except OSError as error:
        control.send(frames.pack(FAILED, str(error).encode()))
        return
    Warden(control, policy).serve()
