"""A real service for all tests, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest

from surprisal_client import Client, local

ROOT = Path(__file__).resolve().parents[2]
collect_ignore = ["samples/make.py"]  # which needs lm_eval
mpl.use("agg")


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of `python -m app`, from the checkout that holds these tests."""
    with local.started(ROOT) as service:
        yield service.url


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made
