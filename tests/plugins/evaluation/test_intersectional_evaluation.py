from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, UnknownNameError, UsageError
from fairmend.plugins.evaluation import IntersectionalEvaluation

QUICK = {"n_boot": 20, "n_permutations": 50}


@pytest.mark.data
def test_agrees_with_fairlearn_in_every_cell_of_adult(adult_predictions: Any) -> None:
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    y, decisions, _, sensitive = adult_predictions
    peers = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    }
    frame = MetricFrame(metrics=peers, y_true=y, y_pred=decisions, sensitive_features=sensitive)
    result = IntersectionalEvaluation(list(peers), **QUICK).evaluate(
        y, decisions, sensitive_features=sensitive
    )["metrics"]
    for name in peers:
        assert result[name]["overall"]["value"] == pytest.approx(frame.overall[name], abs=1e-12)
        for (sex, race), expected in frame.by_group[name].items():
            cell = result[name]["by_cell"][f"{sex} & {race}"]
            assert cell["value"] == pytest.approx(expected, abs=1e-12)
            assert cell["deviation"] == pytest.approx(expected - frame.overall[name], abs=1e-12)
    cells = result["selection_rate"]["by_cell"].values()
    assert sum(cell["support"] for cell in cells) == len(y)
    pooled = sum(cell["value"] * cell["support"] for cell in cells) / len(y)
    assert pooled == pytest.approx(decisions.mean(), abs=1e-12)


def test_worked_by_hand() -> None:
    # chosen of 4: F & A 1, F & B 3, M & A 2, and of 2 M & B 2; overall 8 of 14
    sensitive = pd.DataFrame({"sex": list("FFFFFFFFMMMMMM"), "race": list("AAAABBBBAAAABB")})
    decisions = [1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1]
    result = IntersectionalEvaluation(min_support=4, tolerance=0.2, **QUICK).evaluate(
        y_pred=decisions, sensitive_features=sensitive
    )
    report = result["metrics"]["selection_rate"]
    assert report["overall"]["value"] == pytest.approx(8 / 14)
    assert report["worst_cell"] == "F & A"
    assert report["best_cell"] == "F & B"  # M & B has too few rows to be the best
    assert report["range"] == pytest.approx(0.5)
    assert report["ratio"] == pytest.approx(1 / 3)
    assert report["mean_of_cells"] == pytest.approx(0.5)
    assert report["worst_deviation"]["cell"] == "F & A"
    assert report["worst_deviation"]["value"] == pytest.approx(1 / 4 - 8 / 14)
    assert report["outside_tolerance"] == ["F & A"]
    assert report["insufficient_evidence"] == ["M & B"]
    assert report["by_cell"]["M & B"]["status"] == "insufficient evidence"
    assert report["by_cell"]["M & B"]["value"] == 1
    assert report["by_cell"]["M & B"]["p_value"] is None
    assert result["empty_cells"] == {"count": 0, "first": []}


def test_a_disparity_that_neither_attribute_shows_is_found() -> None:
    rng = np.random.default_rng(0)
    sensitive = pd.DataFrame({"sex": rng.choice(["F", "M"], 4000), "race": rng.choice(["A", "B"], 4000)})
    same = (sensitive["sex"] == "F") == (sensitive["race"] == "A")
    decisions = (rng.random(4000) < np.where(same, 0.4, 0.6)).astype(int)
    crossed = IntersectionalEvaluation().evaluate(y_pred=decisions, sensitive_features=sensitive)
    alone = IntersectionalEvaluation(attributes=["sex"]).evaluate(
        y_pred=decisions, sensitive_features=sensitive
    )
    cells = crossed["metrics"]["selection_rate"]["by_cell"].values()
    assert all(cell["p_holm"] < 0.01 for cell in cells)
    assert len(crossed["metrics"]["selection_rate"]["outside_tolerance"]) == 4
    assert alone["metrics"]["selection_rate"]["p_any"] > 0.05
    assert alone["metrics"]["selection_rate"]["outside_tolerance"] == []


def test_the_tests_hold_their_size_when_all_cells_are_alike() -> None:
    rng = np.random.default_rng(1)
    sensitive = pd.DataFrame({"a": np.tile(list("pqrs"), 200), "b": np.repeat(list("xy"), 400)})
    rejected = np.zeros(2)
    for seed in range(60):
        y, decisions = (rng.random((2, 800)) < 0.5).astype(int)
        report = IntersectionalEvaluation(
            ["true_positive_rate"], n_boot=2, n_permutations=300, random_state=seed
        ).evaluate(y, decisions, sensitive_features=sensitive)["metrics"]["true_positive_rate"]
        smallest = min(cell["p_holm"] for cell in report["by_cell"].values())
        rejected += [report["p_any"] <= 0.05, smallest <= 0.05]
    assert (rejected <= 9).all()  # 3 expected; 10 or more has a chance below 0.1 %


def test_change_against_a_baseline_names_the_new_disparity() -> None:
    rng = np.random.default_rng(2)
    sensitive = pd.DataFrame({"sex": rng.choice(["F", "M"], 3000), "race": rng.choice(["A", "B"], 3000)})
    y = rng.integers(0, 2, 3000)
    before = (rng.random(3000) < 0.5).astype(int)
    hit = (sensitive["sex"] == "F") & (sensitive["race"] == "B")
    after = np.where(hit & (rng.random(3000) < 0.4), 0, before)
    # a quarter of the rows loses a fifth: overall -.05, this cell -.15 below it, the others .05 above
    result = IntersectionalEvaluation(["selection_rate"], tolerance=0.1).evaluate(
        y, after, sensitive_features=sensitive, baseline=before
    )
    change = result["change"]["selection_rate"]
    assert change["new_disparities"] == ["F & B"]
    cell = change["by_cell"]["F & B"]
    assert cell["change"] == pytest.approx(after[hit].mean() - before[hit].mean())
    assert cell["interval"][1] < 0
    assert cell["p_holm"] < 0.01
    assert change["by_cell"]["M & A"]["change"] == 0
    assert change["by_cell"]["M & A"]["p_value"] == 1
    unchanged = IntersectionalEvaluation(["selection_rate"], **QUICK).evaluate(
        y, before, sensitive_features=sensitive, baseline=before
    )
    assert unchanged["change"]["selection_rate"]["new_disparities"] == []


def test_calibration_is_measured_in_every_cell(drawn_predictions: Any) -> None:
    y, decisions, scores, sensitive = drawn_predictions
    result = IntersectionalEvaluation(**QUICK).evaluate(y, decisions, scores, sensitive_features=sensitive)
    report = result["metrics"]["expected_calibration_error"]
    rows = ((sensitive["sex"] == "F") & (sensitive["race"] == "A")).to_numpy()
    bins = np.minimum((scores[rows] * 10).astype(int), 9)
    gaps = np.bincount(bins, y[rows] - scores[rows], 10)
    assert report["by_cell"]["F & A"]["value"] == pytest.approx(np.abs(gaps).sum() / rows.sum())
    assert report["worst_cell"] not in report["insufficient_evidence"]
    assert "M & C" in report["insufficient_evidence"]
    assert report["p_any"] is None
    json.dumps(result, allow_nan=False)


def test_empty_combinations_are_listed_and_not_measured() -> None:
    sensitive = pd.DataFrame({"a": ["x", "x", "y", None] * 20, "b": ["u", "v", "u", "u"] * 20})
    result = IntersectionalEvaluation(min_support=5, **QUICK).evaluate(
        y_pred=[0, 1] * 40, sensitive_features=sensitive
    )
    assert result["empty_cells"] == {"count": 2, "first": ["missing & v", "y & v"]}
    assert set(result["metrics"]["selection_rate"]["by_cell"]) == {"missing & u", "x & u", "x & v", "y & u"}


def test_integer_weights_are_repeated_rows(drawn_predictions: Any) -> None:
    y, decisions, _, sensitive = drawn_predictions.first(500)
    weights = np.random.default_rng(1).integers(1, 4, len(y))
    audit = IntersectionalEvaluation(**QUICK)
    weighted = audit.evaluate(y, decisions, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        np.repeat(decisions, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name, report in weighted["metrics"].items():
        for cell, figures in report["by_cell"].items():
            expected = repeated["metrics"][name]["by_cell"][cell]["value"]
            assert figures["value"] == (None if expected is None else pytest.approx(expected))


def test_too_few_rows_everywhere_is_no_verdict() -> None:
    result = IntersectionalEvaluation(**QUICK).evaluate(y_pred=[0, 1, 0], sensitive_features=["a", "b", "c"])
    report = result["metrics"]["selection_rate"]
    assert report["worst_cell"] is None
    assert report["p_any"] is None
    assert report["insufficient_evidence"] == ["a", "b", "c"]
    assert "enough rows" in result["text"]


def test_refuses_what_it_cannot_measure() -> None:
    given = {"y_pred": [0, 1] * 40, "sensitive_features": ["a", "b"] * 40}
    with pytest.raises(DataError, match="reads y_true"):
        IntersectionalEvaluation(["accuracy"]).evaluate(**given)
    with pytest.raises(UnknownNameError, match="true_positive_rate"):
        IntersectionalEvaluation(["true_positve_rate"]).evaluate([0, 1] * 40, **given)
    with pytest.raises(UsageError, match="needs scores"):
        IntersectionalEvaluation(["brier"]).evaluate([0, 1] * 40, **given)
    with pytest.raises(UsageError, match="compares groups"):
        IntersectionalEvaluation(["accuracy_difference"]).evaluate([0, 1] * 40, **given)
    with pytest.raises(UnknownNameError, match="protected attribute"):
        IntersectionalEvaluation(attributes=["race"]).evaluate(**given)


def test_runs_in_a_case(run_in_case: Any, case: Any) -> None:
    result = run_in_case(IntersectionalEvaluation(**QUICK))
    cells = result["metrics"]["selection_rate"]["by_cell"]
    assert math.fsum(cell["support"] for cell in cells.values()) == len(case.validation)


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["race"], ["race", "sex"]])
def test_numbers_agree_with_fairlearn_in_every_cell_of_law_school(data_dir, attributes) -> None:
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import mean_absolute_error

    frame = pd.read_csv(data_dir / "law" / "law_school_fya.csv")
    y = frame["ZFYA"].to_numpy()
    predicted = np.polyval(np.polyfit(frame["LSAT"], y, 1), frame["LSAT"])
    peers = {"mean_absolute_error": mean_absolute_error, "mean_prediction": lambda t, p: p.mean()}
    peers["mean_error"] = lambda t, p: (p - t).mean()
    theirs = MetricFrame(metrics=peers, y_true=y, y_pred=predicted, sensitive_features=frame[attributes])
    ours = IntersectionalEvaluation(**QUICK).evaluate(
        y, predicted, sensitive_features=frame[attributes], task="regression"
    )
    shift = {"mean_prediction": y.mean()}
    for name in peers:
        report, unit = ours["metrics"][name], y.std()
        assert report["overall"]["value"] * unit + shift.get(name, 0) == pytest.approx(theirs.overall[name])
        for cell, expected in theirs.by_group[name].items():
            key = cell if isinstance(cell, str) else " & ".join(map(str, cell))
            assert report["by_cell"][key]["value"] * unit + shift.get(name, 0) == pytest.approx(expected)
    cells = ours["metrics"]["mean_prediction"]["by_cell"].values()
    assert sum(cell["support"] for cell in cells) == len(y)


def test_classes_agree_with_fairlearn_and_the_worst_cell_is_named() -> None:
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score

    rng = np.random.default_rng(0)
    people = pd.DataFrame({"sex": rng.choice(list("fm"), 2000), "race": rng.choice(list("abc"), 2000)})
    y = rng.choice(["low", "middle", "high"], 2000)
    bad = ((people["sex"] == "f") & (people["race"] == "c")).to_numpy()
    wrong = rng.random(2000) < np.where(bad, 0.6, 0.1)
    predicted = np.where(wrong, "middle", y)
    metrics = {"accuracy": accuracy_score, "recall": lambda t, p: (p[t == "high"] == "high").mean()}
    theirs = MetricFrame(metrics=metrics, y_true=y, y_pred=predicted, sensitive_features=people)
    found = IntersectionalEvaluation(n_boot=200).evaluate(y, predicted, sensitive_features=people)
    for name, own in {"accuracy": "accuracy", "recall": "recall[high]"}.items():
        for (sex, race), expected in theirs.by_group[name].items():
            assert found["metrics"][own]["by_cell"][f"{sex} & {race}"]["value"] == pytest.approx(expected)
    report = found["metrics"]["accuracy"]
    assert report["worst_cell"] == "f & c"
    assert "f & c" in report["outside_tolerance"]
    assert report["by_cell"]["f & c"]["p_holm"] < 0.01
    assert "f & c is farthest" in found["text"]


def test_a_change_of_numbers_is_paired_and_small_cells_are_no_evidence() -> None:
    rng = np.random.default_rng(1)
    groups = pd.Series(["many"] * 500 + ["some"] * 200 + ["few"] * 10, name="group")
    y = rng.normal(size=710)
    before = y + rng.normal(scale=0.1, size=710)
    after = before + np.where(groups == "some", 0.5, 0.0)
    found = IntersectionalEvaluation(["mean_error"], n_boot=200).evaluate(
        y, after, sensitive_features=groups, baseline=before, task="regression"
    )
    change = found["change"]["mean_error"]["by_cell"]
    assert change["some"]["change"] * y.std() == pytest.approx(0.5)
    assert change["some"]["p_holm"] < 1e-6
    assert change["many"]["change"] == pytest.approx(0.0)
    assert change["few"]["status"] == "insufficient evidence"
    assert found["change"]["mean_error"]["new_disparities"] == ["some"] or set(
        found["change"]["mean_error"]["new_disparities"]
    ) == {"some", "many"}
    assert found["metrics"]["mean_error"]["insufficient_evidence"] == ["few"]


def test_a_ranking_is_measured_by_exposure_and_figures_without_labels_are_few() -> None:
    rng = np.random.default_rng(2)
    groups = rng.choice(["a", "b"], 400)
    scores = rng.normal(size=400) - (groups == "a")
    found = IntersectionalEvaluation(n_boot=100).evaluate(
        y_pred=scores, sensitive_features=groups, query=np.arange(400) // 50
    )
    assert set(found["metrics"]) == {"exposure", "top_share_ratio"}
    assert found["metrics"]["exposure"]["worst_cell"] == "a"
    with pytest.raises(DataError, match="mean_error reads y_true, which was not given"):
        IntersectionalEvaluation(["mean_error"]).evaluate(
            y_pred=scores, sensitive_features=groups, task="regression"
        )
    with pytest.raises(UnknownNameError, match="did you mean exposure"):
        IntersectionalEvaluation(["exposures"]).evaluate(
            y_pred=scores, sensitive_features=groups, task="ranking"
        )
