"""A section: large bodies, one whole request at a time."""

from collections.abc import Callable

import numpy as np
import orjson

from benchmarks import contestants, formats, predictions
from benchmarks.client import Answer, post
from benchmarks.contestants import RAW, SURPRISAL
from benchmarks.figures import Figure, Turn, compared, milliseconds
from benchmarks.servers import Server
from benchmarks.trial import Findings, Trial

LIMIT = {"SURPRISAL_MAX_BODY_BYTES": str(64 * 2**20)}
DECODED = "orjson.loads + np.asarray in memory"
OURS = SURPRISAL.name


class Refused(Exception):
    """An answer of the service that is not 200."""


def measure(trial: Trial) -> Findings:
    """Measure JSON of 20 MB, and npz and Arrow of 9 MB."""
    columns = predictions.columns(10_000 if trial.quick else 100_000, 10)
    shape = columns["probabilities"].shape
    bodies = {
        "JSON": (formats.JSON, formats.columns_json(columns), {DECODED: "<= 0.3", RAW.name: ""}),
        "npz": (formats.NPZ, formats.npz(columns), {RAW.name: "<= 1.6"}),
        "Arrow": (formats.ARROW, formats.arrow(columns), {RAW.name: "<= 1.6"}),
    }
    figures: list[Figure] = []
    with (
        contestants.server(SURPRISAL, trial.directory, **LIMIT) as ours,
        contestants.server(RAW, trial.directory) as raw,
    ):
        for name, (kind, body, targets) in bodies.items():
            if not trial.wants(work := f"{shape} {name}, {len(body) / 1e6:.0f} MB", *targets):
                continue
            path = SURPRISAL.path_of("multiclass") if kind == formats.JSON else SURPRISAL.rows_path
            works = {OURS: _request(ours, path, kind, body), RAW.name: _request(raw, "/", kind, body)}
            if DECODED in targets:
                works[DECODED] = milliseconds(lambda body=body: _decoded(body))  # type: ignore[misc]
            figures += _compared(trial, work, works, targets)
    return Findings(figures)


def _decoded(body: bytes) -> object:
    fields = orjson.loads(body)
    return np.asarray(fields["labels"]), np.asarray(fields["probabilities"])


def _request(server: Server, path: str, kind: str, body: bytes) -> Callable[[], Turn]:
    def request() -> Turn:
        before = server.cpu_seconds()
        seconds = accepted(post(server.port, path, kind, body)).seconds
        return Turn(1e3 * seconds, 1e6 * (server.cpu_seconds() - before))

    return request


def accepted(answer: Answer) -> Answer:
    """The answer, if its status is 200.

    Raises:
        Refused: Its status is not 200.
    """
    if answer.status != 200:
        raise Refused(f"not available (status {answer.status})")
    return answer


def _compared(trial: Trial, work: str, works: dict[str, Callable[[], Turn]], targets: dict[str, str]) -> list[Figure]:
    try:
        works[OURS]()
    except Refused as reason:
        return [Figure(work, name, "ms", target=target, missing=str(reason)) for name, target in targets.items()]
    times = trial.turns(works, 21)
    return [compared(work, name, "ms", (times[OURS], times[name]), target) for name, target in targets.items()]
