"""Marks and settings that hold for every test."""

from typing import Any

import pytest
from hypothesis import settings

# A machine that runs tests side by side is slow at times: what hangs is ended by `timeout` of pyproject.toml.
# Every run draws the same examples, so that a run in CI tells what a run here tells.
settings.register_profile("surprisal", deadline=None, derandomize=True)
settings.load_profile("surprisal")


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch; a test that asks for it is marked `torch`, for it runs in an environment of its own."""
    return pytest.importorskip("torch", reason="PyTorch is not in this environment: `make torch` runs this test")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("torch")
