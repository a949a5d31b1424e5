"""Double machine learning against DoubleML, in simulations with a known effect, and on the bank."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, ParameterError, UnknownNameError
from fairmend.plugins.causal import DoubleMLEffect
from fairmend.plugins.causal._cross_fitting import cross_fitted, fold_of_rows
from fairmend.plugins.causal._double_ml_effect import interactive_mean, partially_linear_effects
from fairmend.plugins.datasets import bank, bank_roles, true_effects
from tests.plugins.causal.doubleml_numbers import LEARNERS, groups_and_outcome

LINEAR = {"outcome_learner": LinearRegression(), "group_learner": LogisticRegression()}
DOUBLEML = {
    (2, "linear", "partially_linear"): [(-0.6177973793534868, 0.07064161251098125)],
    (2, "linear", "interactive"): [(-0.6363920532632882, 0.07146927573161659)],
    (2, "tree", "partially_linear"): [(-0.5779402237531763, 0.08079845925617087)],
    (2, "tree", "interactive"): [(-0.6558703311820934, 0.09216915754867751)],
    (3, "linear", "interactive"): [(-0.750781223718141, 0.09455225803136139), (-1.4966803662565653, 0.09548623156552533)],
    (3, "tree", "interactive"): [(-1.4965786146257196, 0.6048440338227267), (-2.4169888145307237, 0.6094795341906549)],
}  # fmt: skip
"""Estimate and standard error of DoubleML 0.11.4, printed by doubleml_numbers.py."""


def found(technique: DoubleMLEffect, frame: pd.DataFrame, **roles: Any) -> list[dict[str, Any]]:
    """Return the contrasts of a frame with the columns group and y, against g0."""
    given = {"task": "regression", **roles}
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), **given))
    contrasts: list[dict[str, Any]] = (
        technique.set_params(reference={"group": "g0"}).analyze(data).result["contrasts"]
    )
    return contrasts


@pytest.mark.parametrize("case", DOUBLEML)
def test_agrees_with_doubleml(case: tuple[int, str, str]) -> None:
    groups, learner, model = case
    of_outcome, of_group = LEARNERS[learner]
    technique = DoubleMLEffect(model=model, outcome_learner=of_outcome, group_learner=of_group)
    contrasts = found(technique, groups_and_outcome(groups))
    assert [c["group"] for c in contrasts] == ["g1", "g2"][: groups - 1]
    for contrast, (estimate, se) in zip(contrasts, DOUBLEML[case], strict=True):
        assert contrast["estimate"] == pytest.approx(estimate, abs=1e-6)
        assert contrast["se"] == pytest.approx(se, rel=1e-5)


def test_with_linear_learners_and_several_groups_it_is_near_least_squares() -> None:
    rng = np.random.default_rng(0)
    group, x = rng.integers(0, 3, 4000), rng.normal(size=4000)
    frame = pd.DataFrame({"group": [f"g{g}" for g in group], "x": x + group, "y": 0.0})
    frame["y"] = 2 * frame["x"] - 0.5 * group + rng.normal(size=4000)
    fit = smf.ols("y ~ x + C(group)", frame).fit()
    for model in ("partially_linear", "interactive"):
        first, second = found(DoubleMLEffect(model=model, **LINEAR), frame)
        assert first["estimate"] == pytest.approx(fit.params["C(group)[T.g1]"], abs=2 * first["se"])
        assert second["estimate"] == pytest.approx(fit.params["C(group)[T.g2]"], abs=2 * second["se"])
        assert second["se"] < 0.15
        assert first["unadjusted"]["estimate"] == pytest.approx(1.5, abs=0.15)


@pytest.mark.parametrize("model", ["partially_linear", "interactive"])
def test_intervals_cover_a_known_effect(model: str) -> None:
    rng, covered, draws, n = np.random.default_rng(1), 0, 60, 500
    technique = DoubleMLEffect(model=model, n_folds=2, **LINEAR)
    for _ in range(draws):
        x = rng.normal(size=(n, 2))
        treated = rng.random(n) < 1 / (1 + np.exp(-x[:, 0]))
        y = 0.7 * treated + x.sum(axis=1) + rng.normal(size=n)
        frame = pd.DataFrame(x, columns=["x1", "x2"]).assign(group=np.where(treated, "g1", "g0"), y=y)
        (contrast,) = found(technique, frame)
        covered += contrast["interval"][0] <= 0.7 <= contrast["interval"][1]
    assert 52 <= covered < draws


def test_boosted_trees_remove_the_bias_that_a_linear_regression_leaves() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, size=(4000, 2))
    treated = rng.random(4000) < 1 / (1 + np.exp(1 - x[:, 0] ** 2))
    y = 2 * x[:, 0] ** 2 + rng.normal(size=4000)  # no effect
    frame = pd.DataFrame(x, columns=["x1", "x2"]).assign(group=np.where(treated, "g1", "g0"), y=y)
    (linear,), (boosted,) = found(DoubleMLEffect(**LINEAR), frame), found(DoubleMLEffect(n_folds=3), frame)
    assert linear["interval"][0] > 1
    assert boosted["interval"][0] < 0.1
    assert abs(boosted["estimate"]) < 0.15


def test_scores_are_orthogonal_to_errors_of_the_learners() -> None:
    rng, n = np.random.default_rng(3), 400_000
    x = rng.uniform(size=n)
    m, g = 0.3 + 0.4 * x, 1 + x
    treated = rng.random(n) < m
    y, ones = np.where(treated, g, 0.0), np.ones(n)
    right = interactive_mean(y, treated, g, m, ones).value
    for error in (0.05, 0.1):
        wrong = interactive_mean(y, treated, g + error * x, m + error * x, ones).value
        assert abs(wrong - right) < 1.5 * error**2
    noise = rng.normal(size=n)
    U, V = 0.5 * (treated - m) + noise, (treated - m)[:, None]
    for error in (0.05, 0.1):
        (effect,) = partially_linear_effects(U + error * x, V + error * x[:, None], ones)
        assert effect.value == pytest.approx(0.5, abs=8 * error**2)


def test_intervals_cover_the_true_effects_of_the_bank(true_graph: CausalGraph) -> None:
    truth = {
        g: true_effects("race", g, "White", n_rows=200_000).total for g in ("Black", "Hispanic", "Asian")
    }
    truth["Female"] = true_effects("gender", "Female", "Male", n_rows=200_000).total
    missed = 0
    for seed in range(4):
        data = Dataset.from_frame(bank(1500, random_state=seed), Roles(**bank_roles()))
        technique = DoubleMLEffect(
            outcome_learner=None if seed == 0 else "logistic_regression", group_learner="logistic_regression", n_folds=3,
            reference={"race": "White", "gender": "Male"},
        )  # fmt: skip
        for contrast in technique.analyze(data, true_graph).result["contrasts"]:
            low, high = contrast["interval"]
            missed += not low <= truth[contrast["group"]] <= high
            assert contrast["identified"]
            assert contrast["trimmed_share"] == 0
    assert missed <= 2  # of 16


def test_every_prediction_comes_from_other_folds() -> None:
    X = pd.DataFrame({"x": np.arange(300.0)})
    y = np.random.default_rng(0).normal(size=300)
    folds = fold_of_rows(X, y, None, 4, 0)
    predicted = cross_fitted(LinearRegression(), X, y, None, folds, np.arange(300) % 2 == 0)
    for fold in range(4):
        train = (folds != fold) & (np.arange(300) % 2 == 0)
        expected = LinearRegression().fit(X[train], y[train]).predict(X[folds == fold])
        np.testing.assert_allclose(predicted[folds == fold], expected)
    assert np.bincount(folds).tolist() == [75] * 4
    copies = fold_of_rows(X, y, np.arange(300) // 3, 4, 0)
    assert (copies.reshape(100, 3) == copies.reshape(100, 3)[:, :1]).all()


def test_groups_that_do_not_overlap_are_said_so() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=1000)
    frame = pd.DataFrame({"group": np.where(x > 0.1, "g1", "g0"), "x": x, "y": x + rng.normal(size=1000)})
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), task="regression"))
    result = DoubleMLEffect().analyze(data).result
    assert result["contrasts"][0]["trimmed_share"] > 0.5
    assert "of the rows have no counterpart" in result["text"]


def test_small_groups_texts_gaps_and_weights() -> None:
    frame = groups_and_outcome(2).assign(
        y=lambda f: (f["y"] > 0).astype(int),
        x3=lambda f: np.where(f["x3"] > 0, "high", None),
        w=lambda f: 1.0 + (f["x1"] > 0),
    )
    frame["x2"] = frame["x2"].where(np.arange(900) % 8 > 0)
    frame["group"] = np.where(np.arange(900) < 12, "tiny", frame["group"])
    technique = DoubleMLEffect(n_folds=2)
    g1, tiny = found(technique, frame, task="binary", weights="w")
    assert tiny["status"] == "insufficient evidence"
    assert tiny["estimate"] is None
    assert g1["status"] == "measured"
    assert "imputed by the median" in g1["notes"]["x2"]
    (unweighted,) = found(technique, frame[frame["group"] != "tiny"].drop(columns="w"), task="binary")
    assert unweighted["estimate"] != g1["estimate"]
    json.dumps([g1, tiny], allow_nan=False)


def test_refuses_what_it_cannot_use(bank_data: Dataset, true_graph: CausalGraph) -> None:
    with pytest.raises(UnknownNameError, match="learner"):
        DoubleMLEffect(outcome_learner="forest").analyze(bank_data, true_graph)
    with pytest.raises(ParameterError, match="trimming"):
        DoubleMLEffect.with_parameters(trimming=0.7)
    from sklearn.neighbors import KNeighborsClassifier

    frame = groups_and_outcome(2).assign(w=1.5)
    with pytest.raises(DataError, match="takes no sample weights"):
        found(DoubleMLEffect(group_learner=KNeighborsClassifier()), frame, weights="w")
