"""The figures in the documents are those that the benchmark found."""

import json
import platform
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from benchmarks import report
from benchmarks.figures import Turn, compared, figure_of
from benchmarks.scoring import works

if not report.RESULTS_JSON.exists():
    pytest.skip("nothing has been measured", allow_module_level=True)


@pytest.fixture
def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.RESULTS_JSON.read_text())
    return found


def test_every_work_of_the_core_runs() -> None:
    columns = {"probabilities": np.full((4, 2), 0.5), "labels": np.zeros(4, np.int64)}
    for work in works(columns).values():
        assert work()


def test_the_tables_are_those_of_the_results(results: dict[str, Any]) -> None:
    assert report.RESULTS_MD.read_text() == report.markdown(results)
    page = report.PAGE.read_text()
    assert page == report.filled(page, results)


def test_the_page_shows_every_section(results: dict[str, Any]) -> None:
    shown = re.findall(r"<!-- results: (\w+) -->", report.PAGE.read_text())
    assert sorted(shown) == sorted(["machine", "missed", *report.TITLES])
    assert results["sections"].keys() <= report.TITLES.keys()


def test_a_target_is_met_where_the_results_say_so(results: dict[str, Any]) -> None:
    told = [each for section in results["sections"].values() for each in section["figures"]]
    assert [each["met"] for each in told] == [figure_of(each).met for each in told]
    assert sum(each["met"] is not None for each in told) >= 20


def test_the_plots_of_the_page_exist() -> None:
    plots = re.findall(r"\]\((plots/\S+\.svg)\)", report.PAGE.read_text())
    assert len(plots) == 3
    assert all((report.PAGE.parent / plot).read_text().startswith("<svg") for plot in plots)


def test_the_results_do_not_name_the_machine() -> None:
    assert platform.node() not in report.RESULTS_JSON.read_text()


@pytest.mark.parametrize(
    ("target", "unit", "value", "met"),
    [
        (">= 2", "requests/s", 0.5, False),
        ("<= 2", "requests/s", 2.0, True),
        (">= 2", "ms", 2.0, True),
        ("<= 0.6", "ms", 0.5, True),
        ("<= 0.4", "ms", 0.5, False),
    ],
)
def test_faster_or_longer_is_what_the_target_asks(target: str, unit: Any, value: float, met: bool) -> None:
    ours, theirs = ([Turn(value, 500.0) for value in values] for values in ((10, 10, 10), (20, 20, 90)))
    figure = compared("work", "peer", unit, (ours, theirs), target)
    assert figure.value == value
    assert figure.ours_cpu == figure.theirs_cpu == 500
    assert figure.met is met


def test_a_page_is_filled_between_its_marks(results: dict[str, Any]) -> None:
    page = report.filled("a\n<!-- results: core -->\nold\n<!-- end -->\nb\n", results)
    assert page == f"a\n<!-- results: core -->\n{report.tables(results)['core']}\n<!-- end -->\nb\n"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", *arguments]
    return subprocess.run(words, cwd=report.HERE.parent, capture_output=True, text=True, check=False)


def test_calls_of_a_request_are_counted_in_their_order() -> None:
    told = command("benchmarks.calls", "--list", "(10, 3) JSON")
    assert told.returncode == 0, told.stderr
    calls = told.stdout.splitlines()
    assert re.fullmatch(r"server/protocol\.py:\d+ BoundedProtocol\.data_received", calls[0])
    layers = {re.split(r"[/.]", call)[0] for call in calls}
    assert layers >= {"server", "api", "wire", "service", "core"}


@pytest.mark.slow
def test_the_command_lists_its_sections() -> None:
    told = command("benchmarks", "--help")
    assert told.returncode == 0, told.stderr
    assert all(section in told.stdout for section in report.TITLES)


@pytest.mark.slow
def test_a_peer_that_nobody_knows_is_refused() -> None:
    refused = command("benchmarks", "--peers", "mlserver,nobody", "--only", "growth", "--quick")
    assert refused.returncode != 0
    assert "found nobody" in refused.stderr


@pytest.mark.slow
def test_a_section_that_nobody_knows_is_refused() -> None:
    refused = command("benchmarks", "--only", "core:logits", "nothing:(10, 3)")
    assert refused.returncode != 0
    assert "found nothing" in refused.stderr
