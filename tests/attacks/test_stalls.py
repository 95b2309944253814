"""The event loop never stands for long, as its own beat tells in `/metrics`."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.api.servers import Process
from tests.attacks.clients import answer, get, post


def metric(server: Process, name: str) -> float:
    _, got = answer(server, get("/metrics"))
    return next(float(line.split()[-1]) for line in got.decode().splitlines() if line.startswith(name + " "))


def test_the_beat_and_what_is_held_are_shown(server: Process) -> None:
    before = metric(server, "surprisal_loop_stall_seconds_count")
    with server.socket() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert idle.recv(1 << 16)
        while metric(server, "surprisal_connections") < 2:  # it is set once a second
            pass
    assert metric(server, "surprisal_loop_stall_seconds_count") > before
    assert metric(server, 'surprisal_threads_busy{pool="whole"}') == 0
    assert metric(server, "surprisal_answers_unread") == 0
    assert metric(server, "surprisal_loop_stall_greatest_seconds") > 0


@contextmanager
def unread_server() -> Iterator[Process]:
    """A server whose log is read up to its start alone."""
    server = Process(SURPRISAL_LOG_LEVEL="debug")
    try:
        yield server
    finally:
        server.terminate()
        server.ended()


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    """Each request makes a line of some 300 bytes, and a pipe holds 64 KiB of them."""
    with unread_server() as server:
        for _ in range(50):
            with server.socket() as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n" * 10)
                n_answers = 0
                while n_answers < 10:
                    n_answers += client.recv(1 << 16).count(b"HTTP/1.1 200")
        assert metric(server, "surprisal_log_lines_lost_total") == 0


def stalled_seconds(server: Process, sent: bytes, n: int) -> tuple[float, set[int]]:
    """The least bound of the buckets in which all stalls were while a number of requests were answered at once."""
    before = buckets(server)
    with ThreadPoolExecutor(n) as pool:
        statuses = {status for status, _ in pool.map(lambda _: answer(server, sent), range(n))}
    after = buckets(server)
    new = {bound: after[bound] - before[bound] for bound in after}
    return min(bound for bound in new if new[bound] == new[float("inf")]), statuses


def buckets(server: Process) -> dict[float, float]:
    _, got = answer(server, get("/metrics"))
    return {float(bound): float(n) for bound, n in BUCKET.findall(got.decode())}


BUCKET = re.compile(r'surprisal_loop_stall_seconds_bucket\{le="([^"]+)"\} (\S+)')
N_BYTES = 16 * 2**20 - 1000
JSON, LINES = "application/json", "application/x-ndjson"


def filled(before: bytes, unit: bytes, after: bytes, n_bytes: int = N_BYTES) -> bytes:
    return before + unit * (n_bytes // len(unit)) + after


LABELS, END = b'{"labels":[', b'0],"probabilities":[[1]]}'
ATTACKS = {
    "objects": (filled(LABELS, b"{},", END), JSON, 1),
    "objects in lists": (filled(b'{"labels":[0],"logits":[', b"[{}],", b"[1]]}"), JSON, 1),
    "lists": (filled(b'{"labels":[0],"logits":[', b"[],", b"[1]]}"), JSON, 1),
    "lists of lists": (filled(b'{"labels":[0],"logits":[', b"[[]],", b"[1]]}"), JSON, 1),
    "strings as logits": (filled(b'{"labels":[0],"logits":[', b'"",', b"1]}"), JSON, 1),
    "strings as classes": (filled(b'{"labels":[0],"classes":[', b'"",', END[1:]), JSON, 1),
    "a list": (filled(b"[", b"{},", b"{}]"), JSON, 1),
    "brackets": (filled(LABELS, b"[],", b"0}"), JSON, 1),
    "slices": (b'{"slices":{%b}}' % b",".join(b'"%d":[1]' % i for i in range(900_000)), JSON, 1),
    "candidates": (b'{"candidates":{%b}}' % b",".join(b'"%d":{"logits":[1]}' % i for i in range(450_000)), JSON, 1),
    "confusion": (filled(b'{"labels":[0],"include":["confusion"],"probabilities":[[1', b",0", b"]]}", 1998), JSON, 50),
    "lines": (filled(b"", b'{"labels":1,"probabilities":[0.25,0.75]}\n', b""), LINES, 8),
    "lines of lists": (filled(b"", b'{"labels":1,"probabilities":[%b0]}\n' % (b"[]," * 50_000), b""), LINES, 8),
}


@pytest.mark.slow
@pytest.mark.parametrize(("body", "kind", "n"), ATTACKS.values(), ids=ATTACKS)
def test_a_body_does_not_stall_the_loop(body: bytes, kind: str, n: int, server: Process) -> None:
    """A busy machine adds stalls of its own: the best of three tries counts. The objects alone took 0.5 to 10 s."""
    path = "/v1/score/multiclass" + ("/rows" if kind == LINES else "")
    found = [stalled_seconds(server, post(path, body, kind), n) for _ in range(3)]
    assert {status for _, statuses in found for status in statuses} <= {200, 400, 413, 422, 503}
    assert min(bound for bound, _ in found) <= (0.25 if n > 1 else 0.1)
