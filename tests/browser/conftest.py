"""The real app with the real starter model, in a real browser: `python -m m3studio serve` on a free port, and Chromium."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser.written import write_chats

CHROMIUM = next(
    (
        path
        for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
        if Path(path).exists()
    ),
    "",
)
FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    *(["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []),
]
PASSWORD = "correct horse battery"
DEADLINE = 90  # seconds for the server to be up, Gradio's import included


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class App:
    """The running server: where it is, and what is in it."""

    url: str
    chats: dict[str, str]  # id by title
    process: subprocess.Popen


@pytest.fixture(scope="session")
def app(tmp_path_factory, starter):
    """One server for all browser tests, with the starter model in its library."""
    home, password = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("password") / "password"
    (home / "models").mkdir()
    (home / "models" / starter.name).symlink_to(starter)
    password.write_text(PASSWORD + "\n")
    chats = write_chats(home / "chat.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}/", home / "server.txt"
    command = [
        sys.executable,
        "-m",
        "m3studio",
        "serve",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
        "--password-file",
        str(password),
        "--no-browser",
    ]
    environment = {**os.environ, "M3STUDIO_HOME": str(home), "M3STUDIO_N_CTX": "4096"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_up(url, process, log)
        yield App(url, chats, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_up(url, process, log):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}: {log.read_text()}")
        try:
            with urllib.request.urlopen(url + "healthz", timeout=2) as answer:
                if json.load(answer)["status"] == "ok":
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not come up in {DEADLINE} s: {log.read_text()}")


@pytest.fixture(scope="session")
def chromium():
    """A browser for all tests; skips where there is none."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(app, chromium):
    """The cookies of a browser that signed in by the login page; answers are short and always the same."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(app.url)
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.wait_for_selector("[data-testid=composer]", timeout=DEADLINE * 1000)
    settings = {"sampling": {"temperature": 0, "repeat_penalty": 1.1}, "max_tokens": 24}
    assert page.evaluate(PUT, ["api/settings", settings]) == 200
    state = context.storage_state()
    context.close()
    return state


PUT = "async ([path, body]) => (await fetch(path, {method: 'PUT', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)})).status"


@dataclass
class Watch:
    """What a page did that a page must not do."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    allowed: tuple[str, ...] = ()  # parts of messages that a test provokes

    def look_at(self, context):
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        context.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def unexpected(self):
        return [text for text in self.errors if not any(part in text for part in self.allowed)]


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def browse(app, chromium, signed_in, watch):
    """`browse(**options)` opens a page of a device of its own. Afterwards: no console error, no foreign host."""
    contexts = []

    def open_page(path="", **options):
        context = chromium.new_context(
            storage_state=signed_in, **{"viewport": {"width": 1280, "height": 800}, **options}
        )
        contexts.append(context)
        watch.look_at(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(app.url + path)
        page.wait_for_selector("[data-testid=composer]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not watch.unexpected()
    assert watch.hosts <= {"127.0.0.1", ""}, "the page asked a foreign host"


@pytest.fixture
def page(browse):
    return browse()


@pytest.fixture
def long_answers(signed_in, browse):
    """Answers of up to 400 tokens, for tests that need time while one is written."""
    page = browse()
    short = page.evaluate("async () => (await fetch('api/settings')).json()")
    assert page.evaluate(PUT, ["api/settings", {**short, "max_tokens": 400}]) == 200
    yield
    assert page.evaluate(PUT, ["api/settings", short]) == 200
