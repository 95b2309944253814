"""The output of the command: a table for people on a terminal, JSON for programs in a pipe, or Markdown."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from surprisal_client.optional import has, needed
from surprisal_client.results.answer import Answer
from surprisal_client.results.table import Table

COLOURS = {
    "better": "green",
    "equivalent": "blue",
    "inconclusive": "yellow",
    "worse": "red",
    "infinite": "red",
    "inf": "red",
}
NUMBERS = ("inf", "nan")
"""Cells of letters that are numbers, and stand at the right as they do."""
LONGEST_WHOLE = 20
"""Characters of a cell up to which it stands on one line, such as an interval; longer ones are broken between words."""


def write(answer: Answer, form: str | None) -> None:
    """Print an answer.

    Args:
        answer: The answer.
        form: `json`, `markdown` or `table`; by default a table on a terminal and JSON elsewhere.
    """
    form = form or ("table" if sys.stdout.isatty() else "json")
    if form == "json":
        write_json(answer.answer)
    elif form == "markdown":
        print(answer.markdown())
    else:
        write_tables(answer.tables(), answer.notes())


def write_plain(answer: Any, tables: Sequence[Table], form: str | None) -> None:
    """Print an answer that is no result, such as the catalogue of metrics."""
    form = form or ("table" if sys.stdout.isatty() else "json")
    if form == "json":
        write_json(answer)
    elif form == "markdown":
        print("\n\n".join(table.markdown() for table in tables))
    else:
        write_tables(tables, [])


def write_json(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def write_tables(tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Print tables and the sentences below them, with rich if it is installed."""
    if not has("rich"):
        print("\n\n".join([*(table.text() for table in tables), *notes]))
        return
    rich, text = needed("rich.console", "terminal", "a table"), needed("rich.text", "terminal", "a table")
    console = rich.Console(soft_wrap=True, highlight=False)
    for table in tables:
        console.print(_drawn(table))
        console.print()
    for note in notes:
        style = "red" if note.startswith("failed") else "yellow" if note.startswith("warning") else "dim"
        console.print(text.Text(note, style=style))


def _drawn(table: Table) -> Any:
    rich, box = needed("rich.table", "terminal", "a table"), needed("rich.box", "terminal", "a table")
    text = needed("rich.text", "terminal", "a table")
    drawn = rich.Table(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for at, name in enumerate(table.head):
        cells = [name, *(row[at] for row in table.rows)]
        whole = [cell if len(cell) <= LONGEST_WHOLE else max(cell.split(), key=len) for cell in cells]
        is_text = at == 0 or any(cell[:1].isalpha() and cell not in NUMBERS for cell in cells[1:])
        drawn.add_column(name, justify="left" if is_text else "right", min_width=max(map(len, whole)))
    for row in table.rows:
        drawn.add_row(*(text.Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    return drawn
