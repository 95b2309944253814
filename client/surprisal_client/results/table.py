"""Tables of words, as text, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """A table with a title and a head; all its cells are words."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """The table in columns of one width.

        >>> print(Table("Score", ["metric", "value"], [["accuracy", "0.5"]]).text())
        Score
        metric    value
        accuracy  0.5
        """
        lines = [self.head, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.head))]
        padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title, *(line.rstrip() for line in padded)])

    def markdown(self) -> str:
        """The table as GitHub and GitLab show it.

        >>> print(Table("Score", ["metric", "value"], [["accuracy", "0.5"]]).markdown())
        **Score**
        <BLANKLINE>
        | metric | value |
        | --- | --- |
        | accuracy | 0.5 |
        """
        head = [_line(self.head), _line(["---"] * len(self.head))]
        return "\n".join([f"**{self.title}**", "", *head, *map(_line, self.rows)])

    def html(self) -> str:
        """The table as a notebook shows it."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
