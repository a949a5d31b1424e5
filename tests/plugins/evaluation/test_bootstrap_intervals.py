from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fairmend.core.errors import DataError, ParameterError, UnknownNameError
from fairmend.plugins.evaluation import BootstrapIntervals


@pytest.mark.data
def test_agrees_with_resampling_the_rows_of_adult(adult_predictions: Any) -> None:
    y, decisions, _, sensitive = adult_predictions.first(2000)
    views = BootstrapIntervals(["selection_rate", "true_positive_rate"], n_boot=4000).evaluate(
        y, decisions, sensitive_features=sensitive
    )["by_attribute"]
    assert set(views) == {"sex", "race", "sex & race"}
    rng = np.random.default_rng(0)
    crossed = (sensitive["sex"] + " & " + sensitive["race"]).to_numpy()
    for name, group in {"sex": sensitive["sex"].to_numpy(), "sex & race": crossed}.items():
        large = [label for label in np.unique(group) if (group == label).sum() > 100]
        drawn: dict[Any, list[float]] = {(m, g): [] for m in views[name] for g in large}
        for _ in range(800):
            rows = rng.integers(2000, size=2000)
            for label in large:
                own = rows[group[rows] == label]
                drawn["selection_rate", label].append(decisions[own].mean())
                drawn["true_positive_rate", label].append(decisions[own][y[own] == 1].mean())
        for (metric, label), values in drawn.items():
            found = views[name][metric]["by_group"][label]["interval"]
            assert found == pytest.approx(
                np.quantile(values, [0.025, 0.975]).tolist(), abs=0.25 * np.std(values)
            )


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_agrees_with_scipy(method: str) -> None:
    decisions = np.repeat([1, 0], [60, 340])
    found = BootstrapIntervals(["selection_rate"], method, n_boot=20_000).evaluate(
        y_pred=decisions, sensitive_features=["a"] * 400
    )["by_attribute"]["group"]["selection_rate"]["interval"]
    peer = stats.bootstrap(
        (decisions,), np.mean, n_resamples=5000, method=method, rng=np.random.default_rng(0)
    )
    assert found == pytest.approx(list(peer.confidence_interval), abs=0.004)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_of_a_difference_cover_it(method: str) -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(["a", "b"], [150, 250])
    covered = 0
    for seed in range(100):
        decisions = (rng.random(400) < np.where(group == "a", 0.3, 0.5)).astype(int)
        figure = BootstrapIntervals(
            ["demographic_parity_difference"], method, n_boot=400, random_state=seed
        ).evaluate(y_pred=decisions, sensitive_features=group)["by_attribute"]["group"]
        low, high = figure["demographic_parity_difference"]["interval"]
        covered += low <= 0.2 <= high
    assert covered >= 87  # 95 expected; 86 or fewer has a chance below 0.1 %


def test_the_end_nearer_to_fairness_is_set_right() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat(list("abcdefgh"), 60)
    figure = BootstrapIntervals(["demographic_parity_difference"]).evaluate(
        y_pred=rng.integers(0, 2, 480), sensitive_features=group
    )["by_attribute"]["group"]["demographic_parity_difference"]
    assert figure["raw_interval"][0] > 0.05  # replicates of a range never come near 0
    assert figure["interval"][0] < 0.02


def test_a_group_without_variation_has_no_width_and_small_ones_are_no_evidence() -> None:
    group = np.repeat(["all", "some", "tiny"], [50, 50, 5])
    decisions = np.where(group == "all", 1, np.arange(105) % 2)
    result = BootstrapIntervals(n_boot=100).evaluate(y_pred=decisions, sensitive_features=group)
    by_group = result["by_attribute"]["group"]["selection_rate"]["by_group"]
    assert by_group["all"]["interval"] == [1, 1]
    assert not by_group["tiny"]["enough"]
    assert result["by_attribute"]["group"]["demographic_parity_difference"]["lacking"] == ["tiny"]
    json.dumps(result, allow_nan=False)


def test_the_change_against_a_baseline_shares_its_resamples() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], 300)
    before = rng.integers(0, 2, 600)
    after = before.copy()
    after[:30] = 1
    change = BootstrapIntervals(["selection_rate"], n_boot=500).evaluate(
        y_pred=after, sensitive_features=group, baseline=before
    )["change"]["metrics"]["selection_rate"]
    width = change["interval"][1] - change["interval"][0]
    assert change["change"] == pytest.approx(after.mean() - before.mean())
    assert width < 4 * 1.96 * np.sqrt(0.05 / 600)  # far below that of two samples


def test_integer_weights_are_repeated_rows_in_every_value(drawn_predictions: Any) -> None:
    y, decisions, _, sensitive = drawn_predictions.first(300)
    weights = np.random.default_rng(1).integers(1, 4, 300)
    audit = BootstrapIntervals(n_boot=10)
    weighted = audit.evaluate(y, decisions, sensitive_features=sensitive, sample_weight=weights)
    repeated = audit.evaluate(
        np.repeat(y, weights),
        np.repeat(decisions, weights),
        sensitive_features=sensitive.loc[sensitive.index.repeat(weights)],
    )
    for name, view in weighted["by_attribute"].items():
        for metric, figure in view.items():
            expected = repeated["by_attribute"][name][metric]["value"]
            assert figure["value"] == (None if expected is None else pytest.approx(expected))


def test_refuses_what_it_cannot_measure() -> None:
    given = {"y_pred": [0, 1] * 40, "sensitive_features": ["a", "b"] * 40}
    with pytest.raises(DataError, match="reads y_true"):
        BootstrapIntervals(["accuracy"]).evaluate(**given)
    with pytest.raises(UnknownNameError, match="accuracy"):
        BootstrapIntervals(["acuracy"]).evaluate(**given)
    with pytest.raises(ParameterError, match="method"):
        BootstrapIntervals.with_parameters(method="normal")


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(BootstrapIntervals(n_boot=50))
    assert set(result["by_attribute"]) == {"race", "gender", "race & gender"}
