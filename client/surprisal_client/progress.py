"""Progress on a terminal: rows, rows a second and the time left. Nothing is ever written into a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from surprisal_client.exchange import Sent
from surprisal_client.optional import has, needed


@contextmanager
def shown_progress() -> Iterator[Callable[[Sent], None] | None]:
    """Show a bar on standard error while a body is sent, if that is a terminal and rich is installed."""
    if not (sys.stderr.isatty() and has("rich")):
        yield None
        return
    with _bar() as progress:
        task = progress.add_task("sending", total=None, told="")

        def advance(sent: Sent) -> None:
            """Move the bar to what has been sent."""
            done, total = (sent.n_rows, sent.total_rows) if sent.total_rows else (sent.n_bytes, sent.total_bytes)
            elapsed = progress.tasks[0].elapsed or 0
            rate = f"{sent.n_rows / elapsed:,.0f} rows/s" if sent.n_rows and elapsed else ""
            progress.update(task, completed=done, total=total, told=f"{sent.n_rows:,} rows  {rate}")
            if total and done >= total:
                progress.update(task, description="scoring")

        yield advance


def _bar() -> Any:
    rich, console = needed("rich.progress", "terminal", "progress"), needed("rich.console", "terminal", "progress")
    return rich.Progress(
        rich.SpinnerColumn(),
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[told]}"),
        rich.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        transient=True,
    )
