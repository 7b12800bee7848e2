"""A chat with the network cut: in a network namespace that has nothing but its own loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.model
INSIDE = """
import fcntl, socket, struct, sys
from pathlib import Path
with socket.socket() as s:  # bring the loopback up: SIOCSIFFLAGS with IFF_UP
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1))
sys.path.insert(0, {tests!r})
from running import App
app = App(Path({home!r}), "--model", {model!r}).start().sign_in()
try:
    app.wait(lambda: app.get("/api/models")["engine"]["state"] == "ready")
    chat, turn = app.ask("Say hello.", max_tokens=10)
    assert list(app.events(turn))[-1][1] == "TurnFinished"
    assert app.messages(chat)[-1]["content"]
    page = app.wait(lambda: "gradio" in app.client.get("/", headers={{"accept": "text/html"}}).text.lower())
finally:
    app.stop()
print("answered")
"""


def test_everything_works_without_a_network(tmp_path, starter):
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("cutting the network needs Linux, root and unshare")
    tests = Path(__file__).parent.parent
    program = INSIDE.format(tests=str(tests), home=str(tmp_path / "home"), model=str(starter))
    command = ["unshare", "-n", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
    assert done.stdout.strip() == "answered", done.stderr
