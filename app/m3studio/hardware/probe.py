"""Asks this machine what it has. Knows the operating system's ways; nothing here changes a setting."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from m3studio.hardware.limits import Limits, read_limits
from m3studio.hardware.machine import Device, Hardware, Kind

TIMEOUT = 30.0  # seconds; a CUDA driver that wakes eight cards takes several
MIB = 2**20
NO_DEVICES = "Graphics devices could not be listed ({}), so only the CPU is planned for. Run `m3studio doctor`."

Run = Callable[[Sequence[str]], str]


def run(command: Sequence[str], timeout: float = TIMEOUT) -> str:
    """Standard output of a command. Raises `OSError` or `subprocess.SubprocessError`."""
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}  # else an abort starts a debugger
    done = subprocess.run(
        list(command), capture_output=True, timeout=timeout, check=True, env=environment, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode(errors="replace")


def probe(run: Run = run, *, folder: Path | None = None, limits: Limits | None = None) -> Hardware:
    """This machine. Devices come from llama.cpp's own libraries in `folder` (found when None) in a child process.

    Never fails: what cannot be found out is said in `note`.
    """
    limits = limits or read_limits()
    memory = psutil.virtual_memory()
    found, note = list_devices(run, folder or library_folder())
    return Hardware(
        ram_total=min(memory.total, limits.memory or memory.total),
        ram_available=min(memory.available, memory.available if limits.free is None else limits.free),
        devices=found,
        threads=usable_threads(run, limits),
        wired_limit=wired_limit(run),
        note=note,
    )


def library_folder() -> Path | None:
    """The folder of llama.cpp's libraries, found without loading them; None when they are not installed."""
    if override := os.environ.get("LLAMA_CPP_LIB_PATH"):
        return Path(override)
    spec = importlib.util.find_spec("llama_cpp")
    return Path(spec.origin).parent / "lib" if spec and spec.origin else None


def list_devices(run: Run, folder: Path | None) -> tuple[tuple[Device, ...], str]:
    """Every ggml device, and a note when there is no answer."""
    if folder is None:
        return (), NO_DEVICES.format("llama-cpp-python is not installed")
    try:
        output = run([sys.executable, "-m", "m3studio.hardware", str(folder)])
        rows = json.loads(output.strip().splitlines()[-1])
        return tuple(_device(row) for row in rows), ""
    except subprocess.TimeoutExpired:
        return (), NO_DEVICES.format("the driver did not answer in time")
    except subprocess.CalledProcessError as error:
        last = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        return (), NO_DEVICES.format(last[0][:200] if last else f"exit code {error.returncode}")
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        return (), NO_DEVICES.format(str(error)[:200])


def _device(row: dict[str, object]) -> Device:
    kind, name = Kind(str(row["kind"])), str(row["name"])
    free, total = int(str(row["free"])), int(str(row["total"]))
    unified = kind is Kind.IGPU or (name.startswith(("MTL", "Metal")) and platform.machine() == "arm64")
    return Device(name, str(row["description"]), kind, min(free, total), total, unified)


def wired_limit(run: Run) -> int:
    """macOS's `iogpu.wired_limit_mb` in bytes; 0 when it was never set, and elsewhere."""
    if sys.platform != "darwin":
        return 0
    return _sysctl(run, "iogpu.wired_limit_mb") * MIB


def usable_threads(run: Run, limits: Limits) -> int:
    """Threads worth using for decode: physical (on Apple silicon: performance) cores that this process may use."""
    logical = os.cpu_count() or 1
    cores = psutil.cpu_count(logical=False) or logical
    if sys.platform == "darwin":
        cores = _sysctl(run, "hw.perflevel0.physicalcpu") or cores
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return max(1, min(cores, allowed, limits.cpus or cores))


def _sysctl(run: Run, name: str) -> int:
    try:
        return max(0, int(run(["/usr/sbin/sysctl", "-n", name])))
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def disk_free(path: Path) -> int:
    """Bytes free where `path` lies or will lie."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def measure_bandwidth(threads: int, seconds: float = 0.5, size: int = 256 * MIB) -> float:
    """Bytes per second that `threads` threads move between RAM and RAM (read and written), the best of some rounds.

    Each round copies `size` bytes, far more than a cache holds. Takes twice that memory for its time. A busy machine
    looks slow: keep the highest rate ever seen.
    """
    length = max(1, size // threads)
    pairs = [(np.ones(length, np.uint8), np.ones(length, np.uint8)) for _ in range(threads)]
    best, end = 0.0, time.perf_counter() + seconds
    with ThreadPoolExecutor(threads) as pool:
        while True:
            start = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs))
            now = time.perf_counter()
            best = max(best, 2 * length * threads / (now - start))
            if now >= end:
                return best
