"""Every route of the running app, Gradio's too: without a sign-in there is no way in but the listed open ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

OPEN = {"/login", "/setup", "/healthz", "/favicon.ico", "/manifest.json"}


def test_no_route_answers_without_a_sign_in(tmp_path):
    environ = {**os.environ, "M3STUDIO_PASSWORD": "correct horse battery"}
    command = [sys.executable, str(Path(__file__).parent / "walk_routes.py"), str(tmp_path / "home")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=True)
    answers = json.loads(done.stdout.splitlines()[-1])
    paths = {path for _, path, _, _ in answers}
    assert len(paths) > 60 and any("gradio_api" in path for path in paths)  # ours and Gradio's
    for method, path, status, policy in answers:
        assert "default-src 'self'" in policy, (method, path)
        if path not in OPEN:
            assert status in (401, 403, 303), (method, path, status)
