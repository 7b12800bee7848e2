"""What a call gives: output, state, files, images, limits, Stop, and nothing left behind."""

import threading
import time
from pathlib import Path

import pytest

from m3studio import sandbox
from m3studio.errors import BadInput, ToolError
from m3studio.messages import Cancel
from m3studio.sandbox import Level, Limits, tiers, tree
from m3studio.sandbox.sandbox import RESTARTED

ONE_PIXEL = (
    "import base64; PNG = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kg"
    "AAAABJRU5ErkJggg==')"
)


def test_python_prints_echoes_and_remembers(box):
    assert box.python("x = 20\nprint('hello')\nx + 1").stdout == "hello\n21\n"
    again = box.python("x += 1; x * 2")
    assert (again.stdout, again.exit_code, again.notes) == ("42\n", 0, ())


def test_a_semicolon_and_none_are_not_echoed(box):
    assert box.python("41;").stdout == ""
    assert box.python("None").stdout == ""


def test_an_error_is_a_traceback_that_begins_in_the_cell(box):
    failed = box.python("def f():\n    return 1 / 0\nf()")
    assert failed.exit_code == 1
    assert failed.stderr.startswith(
        'Traceback (most recent call last):\n  File "<cell 1>", line 3, in <module>\n    f()'
    )
    assert failed.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_awaiting_at_the_top_level_works_and_magics_get_a_hint(box):
    assert box.python("import asyncio\nawait asyncio.sleep(0, 'slept')").stdout == "'slept'\n"
    assert "The bash tool runs commands" in box.python("!ls").stderr


def test_exit_codes_of_both(box):
    assert box.python("import sys; sys.exit(3)").exit_code == 3
    ended = box.bash("echo out; echo err >&2; exit 4")
    assert (ended.stdout, ended.stderr, ended.exit_code) == ("out\n", "err\n", 4)


def test_python_and_bash_share_the_workspace_which_is_kept_on_disk(box):
    assert box.python("open('täßt.txt', 'w').write('one\\n');").files == ("täßt.txt",)
    assert box.bash("cat *.txt; mkdir -p a/b; echo two > a/b/c; rm *.txt").stdout == "one\n"
    assert box.python("open('a/b/c').read()").stdout == "'two\\n'\n"
    assert (box.workspace / "a/b/c").read_text() == "two\n"
    assert not (box.workspace / "täßt.txt").exists()


def test_files_put_there_by_the_app_appear_and_go(box):
    box.workspace.mkdir()
    (box.workspace / "in.csv").write_text("1,2")
    assert box.bash("cat in.csv").stdout == "1,2"
    (box.workspace / "later.csv").write_text("3")
    (box.workspace / "in.csv").unlink()
    assert box.bash("ls").stdout == "later.csv\n"


def test_a_workspace_survives_its_sandbox(level, tmp_path):
    for number in range(2):
        made = sandbox.open(tmp_path / "kept", level=level)
        seen = made.bash("touch -a list; cat list; echo one >> list").stdout
        made.close()
        assert seen == "one\n" * number


def test_figures_and_pictures_become_images(box):
    fake = (
        f"{ONE_PIXEL}\nfigures = [1, 2]\nclass Figure:\n    def savefig(self, path, **_): open(path, 'wb').write(PNG)\n"
        "def get_fignums(): return list(figures)\ndef figure(number): return Figure()\ndef close(which): figures.clear()\n"
    )
    box.workspace.mkdir()
    (box.workspace / "matplotlib").mkdir()
    (box.workspace / "matplotlib/__init__.py").touch()
    (box.workspace / "matplotlib/pyplot.py").write_text(fake)
    shown = box.python("import matplotlib.pyplot as plt;")
    assert shown.images == ("figure-1-1.png", "figure-1-2.png")
    assert box.python("1").images == ()
    assert box.python(f"{ONE_PIXEL}\nopen('own.png', 'wb').write(PNG);").images == ("own.png",)
    assert box.python("open('lie.png', 'w').write('<script>');").images == ()


def test_output_is_shown_while_it_comes(box):
    seen = []
    began = time.monotonic()
    code = "import time\nfor n in range(3):\n    print(n)\n    time.sleep(0.2)"
    box.python(code, emit=lambda text: seen.append((text, time.monotonic() - began)))
    assert "".join(text for text, _ in seen) == "0\n1\n2\n"
    assert seen[-1][1] - seen[0][1] > 0.3


def test_long_output_is_cut_in_the_middle_and_whole_in_a_file(box):
    cut = box.python("print('a' * 100_000); print('z' * 100_000)")
    assert len(cut.stdout) < 66_000
    assert cut.stdout.startswith("aaa") and cut.stdout.endswith("zzz\n")
    assert cut.files == ("stdout-1.txt",) and "stdout-1.txt" in cut.stdout
    assert (box.workspace / "stdout-1.txt").stat().st_size == 200_002


def test_endless_output_ends(level, tmp_path):
    box = sandbox.open(tmp_path / "w", Limits(output_total=1 << 20), level)
    for run in (lambda: box.bash("yes"), lambda: box.python("while True: print('y' * 1000)")):
        ended = run()
        assert ended.limit == "It printed more than is allowed." and not ended.timed_out
    box.close()


def test_time_runs_out_and_variables_are_kept_if_the_code_lets_go(level, tmp_path):
    box = sandbox.open(tmp_path / "w", Limits(wall=0.5), level)
    box.python("x = 7")
    late = box.python("while True: pass")
    assert late.timed_out and late.limit == "It ran longer than 0.5 seconds." and late.exit_code
    assert box.python("x").stdout == "7\n"
    deaf = box.python("import signal\nsignal.signal(2, signal.SIG_IGN)\nopen('kept', 'w').close()\nwhile True: pass")
    assert deaf.timed_out and deaf.files == ("kept",)
    assert any("variables" in note for note in deaf.notes)
    fresh = box.python("'x' in dir()")
    assert fresh.stdout == "False\n" and RESTARTED in fresh.notes
    shell = box.bash("echo a; sleep 60")
    assert shell.timed_out and shell.stdout == "a\n" and shell.exit_code < 0
    box.close()


@pytest.mark.parametrize("kind", ["python", "deaf", "bash"])
def test_stop_ends_a_call_within_half_a_second(box, kind):
    box.python("1")
    loop = {"python": "while True: pass", "deaf": "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass"}
    cancel = Cancel()
    threading.Timer(0.3, cancel.set).start()
    began = time.monotonic()
    call = box.bash("sleep 50 & sleep 60", cancel=cancel) if kind == "bash" else box.python(loop[kind], cancel=cancel)
    assert time.monotonic() - began - 0.3 < 0.5
    assert call.limit == "The user stopped it." and not call.timed_out
    assert box.python("1").exit_code == 0


def test_the_memory_of_all_processes_together_is_bounded(level, tmp_path):
    box = sandbox.open(tmp_path / "w", Limits(memory=200 << 20), level)
    many = box.python(
        "import os, time\nfor _ in range(6):\n    if not os.fork():\n        x = b'x' * (60 << 20)\n        time.sleep(30)\ntime.sleep(30)"
    )
    assert many.limit == "It used more than 200 MB of memory."
    box.close()


def test_one_process_cannot_take_more_than_its_address_space(box):
    assert "MemoryError" in box.python("x = bytearray(5 << 30)").stderr


def test_files_are_bounded_in_size_number_and_all_together(level, tmp_path):
    limits = Limits(file_size=1 << 20, workspace_bytes=8 << 20, workspace_files=50)
    box = sandbox.open(tmp_path / "w", limits, level)
    assert "File too large" in box.python("open('big', 'wb').write(bytes(2 << 20))").stderr
    many = box.python("import time\nfor n in range(200): open(str(n), 'w').close()\ntime.sleep(5)")
    assert many.limit.startswith("It made more than 50 files")
    box.bash("rm -f * 2>/dev/null")
    full = box.python("import time\nfor n in range(20): open(f'f{n}', 'wb').write(bytes(1 << 20))\ntime.sleep(5)")
    assert "8 MB" in full.limit
    used = sum(file.stat().st_size for file in box.workspace.rglob("*") if file.is_file())
    assert used <= (8 << 20 if level is Level.BWRAP else 20 << 20)
    box.close()


@pytest.mark.parametrize(
    "how", ["&", "setsid sleep 300 &", "(setsid sleep 300 &) &", "nohup sleep 300 >/dev/null 2>&1 &"]
)
def test_nothing_is_left_running(box, how):
    box.python("1")
    box.bash(f"sleep 300 {how}" if how == "&" else how)
    box.python("import subprocess; subprocess.Popen(['sleep', '300'], start_new_session=True);")
    assert not [pid for pid in tree.look(box._box.pid).pids if _name(pid) == "sleep" and _state(pid) != "Z"]


def test_the_interpreter_stands_still_between_calls(box):
    box.python("import threading, time\nn = 0\ndef count():\n    global n\n    while True: n += 1; time.sleep(0.001)")
    box.python("threading.Thread(target=count, daemon=True).start()")
    first = int(box.python("n").stdout)
    time.sleep(0.4)
    assert int(box.python("n").stdout) - first < 100


def test_a_dead_interpreter_is_started_anew(box):
    box.python("x = 1")
    gone = box.python("import os; os._exit(9)")
    assert gone.exit_code == 9 and any("variables" in note for note in gone.notes)
    assert RESTARTED in box.python("1").notes


def test_nothing_of_two_hundred_calls_is_left(level, tmp_path):
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    box = sandbox.open(tmp_path / "w", level=level)
    for number in range(200):
        box.python(f"{number}") if number % 4 else box.bash("true")
    pid = box._box.pid
    box.close()
    box.close()
    assert descriptors() == before
    assert not Path(f"/proc/{pid}").exists()


def test_closed_is_closed_and_resting_starts_again(box):
    box.python("x = 1")
    box.rest()
    assert not box.running
    assert RESTARTED in box.python("1").notes
    box.close()
    with pytest.raises(ToolError, match="closed"):
        box.python("1")


def test_code_that_is_too_long_is_refused(box):
    with pytest.raises(BadInput, match="too long"):
        box.bash("x" * 200_000)
    assert box.python("x = '" + "y" * 1_000_000 + "'; len(x)").stdout == "1000000\n"


def test_a_level_that_does_not_hold_is_never_replaced(tmp_path):
    with pytest.raises(ToolError, match="cannot be used here"):
        sandbox.open(tmp_path, level=Level.APPCONTAINER)


def test_without_walls_must_be_asked_for_and_still_has_limits(tmp_path):
    box = sandbox.open(tmp_path / "w", Limits(wall=0.5), Level.NONE)
    assert box.python("6 * 7").stdout == "42\n"
    assert box.bash("sleep 50").timed_out
    box.close()
    assert tiers.level() is not Level.NONE


def _name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
