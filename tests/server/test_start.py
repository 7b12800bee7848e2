"""What keeps the app from starting: each gets one sentence, an exit code, and loses nothing."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest

from running import App, free_port


def serve(*flags, home):
    command = [sys.executable, "-m", "m3studio", "serve", "--no-browser", *flags]
    environ = {**os.environ, "M3STUDIO_HOME": str(home)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def one_sentence(done):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("m3studio: ")
    return lines[0]


def test_a_port_in_use(home):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = one_sentence(serve("-p", str(port), home=home))
    assert f"Port {port} is taken" in sentence and f"-p {port + 1}" in sentence


def test_a_port_that_is_none(home):
    assert "no port number" in one_sentence(serve("-p", "99999", home=home))


def test_an_address_of_another_machine(home):
    assert "-H" in one_sentence(serve("-H", "192.0.2.1", "-p", str(free_port()), home=home))


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "--data-dir" in one_sentence(serve("-p", str(free_port()), home=tmp_path / "file"))


def test_a_second_app_on_the_same_data(tmp_path):
    app = App(tmp_path).start()
    try:
        sentence = one_sentence(serve("-p", str(free_port()), home=tmp_path))
        assert str(app.process.pid) in sentence
    finally:
        app.stop()


def test_a_model_that_is_not_there(home):
    assert "nothing.gguf" in one_sentence(serve("-p", str(free_port()), "--model", "/nothing.gguf", home=home))


def test_a_corrupt_database_is_kept_aside(tmp_path):
    app = App(tmp_path).start().sign_in()
    app.post("/api/chats", {"title": "precious"})
    app.stop()
    database = tmp_path / "chat.db"
    content = bytearray(database.read_bytes())
    content[100:3000] = os.urandom(2900)
    database.write_bytes(content)
    for backup in (tmp_path / "backups").glob("*"):
        backup.unlink()
    app = App(tmp_path).start()
    try:
        kept = list(tmp_path.glob("chat.db.corrupt-*"))
        assert len(kept) == 1 and bytes(content) == kept[0].read_bytes()
    finally:
        app.stop()


@pytest.mark.parametrize("content", [None, "short\n"])
def test_a_password_file_that_does_not_do(tmp_path, content):
    file = tmp_path / "password"
    if content:
        file.write_text(content)
    sentence = one_sentence(serve("-p", str(free_port()), "--password-file", str(file), home=tmp_path / "home"))
    assert sentence.endswith(".")
