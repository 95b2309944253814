"""The event loop never stands for long, as its own beat tells in `/metrics`."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
import pytest

from app.api.contract import samples
from tests.api.servers import Process
from tests.attacks.beats import stall, whole_answer
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


N_BYTES = 16 * 2**20 - 1000
JSON, LINES, TABLE, NPZ = "application/json", "application/x-ndjson", "text/csv", "application/x-npz"
ROWS = "/v1/score/binary/rows"
PATHS = {LINES: "/v1/score/multiclass/rows", TABLE: ROWS, NPZ: ROWS}


def filled(before: bytes, unit: bytes, after: bytes, n_bytes: int = N_BYTES) -> bytes:
    return before + unit * (n_bytes // len(unit)) + after


def strings(n: int) -> bytes:
    """Rows of npz, each in a cluster of its own."""
    file = io.BytesIO()
    np.savez(file, labels=np.zeros(n, int), probabilities=np.full(n, 0.5), cluster_id=np.arange(n).astype(str))
    return file.getvalue()


N_ROWS = 700_000
HALVES = b'"probabilities":[%b[0.5,0.5]]' % (b"[0.5,0.5]," * (N_ROWS - 1))
ZEROS = b'{"labels":[%b0],%b,' % (b"0," * (N_ROWS - 1), HALVES)
MANY_SLICES = b'{"labels":1,"probabilities":[0.5,0.5],"slices":{%b}}\n' % b",".join(b'"%d":1' % i for i in range(1000))
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
    "confusion": (filled(b'{"labels":[0],"include":["confusion"],"probabilities":[[1', b",0", b"]]}", 1998), JSON, 300),
    "clusters": (ZEROS + b'"cluster_id":[%b]}' % b",".join(b'"%d"' % i for i in range(N_ROWS)), JSON, 1),
    "losses": (ZEROS + b'"include":["per_sample"]}', JSON, 8),
    "clusters of npz": (strings(N_ROWS), NPZ, 2),
    "cells": (b"labels,probabilities,slices.a\n" + b"".join(b"1,0.5,b%d\n" % i for i in range(N_ROWS)), TABLE, 8),
    "lines of many slices": (filled(b"", MANY_SLICES, b"", N_BYTES // 4), LINES, 8),
    "lines": (filled(b"", b'{"labels":1,"probabilities":[0.25,0.75]}\n', b""), LINES, 8),
    "lines of lists": (filled(b"", b'{"labels":1,"probabilities":[%b0]}\n' % (b"[]," * 50_000), b""), LINES, 8),
}


MOST_WORK = 0.05
"""The longest time for which the event loop may work for one client without a look at the others, in seconds."""


@pytest.mark.slow
@pytest.mark.parametrize(("body", "kind", "n"), ATTACKS.values(), ids=ATTACKS)
def test_a_body_does_not_stall_the_loop(body: bytes, kind: str, n: int, server: Process) -> None:
    """The best of three tries, for beside a thread that holds the interpreter others may work. The objects alone took
    0.5 to 10 s, names of clusters 0.5, cells of CSV 0.3, and garbage among objects of many slices 0.5.
    """
    sent = post(PATHS.get(kind, "/v1/score/multiclass"), body, kind)
    found = [stall(server, whole_answer, [sent] * n, min(n, 50)) for _ in range(3)]
    assert {status for one in found for status in one.statuses} <= {200, 400, 413, 422, 503}
    assert max(one.work for one in found) <= MOST_WORK
    assert min(one.held for one in found) <= MOST_WORK


@pytest.mark.slow
def test_a_long_state_does_not_stall_the_loop(server: Process) -> None:
    """The text of all its numbers, which its checksum is made of, took a second at once."""
    values = np.random.default_rng(0).random(780_000).tolist()
    state = {"version": 1, "kind": "score", "request": {}, "sums": values, "checksum": ""}
    sent = post("/v1/merge", orjson.dumps({"states": [state]}), JSON)
    found = [stall(server, whole_answer, [sent]) for _ in range(3)]
    assert {status for one in found for status in one.statuses} == {422}
    assert min(one.seconds for one in found) <= 0.25


PAGES = (
    *("/", "/docs", "/openapi.json", "/v1/metrics", "/v1/limits", "/metrics", "/readyz", "/problems/internal"),
    "/docs/assets/swagger-ui-bundle.js",
    *(f"/docs/samples/{name}" for name in samples.files()),
)


def test_no_page_stalls_the_loop(server: Process) -> None:
    found = stall(server, whole_answer, map(get, PAGES))
    assert found.statuses <= {200, 307}
    assert found.work <= MOST_WORK


def numbers(*shape: int) -> Any:
    """Probabilities of rows that sum to 1, with all their digits."""
    drawn = np.random.default_rng(0).random(shape)
    return drawn / drawn.sum(axis=1, keepdims=True) if len(shape) > 1 else drawn


N, K = 8_000, 800
"""Rows, or classes, with which a body is nearly as large as the event loop reads: 16,384 numbers, 256 KiB of text."""
ALL = {"unit": "bits", "epsilon": 0.1, "tolerance": 1, "confidence_level": 0.999, "n_worst": 1_000}
ONE = {"label_smoothing": 0.5, "focal_gamma": 9, "focal_alpha": 0.25, "bin_edges": "right"}
CLASSES = {"top_k": list(range(1, 21)), "class_weight": [0.5] * K, "classes": [f"class {i}" for i in range(K)]}
NAMED = {"labels": ["class 3"] * 12}
MOST = {"n_bins": 10_000, "include": ["per_sample", "per_class", "calibration", "worst"]}
BINARY: dict[str, Any] = {"labels": [0, 1] * (N // 2), "probabilities": numbers(N)}
FEW: dict[str, Any] = {"labels": [3] * 12, "probabilities": numbers(12, K)}
OF_THE_LOOP: dict[str, tuple[str, dict[str, Any]]] = {
    "rows": ("score/binary", BINARY | ALL | ONE),
    "weights": (
        "score/binary",
        {"labels": [0, 1] * 2_500, "probabilities": numbers(5_000), "sample_weight": numbers(5_000)},
    ),
    "classes": ("score/multiclass", FEW | ALL | ONE | CLASSES | NAMED),
    "labels": ("score/multilabel", {"labels": [[0] * K] * 8, "probabilities": numbers(8, K), "pos_weight": [2] * K}),
    "soft labels": ("score/distributions", {"targets": numbers(6, K), "probabilities": numbers(6, K)} | ALL),
    "documents": ("score/tokens", {"log_probabilities": [(-numbers(N // 8)).tolist()] * 8, "n_words": [1] * 8} | ALL),
    "candidates": (
        "compare/binary",
        {"labels": [0, 1] * (N // 4), "baseline": "0", "margin": 1}
        | {"candidates": {str(i): {"probabilities": numbers(N // 2)} for i in range(5)}},
    ),
    "all sections": ("score/multiclass", FEW | ALL | CLASSES | NAMED | MOST),
    "wrong weights": ("score/multiclass", FEW | {"class_weight": ["a"] * 4_000}),
    "wrong classes": ("score/multiclass", FEW | {"classes": [0] * 8_000}),
    "wrong sections": ("score/multiclass", FEW | {"include": [""] * 5_000, "metrics": [""] * 5_000}),
    "wrong ranks": ("score/multiclass", FEW | {"top_k": [-1] * 5_000}),
    "unknown fields": ("score/binary", BINARY | {f"probabilitie{i}": 1 for i in range(600)}),
    "unknown rules": ("score/binary", BINARY | {"require": {f"cross_entropi{i}": {"max": 1} for i in range(500)}}),
    "wrong rows": ("score/binary", BINARY | {"probabilities": [2] * N}),
}


@pytest.mark.parametrize(("path", "fields"), OF_THE_LOOP.values(), ids=OF_THE_LOOP)
def test_a_body_that_the_loop_scores_does_not_stall_it(path: str, fields: dict[str, Any], server: Process) -> None:
    """A thousand wrong names in a list of names took 50 ms, and the loop reads several thousand."""
    body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    found = stall(server, whole_answer, [post(f"/v1/{path}", body, JSON)] * 5)
    assert found.statuses <= {200, 422}
    assert found.work <= MOST_WORK
