"""The one-pass linear system against statsmodels, which decomposes the data anew each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from fairmend.core.algorithms import least_squares
from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.errors import (
    DataError,
    InsufficientDataError,
    MissingColumnError,
    UnknownNameError,
    UsageError,
)


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    area = rng.integers(0, 30, n)
    a = rng.normal(size=n) + 0.1 * area
    b = 2000 + rng.normal(size=n) + 0.5 * a
    race = np.array(["White", "Black", "Hispanic", "Asian"])[rng.integers(0, 4, n)]
    y = a - 0.5 * b + (race == "Black") * 0.7 + 0.2 * area + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "a": a, "b": b, "race": race, "area": [f"z{i:02}" for i in area]})
    return frame.assign(flag=frame["a"] > 0, twice=2 * frame["a"] - 3 * frame["b"])


@pytest.mark.parametrize("absorb", [None, "area"])
@pytest.mark.parametrize("outcome", ["y", "flag"])
def test_regression_agrees_with_statsmodels(frame: pd.DataFrame, outcome: str, absorb: str | None) -> None:
    terms = ["b", "race"] + ([] if absorb else ["area"])
    system = LinearSystem.from_frame(frame, [outcome, *terms], absorb=absorb)
    fit = system.regress(outcome, terms)
    oracle = smf.ols(f"{outcome} ~ b + race + area", data=frame.assign(flag=frame["flag"] * 1.0)).fit()
    assert fit.dof == oracle.df_resid
    assert fit.rss == pytest.approx(oracle.ssr, rel=1e-10)
    for ours, theirs in [("b", "b"), ("race[Black]", "race[T.Black]"), ("race[White]", "race[T.White]")]:
        assert fit.coefficients[ours].estimate == pytest.approx(oracle.params[theirs], rel=1e-8)
        assert fit.coefficients[ours].std_error == pytest.approx(oracle.bse[theirs], rel=1e-8)
        assert fit.coefficients[ours].t_value == pytest.approx(oracle.tvalues[theirs], rel=1e-8)


def test_blocks_of_rows_change_nothing(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LinearSystem.from_frame(frame, ["y", "a", "race"]).regress("y", ["a", "race"])
    monkeypatch.setattr(least_squares, "_CHUNK", 50)
    parts = LinearSystem.from_frame(frame, ["y", "a", "race"]).regress("y", ["a", "race"])
    assert parts.coefficients["a"].estimate == pytest.approx(whole.coefficients["a"].estimate, rel=1e-12)
    assert parts.rss == pytest.approx(whole.rss, rel=1e-12)


@pytest.mark.parametrize("of", [["a"], ["race"], ["a", "race"]])
def test_partial_r2_of_one_column_or_several(frame: pd.DataFrame, of: list[str]) -> None:
    system = LinearSystem.from_frame(frame, ["y", "a", "b", "race"])
    small = smf.ols("y ~ b", data=frame).fit()
    large = smf.ols(f"y ~ b + {' + '.join(of)}", data=frame).fit()
    assert system.partial_r2("y", of, ["b"]) == pytest.approx(1 - large.ssr / small.ssr, rel=1e-9)


def test_dependent_columns_are_dropped_and_named(frame: pd.DataFrame) -> None:
    # three copies in a small system: an arbitrary direction for a lost column must not cost another one
    copied = frame.assign(again=frame["a"], shifted=frame["a"] + 5)
    names = ["a", "again", "shifted", "twice", "b"]
    fit = LinearSystem.from_frame(copied, ["y", *names]).regress("y", names)
    oracle = smf.ols("y ~ a + twice", data=frame).fit()
    assert fit.dropped == ("again", "shifted", "b")
    assert fit.dof == oracle.df_resid
    assert fit.coefficients["a"].estimate == pytest.approx(oracle.params["a"], rel=1e-6)
    by_group = LinearSystem.from_frame(
        copied.assign(level=copied.groupby("area")["a"].transform("mean")), ["y", "a", "level"], absorb="area"
    )
    assert by_group.regress("y", ["level", "a"]).dropped == ("level",)
    assert np.isnan(by_group.partial_r2("level", "a", []))


def test_residual_products(frame: pd.DataFrame) -> None:
    system = LinearSystem.from_frame(frame, ["a", "b", "race", "flag"])
    products, owners, dof = system.residual_products(["a", "race"], ["b", "flag"])
    left = np.column_stack(
        [
            smf.ols("target ~ b + flag", data=frame.assign(target=target)).fit().resid
            for target in (frame["a"], *(1.0 * (frame["race"] == r) for r in ("Black", "Hispanic", "White")))
        ]
    )
    np.testing.assert_allclose(products, left.T @ left, atol=1e-8)
    assert owners == [0, 1, 1, 1]
    assert dof == len(frame) - 3


def test_planted_errors(frame: pd.DataFrame) -> None:
    system = LinearSystem.from_frame(frame, ["y", "a", "race"])
    with pytest.raises(MissingColumnError, match="no column is called 'rase'; did you mean race"):
        LinearSystem.from_frame(frame, ["rase"])
    with pytest.raises(DataError, match=r"'a' must be finite .* got 2 missing"):
        LinearSystem.from_frame(frame.assign(a=frame["a"].where(frame.index > 1)), ["a"])
    with pytest.raises(UnknownNameError, match="'b'"):
        system.regress("y", ["b"])
    with pytest.raises(UsageError, match="numeric or have two levels; 'race' has 4"):
        system.regress("race", ["a"])
    with pytest.raises(UsageError, match="'y' cannot be explained by a regression on itself"):
        system.regress("y", ["a", "y"])
    with pytest.raises(InsufficientDataError, match=r"5 parameters .* got 5"):
        LinearSystem.from_frame(
            frame.groupby("race").head(1).iloc[[0, 1, 2, 3, 0]].assign(a=[1.0, 2, 4, 8, 9]),
            ["y", "a", "race"],
        ).regress("y", ["a", "race"])
