"""Nobody gets out: every attempt at every level that holds here, as the user who runs the tests and, as root, as nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from m3studio import paths
from m3studio.sandbox import Level
from sandbox.attempts import ATTEMPTS
from sandbox.conftest import LEVELS
from sandbox.trial import HARMLESS, SLOW, attempt_all, key

TESTS = Path(__file__).parent.parent
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SYSTEM_PYTHON = Path("/usr/bin/python3")
LONG = bool(os.environ.get("M3STUDIO_TEST_LONG"))


def wanted(attempt):
    return LONG or attempt.name not in SLOW


def as_nobody(level, what="" if LONG else "--short"):
    """The same attempts by a normal user, whose Python is the system's: root's may be out of reach for it."""
    packages = Path(pytest.__file__).parent.parent
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (paths.PACKAGE.parent, TESTS, packages)))
    command = [*NOBODY, str(SYSTEM_PYTHON), str(TESTS / "sandbox" / "trial.py"), level, what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", check=False)
    lines = done.stdout.splitlines()
    return json.loads(lines[0])[level] if lines else {"trial": done.stderr[-2000:] or "the level does not hold"}


@pytest.fixture(scope="module")
def outcomes():
    """What escaped, by who tried and level; each is tried once."""
    known = {}

    def get(who, level):
        if (who, level) not in known:
            known[who, level] = attempt_all(level, wanted) if who == "me" else as_nobody(level)
        return known[who, level]

    return get


def _same_python():
    return SYSTEM_PYTHON.exists() and subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip() == str(sys.version_info[:2])


CASES = [("me", level) for level in LEVELS]
if os.name == "posix" and os.getuid() == 0 and _same_python():
    CASES += [("nobody", level) for level in LEVELS]


@pytest.mark.skipif(not LEVELS, reason="no sandbox holds on this machine")
@pytest.mark.parametrize(("who", "level"), CASES)
def test_nothing_escapes(who, level, outcomes):
    found = outcomes(who, level)
    names = {key(attempt) for attempt in ATTEMPTS if wanted(attempt)}
    assert names - set(found) == set(), found.get("trial")
    assert {name: outcome for name, outcome in found.items() if outcome} == {}


def test_there_are_enough_attempts_of_every_kind():
    groups = {"reading", "writing", "processes", "resources", "network", "kernel"}
    assert {attempt.group for attempt in ATTEMPTS} == groups
    assert len({key(attempt) for attempt in ATTEMPTS}) == len(ATTEMPTS) > 250


@pytest.mark.skipif(not LEVELS, reason="no sandbox holds on this machine")
def test_attempts_do_escape_without_walls():
    """The trial can tell: attempts that harm only its own world get out where nothing holds them."""
    found = attempt_all(Level.NONE)
    assert sorted(found) == sorted(HARMLESS)
    assert [name for name, outcome in found.items() if not outcome] == []
