"""What the sandbox costs: `python tests/bench/sandbox.py [--runs 40]`.

Prints medians for each level that holds here: the start of a one-shot run over a bare interpreter (both measured in
turn, since a busy machine changes by the second), a call in a live interpreter, the time from Stop to the last process
dead, and what 200 runs leave behind.
"""

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from m3studio import sandbox
from m3studio.messages import Cancel
from m3studio.sandbox import interpreter, tree


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def start_over_bare(level, workspace, runs):
    """Milliseconds from nothing to the result of the first call, above an interpreter that does nothing."""
    bare, ours = [], []
    for _ in range(runs):
        bare.append(seconds(lambda: subprocess.run([interpreter.base().executable, "-I", "-c", "pass"], check=True)))
        box = sandbox.open(workspace, level=level)
        ours.append(seconds(lambda: box.python("pass")))  # noqa: B023 (called at once)
        box.close()
    return statistics.median(bare) * 1000, statistics.median(ours) * 1000


def call(level, workspace, runs):
    """Milliseconds of a call in a live interpreter, and of a shell in a live sandbox."""
    box = sandbox.open(workspace, level=level)
    box.python("x = 0")
    python = statistics.median(seconds(lambda: box.python("x += 1")) for _ in range(10 * runs))
    shell = statistics.median(seconds(lambda: box.bash("true")) for _ in range(runs))
    box.close()
    return python * 1000, shell * 1000


def stop_to_dead(level, workspace):
    """Milliseconds from Stop until the call is over and none of its processes lives; the worst of several kinds."""
    worst = 0.0
    loop = "import os, signal\nsignal.signal(2, signal.SIG_IGN)\n[os.fork() for _ in range(3)]\nwhile True: pass"
    for kind, code in (("python", "while True: pass"), ("python", loop), ("bash", "(sleep 99 &) ; sleep 99")):
        for _ in range(5):
            box, cancel = sandbox.open(workspace, level=level), Cancel()
            box.python("1")
            stopped = []
            timer = threading.Timer(0.2, lambda: (stopped.append(time.perf_counter()), cancel.set()))  # noqa: B023
            timer.start()
            getattr(box, kind)(code, cancel=cancel)
            worst = max(worst, time.perf_counter() - stopped[0])
            box.close()
    return worst * 1000


def left_after(level, workspace, runs=200):
    """Descriptors, mounts, private folders and children that `runs` whole sandboxes leave."""

    def count():
        here = Path("/proc/self")
        mounts = len((here / "mounts").read_text().splitlines())
        places = len(list(Path(tempfile.gettempdir()).glob("m3studio-*")))
        return len(list((here / "fd").iterdir())), mounts, places, len(tree.look(int(here.resolve().name)).pids)

    before = count()
    for _ in range(runs):
        box = sandbox.open(workspace, level=level)
        box.python("import subprocess; subprocess.Popen(['sleep', '99'], start_new_session=True);")
        box.close()
    return tuple(now - was for now, was in zip(count(), before, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    for tier in sandbox.survey():
        print(f"{tier.level}: {tier.reason or 'holds'}")
        if not tier.holds:
            continue
        with tempfile.TemporaryDirectory() as folder:
            workspace = Path(folder) / "workspace"
            bare, ours = start_over_bare(tier.level, workspace, runs)
            print(f"  start to first result {ours:.1f} ms, bare {bare:.1f} ms: {ours - bare:+.1f} ms")
            print("  call in a live interpreter {:.2f} ms, shell {:.2f} ms".format(*call(tier.level, workspace, runs)))
            print(f"  Stop to dead, worst of 15: {stop_to_dead(tier.level, workspace):.0f} ms")
            left = left_after(tier.level, workspace)
            print("  left after 200 runs: {} descriptors, {} mounts, {} folders, {} processes".format(*left))


if __name__ == "__main__":
    main()
