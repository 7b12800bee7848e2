"""The command line: verbs, flags, exit codes, and errors in one sentence."""

import argparse
import io
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m3studio import __version__, cli, settings
from m3studio.cli import _flags, doctor, pull
from m3studio.cli import list as list_verb
from m3studio.errors import StoreError
from m3studio.paths import Home


def run(*words, **options):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "m3studio", *words], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_version_comes_at_once():
    best = 9.0
    for _ in range(3):
        started = time.monotonic()
        answer = run("--version")
        best = min(best, time.monotonic() - started)
    assert answer.stdout == f"m3studio {__version__}\n"
    assert best < 0.3


def test_version_and_help_import_nothing_heavy():
    code = (
        "import sys; from m3studio import cli; cli.main(['--version']); cli.main(['--help']); cli.main(['-p', 'x']);"
        "print([name for name in ('gradio', 'llama_cpp', 'sqlalchemy', 'fastapi', 'httpx', 'numpy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_help_tells_every_verb_and_flag(capsys):
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    for word in (*cli.VERBS, "--host", "-H", "--port", "--data-dir", "--no-browser", "--n-gpu-layers", "--type-k"):
        assert word in told


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb, capsys):
    assert cli.main([verb, "--help"]) == 0
    assert f"m3studio {verb}" in capsys.readouterr().out or verb == "serve"


@pytest.mark.parametrize(
    "words",
    [["brew"], ["--nope"], ["-p"], ["-p", "x"], ["serve", "--n-ctx", "many"], ["pull"], ["list", "more"], ["--vers"]],
    ids=" ".join,
)
def test_wrong_usage_is_code_2_and_a_sentence(words, capsys):
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.err and "Traceback" not in told.err
    assert told.out == ""


def test_a_wrong_variable_is_named(monkeypatch, capsys):
    monkeypatch.setenv("M3STUDIO_PORT", "eighty")
    assert cli.main(["list"]) == 2
    assert "M3STUDIO_PORT must be a number" in capsys.readouterr().err


def parse(*words):
    parser = argparse.ArgumentParser()
    _flags.add_all(parser)
    return settings.resolve(vars(parser.parse_args(words)), {}, {"M3STUDIO_PORT": "7777", "M3STUDIO_THREADS": "3"})


def test_flags_beat_the_environment_and_what_is_not_typed_leaves_it_alone():
    plain = parse()
    assert (plain.host, plain.port, plain.browser, plain.load.threads) == ("127.0.0.1", 7777, True, 3)
    typed = parse(
        "-H", "0.0.0.0", "-p", "9000", "--no-browser", "--data-dir", "/x y", "--threads", "5", "--n-ctx", "64"
    )
    assert (typed.host, typed.port, typed.browser, typed.data_dir) == ("0.0.0.0", 9000, False, Path("/x y"))
    assert (typed.load.threads, typed.load.n_ctx, typed.load.flash_attn) == (5, 64, None)


def test_flags_with_yes_and_no():
    assert parse("--flash-attn").load.flash_attn is True
    assert parse("--no-flash-attn").load.flash_attn is False


def test_a_negative_number_is_a_value():
    assert parse("--n-gpu-layers", "-1").load.n_gpu_layers == -1


# ------------------------------------------------------------------------------------------------------------- list


def test_list_tells_what_to_do_when_there_is_nothing(home, capsys):
    assert cli.main(["list"]) == 0
    assert "m3studio pull starter" in capsys.readouterr().out
    assert not home.exists()


@pytest.mark.model
def test_list_names_models_and_their_problems(home, starter, capsys):
    models = home / "models" / "sub"
    models.mkdir(parents=True)
    (models / "Good.gguf").symlink_to(starter)
    (models / "Bad.gguf").write_bytes(b"no model")
    assert cli.main(["list", "--json"]) == 0
    bad, good = json.loads(capsys.readouterr().out)["models"]
    assert (good["ref"], good["size"], good["quant"], good["problem"]) == ("sub/Good", 98_362_432, "Q4_1", "")
    assert (bad["ref"], bad["size"]) == ("sub/Bad", 8)
    assert bad["problem"]
    assert cli.main(["list"]) == 0
    assert "0.10 GB  Q4_1" in capsys.readouterr().out


def test_list_shows_a_split_model_once(home):
    models = Home(home).models
    models.mkdir(parents=True)
    for number in (1, 2, 3):
        (models / f"Big-0000{number}-of-00003.gguf").write_bytes(b"GGUF")
    (models / "Rest-00002-of-00003.gguf").write_bytes(b"GGUF")
    assert [model["ref"] for model in list_verb.found(Home(home))] == ["Big-00001-of-00003", "Rest-00002-of-00003"]


def test_a_reader_that_leaves_early_gets_no_traceback(home):
    models = Home(home).models
    models.mkdir(parents=True)
    for number in range(2000):
        (models / f"model-{number}.gguf").write_bytes(b"")
    process = subprocess.Popen(
        [sys.executable, "-m", "m3studio", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert told == b""


# ------------------------------------------------------------------------------------------------------------- pull


@pytest.mark.model
def test_pull_starter_is_done_at_once_when_it_is_there(home, starter, capsys):
    models = Home(home).models
    models.mkdir(parents=True)
    shutil.copy(starter, models / starter.name)
    assert cli.main(["pull", "starter", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "ref": starter.stem,
        "path": str(models / starter.name),
        "size": 98_362_432,
    }
    assert told.err == ""


def test_pull_of_something_else_is_told(capsys):
    assert cli.main(["pull", "moon"]) == 1
    assert "“moon” cannot be fetched" in capsys.readouterr().err


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_the_meter_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    for sink, expected in ((Screen(), "\r[############            ]  50%"), (io.StringIO(), " 50%  0.5 of 1.0 MB")):
        monkeypatch.setattr(sys, "stderr", sink)
        meter = pull.Meter()
        for done in range(0, 1_000_001, 1000):
            meter(done, 1_000_000)
        meter.end()
        assert expected in sink.getvalue()
        assert "100%" in sink.getvalue()
    assert len(sink.getvalue().splitlines()) == 11


# ----------------------------------------------------------------------------------------------------------- passwd


def test_passwd_from_a_file(home, tmp_path, capsys):
    (tmp_path / "word").write_text("correct horse battery\nsecond line\n")
    assert cli.main(["passwd", "--password-file", str(tmp_path / "word")]) == 0
    assert "password is set" in capsys.readouterr().out
    assert b"correct horse" not in (home / "chat.db").read_bytes()


def test_passwd_refuses_a_bad_one(tmp_path, capsys):
    (tmp_path / "word").write_text("x\n")
    assert cli.main(["passwd", "--password-file", str(tmp_path / "word")]) == 1
    assert cli.main(["passwd", "--password-file", str(tmp_path / "missing")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_passwd_without_a_terminal_says_what_to_do():
    answer = run("passwd", stdin=subprocess.DEVNULL)
    assert answer.returncode == 1
    assert "--password-file" in answer.stderr


@pytest.mark.parametrize(("second", "code"), [("correct horse battery", 0), ("another one entirely", 1)])
def test_passwd_asks_twice_and_shows_nothing(home, second, code):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "m3studio", "passwd"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    seen = b""
    for prompt, word in ((b"New password: ", "correct horse battery"), (b"Once more: ", second)):
        while prompt not in seen:
            seen += os.read(leader, 1000)
        os.write(leader, word.encode() + b"\n")
    try:
        while piece := os.read(leader, 1000):
            seen += piece
    except OSError:  # the other side has ended
        pass
    os.close(leader)
    assert process.wait(timeout=30) == code
    assert b"horse" not in seen and b"another" not in seen
    assert (b"password is set" in seen) == (code == 0)


# ----------------------------------------------------------------------------------------------------------- doctor


def test_doctor_tells_what_is_well(home, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    assert cli.main(["doctor", "--json", "-p", str(number)]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert set(checks) == {"app", "engine", "page", "data folder", "disk", "port"}
    assert checks["engine"]["found"].startswith("llama-cpp-python 0.")


def test_doctor_names_a_taken_port_and_a_folder_that_cannot_be(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert cli.main(["doctor", "--data-dir", str(tmp_path / "file" / "data"), "-p", str(number)]) == 1
    told = capsys.readouterr().out
    assert told.count("BAD") == 2
    assert f"-p {number + 1}" in told
    assert "--data-dir" in told


def test_doctor_survives_an_engine_that_dies():
    check = doctor.engine("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert not check.ok
    assert "code -4" in check.found


# ------------------------------------------------------------------------------------------------------- the edges


class FailingVerb:
    """A verb that raises what it was given."""

    def __init__(self, error):
        self.error = error

    def arguments(self, parser):
        pass

    def run(self, args, settings):
        raise self.error


def test_a_traceback_goes_to_the_log_and_a_sentence_to_the_user(home, capsys):
    assert cli.main(["list"], lambda verb: FailingVerb(RuntimeError("the floor gave way"))) == 1
    told = capsys.readouterr().err
    assert told.startswith("m3studio: Something broke")
    assert "Traceback" not in told
    assert "Traceback" in (home / "logs" / "m3studio.log").read_text()


def test_an_error_for_the_user_is_one_sentence(home, capsys):
    assert cli.main(["list"], lambda verb: FailingVerb(StoreError("The disk sulks. Talk to it."))) == 1
    assert capsys.readouterr().err == "m3studio: The disk sulks. Talk to it.\n"
    assert not home.exists()


def test_an_interrupt_is_130():
    assert cli.main(["list"], lambda verb: FailingVerb(KeyboardInterrupt())) == 130
