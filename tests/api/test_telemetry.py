"""The log of requests and their numbers, below the application."""

import asyncio
import re
import subprocess
import sys

import pytest
from prometheus_client import Histogram

from app.api import telemetry
from app.api.telemetry import SECONDS, Telemetry, Times
from tests.api.clients import exchange_with

STAMP = re.compile(rb'"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"')

BOTH_LOGS = """
from datetime import UTC, datetime
import structlog
from app.api import logs

facts = {"logger": "a", "request_id": 'é"\\u2028', "status": 200, "n_scored": 2**53, "ms": 1e-07, "code": object}

for least in logs.LEVELS:
    logs.configure(least)
    log = logs.AccessLog(least)
    for level in ("debug", "info", "error"):
        getattr(structlog.get_logger(), level)("request", **facts)
        log.write([{**facts, "event": "request", "level": level, "timestamp": datetime.now(UTC)}])
"""


def test_the_log_of_requests_is_written_as_structlog_would() -> None:
    written = subprocess.run([sys.executable, "-c", BOTH_LOGS], check=True, capture_output=True).stdout
    lines, n_stamps = STAMP.subn(b"", written)
    found = lines.splitlines()
    assert n_stamps == len(found) == 2 * (3 + 2 + 1 + 1)  # fewer, the more severe a line must be
    assert found[::2] == found[1::2]


@pytest.mark.anyio
async def test_a_line_has_its_fields_in_this_order(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    numbers, exchange = Telemetry("info"), exchange_with((b"x-request-id", b"abc"))
    exchange.status, exchange.code, exchange.bytes_in = 422, "invalid_input", 48
    numbers.begin()
    numbers.end(exchange)
    numbers.refuse("def", 400, "malformed_request", {"reason": "host", "peer": "192.0.2.1"})
    assert capsysbinary.readouterr().out == b""
    await asyncio.sleep(0)  # both leave at the end of the turn
    whole, refused = STAMP.sub(b"", capsysbinary.readouterr().out).splitlines()
    assert re.sub(rb'"ms":[0-9.e-]+', b'"ms":1', whole) == (
        b'{"logger":"surprisal.access","request_id":"abc","method":"POST","status":422,"bytes_in":48,"bytes_out":0,'
        b'"n_scored":0,"route":"unmatched","ms":1,"code":"invalid_input","event":"request","level":"info",}'
    )
    assert refused == (
        b'{"logger":"surprisal.access","request_id":"def","route":"unmatched","status":400,"code":"malformed_request",'
        b'"reason":"host","peer":"192.0.2.1","event":"request","level":"info",}'
    )


@pytest.mark.anyio
async def test_series_at_hand_are_bounded_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MAX_KEPT_SERIES", 4)
    numbers = Telemetry("error")
    for status in [*range(400, 420)] * 3:
        numbers.refuse("abc", status, "code", {"reason": "host", "peer": ""})
    shown = numbers.shown()
    assert numbers._requests.cache_info().currsize == 4
    counts = [line.split()[-1] for line in shown.splitlines() if b'status="4' in line]
    assert counts == [b"3.0"] * 20 + counts[20:]
    assert len(counts) == 40  # each has the time of its making beside it


def test_times_that_are_observed_at_once_are_those_observed_alone() -> None:
    seconds = [0.0, 0.001, 0.001_000_1, 0.25, 0.3, 30.0, 30.1, 1e6, *(2.0**-n for n in range(20))]
    at_once, alone = (
        Times("a", "b", buckets=SECONDS, registry=None),
        Histogram("a", "b", buckets=SECONDS, registry=None),
    )
    for n in (0, 1, 8, len(seconds)):
        at_once.observe_all(seconds[:n])
        for time in seconds[:n]:
            alone.observe(time)
    (found,), (expected,) = at_once.collect(), alone.collect()
    assert len(expected.samples) == len(SECONDS) + 4
    pairs = zip(found.samples, expected.samples, strict=True)
    assert [
        (a.name, a.labels, a.value == pytest.approx(b.value, rel=1e-12)) for a, b in pairs if "created" not in a.name
    ] == [(b.name, b.labels, True) for b in expected.samples if "created" not in b.name]


@pytest.mark.anyio
async def test_requests_in_flight_are_counted() -> None:
    numbers = Telemetry("error")
    for _ in range(3):
        numbers.begin()
    numbers.end(exchange_with())
    assert numbers.registry.get_sample_value("surprisal_in_flight") == 2.0
