"""Sensitivity against the papers' numbers, peers and simulation."""

from __future__ import annotations

import contextlib
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sensemakr
import statsmodels.formula.api as smf
from scipy import stats

from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.causal.sensitivity import (
    adjusted_estimate,
    adjusted_std_error,
    benchmark_bounds,
    benchmark_strength,
    omitted_variable_bias,
    partial_r2,
    robustness_value,
)
from fairmend.core.errors import InsufficientDataError, NotFeasibleError, ParameterError

COVARIATES = ["age", "farmer_dar", "herder_dar", "pastvoted", "hhsize_darfur", "female"]


@pytest.fixture(scope="module")
def darfur(data_dir: Path) -> pd.DataFrame:
    return pd.read_csv(data_dir / "darfur" / "darfur.csv")


@pytest.fixture(scope="module")
def system(darfur: pd.DataFrame) -> LinearSystem:
    return LinearSystem.from_frame(darfur, ["peacefactor", "directlyharmed", *COVARIATES], absorb="village")


@pytest.fixture(scope="module")
def darfur_models(darfur: pd.DataFrame) -> tuple[Any, Any]:
    given = f"{' + '.join(COVARIATES)} + village"
    formulas = (f"directlyharmed ~ {given}", f"peacefactor ~ directlyharmed + {given}")
    return tuple(smf.ols(formula, data=darfur).fit() for formula in formulas)  # type: ignore[return-value]


@pytest.mark.data
def test_darfur_numbers_of_the_paper(system: LinearSystem) -> None:
    effect = system.regress("peacefactor", ["directlyharmed", *COVARIATES]).coefficients["directlyharmed"]
    assert effect.dof == 783
    assert effect.estimate == pytest.approx(0.09732, abs=5e-6)
    assert effect.std_error == pytest.approx(0.02326, abs=5e-6)
    assert effect.t_value == pytest.approx(4.18445, abs=5e-6)
    assert partial_r2(effect.t_value, effect.dof) == pytest.approx(0.02187, abs=5e-6)
    assert robustness_value(effect.t_value, effect.dof) == pytest.approx(0.13878, abs=5e-6)
    assert robustness_value(effect.t_value, effect.dof, alpha=0.05) == pytest.approx(0.07626, abs=5e-6)
    assert system.partial_r2(
        "peacefactor", ["directlyharmed", "female"], [c for c in COVARIATES if c != "female"]
    ) == pytest.approx(0.13504, abs=5e-6)


@pytest.mark.data
def test_darfur_bounds_of_the_paper(system: LinearSystem) -> None:
    found = benchmark_bounds(system, "peacefactor", "directlyharmed", COVARIATES, benchmarks=["female"])
    expected = [
        (0.009164, 0.124641, 0.075220, 0.021873, 3.43890),
        (0.018329, 0.249324, 0.052915, 0.020350, 2.60025),
        (0.027493, 0.374050, 0.030396, 0.018670, 1.62806),
    ]
    assert [b.k for b in found] == [1, 2, 3]
    for b, numbers in zip(found, expected, strict=True):
        assert (b.r2dz, b.r2yz, b.estimate, b.std_error) == pytest.approx(numbers[:4], abs=6e-7)
        assert b.t_value == pytest.approx(numbers[4], abs=6e-6)


@pytest.mark.data
@pytest.mark.parametrize("covariate", COVARIATES)
def test_darfur_benchmarks_agree_with_the_peer(
    darfur_models: tuple[Any, Any], system: LinearSystem, covariate: str
) -> None:
    right = [c for c in COVARIATES if c != covariate]
    d_model, y_model = darfur_models
    r2dx, r2yx = (
        sensemakr.partial_r2(t_statistic=m.tvalues[covariate], dof=m.df_resid) for m in (d_model, y_model)
    )
    assert system.partial_r2("directlyharmed", covariate, right) == pytest.approx(r2dx, rel=1e-6)
    assert system.partial_r2("peacefactor", covariate, ["directlyharmed", *right]) == pytest.approx(
        r2yx, rel=1e-6
    )
    found = benchmark_bounds(system, "peacefactor", "directlyharmed", COVARIATES, benchmarks=[covariate])
    peer = sensemakr.ovb_partial_r2_bound(
        r2dxj_x=r2dx, r2yxj_dx=r2yx, benchmark_covariates=[covariate], kd=[1, 2, 3]
    )
    strength = peer[["r2dz_x", "r2yz_dx"]].to_numpy(dtype=float)
    np.testing.assert_allclose([(b.r2dz, b.r2yz) for b in found], strength, rtol=1e-6)
    estimate, se = (float(x["directlyharmed"]) for x in (y_model.params, y_model.bse))
    for b, (r2dz, r2yz) in zip(found, strength, strict=True):
        assert b.estimate == pytest.approx(
            sensemakr.adjusted_estimate(r2dz, r2yz, estimate=estimate, se=se, dof=783), rel=1e-6
        )
        assert b.std_error == pytest.approx(sensemakr.adjusted_se(r2dz, r2yz, se=se, dof=783), rel=1e-6)


def test_a_covariate_of_many_levels_is_one_benchmark() -> None:
    rng = np.random.default_rng(1)
    n = 600
    race = rng.integers(0, 4, n)
    d = 0.1 * race + rng.normal(size=n)
    frame = pd.DataFrame({"race": np.array(list("wbha"))[race], "d": d, "x": rng.normal(size=n)})
    frame["y"] = d + 0.2 * (race == 2) + frame["x"] + rng.normal(size=n)
    rss = {
        f: smf.ols(f, data=frame).fit().ssr
        for f in ("d ~ x", "d ~ x + race", "y ~ d + x", "y ~ d + x + race")
    }
    r2dx, r2yx = (1 - rss[f"{left} + race"] / rss[left] for left in ("d ~ x", "y ~ d + x"))
    system = LinearSystem.from_frame(frame, ["y", "d", "race", "x"])
    (ours,) = benchmark_bounds(system, "y", "d", ["race", "x"], benchmarks=["race"], multiples=[2])
    assert (ours.r2dz, ours.r2yz) == pytest.approx(benchmark_strength(r2dx, r2yx, 2), rel=1e-8)


def test_robustness_value_agrees_with_the_peer_also_for_tiny_dof() -> None:
    t = np.array([0.0, 0.3, 1.9, 2.5, -4.0, 25.0, 300.0])
    for dof, q, alpha in itertools.product([2, 4, 30, 900], [0.5, 1.0, 2.0], [None, 0.01, 0.05, 0.5]):
        with contextlib.redirect_stdout(io.StringIO()):
            peer = sensemakr.robustness_value(
                t_statistic=pd.Series(t), dof=dof, q=q, alpha=1.0 if alpha is None else alpha
            )
        np.testing.assert_allclose(robustness_value(t, dof, q, alpha), peer, atol=1e-9)


@pytest.mark.parametrize("alpha", [None, 0.05])
@pytest.mark.parametrize(("t", "dof"), [(4.2, 783), (-3.0, 40), (8.0, 50)])
def test_a_confounder_of_that_strength_takes_the_estimate_away(
    t: float, dof: int, alpha: float | None
) -> None:
    rv = robustness_value(t, dof, alpha=alpha)
    estimate = adjusted_estimate(t, 1.0, dof, rv, rv)
    if alpha is None:
        assert estimate == pytest.approx(0, abs=1e-9)
    else:
        left = abs(estimate / adjusted_std_error(1.0, dof, rv, rv))
        assert left == pytest.approx(stats.t.ppf(0.975, dof - 1), rel=1e-6)


def test_bias_formula_is_exact_for_a_confounder_that_was_excluded() -> None:
    rng = np.random.default_rng(5)
    n = 300
    x, z = rng.normal(size=(2, n))
    d = 0.4 * x + 0.6 * z + rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "z": z, "d": d, "y": 0.5 * d + x + 0.8 * z + rng.normal(size=n)})
    system = LinearSystem.from_frame(frame, ["x", "z", "d", "y"])
    short = system.regress("y", ["d", "x"]).coefficients["d"]
    full = system.regress("y", ["d", "x", "z"]).coefficients["d"]
    strength = (system.partial_r2("d", "z", ["x"]), system.partial_r2("y", "z", ["d", "x"]))
    assert adjusted_estimate(short.estimate, short.std_error, short.dof, *strength) == pytest.approx(
        full.estimate
    )
    assert adjusted_std_error(short.std_error, short.dof, *strength) == pytest.approx(full.std_error)


def test_bias_of_the_peers_own_test() -> None:
    assert omitted_variable_bias(0.3, 200, 0.5, 0.5) == pytest.approx(
        sensemakr.bias(0.5, 0.5, se=0.3, dof=200)
    )
    assert omitted_variable_bias(3, 200, 0.5, 0.5) == pytest.approx(3 * np.sqrt(200) * np.sqrt(0.5))
    assert adjusted_estimate(-2, 0.1, 100, 0.1, 0.1, reduce=False) < -2
    assert adjusted_estimate(-2, 0.1, 100, 0.1, 0.1) > -2


def test_no_confounder_can_explain_more_than_everything() -> None:
    for arguments in [(0.5, 0.1, 1.0), (0.4, 0.1, 2.0), (0.01, 0.45, 2.0)]:
        with pytest.raises(NotFeasibleError, match="smaller multiple"):
            benchmark_strength(*arguments)
    # twice as strong as x is impossible, once is not: the list says so by what it holds
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    d = x + 1.4 * rng.normal(size=500)
    frame = pd.DataFrame({"x": x, "d": d, "y": d + rng.normal(size=500)})
    found = benchmark_bounds(LinearSystem.from_frame(frame, ["x", "d", "y"]), "y", "d", ["x"])
    assert [b.k for b in found] == [1]


def test_a_treatment_that_its_groups_determine_is_refused() -> None:
    frame = pd.DataFrame({"d": [0, 0, 1, 1], "g": list("aabb"), "y": [1.0, 2, 3, 5]})
    system = LinearSystem.from_frame(frame, ["d", "y"], absorb="g")
    with pytest.raises(InsufficientDataError, match="'d' does not vary"):
        benchmark_bounds(system, "y", "d", [])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: partial_r2(2, 0), ParameterError, "dof must be above 0; got 0"),
        (lambda: robustness_value(2, 10, q=-1), ParameterError, "q must be at least 0; got -1"),
        (lambda: robustness_value(2, 1, alpha=0.05), ParameterError, "above 1 with alpha"),
        (
            lambda: robustness_value(2, 10, alpha=1.5),
            ParameterError,
            "alpha must be between 0 and 1; got 1.5",
        ),
        (
            lambda: omitted_variable_bias(1, 10, 1.0, 0.5),
            ParameterError,
            r"r2dz must be in \[0, 1\); got 1.0",
        ),
        (lambda: omitted_variable_bias(1, 10, 0.5, -0.1), ParameterError, "r2yz must be"),
        (lambda: benchmark_strength(1.0, 0.1), ParameterError, "r2dx must be"),
    ],
)
def test_planted_errors(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
