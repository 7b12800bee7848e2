"""A sandbox of each level that this machine has."""

import pytest

from m3studio import sandbox
from m3studio.sandbox import Level, Limits

LEVELS = [tier.level for tier in sandbox.survey() if tier.holds]


@pytest.fixture(scope="session", params=LEVELS or [Level.NONE], ids=str)
def level(request):
    if request.param is Level.NONE:
        pytest.skip("no sandbox holds on this machine")
    return request.param


@pytest.fixture
def box(level, tmp_path):
    made = sandbox.open(tmp_path / "workspace", Limits(wall=20), level)
    yield made
    made.close()
