"""Damaged bodies for the decoders, with an eye on processor time and memory.

A program: `python -m tests.attacks.decoding N SEED FOLDER [FORMAT...]` replays the corpus, and sends N damaged bodies
through each format and its compressed forms. It keeps the body at hand in the folder, so that one that ends the process
is not lost, and beside it each that took too long, took too much memory, or failed in a way that is not meant; a file
is named for format, compression, task and number. It prints a line for each fault, and one for each format.
"""

import gzip
import io
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple, cast

import orjson

from app.api.negotiation.formats import FORMATS
from app.api.routes.rows import scored_parts
from app.api.schemas.questions import asked
from app.api.schemas.score import score_request
from app.api.scoring import Rows, answered_rows, decompressed_json
from app.core.tasks import TaskName
from app.errors import SurprisalError
from app.service import score
from app.settings import Settings
from app.wire.mapping.naming import own_names
from tests.encoded import ENCODERS, compressed, encoded

SETTINGS = Settings(max_part_bytes=2**20, max_line_bytes=2**17, max_held_bytes=2**22, max_columns=5_000)
"""Limits that small bodies reach too."""
MOST_SECONDS, MOST_SECONDS_A_BYTE = 0.25, 10e-6
"""The most processor time of a body, and besides for each byte sent: 25 kB have half a second. A whole mebibyte
may be decoded from some kB, and a tracer of lines takes three times as long."""
MOST_BYTES = 96 * 2**20
"""The most by which memory may ever grow beyond what the undamaged bodies took."""
TRIES = 3
"""The times that a body must take too long before it counts: a busy machine adds to its time now and then."""
LONGEST = 60_000
ALL = ("json", *ENCODERS)
ENCODINGS = ("", "gzip", "zstd")
STATUS = Path("/proc/self/status")
CORPUS = Path(__file__).parent / "corpus"
"""Bodies that once were faults, and those that came nearest to the bounds."""


class Sent(NamedTuple):
    """A body, with what its head would say."""

    task: TaskName
    format: str
    encoding: str
    body: bytes

    def save(self, folder: Path, mark: str) -> None:
        (folder / f"{self.format}.{self.encoding}.{self.task}.{mark}").write_bytes(self.body)

    @classmethod
    def load(cls, file: Path) -> "Sent":
        format_, encoding, task, _ = file.name.split(".")
        return cls(cast("TaskName", task), format_, encoding, file.read_bytes())

    def scored(self) -> None:
        """Read and score it as a thread of the service does; what is wrong with it is told by a `SurprisalError`."""
        source = io.BytesIO(self.body)
        with suppress(SurprisalError):
            if self.format != "json":
                request = Rows(self.task, FORMATS[self.format], self.encoding, b"", {}, own_names(self.task))
                answered_rows(request, scored_parts, source, SETTINGS, lambda: None)
                return
            body: bytes | bytearray = self.body
            if self.encoding:
                body = decompressed_json(self.encoding, source, SETTINGS, lambda: None)
            score(asked(score_request, self.task, body, SETTINGS.max_columns))


def tables() -> Iterator[tuple[TaskName, dict[str, list[Any]]]]:
    n = 40
    share = [i / n for i in range(n)]
    yield "binary", {"labels": [0, 1] * (n // 2), "probabilities": share}
    yield "binary", {"labels": [0, 1] * (n // 2), "logits": share, "slices.a": ["x", "y"] * (n // 2)}
    yield "binary", {"labels": [True, False] * (n // 2), "logits": share, "cluster_id": [f"c{i}" for i in range(n)]}
    yield "multiclass", {"labels": [0, 2] * (n // 2), "probabilities": [[0.5, 0.25, 0.25]] * n, "sample_weight": share}
    yield "multilabel", {"labels": [[0, 1]] * n, "logits": [[-1.5, 2.0]] * n, "mask": [True, False] * (n // 2)}


def sound(format_: str) -> list[tuple[TaskName, bytes]]:
    """Undamaged bodies."""
    if format_ == "json":
        bodies = [(task, orjson.dumps(unflattened(columns))) for task, columns in tables()]
        return [*bodies, ("tokens", b'{"log_probabilities":[[-1,-2],[-0.5,"-Infinity"]],"n_bytes":[3,4]}')]
    return [(task, encoded(format_, columns)) for task, columns in tables()]


def unflattened(columns: dict[str, list[Any]]) -> dict[str, Any]:
    """The columns as JSON has them: slices have an object of their own."""
    if "slices.a" not in columns:
        return columns
    plain = {name: values for name, values in columns.items() if name != "slices.a"}
    return plain | {"slices": {"a": columns["slices.a"]}, "include": ["per_sample", "slices"]}


NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**20, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)
PIECES = (b"\0", b"\xff", b"\n", b"\r\n", b",", b'"', b"[", b"]", b"{", b"}", b"[]", b"{}", b"1e999", b"-", b"\\u0000")
TIMES = (1, 1, 2, 3, 50, 3_000)


def damaged(body: bytes, other: bytes, chance: random.Random) -> bytes:
    """A body in which some bytes are lost, changed, repeated, or taken from another."""
    found = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(found) + 1)
        end = at + chance.choice((1, 4, 8, 40, len(found)))
        match chance.randrange(7):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                size = chance.choice((1, 2, 4, 8))
                number = chance.choice((*NUMBERS, len(found)))
                found[at : at + size] = (number % 256**size).to_bytes(size, "little")
            case 2:
                del found[at:end]
            case 3:
                found[at:at] = repeated(found[at:end], chance)
            case 4:
                found[at:at] = repeated(chance.choice(PIECES), chance)
            case 5:
                found[at:end] = other[at:end]
            case _:
                found[at:] = other[-at:]
        del found[LONGEST:]
    return bytes(found)


def repeated(piece: bytes | bytearray, chance: random.Random) -> bytes | bytearray:
    return piece * min(chance.choice(TIMES), LONGEST // max(1, len(piece)))


def sent(format_: str, bodies: list[tuple[TaskName, bytes]], chance: random.Random) -> Sent:
    """A damaged body; of a compressed one what is in it is damaged, or itself, or both."""
    (task, body), (_, other) = chance.choices(bodies, k=2)
    encoding = chance.choice(ENCODINGS)
    if not encoding:
        return Sent(task, format_, "", damaged(body, other, chance))
    inner = damaged(body, other, chance) if chance.random() < 0.6 else body
    outer = gzip.compress(inner, 1) if encoding == "gzip" else compressed(encoding, inner)
    is_damaged = inner is body or chance.random() < 0.2
    return Sent(task, format_, encoding, damaged(outer, compressed(encoding, other), chance) if is_damaged else outer)


def seconds(one: Sent) -> float:
    began = thread_time()
    one.scored()
    return thread_time() - began


def memory_bytes() -> int:
    """The most memory that this program has had; `getrusage` would count that of the process that started it too."""
    (kilobytes,) = [line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(kilobytes) * 1024


class Watch:
    """The bounds, which begin with what this process takes now."""

    def __init__(self) -> None:
        self._bytes = memory_bytes()
        self.slowest = 0.0

    def fault(self, one: Sent) -> str:
        """Score a body; what is wrong with how that went, or nothing."""
        most = MOST_SECONDS + MOST_SECONDS_A_BYTE * len(one.body)
        try:
            taken = seconds(one)
            self.slowest = max(self.slowest, taken)
            if taken > most and min(seconds(one) for _ in range(TRIES - 1)) > most:
                return f"{taken:.2f} s of a processor"
        except Exception as error:  # noqa: BLE001 it is what is looked for
            return repr(error)[:500]
        more = memory_bytes() - self._bytes
        if more <= MOST_BYTES:
            return ""
        self._bytes += more
        return f"{more >> 20} MiB more"


def warmed_up(format_: str) -> list[tuple[TaskName, bytes]]:
    """Undamaged bodies, once each in every compression has been scored."""
    bodies = sound(format_)
    for task, body in bodies:
        for encoding in ENCODINGS:
            Sent(task, format_, encoding, compressed(encoding, body)).scored()
    return bodies


def watched(bodies: Iterable[Sent], folder: Path, mark: str) -> bool:
    """Score bodies, and tell of faults and of the greatest time and memory; tell if there were none."""
    watch, n_faults, n = Watch(), 0, 0
    for n, one in enumerate(bodies, 1):
        one.save(folder, "at hand")
        if fault := watch.fault(one):
            n_faults += 1
            one.save(folder, f"{mark} {n}")
            print(f"{mark} {n}: {fault}")
    print(
        f"{mark}: {n} bodies, {n_faults} faults, at most {watch.slowest:.3f} s and {memory_bytes() >> 20} MiB",
        flush=True,
    )
    return not n_faults


def main(n: str, seed: str, folder: str, *formats: str) -> None:
    by_format = {format_: warmed_up(format_) for format_ in formats or ALL}
    is_sound = watched(map(Sent.load, sorted(CORPUS.iterdir())), Path(folder), "corpus")
    for format_, bodies in by_format.items():
        chance = random.Random(f"{format_} {seed}")
        is_sound &= watched((sent(format_, bodies, chance) for _ in range(int(n))), Path(folder), format_)
    sys.exit(not is_sound)


if __name__ == "__main__":
    main(*sys.argv[1:])
