"""Causal database repair against the definition of independent coupling, and instance weighting as its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import InsufficientDataError, UnknownNameError
from fairmend.plugins.datasets import bank
from fairmend.plugins.preprocessing import CausalDatabaseRepair, InstanceWeighting


def information(y: Any, i: Any, a: Any, weights: Any) -> float:
    """Return I(Y; I | A) from its definition, stratum by stratum."""
    table = pd.DataFrame({"y": y, "i": i, "a": a, "w": weights / weights.sum()})
    total = 0.0
    for _, rows in table.groupby("a"):
        joint = rows.groupby(["y", "i"])["w"].sum()
        of_y, of_i = rows.groupby("y")["w"].sum(), rows.groupby("i")["w"].sum()
        for (label, value), p in joint[joint > 0].items():
            total += p * np.log(p * rows["w"].sum() / (of_y[label] * of_i[value]))
    return total


@pytest.fixture(scope="module")
def admissions(compas: pd.DataFrame) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    """COMPAS with few values: charge and prior offences may explain the outcome, sex and race may not."""
    rows = compas[compas["race"].isin(["African-American", "Caucasian"])]
    X = rows[["c_charge_degree", "age_cat"]].assign(
        priors=(rows["priors_count"] > 2).map({True: "more", False: "few"})
    )
    return X, (rows["two_year_recid"] == 0).to_numpy().astype(int), rows[["sex", "race"]]


@pytest.mark.data
@pytest.mark.parametrize("admissible", [["priors"], ["c_charge_degree"]])
@pytest.mark.parametrize("inadmissible", [[], ["age_cat"]])
def test_labels_become_independent_and_both_joint_distributions_stay(
    admissions: Any, admissible: list[str], inadmissible: list[str]
) -> None:
    X, y, people = admissions
    repair = CausalDatabaseRepair(admissible, inadmissible, method="weights")
    w = repair.change(X, y, sensitive_features=people).sample_weight
    a = X[admissible].agg("/".join, axis=1).to_numpy()
    i = pd.concat([people, X[inadmissible]], axis=1).agg("/".join, axis=1).to_numpy()
    ones = np.ones(len(y))
    assert repair.diagnostics_["dependence_before"] == pytest.approx(information(y, i, a, ones))
    assert information(y, i, a, ones) > 0.003
    assert information(y, i, a, w) == pytest.approx(0, abs=1e-12)
    for margin in ([a, y], [a, i]):
        kept = pd.DataFrame({"w": w, "one": 1.0}).groupby(margin).sum()
        np.testing.assert_allclose(kept["w"], kept["one"], rtol=1e-10)


@pytest.mark.data
@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_with_nothing_admissible_it_is_instance_weighting(admissions: Any, strength: float) -> None:
    X, y, people = admissions
    ours = (
        CausalDatabaseRepair(method="weights", strength=strength)
        .change(X, y, sensitive_features=people)
        .sample_weight
    )
    full = InstanceWeighting().change(X, y, sensitive_features=people).sample_weight
    np.testing.assert_allclose(ours, 1 - strength + strength * full, rtol=1e-12)


def test_a_difference_that_the_department_explains_is_left_alone() -> None:
    # Simpson: within each department men and women are admitted alike, overall women are admitted less
    cells = [("easy", "m", 1, 60), ("easy", "m", 0, 30), ("easy", "f", 1, 20), ("easy", "f", 0, 10)]
    cells += [("hard", "m", 1, 10), ("hard", "m", 0, 40), ("hard", "f", 1, 30), ("hard", "f", 0, 120)]
    rows = pd.DataFrame([c[:3] for c in cells for _ in range(c[3])], columns=["department", "sex", "y"])
    explained = CausalDatabaseRepair(["department"], method="weights").change(
        rows[["department"]], rows["y"], sensitive_features=rows["sex"]
    )
    np.testing.assert_allclose(explained.sample_weight, 1, rtol=1e-12)
    enforced = CausalDatabaseRepair(method="weights").change(
        rows[["department"]], rows["y"], sensitive_features=rows["sex"]
    )
    assert enforced.sample_weight[rows["sex"] == "f"].max() > 1.2


@pytest.mark.data
def test_rows_are_repeated_removed_and_inserted_to_the_nearest_whole_number(admissions: Any) -> None:
    X, y, people = admissions
    repair = CausalDatabaseRepair(["priors", "c_charge_degree"], ["age_cat"], method="rows", random_state=1)
    change = repair.change(X, y, sensitive_features=people)
    a = change.X[["priors", "c_charge_degree"]].agg("/".join, axis=1).to_numpy()
    i = pd.concat([change.sensitive_features, change.X[["age_cat"]]], axis=1).agg("/".join, axis=1).to_numpy()
    assert information(change.y, i, a, np.ones(len(a))) < 0.1 * repair.diagnostics_["dependence_before"]
    assert abs(len(a) - len(y)) < 60
    before = pd.concat([X, people], axis=1).assign(y=y)
    keys = [*X.columns, *people.columns, "y"]
    counts = before.pivot_table(index=keys[:-1], columns="y", aggfunc="size", fill_value=0)
    of_stratum = counts.groupby(["priors", "c_charge_degree"]).transform("sum")
    target = of_stratum.mul(counts.sum(axis=1), axis=0).div(of_stratum.sum(axis=1), axis=0)
    wanted = target.melt(ignore_index=False).set_index("y", append=True)["value"]
    drawn = (
        pd.concat([change.X, change.sensitive_features], axis=1)
        .assign(y=change.y)
        .value_counts(keys, sort=False)
    )
    assert (drawn.reindex(wanted.index, fill_value=0) - wanted).abs().max() <= 0.5 + 1e-9
    copied = change.origin >= 0
    pd.testing.assert_frame_equal(
        change.X[copied].reset_index(drop=True), X.iloc[change.origin[copied]].reset_index(drop=True)
    )
    assert (change.y[copied] == y[change.origin[copied]]).all()


def test_a_combination_without_rows_is_refused_by_weights_and_inserted_as_rows() -> None:
    X = pd.DataFrame({"job": ["a"] * 60 + ["b"] * 60})
    sex = np.tile(["f", "m"], 60)
    y = np.where((X["job"] == "a") & (sex == "f"), 0, np.arange(120) // 2 % 2)
    with pytest.raises(InsufficientDataError, match=r"1 combination .*method='rows'"):
        CausalDatabaseRepair(["job"], method="weights").change(X, y, sensitive_features=sex)
    repair = CausalDatabaseRepair(["job"], method="rows")
    change = repair.change(X, y, sensitive_features=sex)
    made = change.origin == -1
    assert (
        repair.diagnostics_["inserted"] == made.sum() == 8
    )  # 30 women of job a, 15 of 60 labels favorable: 7.5
    assert (change.y[made] == 1).all()
    assert set(change.X["job"][made]) == {"a"}
    assert set(change.sensitive_features.iloc[:, 0][made]) == {"f"}


def test_declared_proxies_are_inadmissible_and_numbers_are_cut() -> None:
    loans = bank(4000)
    X, y, gender = loans[["income", "zip_code", "credit_score"]], loans["approved"], loans["gender"]
    by_role = CausalDatabaseRepair(["income"], bins=2, method="weights")
    by_name = CausalDatabaseRepair(["income"], ["credit_score"], bins=2, method="weights")
    w = by_role.change(X, y, sensitive_features=gender, proxies=["credit_score"]).sample_weight
    np.testing.assert_array_equal(w, by_name.change(X, y, sensitive_features=gender).sample_weight)
    high = np.where(X["income"] > np.quantile(X["income"], 0.5, method="inverted_cdf"), "high", "low")
    credit = (X["credit_score"] > np.quantile(X["credit_score"], 0.5, method="inverted_cdf")).astype(str)
    assert information(y, gender + credit, high, w) == pytest.approx(0, abs=1e-12)
    with pytest.raises(UnknownNameError, match="no feature is called 'pay'"):
        CausalDatabaseRepair(["pay"]).change(X, y, sensitive_features=gender)


def test_weights_are_repeated_rows() -> None:
    loans = bank(2000)
    X, y, gender = loans[["income", "loan_amount"]], loans["approved"].to_numpy(), loans["gender"]
    weights = np.random.default_rng(1).integers(1, 4, 2000)
    at = np.repeat(np.arange(2000), weights)
    repair = CausalDatabaseRepair(["income"], method="weights")
    one = repair.change(X, y, sensitive_features=gender, sample_weight=weights).sample_weight / weights
    other = repair.change(X.iloc[at], y[at], sensitive_features=gender.iloc[at]).sample_weight
    np.testing.assert_allclose(np.repeat(one, weights), other, rtol=1e-10)
