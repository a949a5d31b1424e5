"""Path-specific correction: what linear equations say, statsmodels on the law schools, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.structural_equations import StructuralEquations
from fairmend.core.errors import DataError, UnknownNameError, UsageError
from fairmend.plugins.datasets import bank, bank_graph
from fairmend.plugins.preprocessing import PathSpecificCounterfactual

GRAPH = CausalGraph.from_edges([("a", "m"), ("a", "k"), ("m", "k"), ("k", "y"), ("c", "k")])


@pytest.fixture(scope="module")
def linear() -> tuple[pd.DataFrame, pd.Series]:
    """Features of linear equations whose coefficients are found exactly."""
    rng = np.random.default_rng(0)
    a = rng.choice(["base", "one", "two"], 2000, p=[0.5, 0.3, 0.2])

    def noise(*causes: Any) -> Any:
        drawn = rng.normal(size=2000)
        design = np.column_stack([a == "base", a == "one", a == "two", *causes])
        return drawn - design @ np.linalg.lstsq(design, drawn)[0]

    c = rng.normal(size=2000)
    m = 2.0 * (a == "one") - 1.0 * (a == "two") + noise()
    k = 0.5 * (a == "one") + 3.0 * m + c + noise(m, c)
    return pd.DataFrame({"k": k, "m": m, "c": c}), pd.Series(a, name="a")


def corrected(data: tuple[pd.DataFrame, pd.Series], **parameters: Any) -> pd.DataFrame:
    X, a = data
    technique = PathSpecificCounterfactual(**parameters).fit(X, sensitive_features=a, graph=GRAPH)
    return technique.transform(X, sensitive_features=a)


def test_the_coefficients_of_unfair_paths_are_subtracted(linear: Any) -> None:
    X, a = linear
    one, two = (a == "one").to_numpy(), (a == "two").to_numpy()
    whole = corrected(linear)
    np.testing.assert_allclose(whole["m"], X["m"] - 2.0 * one + 1.0 * two)
    np.testing.assert_allclose(whole["k"], X["k"] - (0.5 + 6.0) * one + 3.0 * two)
    pd.testing.assert_series_equal(whole["c"], X["c"])
    direct = corrected(linear, fair=["m"])  # what m passes on is accepted
    pd.testing.assert_series_equal(direct["m"], X["m"])
    np.testing.assert_allclose(direct["k"], X["k"] - 0.5 * one)
    through = corrected(linear, fair=["k"])
    np.testing.assert_allclose(through["k"], X["k"] - 6.0 * one + 3.0 * two)
    other = corrected(linear, reference={"a": "two"})
    np.testing.assert_allclose(other["m"], X["m"] - 3.0 * one - 1.0 * (a == "base"))


def test_limits(linear: Any) -> None:
    X, a = linear
    pd.testing.assert_frame_equal(corrected(linear, fair=["m", "k"]), X)
    pd.testing.assert_frame_equal(corrected(linear, strength=0.0), X)
    half = (X + corrected(linear)) / 2
    pd.testing.assert_frame_equal(corrected(linear, strength=0.5), half)
    rows = X.assign(a=a)
    equations = StructuralEquations.fit(rows, GRAPH, "a", leave_out=("y",))
    world = equations.counterfactual(rows, {"a": "base"})  # as technique 58 has it
    pd.testing.assert_frame_equal(corrected(linear), world[list(X)])


@pytest.mark.data
def test_the_law_schools_by_regressions_of_statsmodels(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "law" / "law_school_fya.csv").iloc[:6000]
    X, people = frame[["LSAT", "UGPA"]].astype(float), frame[["race", "sex"]]
    edges = [(a, b) for a in people for b in ("LSAT", "UGPA", "ZFYA")]
    technique = PathSpecificCounterfactual(reference={"sex": "2"})
    technique.fit(X, sensitive_features=people, graph=CausalGraph.from_edges(edges))
    found = technique.transform(X, sensitive_features=people)
    for column in X:
        fit = smf.ols(f"{column} ~ C(race) + C(sex)", frame).fit()
        there = fit.predict(frame.assign(race="White", sex=2))
        np.testing.assert_allclose(found[column], X[column] - fit.fittedvalues + there)


def test_categories_get_the_distribution_of_the_reference() -> None:
    loans = bank(8000)
    X = loans.drop(columns=["race", "gender", "approved", "application_id"])
    people = loans[["race", "gender"]]
    technique = PathSpecificCounterfactual(fair=["employment_history"])
    technique.fit(X, sensitive_features=people, graph=CausalGraph.from_mapping(bank_graph()))
    found = technique.transform(X, sensitive_features=people)
    pd.testing.assert_series_equal(found["employment_history"], X["employment_history"])
    before, after = (x["redlining"].groupby(people["race"]).mean() for x in (X, found))
    assert abs(before["Black"] - before["White"]) > 0.2
    assert abs(after["Black"] - after["White"]) < 0.03
    means = [x.groupby(people["race"])["credit_score"].mean() for x in (X, found)]
    assert abs(means[1]["Black"] - means[1]["White"]) < 0.35 * abs(means[0]["Black"] - means[0]["White"])


def test_what_does_not_fit_is_refused(linear: Any) -> None:
    X, a = linear
    with pytest.raises(DataError, match="reads a causal graph, which was not given"):
        PathSpecificCounterfactual().fit(X, sensitive_features=a)
    with pytest.raises(UsageError, match="has m -> k, but 'm' is no feature"):
        PathSpecificCounterfactual().fit(X.drop(columns="m"), sensitive_features=a, graph=GRAPH)
    with pytest.raises(UnknownNameError, match="no group of a is called 'three'"):
        corrected(linear, reference={"a": "three"})
