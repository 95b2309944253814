"""Headers and queries that took seconds of the event loop: each cost grows with the bytes, and has a bound."""

import pytest

from tests.api.servers import Process
from tests.attacks.beats import begun_answer, stall
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


@pytest.mark.parametrize("unit", ["candidates.c{}=1", "candidate.c{}=1", "candidates.c{0}=1&candidats.c{0}=1"])
def test_many_candidates_of_a_query(unit: str, server: Process) -> None:
    query = "&".join(map(unit.format, range(60_000 // len(unit) - 400)))
    began = processor_seconds(server)
    for _ in range(N_TIMES):
        status, _ = answer(server, post(f"/v1/compare/binary/rows?baseline=c0&{query}", b"labels\n", "text/csv"))
        assert status in {422, 431}
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


UNITS = (",", ";", '"', '\\"', " ", "=", "&", "%", "%20", "a,", "a=&", "*/*;q=0.5,", "::1,", "0", '"",')
HEADERS = (
    *("accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type"),
    *("cookie", "expect", "forwarded", "host", "if-none-match", "origin", "range", "te", "trailer", "upgrade"),
    *("traceparent", "transfer-encoding", "x-api-key", "x-forwarded-for", "x-request-id"),
)
OPTIONS = ("", "classes=", "class_weight=", "include=", "metrics=", "top_k=", "labels=", "require=")
CSV = {"host": "a", "content-type": "text/csv", "content-length": "7", "connection": "close"}


def full_headers(unit: str) -> list[bytes]:
    value = unit * (8_000 // len(unit))
    paths = ((f"{SCORE}/rows", "text/csv"), (SCORE, "application/json"))
    return [
        full_head(path, CSV | {"content-type": kind} | {name: value}) + b"labels\n"
        for path, kind in paths
        for name in HEADERS
    ]


def full_targets(unit: str) -> list[bytes]:
    value = unit.replace(" ", "+") * (60_000 // len(unit))
    rows = [f"/v1/score/multiclass/rows?{name}{value}" for name in OPTIONS]
    paths = [*rows, f"{SCORE}?{value}", f"/v1/merge?{value}", f"/nothing?{value}", f"/{value}"]
    return [full_head(path, CSV) + b"labels\n" for path in paths] + [get(f"/healthz?{value}"), get(f"/{value}")]


def full_head(path: str, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("unit", UNITS)
def test_a_full_head_does_not_stall_the_loop(unit: str, server: Process) -> None:
    """A query of 60,000 commas took 1.5 s of the event loop, one of percent signs 50 ms."""
    found = stall(server, begun_answer, [*full_headers(unit), *full_targets(unit)])
    assert max(found.statuses) < 500
    assert found.work <= 0.05
