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
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python -m app`, from the checkout that holds these tests; its jobs read the folders of tests."""
    with local.started(ROOT, jobs_in(tmp_path_factory.getbasetemp())) as service:
        yield service.url


def jobs_in(folder: Path) -> dict[str, str]:
    """The settings of a service whose jobs read what lies in a folder, and which keeps them there."""
    return {"SURPRISAL_DATASET_ROOTS": str(folder), "SURPRISAL_DATABASE_URL": f"sqlite:///{folder}/jobs.db"}


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made
