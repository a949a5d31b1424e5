"""The bias scan against AIF360, brute force, and data with a planted subgroup."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from fairmend.core.errors import UnknownNameError
from fairmend.plugins.evaluation import BiasScan
from fairmend.plugins.evaluation._subset_scan import scan_statistic

SIGNS = {"overestimated": -1, "underestimated": 1}


def as_sets(subgroup: Any) -> dict[str, set[str]]:
    return {name: set(map(str, values)) for name, values in subgroup.items()}


@pytest.mark.data
@pytest.mark.parametrize("penalty", [1.0, 5.0])
def test_the_same_subgroups_and_scores_as_aif360_on_compas(compas: pd.DataFrame, penalty: float) -> None:
    from aif360.detectors.mdss.MDSS import MDSS
    from aif360.detectors.mdss.ScoringFunctions import Bernoulli

    people = compas[["sex", "race", "age_cat", "c_charge_degree"]]
    people = people.assign(priors=pd.cut(compas["priors_count"], [-1, 0, 2, 5, 100]).astype(str))[:3000]
    y = pd.Series((compas["two_year_recid"] == 1).to_numpy().astype(int)[:3000])
    p = y.groupby(compas["decile_score"][:3000]).transform("mean")
    found = BiasScan(penalty=penalty, n_simulations=0).evaluate(y, y_score=p, sensitive_features=people)
    for direction in SIGNS:
        scanner = MDSS(Bernoulli(direction="negative" if direction == "overestimated" else "positive"))
        subgroup, score = found[direction]["subgroup"], found[direction]["score"]
        assert scanner.score_current_subset(people, p, y, subgroup, penalty) == pytest.approx(score, abs=2e-3)
        theirs, best = scanner.scan(people, p, y, penalty, num_iters=2)
        assert score >= best - 2e-3
        assert as_sets(subgroup) == as_sets(theirs) or score > best + 2e-3


def brute_force(people: pd.DataFrame, y: Any, p: Any, sign: int, penalty: float) -> float:
    """Return the best penalized score over all sets of values of all attributes."""
    choices = []
    for name in people:
        values = sorted(people[name].unique())
        sets = [s for k in range(1, len(values) + 1) for s in itertools.combinations(values, k)]
        choices.append(
            [(people[name].isin(s).to_numpy(), 0 if len(s) == len(values) else len(s)) for s in sets]
        )
    best = 0.0
    for chosen in itertools.product(*choices):
        inside = np.logical_and.reduce([rows for rows, _ in chosen])
        if inside.any():
            score = scan_statistic(y[inside], p[inside], np.ones(inside.sum()), sign)[0]
            best = max(best, score - penalty * sum(cost for _, cost in chosen))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_no_subgroup_of_three_attributes_scores_higher(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = pd.DataFrame(
        {name: rng.choice(list("abcd")[:k], 400) for name, k in (("u", 2), ("v", 3), ("w", 4))}
    )
    p = rng.beta(2, 2, 400)
    tilt = ((people["v"] == "a") & (people["w"] < "c")).to_numpy()
    y = (rng.random(400) < p ** np.where(tilt, 0.7, 1.0)).astype(int)
    found = BiasScan(penalty=0.7, n_simulations=0).evaluate(y, y_score=p, sensitive_features=people)
    for direction, sign in SIGNS.items():
        assert found[direction]["score"] == pytest.approx(brute_force(people, y, p, sign, 0.7), abs=1e-3)


def test_the_statistic_is_the_greatest_log_likelihood_ratio() -> None:
    rng = np.random.default_rng(5)
    y, p, w = rng.integers(0, 2, 60).astype(float), rng.random(60), rng.random(60)

    def loss(t: float) -> float:
        odds = np.exp(t) * p / (1 - p)
        return float(-w @ (y * np.log(odds / (1 + odds)) - (1 - y) * np.log(1 + odds)))

    free = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
    sign = int(np.sign(free.x))
    score, q = scan_statistic(y, p, w, sign)
    assert score == pytest.approx(loss(0) - free.fun, abs=1e-9)
    assert np.log(q) == pytest.approx(free.x, abs=1e-6)
    assert scan_statistic(y, p, w, -sign) == pytest.approx((0, 1), abs=1e-6)


def test_a_planted_subgroup_is_recovered_among_categories_numbers_and_gaps() -> None:
    rng = np.random.default_rng(0)
    n = 6000
    X = pd.DataFrame(
        {
            "region": rng.choice(list("NESW"), n),
            "age": rng.uniform(20, 60, n),
            "job": rng.choice(["x", "y"], n),
        }
    )
    X.loc[rng.random(n) < 0.1, "age"] = np.nan
    sex = pd.Series(rng.choice(["f", "m"], n), name="sex")
    p = rng.beta(4, 4, n)
    planted = (X["age"] > np.nanquantile(X["age"], 0.75)) & X["region"].isin(["N", "E"]) & (sex == "f")
    y = (rng.random(n) < np.where(planted, p * 0.5, p)).astype(int)
    found = BiasScan(n_simulations=19).evaluate(y, y_score=p, sensitive_features=sex, X=X)
    oldest = f"above {np.quantile(X['age'].dropna(), 0.75, method='inverted_cdf'):g}"
    assert as_sets(found["overestimated"]["subgroup"]) == {
        "age": {oldest},
        "region": {"N", "E"},
        "sex": {"f"},
    }
    assert found["overestimated"]["odds_ratio"] < 0.6
    assert found["overestimated"]["p_value"] == pytest.approx(0.1)  # 2 / 20, the least of 19 simulations
    assert found["underestimated"]["p_value"] > 0.1


def test_without_bias_the_p_value_is_uniform() -> None:
    rng = np.random.default_rng(1)
    people = pd.DataFrame({name: rng.choice(list("abc"), 300) for name in "uvw"})
    p = rng.beta(2, 3, 300)
    drawn = []
    for seed in range(150):
        scan = BiasScan(penalty=0, n_starts=1, n_simulations=19, random_state=seed)
        y = (rng.random(300) < p).astype(int)
        found = scan.evaluate(y, y_score=p, sensitive_features=people)
        drawn.append(found["overestimated"]["p_value"])
    at_most = [np.mean(np.array(drawn) <= 2 * alpha) for alpha in (0.1, 0.25, 0.45)]
    assert at_most == pytest.approx([0.1, 0.25, 0.45], abs=0.11)  # three standard errors of the middle one


def test_a_larger_penalty_gives_a_simpler_subgroup() -> None:
    rng = np.random.default_rng(2)
    people = pd.DataFrame({name: rng.choice(list("abcde"), 2000) for name in "uvw"})
    p = np.full(2000, 0.5)
    y = (rng.random(2000) < 0.5).astype(int)
    values = []
    for penalty in (0.0, 1.0, 1000.0):
        found = BiasScan(penalty=penalty, n_simulations=0).evaluate(y, y_score=p, sensitive_features=people)
        values.append(sum(map(len, found["overestimated"]["subgroup"].values())))
    assert values[0] > values[1] > values[2] == 0


def test_features_are_chosen_and_long_ones_skipped() -> None:
    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {"name": [f"n{i}" for i in range(200)], "city": rng.choice(["a", "b"], 200), "one": "same"}
    )
    y, p, sex = rng.integers(0, 2, 200), np.full(200, 0.5), rng.choice(["f", "m"], 200)
    found = BiasScan(n_simulations=0).evaluate(y, y_score=p, sensitive_features=sex, X=X)
    assert (found["attributes"], found["skipped"]) == (["city", "group"], ["name"])
    only = BiasScan(features=[], n_simulations=0).evaluate(y, y_score=p, sensitive_features=sex, X=X)
    assert only["attributes"] == ["group"]
    with pytest.raises(UnknownNameError, match="no feature is called 'town'"):
        BiasScan(features=["town"]).evaluate(y, y_score=p, sensitive_features=sex, X=X)


def test_runs_in_a_case(run_in_case: Any) -> None:
    result = run_in_case(BiasScan(n_simulations=9, n_starts=2))
    assert {"gender", "race"} <= set(result["attributes"])
