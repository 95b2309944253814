"""The calls of the command that are about jobs: hand in, follow with a bar, list, look at, cancel."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surprisal_client.client import Client
from surprisal_client.errors import InputError
from surprisal_client.optional import has, needed
from surprisal_client.results.job import Job, shown_bytes
from surprisal_client.results.score import Score

MARK = "://"
SIGNS = "*?["
"""The signs of a pattern in a path."""


class Left(Exception):
    """The end of following by Ctrl-C: the job goes on, and the message says how to come back."""


def is_job(options: Namespace) -> bool:
    """Tell if a call of `score` is for a job: it says so, or names what only the service can read."""
    return bool(options.job or options.local or options.follow or any(MARK in source for source in options.files))


def score(client: Client, options: Namespace, given: dict[str, Any]) -> Job | Score:
    """Hand the sources in as a job; follow it if that is asked for.

    Raises:
        InputError: The arguments do not fit a job, or the job has failed.
    """
    if options.reader:
        raise InputError("--from reads files here, and a job reads them where the service is: leave one of them out")
    sources = [source if MARK in source else str(Path(source).absolute()) for source in options.files]
    job = client.submit(sources, task=options.task, **given)
    return followed(client, job, options).scores() if options.follow or options.local else job


def job(client: Client, options: Namespace) -> Job | None:
    """Look at a job, follow it, or cancel it."""
    if options.cancel:
        client.cancel(options.id)
        print(f"surprisal: the job {options.id} was cancelled", file=sys.stderr)
        return None
    found = client.job(options.id)
    return followed(client, found, options) if options.follow else found


def followed(client: Client, job: Job, options: Namespace) -> Job:
    """Follow a job to its end, with a bar on a terminal.

    Raises:
        Left: Ctrl-C was pressed.
    """
    try:
        with _bar() as show:
            for state in client.follow(job):
                job = state
                show(state)
    except KeyboardInterrupt:
        if getattr(options, "local", False):
            raise
        raise Left(f"the job goes on; to come back: surprisal job {job.id} --follow") from None
    return job


def roots_of(sources: list[str]) -> str:
    """The folders and buckets that a service must be allowed to read for some sources.

    >>> roots_of(["/a/b/*.csv", "s3://bucket/x/part-*.parquet", "s3://bucket/y.csv"])
    '/a/b,s3://bucket'
    """
    return ",".join(dict.fromkeys(map(_root_of, sources)))


def _root_of(source: str) -> str:
    scheme, mark, path = source.partition(MARK)
    if mark:
        return f"{scheme}{mark}{path.partition('/')[0]}"
    place = Path(source).absolute()
    parts = [place, *place.parents]
    fixed = next(part for part in parts if not any(sign in str(part) for sign in SIGNS))
    return str(fixed if fixed != place or fixed.is_dir() else fixed.parent)


@contextmanager
def _bar() -> Iterator[Callable[[Job], None]]:
    """Show the progress of a job on standard error, if that is a terminal and rich is installed."""
    if not (sys.stderr.isatty() and has("rich")):
        yield lambda _: None
        return
    rich, console = needed("rich.progress", "terminal", "progress"), needed("rich.console", "terminal", "progress")
    with rich.Progress(
        rich.SpinnerColumn(),
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TextColumn("{task.fields[told]}"),
        console=console.Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("queued", total=None, told="")
        yield lambda job: progress.update(
            task,
            description=job.status,
            completed=job.progress["bytes_done"],
            total=job.progress.get("bytes_total"),
            told=_told(job.progress),
        )


def _told(progress: dict[str, Any]) -> str:
    """Rows, bytes, rows a second and the time left, as far as they are known.

    >>> _told({"rows_done": 1500, "bytes_done": 2000, "rows_per_second": 750.0, "seconds_left": 75.0})
    '1,500 rows  2.0 kB  750 rows/s  1:15 left'
    """
    words = [f"{progress['rows_done']:,} rows", shown_bytes(progress["bytes_done"])]
    if rate := progress.get("rows_per_second"):
        words.append(f"{rate:,.0f} rows/s")
    if (left := progress.get("seconds_left")) is not None:
        minutes, seconds = divmod(round(left), 60)
        words.append(f"{minutes}:{seconds:02} left")
    return "  ".join(words)
