"""Makes the attempts at each level and says what escaped: `python trial.py` prints it as JSON for the user who runs it."""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from m3studio import sandbox
from m3studio.sandbox import Level, Limits, tree, users, workspace
from sandbox.attempts import ATTEMPTS, PRELUDE
from sandbox.programs import PROGRAMS

MIB = 1 << 20
LIMITS = Limits(
    wall=2.0,
    address_space=1 << 30,
    memory=256 * MIB,
    file_size=8 * MIB,
    processes=24,
    open_files=64,
    workspace_bytes=24 * MIB,
    workspace_files=300,
    output=16 << 10,
    output_total=4 * MIB,
    scratch=8 * MIB,
)
# What takes its time until a limit ends it; others of its kind are in the short run.
SLOW = (
    *("memory in pipes", "zip bomb", "regular expression", "loop that catches everything", "tail", "endless lines"),
    *("sleep", "all processors", "power", "cpu", "fork bomb in the shell"),
)
# A polled limit lets a fast writer pass for a moment; docs/sandbox.md names this bound for a slow machine.
BURST = 1 << 30


def key(attempt):
    return f"{attempt.group}: {attempt.name}{' (bash)' if attempt.shell else ''}"


class World:
    """What lies outside: files, a process, listeners. `harm()` says what has happened to it."""

    def __init__(self, folder):
        self.token, self.mark = "tok" + secrets.token_hex(12), "mark" + secrets.token_hex(6)
        self.root = Path(folder) / "world"
        self.other = self.root / "workspaces" / "other"
        self.home = self.root / "home"
        for place in (self.other, self.home / ".ssh"):
            place.mkdir(parents=True)
        self.database = self.root / "database"
        for file in (self.database, self.root / "key", self.home / ".ssh/id_ed25519", self.other / "notes.txt"):
            file.write_text(self.token)
        self.strangers = [Path("/tmp") / f"other-{self.mark}", Path("/dev/shm") / f"other-{self.mark}"]
        for file in self.strangers:
            file.write_text(self.token)
            file.chmod(0o644)
        self._stack = contextlib.ExitStack()
        self._listen()
        code = "import sys, time; open(sys.argv[1]); f = open(sys.argv[1]); time.sleep(3600)"
        self.victim = subprocess.Popen(
            [sys.executable, "-c", code, str(self.database), f"--secret={self.token}"],
            env={"M3STUDIO_SECRET": self.token}, cwd=self.root,
        )  # fmt: skip
        self._done = threading.Event()
        self._reached = False
        threading.Thread(target=self._knock, daemon=True).start()
        time.sleep(0.2)
        self._before = self._state()

    def _listen(self):
        enter = self._stack.enter_context
        self.listeners = {"tcp": enter(socket.create_server(("", 0)))}
        self.listeners["udp"] = enter(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.listeners["udp"].bind(("", 0))
        with contextlib.suppress(OSError):
            self.listeners["tcp6"] = enter(socket.create_server(("::1", 0), family=socket.AF_INET6))
        for name, kind, address in (
            ("file", socket.SOCK_STREAM, str(self.root / "s")),
            ("dgram", socket.SOCK_DGRAM, str(self.root / "s.dgram")),
            ("abstract", socket.SOCK_STREAM, f"\0{self.mark}"),
        ):
            made = self.listeners[name] = enter(socket.socket(socket.AF_UNIX, kind))
            made.bind(address)
            if kind == socket.SOCK_STREAM:
                made.listen()
        for each in self.listeners.values():
            each.setblocking(False)
        with socket.socket() as spare:
            spare.bind(("", 0))
            self.spare = spare.getsockname()[1]

    def _knock(self):
        while not self._done.wait(0.05):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.spare), 0.05):
                self._reached = True

    def constants(self, box):
        address = next(
            (
                each.address
                for group in psutil.net_if_addrs().values()
                for each in group
                if each.family == socket.AF_INET and not each.address.startswith("127.")
            ),
            "127.0.0.1",
        )
        tcp6 = self.listeners.get("tcp6", self.listeners["tcp"])
        return {
            "WORLD": str(self.root), "DATABASE": str(self.database), "KEY": str(self.root / "key"), "HOME": str(self.home),
            "OTHER": str(self.other), "WORKSPACE": str(box.workspace), "MARK": self.mark, "VICTIM": self.victim.pid,
            "APP": os.getpid(), "OWNER": os.getuid(), "TCP": self.listeners["tcp"].getsockname()[1],
            "TCP6": tcp6.getsockname()[1], "UDP": self.listeners["udp"].getsockname()[1], "SOCKET": str(self.root / "s"),
            "ADDRESS": address, "SPARE": self.spare,
        }  # fmt: skip

    def _state(self):
        files = {}
        for path in sorted(self.root.rglob("*")):
            info = path.lstat()
            files[str(path)] = (info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns, info.st_nlink)
        process = psutil.Process(self.victim.pid)
        score = Path(f"/proc/{self.victim.pid}/oom_score_adj").read_text()
        running = [process.nice(), process.ionice(), process.cpu_affinity(), os.sched_getscheduler(process.pid), score]
        running += [process.rlimit(psutil.RLIMIT_NOFILE), os.getpgid(process.pid), process.status() == "stopped"]
        strays = [
            str(path) for place in ("/tmp", "/dev/shm", "/var/tmp", "/run") for path in Path(place).glob(self.mark)
        ]
        return {
            "files": files,
            "process": running,
            "strays": strays,
            "own priority": os.getpriority(os.PRIO_PROCESS, 0),
        }

    def harm(self):
        if self.victim.poll() is not None:
            return "a process outside was ended"
        for name, each in self.listeners.items():
            with contextlib.suppress(BlockingIOError):
                each.recv(64) if each.type == socket.SOCK_DGRAM else each.accept()[0].close()
                return f"the listener {name} was reached"
        if self._reached:
            self._reached = False
            return "a port inside was reached"
        now = self._state()
        for name, was in self._before.items():
            if now[name] != was:
                self._before = now
                return f"{name} outside changed: {now[name]}"
        return ""

    def close(self):
        self._done.set()
        self.victim.kill()
        self.victim.wait()
        self._stack.close()
        for file in self.strangers:
            file.unlink(missing_ok=True)


def left_running(box):
    """Processes of the box that are neither its frame (bwrap, warden) nor its frozen interpreter."""
    if not box._box:
        return []
    frame = {box._box.pid, *([] if box.level != "bwrap" else _children(box._box.pid))}
    for _ in range(20):  # a killed process may need a moment to be gone
        left = [pid for pid in tree.look(box._box.pid).pids if pid not in frame and _state(pid) not in "ZXTt"]
        if not left:
            break
        time.sleep(0.01)
    return [f"{pid} {_state(pid)} {Path(f'/proc/{pid}/comm').read_text()}" for pid in left]


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def try_one(attempt, box, world, level):
    """What escaped, as a sentence; empty when it was held."""
    constants = world.constants(box)
    began = time.monotonic()
    if attempt.shell:
        exports = {**constants, "HOME_OUTSIDE": constants.pop("HOME")}
        exports.pop("HOME")
        script = "\n".join(f"{name}='{value}'" for name, value in exports.items())
        result = box.bash(f"{script}\necho TRIED\n{attempt.body}")
    else:
        body = "\n".join(f"    {line}" for line in attempt.body.splitlines())
        known = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
        result = box.python(
            f"{PRELUDE}\n{known}\nprint('TRIED', flush=True)\ntry:\n{body}\n"
            "except (OSError, ImportError, sqlite3.Error, subprocess.SubprocessError) as error: print('held:', error)"
        )
    took = time.monotonic() - began
    said = f"{result.stdout}\n{result.stderr}\n{result.limit}"
    if "TRIED" not in said:
        return f"it was never tried: {result}"
    if "SyntaxError" in said or "NameError" in said or ("AttributeError" in said and "NoneType" not in said):
        return f"the attempt is broken: {said[-400:]}"
    if "ESCAPED" in said or world.token in said:
        return f"it escaped: {said[-400:]}"
    if attempt.want and not re.search(attempt.want, said):
        return f"it was not held as it should be: {said[-400:]}"
    if took > LIMITS.wall + 4:
        return f"it took {took:.1f} seconds"
    return world.harm() or _after(box, result, level)


def _after(box, result, level):
    if left := left_running(box):
        return f"left running: {left}"
    used = sum(path.lstat().st_blocks * 512 for path in box.workspace.rglob("*") if not path.is_symlink())
    most = LIMITS.workspace_bytes + LIMITS.output_total + MIB if level == "bwrap" else BURST
    if used > most:
        return f"{used} bytes are in the workspace"
    for path in (*result.files, *result.images):
        if path.startswith("/") or ".." in path or not (box.workspace / path).is_file():
            return f"it claims a file that is none: {path}"
    again = box.python("1 + 1")
    return "" if again.stdout.endswith("2\n") else f"the next call does not work: {again}"


# What may be tried without walls, to prove that the trial can tell: it touches nothing but the `World` made for it.
HARMLESS = (
    *("reading: database", "reading: key", "reading: ssh key", "reading: own environment"),
    *("writing: overwrite", "writing: append", "writing: truncate", "writing: new file", "writing: mode"),
    *("network: app's port", "network: datagram", "network: socket file"),
)
PROBE = "processes: probe"


def attempt_all(level, wanted=lambda attempt: True):
    """Each attempt's name with what escaped.

    Without walls only what is `HARMLESS` is ever tried. Behind them, signals are probed with signal 0 first: where that
    gets through, nothing else is tried, since some attempts would hurt the machine if they succeeded.
    """
    chosen = [each for each in ATTEMPTS if wanted(each) and (level != Level.NONE or key(each) in HARMLESS)]
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="m3studio-trial-") as folder:
        os.environ["M3STUDIO_SECRET"] = "hidden"
        world = World(folder)
        os.environ["M3STUDIO_SECRET"] = world.token
        box = sandbox.open(Path(folder) / "workspaces" / "chat", LIMITS, level)
        try:
            if level != Level.NONE:
                probe = next(each for each in ATTEMPTS if key(each) == PROBE)
                if escaped := try_one(probe, box, world, level):
                    return {PROBE: escaped}
            for attempt in chosen:
                outcomes[key(attempt)] = try_one(attempt, box, world, level)
                _tidy(attempt, box)
            pid = box._box.pid if box._box else 0
            box.close()
            time.sleep(0.05)
            left = [uid for uid in users.running_uids() if 61_300 <= uid < 65_300] if os.getuid() == 0 else []
            if left or Path(f"/proc/{pid}").exists():
                outcomes["after all: nothing is left"] = f"left: {left} {pid}"
        finally:
            box.close()
            world.close()
            del os.environ["M3STUDIO_SECRET"]
    return outcomes


def _tidy(attempt, box):
    """The next attempt gets an interpreter, and an empty workspace. Nothing is ever deleted by a path from inside."""
    if attempt.group == "resources":
        box.rest()
    elif attempt.group == "processes":
        box.python("__import__('os')._exit(0)")
    if any(box.workspace.iterdir()):
        box.rest()
        workspace.erase(box.workspace)


def run_all(level):
    """Each program that must work, with what went wrong."""
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="m3studio-programs-") as folder:
        box = sandbox.open(Path(folder) / "workspace", Limits(wall=30), level)
        try:
            for program in PROGRAMS:
                box.rest()
                workspace.erase(box.workspace)
                result = (box.bash if program.shell else box.python)(program.body)
                right = result.exit_code == program.exit_code and re.search(program.want, result.stdout, re.DOTALL)
                outcomes[program.name] = "" if right else f"{result}"[:1500]
        finally:
            box.close()
    return outcomes


if __name__ == "__main__":
    which, what = Level(sys.argv[1]), (sys.argv[2:] or [""])[0]
    if what == "--programs":
        print(json.dumps({which: run_all(which)}))
    elif sandbox.tried(which).holds:
        short = what == "--short"
        print(
            json.dumps({which: attempt_all(which, lambda each: each.name not in SLOW if short else what in key(each))})
        )
