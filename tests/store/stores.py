"""Fixtures: a test that asks for a store or its address runs over both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.jobs import JobStore
from tests.store.servers import ABSENT, PostgreSQLServer, postgresql, programs


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQLServer]:
    if programs() is None:
        pytest.skip(ABSENT)
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    found: PostgreSQLServer = request.getfixturevalue("server")
    return found.database()


@pytest.fixture
def store(address: str) -> Iterator[JobStore]:
    opened = JobStore.open(address)
    yield opened
    opened.close()
