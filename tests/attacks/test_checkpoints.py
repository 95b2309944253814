"""Long work asks often enough whether it shall end: every kind, by the calls between two checkpoints."""

import gzip
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import orjson
import pyarrow as pa
import pytest
import scipy.optimize  # noqa: F401 to import it takes many calls, once
from starlette.datastructures import QueryParams

from app.api.negotiation.formats import FORMATS
from app.api.routes.compare import compared_parts
from app.api.routes.rows import scored_parts
from app.api.schemas.calibrate import calibrate_request
from app.api.schemas.compare import COMPARED_ROWS, compare_request
from app.api.schemas.query import query_naming
from app.api.schemas.questions import asked
from app.api.schemas.score import score_request
from app.api.scoring import Rows, answered_rows
from app.core.checkpoints import ended_by
from app.errors import TooLarge
from app.service import CalibrateRequest, calibrate, compare, score
from app.settings import DEFAULTS
from app.wire.mapping.naming import own_names
from tests.api.servers import Process
from tests.attacks.clients import answer, post, processor_seconds
from tests.encoded import compressed, encoded

MOST_CALLS = 20_000
"""The most functions called between two checkpoints, of Python and of C: some milliseconds. Single calls on much data
are held by the sizes of parts."""

RNG = np.random.default_rng(38)
Work = Callable[[], object]


def fit(method: str, n: int, n_folds: int) -> Work:
    columns = {"labels": RNG.integers(0, 2, n), "logits": RNG.normal(size=n)}
    body = orjson.dumps({"method": method, "n_folds": n_folds, **columns}, option=orjson.OPT_SERIALIZE_NUMPY)
    request: CalibrateRequest = asked(calibrate_request, "binary", body, DEFAULTS.max_columns)
    return lambda: calibrate(request)


def resampled(n: int) -> Work:
    columns = {"labels": RNG.integers(0, 2, n).tolist(), "probabilities": RNG.random(n).tolist()}
    request = asked(
        score_request,
        "binary",
        orjson.dumps({**columns, "bootstrap": {"n_resamples": 400}, "metrics": ["smooth_calibration_error"]}),
        DEFAULTS.max_columns,
    )
    return lambda: score(request)


def sliced(n: int) -> Work:
    columns = {"labels": [0, 1] * (n // 2), "probabilities": RNG.random(n).tolist()}
    slices = {"a": [i % 900 for i in range(n)]}
    body = orjson.dumps({**columns, "slices": slices, "metrics": ["roc_auc"]})
    return lambda: score(asked(score_request, "binary", body, DEFAULTS.max_columns))


def compared(n: int, n_candidates: int) -> Work:
    candidates = {str(i): {"logits": RNG.normal(size=n).tolist()} for i in range(n_candidates)}
    body = orjson.dumps({"labels": [0, 1] * (n // 2), "candidates": candidates, "baseline": "0"})
    request = asked(compare_request, "binary", body, DEFAULTS.max_columns)
    return lambda: compare(request)


def rows(format_: str, body: bytes, encoding: str = "") -> Work:
    request = Rows("binary", FORMATS[format_], encoding, b"", {}, own_names("binary"))
    return lambda: answered_rows(request, scored_parts, io.BytesIO(body), DEFAULTS, lambda: None)


def compared_rows(format_: str, body: bytes) -> Work:
    query = QueryParams("baseline=a")
    naming = query_naming(COMPARED_ROWS, "binary", query)
    request = Rows("binary", FORMATS[format_], "", b"baseline=a", {}, naming, COMPARED_ROWS)
    return lambda: answered_rows(request, compared_parts, io.BytesIO(body), DEFAULTS, lambda: None)


def two_models(n: int, more: dict[str, list[float]]) -> dict[str, list[float]]:
    columns = columns_of(n)
    return {"labels": columns["labels"], **{f"candidates.{i}.logits": columns["probabilities"] for i in "ab"}, **more}


def small_batches(n: int, n_rows: int) -> bytes:
    columns = {"labels": pa.array([1], pa.int64()), "probabilities": pa.array([0.25]), "cluster_id": pa.array([7])}
    first = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, first.schema) as writer:
        for batch in (first, *[first.slice(0, n_rows)] * n):
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def columns_of(n: int) -> dict[str, list[float]]:
    return {"labels": [0, 1] * (n // 2), "probabilities": RNG.random(n).tolist()}


CSV = b"labels,probabilities\n1,0.25\n"
WORK: dict[str, Callable[[], Work]] = {
    "temperature": lambda: fit("temperature", 100_000, 5),
    "platt": lambda: fit("platt", 100_000, 5),
    "isotonic": lambda: fit("isotonic", 100_000, 5),
    "bootstrap": lambda: resampled(10_000),
    "slices": lambda: sliced(60_000),
    "candidates": lambda: compared(20_000, 10),
    "candidates in rows": lambda: compared_rows("csv", encoded("csv", two_models(100_000, {}))),
    "candidates in clusters": lambda: compared_rows(
        "parquet", encoded("parquet", two_models(60_000, {"cluster_id": [i % 977 for i in range(60_000)]}), 500)
    ),
    "candidates by slice": lambda: compared_rows(
        "arrow", encoded("arrow", two_models(60_000, {"slices.s": [i % 900 for i in range(60_000)]}), 5_000)
    ),
    "batches of one row": lambda: rows("arrow", small_batches(6_000, 1)),
    "empty batches": lambda: rows("arrow", small_batches(10_000, 0)),
    "row groups of one row": lambda: rows("parquet", encoded("parquet", columns_of(2_000), 1)),
    "empty lines": lambda: rows(
        "ndjson", gzip.compress(b'{"labels":1,"probabilities":0.5}' + b"\n" * 60_000_000), "gzip"
    ),
    "empty lines of CSV": lambda: rows("csv", gzip.compress(CSV + b"\n" * 60_000_000), "gzip"),
    "members of gzip": lambda: rows("csv", gzip.compress(CSV) + gzip.compress(b"") * 100_000, "gzip"),
    "frames of zstd": lambda: rows("csv", compressed("zstd", CSV) + compressed("zstd", b"") * 60_000, "zstd"),
    "many rows of text": lambda: rows("csv", encoded("csv", columns_of(300_000))),
}


@pytest.mark.parametrize("kind", WORK)
def test_work_can_be_ended_all_the_time(kind: str) -> None:
    work, n_calls, gaps = WORK[kind](), 0, list[int]()

    def count(_: object, event: str, __: object) -> None:
        nonlocal n_calls
        n_calls += event in {"call", "c_call"}

    def check() -> None:
        nonlocal n_calls
        gaps.append(n_calls)
        n_calls = 0

    before = sys.getprofile()
    with ended_by(check), suppress(TooLarge):  # empty lines compress too well
        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(before)
    check()
    assert len(gaps) > 1
    assert max(gaps) < MOST_CALLS


@pytest.fixture(scope="module")
def hasty() -> Iterator[Process]:
    """A server that gives a request a third of a second."""
    process = Process(SURPRISAL_REQUEST_TIMEOUT_SECONDS="0.3")
    yield process
    process.terminate()
    process.ended()


def calibrating() -> bytes:
    logits = RNG.normal(size=200_000).round(3)  # the classes are separable, which takes most steps
    columns = {"labels": (logits > 0.0) * 1, "logits": logits, "n_folds": 20, "method": "platt"}
    return post("/v1/calibrate/binary", orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY), "application/json")


def streaming() -> bytes:
    body = gzip.compress(small_batches(30_000, 1), 1)
    return post("/v1/score/binary/rows", body, FORMATS["arrow"].media_type, "content-encoding: gzip")


@pytest.mark.parametrize("sent", [calibrating, streaming])
def test_a_request_that_takes_too_long_is_told_to_send_less(sent: Callable[[], bytes], hasty: Process) -> None:
    body, began = sent(), processor_seconds(hasty)
    status, got = answer(hasty, body)
    assert (status, b"0.3 seconds of a processor" in got) == (413, True)
    assert processor_seconds(hasty) - began < 3.0  # the whole of either takes more than 4
