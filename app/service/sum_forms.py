"""Sums as JSON, and back: states of all rows and of slices, and sums within clusters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from app.core.batch.checked import MAX_SLICES
from app.core.sums.clusters import Clusters, Within, read_within, within_line
from app.core.sums.state import BadLine, State
from app.service.nodes import Node
from app.service.sections import MAX_STATE_CLUSTERS, Part, SlicePlace

Form: TypeAlias = dict[str, Any]
Slices: TypeAlias = dict[str, dict[str, State]]


def sums_form(part: Part) -> Form:
    """The form of the sums of a part."""
    summary = part.summary
    form: Form = {"whole": summary.state.lines()}
    if summary.slices:
        form["slices"] = {
            name: {value: _slice_lines(state) for value, state in values.items()}
            for name, values in summary.slices.items()
        }
    if part.clusters:
        form["clusters"] = [_clusters_form(place, clusters) for place, clusters in _sorted_clusters(part)]
    return form


def _slice_lines(state: State) -> list[str]:
    """The lines of a slice; nobody asks for its rows that are not scored, and readers of parts lose their values."""
    return replace(state, n_samples=state.n_scored).lines()


def _sorted_clusters(part: Part) -> list[tuple[SlicePlace, Clusters]]:
    """The clusters of all rows, then those of slices in order."""
    return sorted(part.clusters.items(), key=lambda entry: entry[0] or ("", ""))


def _clusters_form(place: SlicePlace, clusters: Clusters) -> Form:
    names = sorted(clusters)
    return {"slice": place and list(place), "names": names, "sums": [within_line(clusters[name]) for name in names]}


class SumsReader:
    """Reads the forms of sums: of each the state of all rows, then those of slices and the clusters.

    Attributes:
        n_scored: The number of scored rows of the last state of all rows.
    """

    def __init__(self, empty: State) -> None:
        """Take the state of no rows, which says what sums there must be."""
        self._empty, self.n_scored = empty, 0

    def whole(self, node: Node) -> State:
        """The state of all rows, of which there is at least one."""
        state = self._state(node)
        if not state.n_samples:
            node.refuse("the sums of at least one row")
        self.n_scored = state.n_scored
        return state

    def slices(self, fields: Mapping[str, Node]) -> Slices:
        """The states of slices, whose rows are all that are scored; none where there is no such field."""
        if "slices" not in fields:
            return {}
        node = fields["slices"]
        slices = {name: {value: self._state(lines) for value, lines in own.entries()} for name, own in node.entries()}
        if sum(map(len, slices.values())) > MAX_SLICES:
            node.refuse(f"at most {MAX_SLICES} slices")
        for name, values in slices.items():
            if sum(state.n_scored for state in values.values()) != self.n_scored:
                node.at(name).refuse("slices of all scored rows")
        return slices

    def with_clusters(self, fields: Mapping[str, Node], part: Part) -> Part:
        """The part with its clusters, whose states are still those of rows; as it is where there is no such field."""
        if "clusters" not in fields:
            return part
        return replace(part, clusters=self._clusters(fields["clusters"], part.summary.slices))

    def _clusters(self, node: Node, slices: Mapping[str, Mapping[str, State]]) -> dict[SlicePlace, Clusters]:
        clusters: dict[SlicePlace, Clusters] = {}
        for entry in node.items(1, 1 + MAX_SLICES):
            fields = entry.fields(("slice", "names", "sums"))
            place = None if fields["slice"].value is None else tuple(own.text() for own in fields["slice"].items(2, 2))
            if place in clusters or (place and place[1] not in slices.get(place[0], {})):
                fields["slice"].refuse("a slice of the state, once")
            names = [name.text() for name in fields["names"].items(0, MAX_STATE_CLUSTERS)]
            sums = [self._within(line) for line in fields["sums"].items(len(names), len(names))]
            clusters[place] = dict(zip(names, sums, strict=True))  # type: ignore[index]
        if None not in clusters:
            node.refuse("the clusters of all rows, and those of slices")
        return clusters

    def _state(self, node: Node) -> State:
        lines = [line.text() for line in node.items()]
        try:
            return self._empty.with_lines(lines)
        except BadLine as error:
            (node.at(error.number) if error.number < len(lines) else node).refuse(f"a line of a state: {error.detail}")

    def _within(self, node: Node) -> tuple[Within, ...]:
        try:
            return read_within(node.text(), len(self._empty.moments))
        except BadLine as error:
            node.refuse(f"the sums of a cluster: {error.detail}")
