"""Large bodies, one request at a time: whole requests, and a stream that is far larger than what may be held."""

import re
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import orjson

from benchmarks import contestants, formats, predictions
from benchmarks.client import Answer, chunk, post
from benchmarks.contestants import RAW, SURPRISAL, Contestant
from benchmarks.figures import Figure, alone, compared, milliseconds, turns
from benchmarks.servers import Server
from benchmarks.trial import Findings, Trial

LIMIT = {"SURPRISAL_MAX_BODY_BYTES": str(64 * 2**20)}
BATCH_ROWS = 8_192
DECODED = "orjson.loads + np.asarray in memory"


class Refused(Exception):
    """The service answered something else than 200."""


def measure(trial: Trial) -> Findings:
    """Whole requests of about 20 and 8 MB."""
    columns = predictions.columns(10_000 if trial.quick else 100_000, 10)
    shape = columns["probabilities"].shape
    kinds = {"npz": (formats.NPZ, formats.npz(columns)), "Arrow": (formats.ARROW, formats.arrow(columns))}
    with (
        contestants.server(SURPRISAL, trial.directory, **LIMIT) as ours,
        contestants.server(RAW, trial.directory) as raw,
    ):
        body = formats.columns_json(columns)
        works = _requests(ours, raw, formats.JSON, body) | {DECODED: milliseconds(lambda: _decoded(body))}
        figures = _compared(trial, _title(shape, "JSON", body), works, {DECODED: "<= 0.6", RAW.name: ""})
        for name, (kind, packed) in kinds.items():
            works = _requests(ours, raw, kind, packed)
            figures += _compared(trial, _title(shape, name, packed), works, {RAW.name: "<= 1.6"})
    return Findings(figures)


def _title(shape: tuple[int, int], name: str, body: bytes) -> str:
    return f"{shape} {name}, {len(body) / 1e6:.0f} MB"


def _requests(ours: Server, raw: Server, kind: str, body: bytes) -> dict[str, Callable[[], float]]:
    return {"ours": _request(ours, SURPRISAL, kind, body), RAW.name: _request(raw, RAW, kind, body)}


def _decoded(body: bytes) -> object:
    fields = orjson.loads(body)
    return np.asarray(fields["labels"]), np.asarray(fields["probabilities"])


def _request(server: Server, contestant: Contestant, kind: str, body: bytes) -> Callable[[], float]:
    path = contestant.path if kind == formats.JSON else contestant.rows_path
    return lambda: 1e3 * _accepted(post(server.port, path, kind, body)).seconds


def _accepted(answer: Answer) -> Answer:
    if answer.status != 200:
        raise Refused(f"not available (status {answer.status})")
    return answer


def _compared(trial: Trial, work: str, works: dict[str, Callable[[], float]], targets: dict[str, str]) -> list[Figure]:
    try:
        works["ours"]()
    except Refused as reason:
        return [Figure(work, name, "ms", target=target, missing=str(reason)) for name, target in targets.items()]
    times = turns(works, trial.rounds(21))
    return [compared(work, name, "ms", (times["ours"], times[name]), target) for name, target in targets.items()]


def measure_stream(trial: Trial) -> Findings:
    """An Arrow stream of 1 GB, made while it is sent, in chunks of a batch."""
    n_bytes = 10**8 if trial.quick else 10**9
    work = f"Arrow stream, {n_bytes / 1e9:g} GB"
    with contestants.server(SURPRISAL, trial.directory) as ours, contestants.server(RAW, trial.directory) as raw:
        try:
            idle, peak = _memory(ours, n_bytes)
            works = {"ours": _stream(ours, SURPRISAL, n_bytes), "raw": _stream(raw, RAW, n_bytes)}
            rates = turns(works, trial.rounds(5))
        except Refused as reason:
            return Findings([Figure(work, RAW.name, "MB/s", target=">= 0.5", missing=str(reason))])
    return Findings(
        [
            compared(work, RAW.name, "MB/s", (rates["ours"], rates["raw"]), ">= 0.5"),
            alone(f"{work}: peak memory above idle", "MiB", peak - idle, "<= 64"),
            alone("resident when idle", "MiB", idle),
        ]
    )


def _stream(server: Server, contestant: Contestant, n_bytes: int) -> Callable[[], float]:
    """A work that gives MB a second."""
    batch = formats.record_batch(predictions.columns(BATCH_ROWS, 10))
    n_batch_bytes = int(batch.nbytes)
    n_batches = n_bytes // n_batch_bytes
    head, *_, end = map(chunk, formats.arrow_messages(batch, 0))
    message = chunk(batch.serialize().to_pybytes())

    def chunks() -> Iterator[bytes]:
        yield head
        yield from repeat(message, n_batches)
        yield end + chunk(b"")

    def rate() -> float:
        answer = post(server.port, contestant.rows_path, formats.ARROW, chunks())
        return n_batches * n_batch_bytes / 1e6 / _accepted(answer).seconds

    return rate


def _memory(server: Server, n_bytes: int) -> tuple[float, float]:
    """MiB resident after a small stream, and at most during a large one."""
    _stream(server, SURPRISAL, 10**6)()
    idle = _resident(server, "VmRSS")
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak begins anew
    _stream(server, SURPRISAL, n_bytes)()
    return idle, _resident(server, "VmHWM")


def _resident(server: Server, field: str) -> float:
    status = Path(f"/proc/{server.pid}/status").read_text()
    kibibytes = re.findall(rf"{field}:\s+(\d+) kB", status)[0]
    return float(kibibytes) / 1024
