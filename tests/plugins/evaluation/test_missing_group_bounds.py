"""Bounds without the protected attribute against linear programs, closed forms, and data whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from fairmend.core.errors import DataError, InsufficientDataError, UnknownNameError
from fairmend.plugins.evaluation import MissingGroupBounds
from fairmend.plugins.evaluation._missing_group_bounds import rate_bounds


@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_the_difference_of_selection_rates_are_those_of_a_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S, K = 3, 3
    p, w = rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(K), S)
    hit = rng.random(S)
    lower, upper = rate_bounds(p, w, hit, 1 - hit)
    n_a = p @ w
    # u[z, k] = P(selected, k | z): between 0 and w, and the groups' shares sum to P(selected | z)
    A = np.kron(np.eye(S), np.ones(K))
    objective = np.zeros((S, K))
    objective[:, 0], objective[:, 1] = p / n_a[0], -p / n_a[1]
    for sign, closed in ((1, upper[0] - lower[1]), (-1, lower[0] - upper[1])):
        solved = linprog(-sign * objective.ravel(), A_eq=A, b_eq=hit, bounds=[(0, v) for v in w.ravel()])
        assert closed == pytest.approx(-sign * solved.fun, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_conditional_rates_are_attained_together_and_never_exceeded(seed: int) -> None:
    rng = np.random.default_rng(10 + seed)
    S, K = 2, 3
    p, w, cells = (
        rng.dirichlet(np.ones(S)),
        rng.dirichlet(np.ones(K), S),
        rng.dirichlet(np.ones(4), S).reshape(S, 2, 2),
    )
    lower, upper = rate_bounds(p, w, cells[:, 1, 1], cells[:, 1, 0])
    A, right = [], []
    for z in range(S):
        for k in range(K):
            block = np.zeros((S, K, 2, 2))
            block[z, k] = 1
            A.append(block.ravel())
            right.append(w[z, k])
        for y in (0, 1):
            for d in (0, 1):
                block = np.zeros((S, K, 2, 2))
                block[z, :, y, d] = 1
                A.append(block.ravel())
                right.append(cells[z, y, d])

    def rates(u: Any) -> Any:
        of = (p[:, None, None] * u[:, :, 1]).sum(axis=0)
        with np.errstate(invalid="ignore"):
            return of[:, 1] / of.sum(axis=1)

    # The joint law that is best for group 0 and worst for group 1 in all linear pieces at once.
    objective = np.zeros((S, K, 2, 2))
    objective[:, 0, 1, 1], objective[:, 0, 1, 0] = p, -p
    objective[:, 1, 1, 1], objective[:, 1, 1, 0] = -p, p
    best = linprog(-objective.ravel(), A_eq=np.array(A), b_eq=right).x.reshape(S, K, 2, 2)
    assert rates(best)[0] == pytest.approx(upper[0], abs=1e-8)
    assert rates(best)[1] == pytest.approx(lower[1], abs=1e-8)
    for _ in range(200):
        u = linprog(rng.normal(size=S * K * 4), A_eq=np.array(A), b_eq=right).x.reshape(S, K, 2, 2)
        found = rates(u)
        possible = ~np.isnan(found)  # of groups without a row in the event there is no rate
        assert (found <= upper + 1e-8)[possible].all()
        assert (found >= lower - 1e-8)[possible].all()


def people(n: int, proxy: str, seed: int = 0) -> tuple[pd.DataFrame, pd.Series[Any], Any, Any]:
    """Return proxies, groups, labels and decisions; a region tells the group exactly, partly or not at all."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    region = {
        "exact": group,
        "partly": np.where(rng.random(n) < 0.8, group, rng.choice(["a", "b", "c"], n)),
        "useless": rng.choice(["x"], n),
    }[proxy]
    y = (rng.random(n) < 0.5).astype(int)
    d = (rng.random(n) < 0.3 + 0.2 * y + 0.15 * (group == "a")).astype(int)
    return pd.DataFrame({"region": region}), pd.Series(group, name="origin"), y, d


def test_a_proxy_that_determines_the_group_leaves_no_doubt() -> None:
    X, group, y, d = people(3000, "exact")
    found = MissingGroupBounds(n_boot=20).evaluate(y, d, sensitive_features=group, X=X)["by_attribute"][
        "origin"
    ]
    for name, at in group.groupby(group).groups.items():
        for rate, rows in (("selection_rate", at), ("true_positive_rate", at[y[at] == 1])):
            figure = found["by_group"][name][rate]
            assert figure["observed"] == pytest.approx(d[rows].mean())
            assert [figure[k] for k in ("lower", "upper", "if_independent")] == pytest.approx(
                [d[rows].mean()] * 3
            )


def test_a_useless_proxy_leaves_the_bounds_of_frechet() -> None:
    X, group, y, d = people(3000, "useless")
    found = MissingGroupBounds(n_boot=20).evaluate(y, d, sensitive_features=group, X=X)["by_attribute"][
        "origin"
    ]
    r = d.mean()
    for name, figures in found["by_group"].items():
        w = (group == name).mean()
        assert figures["selection_rate"]["lower"] == pytest.approx(max(0, w + r - 1) / w)
        assert figures["selection_rate"]["upper"] == pytest.approx(min(w, r) / w)
        assert figures["selection_rate"]["if_independent"] == pytest.approx(r)


@pytest.mark.parametrize("seed", range(5))
def test_the_truth_of_the_rows_without_group_is_inside(seed: int) -> None:
    X, group, y, d = people(6000, "partly", seed)
    hidden = np.arange(6000) < 4000
    given = group.where(~hidden)
    found = MissingGroupBounds(n_boot=200).evaluate(y, d, sensitive_features=given, X=X)["by_attribute"][
        "origin"
    ]
    assert found["rows"] == 4000
    truth = {g: d[hidden & (group == g)].mean() for g in "abc"}
    assert found["reference"] == "a"
    for g in "bc":
        figure = found["differences"][g]["selection_rate"]
        assert (
            figure["interval"][0]
            <= figure["lower"]
            <= truth[g] - truth["a"]
            <= figure["upper"]
            <= figure["interval"][1]
        )
        assert abs(figure["if_independent"]) < abs(truth[g] - truth["a"])  # the usual estimate hides a part
        assert "observed" not in figure


@pytest.mark.data
def test_adult_proxies_of_sex_and_race_bound_what_is_recorded(adult: pd.DataFrame) -> None:
    rows = adult[:8000]
    X = rows[["relationship", "marital-status", "occupation", "native-country"]]
    d = (rows["education-num"] > 10).to_numpy().astype(int)
    y = (rows["income"] == ">50K").to_numpy().astype(int)
    found = MissingGroupBounds(n_boot=50).evaluate(y, d, sensitive_features=rows[["sex", "race"]], X=X)
    for view in found["by_attribute"].values():
        for figures in view["by_group"].values():
            for rate in ("selection_rate", "true_positive_rate", "false_positive_rate"):
                f = figures[rate]
                assert f["lower"] - 1e-9 <= f["observed"] <= f["upper"] + 1e-9
    sex = found["by_attribute"]["sex"]["by_group"]["Female"]["selection_rate"]
    assert sex["upper"] - sex["lower"] < 0.4  # relationship tells the sex of the married


def test_weights_are_repeated_rows() -> None:
    X, group, y, d = people(1500, "partly")
    weights = np.random.default_rng(1).integers(1, 4, 1500)
    at = np.repeat(np.arange(1500), weights)
    bounds = MissingGroupBounds(n_boot=5)
    one = bounds.evaluate(y, d, sensitive_features=group, X=X, sample_weight=weights)
    other = bounds.evaluate(y[at], d[at], sensitive_features=group.iloc[at], X=X.iloc[at])
    for g in "abc":
        figures = [r["by_attribute"]["origin"]["by_group"][g]["true_positive_rate"] for r in (one, other)]
        assert figures[0]["lower"] == pytest.approx(figures[1]["lower"])
        assert figures[0]["upper"] == pytest.approx(figures[1]["upper"])


def test_what_it_refuses() -> None:
    X, group, y, d = people(300, "partly")
    bounds = MissingGroupBounds(n_boot=5)
    with pytest.raises(InsufficientDataError, match="no row has a value of origin"):
        bounds.evaluate(y, d, sensitive_features=group.where(group == "z"), X=X)
    with pytest.raises(DataError, match="all rows with a value of origin are of the group 'a'"):
        bounds.evaluate(y, d, sensitive_features=group.where(group == "a"), X=X)
    with pytest.raises(UnknownNameError, match="no feature is called 'town'"):
        MissingGroupBounds(features=["town"]).evaluate(y, d, sensitive_features=group, X=X)
