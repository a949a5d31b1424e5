"""The audit of Adult, COMPAS and German Credit against published figures and known structure."""

from __future__ import annotations

import pandas as pd
import pytest

from fairmend.auditing import audit
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Audit, Finding

pytestmark = pytest.mark.data
RAISED = {"low", "medium", "high"}


def find(record: Audit, kind: str, attribute: str | None, column: str | None = None) -> Finding:
    (found,) = (
        f
        for f in record.findings
        if f.kind == kind and f.value is not None and (f.attribute, f.column) == (attribute, column)
    )
    return found


@pytest.fixture(scope="module")
def adult_record(adult: pd.DataFrame) -> Audit:
    roles = Roles(
        outcome="income",
        favorable=">50K",
        protected=("sex",),
        mediators=("marital-status", "education-num", "occupation", "hours-per-week"),
        ignored=("fnlwgt",),
    )
    return audit(Dataset.from_frame(adult, roles))


def test_adult_rates_and_disparities(adult_record: Audit, adult: pd.DataFrame) -> None:
    shares = (adult.income == ">50K").groupby(adult.sex).mean()
    rates = adult_record.measures["sex"]["base_rate"]["by_group"]
    assert {g: r["value"] for g, r in rates.items()} == pytest.approx(shares.to_dict())
    assert adult_record.measures["sex"]["base_rate"]["value"] == pytest.approx(0.2408, abs=5e-5)
    assert adult_record.measures["sex"]["accuracy"]["value"] > 0.86
    gap = find(adult_record, "outcome-disparity", "sex")
    assert (gap.severity, gap.group, gap.reference) == ("high", "Female", "Male")
    assert gap.value == pytest.approx(0.33, abs=0.03)
    base = find(adult_record, "base-rate-difference", "sex")
    assert base.value == pytest.approx(shares["Male"] - shares["Female"])
    assert base.severity == "medium"
    assert find(adult_record, "error-rate-disparity", "sex").severity in RAISED


def test_adult_mediators_and_proxies(adult_record: Audit) -> None:
    marital = find(adult_record, "biased-mediator", "sex", "marital-status")
    assert marital.severity == "high"
    assert marital.value is not None
    assert marital.value > 0.6 * 0.196
    assert find(adult_record, "biased-mediator", "sex", "hours-per-week").severity in RAISED
    assert find(adult_record, "biased-mediator", "sex", "education-num").severity == "none"
    relationship = find(adult_record, "proxy-variable", "sex", "relationship")
    assert relationship.severity == "high"
    assert relationship.value is not None
    assert relationship.value > 0.85
    together = find(adult_record, "proxy-variable", "sex")
    assert together.value is not None
    assert together.value > relationship.value


def test_compas_labels_reproduce_the_published_rates(compas: pd.DataFrame) -> None:
    features = ["sex", "age", "race", "juv_fel_count", "priors_count", "c_charge_degree", "two_year_recid"]
    roles = Roles(outcome="two_year_recid", favorable=0, protected=("race",))
    high_risk = (compas.decile_score >= 5).astype(int)
    data = Dataset.from_frame(compas[features], roles)
    record = audit(data, predictions=1 - high_risk)
    by_group = {
        name: record.measures["race"][name]["by_group"]
        for name in ("base_rate", "true_positive_rate", "false_positive_rate")
    }
    recidivism = {g: 1 - r["value"] for g, r in by_group["base_rate"].items()}
    published = {"African-American": 0.5143, "Caucasian": 0.3936, "Asian": 0.2812, "Other": 0.3528}
    assert {g: recidivism[g] for g in published} == pytest.approx(published, abs=5e-5)
    # a false positive of "high risk" is a person who was wrongly denied the favorable decision
    denied = {g: 1 - by_group["true_positive_rate"][g]["value"] for g in ("African-American", "Caucasian")}
    missed = {g: by_group["false_positive_rate"][g]["value"] for g in ("African-American", "Caucasian")}
    assert denied == pytest.approx({"African-American": 0.4485, "Caucasian": 0.2345}, abs=5e-5)
    assert missed == pytest.approx({"African-American": 0.2799, "Caucasian": 0.4772}, abs=5e-5)
    errors = find(record, "error-rate-disparity", "race")
    assert (errors.severity, errors.group) == ("medium", "African-American") or errors.severity == "high"
    priors = find(record, "biased-mediator", "race", "priors_count")
    assert (priors.group, priors.reference) == ("African-American", "Caucasian")
    assert priors.severity in RAISED
    small = [
        f for f in record.findings if f.severity == "insufficient evidence" and f.kind == "outcome-disparity"
    ]
    assert [(f.group, f.support) for f in small] == [("Native American", 18)]


def test_compas_leaks_and_dates_are_noted(compas: pd.DataFrame) -> None:
    roles = Roles(outcome="two_year_recid", favorable=0, protected=("race",))
    columns = ["is_recid", "priors_count", "c_jail_in", "race", "two_year_recid"]
    record = audit(Dataset.from_frame(compas[columns], roles), learner=None, n_boot=300)
    leaks = [note for note in record.notes if "almost perfectly" in note]
    assert any(note.startswith("is_recid ") for note in leaks)
    assert not any(note.startswith("priors_count ") for note in leaks)
    assert any(note.startswith("c_jail_in contains dates") for note in record.notes)
    assert "is_recid" not in {f.column for f in record.findings if f.kind == "biased-mediator"}


def test_german_age(german: pd.DataFrame) -> None:
    roles = Roles(
        outcome="credit", favorable=1, protected=("age",), cuts={"age": (25,)}, ignored=("age_group",)
    )
    record = audit(Dataset.from_frame(german, roles))
    rates = record.measures["age"]["base_rate"]["by_group"]
    assert {g: r["value"] for g, r in rates.items()} == pytest.approx(
        {"<=25": 0.5789, ">25": 0.7284}, abs=5e-5
    )
    assert record.groups == {"<=25": 190, ">25": 810}
    base = find(record, "base-rate-difference", "age")
    assert (base.severity, base.group, base.support) == ("low", "<=25", 190)
    assert find(record, "proxy-variable", "age").severity in RAISED
