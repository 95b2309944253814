"""A section: Arrow streams far larger than the memory for bodies, made while they are sent, a chunk for each batch."""

import re
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pyarrow as pa

from benchmarks import contestants, formats, predictions
from benchmarks.bodies import Refused, accepted
from benchmarks.client import chunk, post
from benchmarks.contestants import RAW, SURPRISAL
from benchmarks.figures import Figure, Turn, alone, compared
from benchmarks.servers import Server
from benchmarks.trial import Findings, Trial

BATCH_ROWS = 8_192
COMPARED = "/v1/compare/multiclass/rows"
SLICES = {
    "strings": pa.array(["north", "south", "east"]),
    "integers": pa.array([0, 1, 2]),
}


def measure(trial: Trial) -> Findings:
    """Measure the rate of a stream of 1 GB, the memory that it takes, and the cost of slices and of comparing."""
    batch = formats.record_batch(predictions.columns(BATCH_ROWS, 10))
    figures: list[Figure] = []
    with contestants.server(SURPRISAL, trial.directory) as ours, contestants.server(RAW, trial.directory) as raw:
        try:
            figures += _rate_and_memory(trial, batch, ours, raw)
            figures += _sliced(trial, batch, ours)
            figures += _candidates(trial, ours)
        except Refused as reason:
            figures.append(Figure("Arrow stream", RAW.name, "MB/s", target=">= 0.6", missing=str(reason)))
    return Findings(figures)


def _rate_and_memory(trial: Trial, batch: pa.RecordBatch, ours: Server, raw: Server) -> Iterator[Figure]:
    n_bytes = 10**8 if trial.quick else 10**9
    n_batches = n_bytes // batch.nbytes
    if not trial.wants(work := f"Arrow stream, {n_bytes / 1e9:g} GB"):
        return
    streamed(ours, SURPRISAL.rows_path, batch, 10)()
    idle = _resident(ours, "VmRSS")
    _clear_peak(ours)
    works = {
        "ours": streamed(ours, SURPRISAL.rows_path, batch, n_batches),
        "raw": streamed(raw, RAW.rows_path, batch, n_batches),
    }
    rates = {
        name: [Turn(n_bytes / 1e3 / turn.value, turn.cpu) for turn in turns]
        for name, turns in trial.turns(works, 5).items()
    }
    yield compared(work, RAW.name, "MB/s", (rates["ours"], rates["raw"]), ">= 0.6")
    yield alone(f"{work}: peak memory above idle", "MiB", _resident(ours, "VmHWM") - idle, "<= 32")
    yield alone(f"{work}: resident when idle", "MiB", idle)


def _sliced(trial: Trial, batch: pa.RecordBatch, ours: Server) -> Iterator[Figure]:
    """The time of a stream with a slice of three values against that of the same stream without."""
    n_batches = (10**6 if trial.quick else 10**7) // BATCH_ROWS
    for name, values in SLICES.items():
        if trial.wants(work := f"one slice of three {name}, stream of {n_batches * BATCH_ROWS:,} rows"):
            column = pa.concat_arrays([values] * (BATCH_ROWS // 3 + 1))[:BATCH_ROWS]
            sliced = batch.append_column("slices.region", column)
            bodies = {"sliced": sliced, "plain": batch}
            works = {key: streamed(ours, SURPRISAL.rows_path, body, n_batches) for key, body in bodies.items()}
            times = trial.turns(works, 3)
            yield compared(work, "no slices", "ms", (times["sliced"], times["plain"]), "<= 1.5")


def _candidates(trial: Trial, ours: Server) -> Iterator[Figure]:
    """The time of comparing two models on a stream against that of scoring both, and the memory of comparing."""
    for n_rows, k, batch_rows in ((1_000_000, 10, BATCH_ROWS), (50_000, 1_000, 512)):
        n_batches = max(1, n_rows // batch_rows // (10 if trial.quick else 1))
        work = f"two models compared, stream of {n_batches * batch_rows:,} x {k:,} classes"
        if not trial.wants(work):
            continue
        batch = formats.two_models(predictions.columns(batch_rows, k))
        works = {"both": streamed(ours, f"{COMPARED}?baseline=a", batch, n_batches)}
        works |= {
            name: streamed(ours, f"{SURPRISAL.rows_path}?probabilities={column}", batch, n_batches)
            for name, column in zip("ab", batch.schema.names[1:], strict=True)
        }
        streamed(ours, f"{COMPARED}?baseline=a", batch, 4)()
        idle = _resident(ours, "VmRSS")
        _clear_peak(ours)
        works["both"]()
        yield alone(f"{work}: peak memory above idle", "MiB", _resident(ours, "VmHWM") - idle, "<= 64")
        times = trial.turns(works, 5)
        alike = [Turn(a.value + b.value, a.cpu + b.cpu) for a, b in zip(times["a"], times["b"], strict=True)]
        yield compared(work, "both scored", "ms", (times["both"], alike), "<= 1.4")


def streamed(server: Server, path: str, batch: pa.RecordBatch, n_batches: int) -> Callable[[], Turn]:
    """A work that sends a batch again and again and returns milliseconds."""
    head, *_, end = map(chunk, formats.arrow_messages(batch, 0))
    message = chunk(batch.serialize().to_pybytes())

    def chunks() -> Iterator[bytes]:
        yield head
        yield from repeat(message, n_batches)
        yield end + chunk(b"")

    def sent() -> Turn:
        before = server.cpu_seconds()
        seconds = accepted(post(server.port, path, formats.ARROW, chunks())).seconds
        return Turn(1e3 * seconds, 1e6 * (server.cpu_seconds() - before))

    return sent


def _clear_peak(server: Server) -> None:
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def _resident(server: Server, field: str) -> float:
    """The MiB that a server holds, by a field of its status in Linux."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    kibibytes = re.findall(rf"{field}:\s+(\d+) kB", status)[0]
    return float(kibibytes) / 1024
