"""Shared fixtures: a data folder of its own for every test, and the starter model."""

import os
from pathlib import Path

import pytest

STARTER = "SmolLM2-135M-Instruct.Q4_1.gguf"
STARTER_BYTES = 98_362_432


def pytest_collection_modifyitems(items):
    """The browser's tests come last: as long as Playwright is there, its event loop runs in the main thread."""
    items.sort(key=lambda item: "browser" in item.path.parts)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """M3STUDIO_HOME is a fresh folder, and no other setting of the person who runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith("M3STUDIO_") and not name.startswith("M3STUDIO_TEST")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("M3STUDIO_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def starter():
    """Path of the starter model; fetched once per machine into the user's cache by the product's own command."""
    cache = Path(os.environ.get("M3STUDIO_TEST_MODELS") or Path.home() / ".cache" / "m3studio-tests")
    path = cache / STARTER
    if not path.is_file() or path.stat().st_size != STARTER_BYTES:
        from m3studio.errors import StudioError
        from m3studio.hub import starter as hub_starter

        try:
            cache.mkdir(parents=True, exist_ok=True)
            hub_starter.fetch(cache)
        except StudioError as error:
            pytest.skip(f"the starter model is out of reach: {error}")
    return path
