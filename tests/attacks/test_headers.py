"""Headers and queries that took seconds of the event loop: each cost grows with the bytes, and has a bound."""

import pytest

from tests.api.servers import Process
from tests.attacks.clients import answer, get, post, processor_seconds

SCORE = "/v1/score/binary"
N_TIMES, MOST_SECONDS = 10, 1.5
"""Ten requests of the quadratic forms took 5 to 40 s."""

TYPES = (
    'a/b; "' + ";" * 60_000,
    "a/b" + '; a="\\"' * 9_000,
    "a/b;" + " " * 60_000,
    "text/csv" + ";charset=utf-8" * 4_000,
)
QUERY = "&".join(f"probabilitie{i}=1" for i in range(3_500))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind[-10:])
@pytest.mark.parametrize("path", [SCORE, f"{SCORE}/rows"])
def test_long_content_types(path: str, kind: str, server: Process) -> None:
    began = processor_seconds(server)
    for number in range(N_TIMES):
        status, _ = answer(server, post(path, b"{}", kind + str(number)))
        assert status in {415, 431}
    assert processor_seconds(server) - began < MOST_SECONDS


def test_unknown_names_of_a_query(server: Process) -> None:
    began = processor_seconds(server)
    for _ in range(N_TIMES):
        status, got = answer(server, post(f"{SCORE}/rows?{QUERY}", b"labels\n", "text/csv"))
        assert status in {422, 431}
        assert status == 431 or b'"n_errors":3500' in got
    assert processor_seconds(server) - began < MOST_SECONDS


@pytest.mark.parametrize("path", [SCORE, f"{SCORE}/rows"])
def test_many_media_ranges(path: str, server: Process) -> None:
    began = processor_seconds(server)
    for _ in range(N_TIMES):
        status, _ = answer(server, post(path, b"{}", "text/csv", "accept: */*" + "," * 60_000))
        assert status in {406, 415, 431}
    assert processor_seconds(server) - began < MOST_SECONDS


@pytest.mark.parametrize("sent", ["x=0-1", "bytes=99999999-", "bytes=0-1", "bytes=1-0", "bytes=" + "0-1," * 9_000])
def test_ranges_of_bytes_are_left_alone(sent: str, server: Process) -> None:
    """RFC 9110, 14.2: a server may ignore the header `Range`, and then the answer is the whole page."""
    status, got = answer(server, get("/docs/assets/swagger-initializer.js", f"range: {sent}"))
    assert status in {200, 431}
    assert status == 431 or b"HTTP/1.1 200 OK\r\n" in got
