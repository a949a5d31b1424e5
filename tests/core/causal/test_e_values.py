"""E-values and risk ratios: the paper's examples, laws, and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from fairmend.core.causal.e_values import (
    bias_factor,
    e_value,
    e_value_of_interval,
    risk_ratio,
    risk_ratio_of_difference,
)
from fairmend.core.errors import InsufficientDataError, ParameterError


def test_e_value_of_the_papers_example() -> None:
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert e_value_of_interval(1.8, 8.7) == pytest.approx(3.0, abs=0.005)


def test_e_value_laws() -> None:
    ratios = np.geomspace(1, 50, 200)
    values = e_value(ratios)
    assert values[0] == 1
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(e_value(1 / ratios), values)
    # the bound it solves: a confounder with E both ways can shift a null by E^2 / (2 E - 1)
    np.testing.assert_allclose(values**2 / (2 * values - 1), ratios)
    np.testing.assert_array_equal(e_value_of_interval([0.9, 1.0, 0.2], [1.2, 3.0, 1.0]), 1.0)
    assert e_value_of_interval(0.25, 0.5) == e_value(2.0)


def test_risk_ratio_agrees_with_statsmodels() -> None:
    ours = risk_ratio(670, 1000, 2550, 3000, confidence=0.9)
    table = sm.stats.Table2x2([[670, 330], [2550, 450]])
    assert ours.value == pytest.approx(table.riskratio)
    assert (ours.lower, ours.upper) == pytest.approx(table.riskratio_confint(alpha=0.1))


def test_a_confounder_as_strong_as_the_e_value_explains_the_ratio() -> None:
    for ratio in (1.0, 1.5, 3.9):
        assert bias_factor(e_value(ratio), e_value(ratio)) == pytest.approx(ratio)
    assert bias_factor(1.0, 7.0) == 1
    assert bias_factor(2.0, 3.0) == bias_factor(3.0, 2.0) == 1.5


def test_a_standardized_difference_as_a_risk_ratio() -> None:
    found = risk_ratio_of_difference(0.5, 0.1)
    assert found.value == pytest.approx(np.exp(0.455))
    assert (found.lower, found.upper) == pytest.approx(
        (np.exp(0.455 - 0.178), np.exp(0.455 + 0.178)), rel=1e-3
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: e_value(0), ParameterError, "risk_ratio must be above 0; got 0"),
        (lambda: e_value(float("nan")), ParameterError, "got nan"),
        (lambda: bias_factor(0.5, 2.0), ParameterError, "risk ratios of a confounder must be at least 1"),
        (lambda: risk_ratio_of_difference(1, 1, confidence=1.5), ParameterError, "between 0 and 1; got 1.5"),
        (lambda: e_value_of_interval(2, 1), ParameterError, "not above upper"),
        (lambda: risk_ratio(0, 10, 5, 10), InsufficientDataError, "events in both groups; got 0 of 10"),
        (lambda: risk_ratio(11, 10, 5, 10), ParameterError, "at most the people"),
    ],
)
def test_planted_errors(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
