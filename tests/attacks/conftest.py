"""A real server with its default settings, which the attacks of this folder share."""

from collections.abc import Iterator

import pytest

from tests.api.servers import Process


@pytest.fixture(scope="session")
def server() -> Iterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        process.terminate()
        process.ended()
