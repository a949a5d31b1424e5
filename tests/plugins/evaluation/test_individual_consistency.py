from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.base import DataError, InsufficientDataError, ParameterError
from fairmend.core.errors import UnknownNameError
from fairmend.plugins.evaluation import IndividualConsistency


def with_itself(consistency: float, k: int) -> float:
    """Return what a library that counts a row among its k + 1 neighbors makes of a consistency of k others."""
    return 1 - k / (k + 1) * (1 - consistency)


@pytest.mark.data
@pytest.mark.parametrize("k", [1, 4, 9])
def test_agrees_with_aif360_on_german(german: pd.DataFrame, k: int) -> None:
    from aif360.sklearn.metrics import consistency_score

    X = german[["month", "credit_amount", "age", "investment_as_income_percentage"]].drop_duplicates()
    # Equally near rows may be taken in any order: a shift below the grid of the data settles it.
    X = X + np.random.default_rng(0).uniform(0, 1e-3, X.shape)
    labels = (german.loc[X.index, "credit"] == 1).to_numpy().astype(int)
    sensitive = german.loc[X.index, ["age_group", "personal_status"]]
    found = IndividualConsistency(k, scale=False).evaluate(
        y_pred=labels, sensitive_features=sensitive, X=X.reset_index(drop=True)
    )["predictions"]
    ours = found["consistency"]["value"]
    assert with_itself(ours, k) == pytest.approx(consistency_score(X, labels, k + 1), abs=1e-12)
    assert set(found["by_attribute"]) == {"age_group", "personal_status", "age_group & personal_status"}
    for view in found["by_attribute"].values():
        support = sum(figure["support"] for figure in view.values())
        mean = sum(figure["value"] * figure["support"] for figure in view.values()) / support
        assert mean == pytest.approx(ours)


@pytest.mark.data
def test_a_brute_force_agrees_on_compas(compas: pd.DataFrame) -> None:
    rows = compas.drop_duplicates(["age", "priors_count", "days_b_screening_arrest"]).head(700)
    X = rows[["age", "priors_count", "juv_fel_count", "c_charge_degree"]].reset_index(drop=True)
    X["age"] += np.random.default_rng(1).uniform(0, 1e-3, len(X))
    scores = rows["decile_score"].to_numpy() / 10
    decisions = (scores <= 0.4).astype(int)
    found = IndividualConsistency(3).evaluate(
        y_pred=decisions, y_score=scores, sensitive_features=rows[["race", "sex"]], X=X
    )
    numbers = X.select_dtypes("number")
    z = ((numbers - numbers.mean()) / numbers.std(ddof=0)).to_numpy()
    z = np.column_stack([pd.get_dummies(X["c_charge_degree"]).to_numpy(float), z])
    distance = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :3]
    for of, values, span in (("predictions", decisions, 1.0), ("scores", scores, np.ptp(scores))):
        d = np.abs(values - values[nearest].mean(axis=1)) / span
        assert found[of]["consistency"]["value"] == pytest.approx(1 - d.mean())
        black = (rows["race"] == "African-American").to_numpy()
        figure = found[of]["by_attribute"]["race"]["African-American"]
        assert figure["value"] == pytest.approx(1 - d[black].mean())
        assert figure["support"] == black.sum()


X_LINE = pd.DataFrame({"x": [0.0, 1.0, 10.0, 11.0, 20.0]})


def test_worked_by_hand() -> None:
    # nearest neighbors 2-1, 4-3, and 4 for the last; only the first pair and the last row disagree
    found = IndividualConsistency(1, scale=False).evaluate(
        y_pred=[0, 1, 1, 1, 0], X=X_LINE, sensitive_features=list("aabbb")
    )["predictions"]
    assert found["consistency"]["value"] == pytest.approx(1 - 3 / 5)
    by_group = found["by_attribute"]["group"]
    assert (by_group["a"]["value"], by_group["b"]["value"]) == (0, pytest.approx(2 / 3))
    assert not by_group["a"]["enough"]


def test_values_and_classes() -> None:
    values = IndividualConsistency(1, scale=False).evaluate(y_pred=[0.0, 2.0, 4.0, 4.0, 3.0], X=X_LINE)
    assert values["predictions"]["consistency"]["value"] == pytest.approx(1 - (2 + 2 + 0 + 0 + 1) / 4 / 5)
    names = IndividualConsistency(1, scale=False).evaluate(y_pred=["x", "y", "z", "z", "z"], X=X_LINE)
    assert names["predictions"]["consistency"]["value"] == pytest.approx(1 - 2 / 5)
    assert names["predictions"]["by_attribute"] == {}


def test_equal_treatment_is_consistent_and_a_coin_is_not() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["a", "b"])
    group = rng.choice(["p", "q"], 2000)
    audit = IndividualConsistency()
    same = audit.evaluate(y_pred=np.ones(2000, int), X=X, sensitive_features=group)
    assert same["predictions"]["consistency"]["value"] == 1
    smooth = audit.evaluate(y_pred=(X["a"] > 0).astype(int), X=X, sensitive_features=group)
    by_group = audit.evaluate(y_pred=(X["a"] > (group == "p")).astype(int), X=X, sensitive_features=group)
    coin = audit.evaluate(y_pred=rng.integers(0, 2, 2000), X=X, sensitive_features=group)
    figures = [found["predictions"]["consistency"]["value"] for found in (coin, by_group, smooth)]
    assert figures == sorted(figures)
    assert figures[0] == pytest.approx(0.5, abs=0.03)
    low, high = coin["predictions"]["consistency"]["interval"]
    assert low < figures[0] < high
    json.dumps(coin, allow_nan=False)


def test_weights_count_rows_and_features_tell_who_is_alike() -> None:
    X = X_LINE.assign(noise=[3.0, -400.0, 90.0, 1.0, -50.0])
    audit = IndividualConsistency(1, features=["x"], scale=False)
    found = audit.evaluate(y_pred=[0, 1, 1, 1, 0], X=X, sample_weight=[3, 1, 1, 1, 0])
    assert found["predictions"]["consistency"]["value"] == pytest.approx(1 - 4 / 6)
    with pytest.raises(UnknownNameError, match="did you mean x"):
        IndividualConsistency(1, features=["xx"]).evaluate(y_pred=[0, 1, 1, 1, 0], X=X)


def test_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(DataError, match="reads the features"):
        IndividualConsistency().evaluate(y_pred=[0, 1])
    with pytest.raises(InsufficientDataError, match="n_neighbors must be below the number of rows, got 5"):
        IndividualConsistency().evaluate(y_pred=[0, 1, 1, 1, 0], X=X_LINE)
    with pytest.raises(ParameterError, match="n_neighbors"):
        IndividualConsistency.with_parameters(n_neighbors=0)
    with pytest.raises(DataError, match="must be numeric"):
        IndividualConsistency(1, scale=False).evaluate(y_pred=[0, 1], X=pd.DataFrame({"t": ["u", "v"]}))


def test_runs_in_a_case(run_in_case: Any) -> None:
    found = run_in_case(IndividualConsistency())
    assert {"race", "gender", "race & gender"} == set(found["predictions"]["by_attribute"])
    assert 0.5 < found["predictions"]["consistency"]["value"] <= 1


def test_from_the_command_line(cli: Any, jobs_csv: Any) -> None:
    done = cli("technique", "run", "4", "--data", jobs_csv, "--outcome", "hired", "--favorable", "yes",
               "--protected", "sex", "--learner", "logistic_regression", "-p", "n_neighbors=3", "--json")  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["n_neighbors"] == 3
    assert set(done.json["scores"]["by_attribute"]["sex"]) == {"F", "M"}
