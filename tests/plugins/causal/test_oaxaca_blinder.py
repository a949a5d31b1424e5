"""The Oaxaca-Blinder decomposition against statsmodels and Stata, and on the bank."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.datasets.ccard.data as credit_card
from statsmodels.stats.oaxaca import OaxacaBlinder as StatsmodelsOaxaca

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import ParameterError, UnknownNameError
from fairmend.plugins.causal import OaxacaBlinder
from fairmend.plugins.datasets import bank

TWOFOLD = ("difference", "explained", "unexplained")
THREEFOLD = ("endowments", "coefficients", "interaction")
STATA = {"difference": 158.7504, "explained": 130.8095, "unexplained": 27.94091,
         "endowments": 321.7482, "coefficients": 75.45371, "interaction": -238.4515}  # fmt: skip
"""Results of the command oaxaca, pooled, on the credit card data that come with statsmodels."""


def parts(contrast: dict[str, Any], names: tuple[str, ...] = (*TWOFOLD, *THREEFOLD)) -> dict[str, float]:
    return {name: contrast[name]["estimate"] for name in names}


def one(technique: OaxacaBlinder, frame: pd.DataFrame, **roles: Any) -> dict[str, Any]:
    """Return the only contrast of a frame with the columns y and group."""
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), **roles))
    (contrast,) = technique.analyze(data).result["contrasts"]
    return contrast


def synthetic(n: int, seed: int, *, returns: float = 0.5, noise: float = 1.0) -> pd.DataFrame:
    """Return an outcome that rewards x by 2 in group a and by ``returns`` less in group b."""
    rng = np.random.default_rng(seed)
    b = np.arange(n) % 3 == 0
    x = rng.normal(size=n) - 0.6 * b
    y = 1 + (2 - returns * b) * x + noise * rng.normal(size=n) * (1 + b)
    return pd.DataFrame({"group": np.where(b, "b", "a"), "x": x, "z": rng.integers(0, 3, n), "y": y})


def test_reproduces_the_numbers_of_stata() -> None:
    frame = credit_card.load_pandas().data.rename(columns={"AVGEXP": "y", "OWNRENT": "group"})
    contrast = one(OaxacaBlinder(coefficients="pooled", min_support=20), frame, task="regression")
    assert (contrast["group"], contrast["reference"]) == ("1", "0")
    assert parts(contrast) == pytest.approx(STATA, rel=1e-5)


@pytest.mark.data
@pytest.mark.parametrize(
    ("coefficients", "of_statsmodels"),
    [("pooled", {}), ("neumark", {"two_fold_type": "nuemark"}), ("reimers", {"two_fold_type": "reimers"}),
     ("cotton", {"two_fold_type": "cotton"}),
     ("group", {"two_fold_type": "self_submitted", "submitted_weight": 1.0}),
     ("reference", {"two_fold_type": "self_submitted", "submitted_weight": 0.0})],
)  # fmt: skip
def test_agrees_with_statsmodels_on_adult(
    adult: pd.DataFrame, coefficients: str, of_statsmodels: dict[str, Any]
) -> None:
    frame = adult[["sex", "race", "age", "education-num", "hours-per-week"]].iloc[:5000]
    frame = frame.assign(employer=np.where(adult["workclass"].iloc[:5000] == "Private", "private", "other"))
    roles = Roles(outcome="hours-per-week", protected=("sex", "race"), task="regression")
    data = Dataset.from_frame(frame, roles)
    found = OaxacaBlinder(coefficients=coefficients).analyze(data).result["contrasts"]
    assert len(found) == 1 + 4
    exog = data.X.assign(employer=(data.X["employer"] == "private").astype(float), const=1.0)
    for contrast in found:
        attribute, group, reference = (contrast[key] for key in ("attribute", "group", "reference"))
        pair = data.sensitive[attribute].isin([group, reference]).to_numpy()
        # statsmodels subtracts the mean at the higher value of the indicator from that at the lower
        both = exog[pair].assign(of_reference=(data.sensitive[attribute] == reference).astype(float))
        model = StatsmodelsOaxaca(data.y[pair], both, "of_reference", swap=False)
        unexplained, explained, difference = model.two_fold(**of_statsmodels).params
        expected = {"difference": difference, "explained": explained, "unexplained": unexplained}
        assert parts(contrast, TWOFOLD) == pytest.approx(expected, abs=1e-8)
        endowments, returns, interaction, _ = model.three_fold().params
        expected = {"endowments": endowments, "coefficients": returns, "interaction": interaction}
        assert parts(contrast, THREEFOLD) == pytest.approx(expected, abs=1e-8)


def test_standard_errors_agree_with_the_bootstrap() -> None:
    frame, rng, drawn = synthetic(600, 0), np.random.default_rng(1), []
    contrast = one(OaxacaBlinder(), frame, task="regression")
    for _ in range(150):
        again = frame.iloc[rng.integers(0, len(frame), len(frame))]
        drawn.append(parts(one(OaxacaBlinder(), again, task="regression")))
    spread = pd.DataFrame(drawn).std()
    for name in (*TWOFOLD, *THREEFOLD):
        assert contrast[name]["se"] == pytest.approx(spread[name], rel=0.25)


def test_contributions_add_up_whatever_level_of_a_text_is_omitted() -> None:
    frame = synthetic(900, 2).assign(
        job=lambda f: np.where(f["x"] > 0.5, "clerk", np.where(f["z"] > 1, "nurse", "guard"))
    )
    contrast = one(OaxacaBlinder(), frame, task="regression")
    contributions = parts(contrast["contributions"], ("x", "z", "job"))
    assert sum(contributions.values()) == pytest.approx(contrast["explained"]["estimate"], abs=1e-10)
    renamed = frame.replace({"job": {"clerk": "zookeeper"}})
    again = one(OaxacaBlinder(), renamed, task="regression")
    assert parts(again["contributions"], ("x", "z", "job")) == pytest.approx(contributions, abs=1e-10)


def test_equal_returns_leave_nothing_unexplained() -> None:
    contrast = one(OaxacaBlinder(), synthetic(300, 3, returns=0.0, noise=0.0), task="regression")
    assert contrast["unexplained"]["estimate"] == pytest.approx(0, abs=1e-10)
    assert contrast["explained"]["estimate"] == pytest.approx(contrast["difference"]["estimate"])
    assert contrast["difference"]["estimate"] < -1


def test_sample_weights_act_as_repeated_rows() -> None:
    frame = synthetic(400, 4).assign(w=lambda f: 1 + f["z"])
    weighted = one(OaxacaBlinder(coefficients="cotton"), frame, task="regression", weights="w")
    repeated = frame.drop(columns="w").iloc[np.repeat(np.arange(400), frame["w"])]
    assert parts(weighted) == pytest.approx(
        parts(one(OaxacaBlinder(coefficients="cotton"), repeated, task="regression")), abs=1e-9
    )


def test_intervals_cover_the_parts_of_the_whole_bank() -> None:
    technique = OaxacaBlinder(features=["income", "credit_score", "employment_history"])
    roles = Roles(outcome="approved", protected=("race",))

    def decomposed(n: int, seed: int) -> dict[str, dict[str, Any]]:
        data = Dataset.from_frame(bank(n, random_state=seed).drop(columns="application_id"), roles)
        return {contrast["group"]: contrast for contrast in technique.analyze(data).result["contrasts"]}

    truth, missed = decomposed(200_000, 99), 0
    for seed in range(15):
        for group, contrast in decomposed(1500, seed).items():
            for name in TWOFOLD:
                low, high = contrast[name]["interval"]
                missed += not low <= truth[group][name]["estimate"] <= high
    assert truth["Black"]["unexplained"]["estimate"] < -0.05
    assert missed <= 0.1 * 15 * 3 * len(TWOFOLD)


def test_small_groups_missing_numbers_and_outcomes_of_two_values() -> None:
    frame = synthetic(400, 5).assign(y=lambda f: (f["y"] > 0).astype(int))
    frame["group"] = np.where(np.arange(400) < 10, "c", frame["group"])
    frame["x"] = frame["x"].where(np.arange(400) % 7 > 0)
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",)))
    result = OaxacaBlinder().analyze(data).result
    b, c = result["contrasts"]
    assert c["status"] == "insufficient evidence"
    assert c["difference"] is None
    rates = frame.groupby("group")["y"].mean()
    assert b["difference"]["estimate"] == pytest.approx(rates["b"] - rates["a"])
    assert "imputed by the median" in result["notes"]["x"]
    assert result["text"].startswith("Clearest of 2 differences: b against a")
    json.dumps(result, allow_nan=False)


def test_columns_that_the_reference_group_lacks_are_extrapolated_and_said_so() -> None:
    frame = synthetic(300, 6).assign(
        level=lambda f: np.where((f["group"] == "b") & (f["z"] == 0), "own", "both")
    )
    contrast = one(OaxacaBlinder(), frame, task="regression")
    b = frame[frame["group"] == "b"]
    inside = b["x"].between(*frame.loc[frame["group"] == "a", "x"].agg(["min", "max"]))
    assert contrast["outside_support"] == pytest.approx(1 - (inside & (b["level"] == "both")).mean())


@pytest.mark.parametrize("own", ["absent", "own", "zero"])
def test_a_level_that_one_row_of_the_reference_group_has_is_no_support(own: str) -> None:
    # the levels are both, other and this one, so that each place in their order has its turn, the omitted first one too
    frame = synthetic(900, 8).assign(level=lambda f: np.where(f["z"] == 2, "other", "both"))
    frame.loc[(frame["group"] == "b") & (frame["z"] == 0), "level"] = own
    frame.loc[frame.index[frame["group"] == "a"][0], "level"] = own
    contrast = one(OaxacaBlinder(features=["level"]), frame, task="regression")
    assert contrast["outside_support"] == pytest.approx((frame.loc[frame["group"] == "b", "z"] == 0).mean())
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), task="regression"))
    text = OaxacaBlinder(features=["level"]).analyze(data).result["text"]
    assert f"{contrast['outside_support']:.1%} of the rows are extrapolated to" in text


def test_refuses_unknown_names() -> None:
    data = Dataset.from_frame(synthetic(200, 0), Roles(outcome="y", protected=("group",), task="regression"))
    with pytest.raises(UnknownNameError, match="feature"):
        OaxacaBlinder(features=["xx"]).analyze(data)
    with pytest.raises(UnknownNameError, match="group of group"):
        OaxacaBlinder(reference={"group": "d"}).analyze(data)
    with pytest.raises(ParameterError, match="coefficients"):
        OaxacaBlinder.with_parameters(coefficients="oaxaca")


def test_copies_of_a_row_are_one_unit() -> None:
    frame = synthetic(300, 7)
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",), task="regression"))
    twice = replace(data.take(np.repeat(np.arange(300), 2)), units=np.repeat(np.arange(300), 2))
    (alone,) = OaxacaBlinder().analyze(data).result["contrasts"]
    (copied,) = OaxacaBlinder().analyze(twice).result["contrasts"]
    assert copied["unexplained"]["se"] == pytest.approx(alone["unexplained"]["se"])
