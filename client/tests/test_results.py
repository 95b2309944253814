"""Results as objects, tables, frames and pictures."""

import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from surprisal_client import Calibration, Client, Comparisons, InputError, Score, SurprisalError, operations
from tests.data import classes, documents, events

LABELS, PROBABILITIES = classes(400)
Y, GOOD, BAD = events(300)


@pytest.fixture(scope="module")
def score(client: Client) -> Score:
    return client.score(
        labels=LABELS,
        probabilities=PROBABILITIES,
        slices={"site": np.where(LABELS == 0, "north", "south")},
        include=["calibration", "per_sample", "confusion", "slices"],
    )


@pytest.fixture(scope="module")
def comparisons(client: Client) -> Comparisons:
    return client.compare(
        labels=Y,
        baseline="good",
        candidates={"good": GOOD, "bad": BAD, "same": {"logits": np.log(GOOD / (1 - GOOD))}},
        margin=0.01,
    )


def test_a_metric_is_an_attribute_and_an_item(score: Score) -> None:
    loss = score.cross_entropy
    assert loss is score.metrics["cross_entropy"]
    assert score["brier_score"] == score.brier_score == score.metrics.brier_score
    low, high = loss.interval or (0, 0)
    assert low < float(loss) < high
    assert float(loss) == loss.value
    assert (f"{loss:.3f}", f"{loss}") == (f"{loss.value:.3f}", str(loss))
    assert (score.n_samples, score.unit, score.passed) == (400, "nats", None)
    assert "accuracy" in dir(score)
    assert "accuracy" in dir(score.metrics)


def test_a_wrong_name_tells_the_right_one(score: Score, comparisons: Comparisons) -> None:
    with pytest.raises(AttributeError, match=r'no "brier"; did you mean "brier_score"\?'):
        _ = score.brier
    with pytest.raises(AttributeError, match=r'no "zzz"; there are cross_entropy'):
        _ = score.metrics.zzz
    with pytest.raises(KeyError, match="there is no zzz; there are cross_entropy"):
        score["zzz"]
    with pytest.raises(AttributeError, match=r'no "log_loss"; did you mean "cross_entropy"\?'):
        _ = score.log_loss
    with pytest.raises(KeyError, match="there are bad, same"):
        comparisons["worse"]


def test_a_value_that_is_none_says_why(client: Client) -> None:
    found = client.score(labels=[1, 1], probabilities=[[1.0, 0.0], [0.5, 0.5]])
    assert found.cross_entropy.value == math.inf
    assert found.d2_log_loss.value is None
    assert math.isnan(float(found.d2_log_loss))
    assert "undefined: " in str(found)
    assert "warning: " in str(found)


def test_a_score_becomes_a_frame_of_any_library(score: Score) -> None:
    frame = score.to_frame()
    assert isinstance(frame, pd.DataFrame)
    whole = frame[frame["slice"].isna()]
    assert list(whole["metric"]) == list(score.metrics)
    assert set(frame["group"].dropna()) == {"north", "south"}
    for library in ("polars", "pyarrow"):
        assert len(score.to_frame(library)) == len(frame)
    with pytest.raises(SurprisalError, match="must be one of pandas, polars, pyarrow"):
        score.to_frame("numpy")


def test_slices_are_metrics_by_name_and_value(score: Score) -> None:
    assert repr(score.slices["site"]["north"]).startswith("cross_entropy ")
    assert set(score.slices["site"]) == {"north", "south"}
    assert 0 < float(score.slices["site"]["north"].accuracy) < 1
    assert "slice site" in str(score)


@pytest.mark.parametrize("result", ["score", "comparisons", "calibration"])
def test_a_result_has_a_face_in_every_place(client: Client, request: pytest.FixtureRequest, result: str) -> None:
    found = client.calibrate(LABELS, PROBABILITIES) if result == "calibration" else request.getfixturevalue(result)
    (first, *_) = found.tables()
    assert found._repr_html_().count("<table>") == len(found.tables())
    assert f"| {first.rows[0][0]} |" in found.markdown()
    assert repr(found).startswith(first.title)
    assert len(found.to_frame()) == len(found.records())


def test_html_shows_names_and_not_what_they_hold(client: Client) -> None:
    found = client.score(labels=[1, 0], probabilities=[0.5, 0.5], slices={"<b>": ["<i>", "x"]}, include=["slices"])
    assert "&lt;i&gt;" in found._repr_html_()
    assert "<i>" not in found._repr_html_()


def test_comparisons_have_verdicts(comparisons: Comparisons) -> None:
    assert {pair.candidate: pair.verdict for pair in comparisons.comparisons} == {"bad": "worse", "same": "equivalent"}
    assert comparisons.verdict == "worse"
    pair = comparisons["bad"]
    assert pair.difference.value is not None
    assert pair.difference.value > 0
    assert pair.interval is not None
    assert pair.difference.interval is not None
    assert pair.interval[0] < pair.difference.interval[0], "with several pairs the interval is the simultaneous one"
    assert set(comparisons.candidates) == {"good", "bad", "same"}


def test_slices_of_a_comparison_have_verdicts_of_their_own(client: Client) -> None:
    sites = np.where(np.arange(300) % 3, "north", "south")
    found = client.compare(labels=Y, candidates={"good": GOOD, "bad": BAD}, baseline="good", slices={"site": sites})
    assert [pair.verdict for pairs in found.slices["site"].values() for pair in pairs] == ["worse", "inconclusive"]
    (table,) = [table for table in found.tables() if table.title == "slice site"]
    assert [row[:3] for row in table.rows] == [["north", "bad", "worse"], ["south", "bad", "inconclusive"]]
    assert list(found.to_frame()["group"].dropna()) == ["north", "south"]


def test_a_candidate_may_say_itself_which_tokens_it_has(client: Client) -> None:
    sums = [[-4.0], [-6.5]] * 10
    own = {"log_probabilities": sums, "n_tokens": [4, 6] * 10}
    found = client.compare(candidates={"a": own, "b": own}, baseline="a", n_bytes=[9, 12] * 10, per="byte")
    assert found.candidates["b"].cross_entropy.value == 10.5 / 10


def test_tokens_are_compared_by_their_log_probabilities(client: Client) -> None:
    texts = documents(30)
    worse = [[number - 0.5 for number in text] for text in texts]
    found = client.compare(candidates={"a": texts, "b": worse}, baseline="a")
    assert found.task == "tokens"
    assert math.isclose(found["b"].difference.value or 0, 0.5, rel_tol=1e-9)


def test_candidates_are_an_object(client: Client) -> None:
    with pytest.raises(InputError, match="candidates: must be an object of name and prediction"):
        client.compare(labels=Y, candidates=[GOOD, BAD], baseline="good")


def test_a_calibration_says_what_it_gains(client: Client) -> None:
    found = client.calibrate(LABELS, PROBABILITIES**2 / (PROBABILITIES**2).sum(axis=1, keepdims=True))
    assert isinstance(found, Calibration)
    assert found.cross_entropy_after < found.cross_entropy_before
    assert found.gain.interval is not None
    assert 1.5 < found.temperature < 2.5


def test_a_temperature_at_its_bound_is_told(client: Client) -> None:
    found = client.calibrate([1, 0] * 20, [0.1, 0.9] * 20)
    assert found.at_bound
    assert "the loss still falls at this temperature" in str(found)


def test_frames_and_files_are_calibrated_like_arrays(client: Client, tmp_path: Path) -> None:
    labels, probabilities = classes(5000)
    expected = client.calibrate(labels, probabilities, n_folds=3)
    frame = pd.DataFrame(probabilities, columns=["p_0", "p_1", "p_2"]).assign(outcome=labels, age=7)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for source in (frame, tmp_path / "rows.csv", (frame.iloc[at : at + 900] for at in range(0, 5000, 900))):
        task = "multiclass" if isinstance(source, Path) else None
        found = client.calibrate(source, task=task, labels="outcome", probabilities="p_*", n_folds=3)
        assert found.answer == expected.answer


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_fit_is_applied_to_other_predictions(client: Client, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    fitted = client.calibrate(Y, BAD, method=method, include=["probabilities"])
    assert fitted.map["method"] == method
    assert client.apply(fitted, probabilities=BAD).tolist() == fitted.probabilities
    monkeypatch.setattr(operations, "APPLIED_VALUES", 70)
    assert client.apply(fitted.map, probabilities=BAD).tolist() == fitted.probabilities, "in five requests"
    wrong = BAD.copy()
    wrong[150] = 1.5
    with pytest.raises(InputError, match=r"probabilities\[10\], row 150 of all: must lie in \[0, 1\], found 1.5"):
        client.apply(fitted, probabilities=wrong)


def test_a_fit_to_classes_is_applied_row_by_row(client: Client) -> None:
    fitted = client.calibrate(LABELS, PROBABILITIES)
    frame = pd.DataFrame(PROBABILITIES)
    found = client.apply(fitted, probabilities=frame, mask=np.arange(400) != 3)
    assert found.shape == (400, 3)
    assert np.isnan(found[3]).all()
    assert np.allclose(np.delete(found, 3, axis=0).sum(axis=1), 1)
    with pytest.raises(InputError, match="probabilities"):
        client.apply(fitted, probabilities=PROBABILITIES[:, :2])
    assert client.apply(fitted, probabilities=[]).size == 0


def test_predictions_to_calibrate_are_arrays_or_columns_of_a_frame(client: Client) -> None:
    fitted = client.calibrate(LABELS, PROBABILITIES)
    expected = client.apply(fitted, probabilities=PROBABILITIES)
    frame = pd.DataFrame(PROBABILITIES, columns=["a", "b", "c"]).assign(city="Bergen")
    assert np.array_equal(client.apply(fitted, PROBABILITIES), expected)
    assert np.array_equal(client.apply(fitted.map, frame, probabilities=["a", "b", "c"]), expected)
    assert np.array_equal(client.apply(fitted.answer, pl.from_pandas(frame)[["a", "b", "c"]]), expected)


@pytest.mark.parametrize("arguments", [({"temperature": 2.0}, [0.5]), (2.0, [0.5]), ({"task": "binary"},)])
def test_what_is_applied_is_a_map_and_predictions(client: Client, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="apply takes"):
        client.apply(*arguments)


def test_an_answer_without_a_state_is_not_merged(client: Client) -> None:
    with pytest.raises(InputError, match=r'answer 0 holds no state: score with include=\["state"\]'):
        client.merge([client.score(LABELS, PROBABILITIES)])


def test_states_add_up_to_the_answer_of_all_rows(client: Client) -> None:
    parts = [
        client.score(LABELS[part], PROBABILITIES[part], include=["state"]) for part in (slice(150), slice(150, 400))
    ]
    whole = client.score(LABELS, PROBABILITIES)
    merged = client.merge(parts)
    assert isinstance(merged, Score)
    assert merged.answer["metrics"] == whole.answer["metrics"]
    assert client.merge(part.answer["state"] for part in parts).answer == merged.answer
    assert client.merge(part.answer for part in parts).answer == merged.answer
    with pytest.raises(InputError, match="unit") as raised:
        client.merge([parts[0], client.score(LABELS, PROBABILITIES, include=["state"], unit="bits")])
    assert raised.value.code == "state_mismatch"


def picture(axes: Any) -> Image.Image:
    file = io.BytesIO()
    axes.figure.savefig(file, dpi=60)
    return Image.open(file)


@pytest.mark.parametrize("name", ["reliability", "losses", "confusion"])
def test_a_picture_of_a_score_is_drawn(score: Score, name: str) -> None:
    axes = getattr(score.plot, name)()
    colours = picture(axes).convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 20
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    with pytest.raises(SurprisalError, match=r'include=\["'):
        getattr(Score(score.answer | {"calibration": None}, "").plot.__class__({}), name)()


def test_reliability_shows_the_numbers_of_the_bins(score: Score) -> None:
    axes = score.plot.reliability()
    bins = [each for each in score.calibration["bins"] if each["n"]]
    observed = next(line for line in axes.lines if len(line.get_xdata()) == len(bins))
    assert list(observed.get_ydata()) == [each["accuracy"] for each in bins]


def test_a_forest_shows_margin_intervals_and_verdicts(comparisons: Comparisons) -> None:
    axes = comparisons.plot.forest()
    assert [text.get_text() for text in axes.texts] == ["worse", "equivalent"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bad", "same"]
    assert picture(axes).size[0] > 100


def test_a_picture_is_drawn_on_given_axes(score: Score, comparisons: Comparisons) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    _, axes = pyplot.subplots(1, 2)
    assert score.plot.losses(axes[0]) is axes[0]
    assert comparisons.plot.forest(axes[1]) is axes[1]
    pyplot.close("all")


def test_losses_that_are_infinite_are_counted_beside(client: Client) -> None:
    found = client.score(labels=[1, 1], probabilities=[[1.0, 0.0], [0.5, 0.5]], include=["per_sample"])
    assert found.plot.losses().get_title(loc="left") == "Losses, 1 without a finite one"
    pytest.importorskip("matplotlib.pyplot").close("all")


def test_confusion_of_labels_that_hold_together_is_no_matrix(client: Client) -> None:
    found = client.score(labels=PROBABILITIES > 0.5, probabilities=PROBABILITIES, include=["confusion"])
    with pytest.raises(SurprisalError, match="multilabel answer has a matrix a label"):
        found.plot.confusion()


def test_classes_and_pairs_without_numbers_are_drawn(client: Client) -> None:
    names = ["a long name", "b", "c"]
    found = client.score(
        labels=np.array(names)[LABELS], classes=names, probabilities=PROBABILITIES, include=["confusion"]
    )
    assert [label.get_text() for label in found.plot.confusion().get_xticklabels()] == names
    sure = GOOD.copy()
    sure[np.flatnonzero(Y)[0]] = 0.0
    decided = client.compare(labels=Y, candidates={"good": GOOD, "sure": sure}, baseline="good")
    assert [text.get_text() for text in decided.plot.forest().texts] == ["worse"]
    assert "sure is worse: " in str(decided)
    assert re.search(r"^warning: sure: .*\(zero_probability\)$", str(decided), re.MULTILINE)
    pytest.importorskip("matplotlib.pyplot").close("all")
