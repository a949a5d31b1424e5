from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pointbiserialr
from scipy.stats.contingency import association
from sklearn.feature_selection import f_classif

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import NotFeasibleError
from fairmend.plugins.preprocessing import Suppression


def fitted(X: pd.DataFrame, attributes: Any, **parameters: Any) -> Suppression:
    known = {k: parameters.pop(k) for k in ("proxies", "sample_weight") if k in parameters}
    return Suppression(**parameters).fit(X, sensitive_features=attributes, **known)


def by_scipy(column: pd.Series, attribute: pd.Series) -> float:
    """Cramer's V of scipy, or the correlation ratio from the F statistic of scikit-learn."""
    if not pd.api.types.is_numeric_dtype(column):
        return float(association(pd.crosstab(column.fillna("?"), attribute), method="cramer"))
    n, k = len(column), attribute.nunique()
    f = f_classif(column.to_frame(), attribute)[0][0]
    return float(np.sqrt(f * (k - 1) / (f * (k - 1) + n - k)))


@pytest.mark.data
def test_dropped_are_the_features_that_scipy_finds_associated(adult: pd.DataFrame) -> None:
    people = adult.sample(6000, random_state=0)
    X, attributes = people.drop(columns=["sex", "race", "income"]), people[["sex", "race"]]
    expected = {c: max(by_scipy(X[c], attributes[a]) for a in attributes) for c in X}
    for threshold in (0.05, 0.1, 0.2, 0.4, 0.6):
        technique = fitted(X, attributes, threshold=threshold, keep=["age"])
        assert technique.diagnostics_["associations"] == pytest.approx(expected)
        dropped = [c for c in X if expected[c] > threshold and c != "age"]
        assert dropped
        assert technique.dropped_ == dropped
        assert technique.transform(X).columns.tolist() == [c for c in X if c not in dropped]


@pytest.mark.data
def test_equal_to_the_correlation_with_two_groups(compas: pd.DataFrame) -> None:
    X = compas[["age", "priors_count", "juv_fel_count"]]
    told = fitted(X, compas["sex"], threshold=0.9).diagnostics_["associations"]
    expected = {c: abs(pointbiserialr(compas["sex"] == "Male", X[c]).statistic) for c in X}
    assert told == pytest.approx(expected)


@pytest.mark.data
def test_personal_status_of_german_credit_is_a_proxy_of_sex(german: pd.DataFrame) -> None:
    sex = german["personal_status"].isin(["A92", "A95"]).map({True: "female", False: "male"})
    X = german.drop(columns=["credit", "age_group"])
    assert fitted(X, sex).dropped_ == ["personal_status"]


def test_attributes_and_declared_proxies_go_whatever_their_association() -> None:
    rng = np.random.default_rng(0)
    sex = pd.Series(rng.choice(["F", "M"], 500), name="sex")
    X = pd.DataFrame({"sex": sex, "zip": rng.integers(0, 9, 500), "x": rng.normal(size=500)})
    assert fitted(X, sex, threshold=1.0).dropped_ == ["sex"]
    assert fitted(X, sex, threshold=1.0, proxies=["zip"]).dropped_ == ["sex", "zip"]
    assert fitted(X, sex, threshold=1.0, proxies=["zip"], keep="zip").dropped_ == ["sex"]


def test_missing_values_can_be_the_proxy() -> None:
    sex = pd.Series(["F", "M"] * 50, name="sex")
    x = pd.Series(np.arange(100.0) % 7).where(sex == "M")
    letters = pd.Series(["a"] * 100).where(sex == "M", None)
    X = pd.DataFrame({"number": x, "letter": letters, "other": np.arange(100.0) // 2})
    assert fitted(X, sex).dropped_ == ["number", "letter"]


@pytest.mark.data
def test_integer_weights_are_repeated_rows(adult: pd.DataFrame) -> None:
    people = adult.iloc[:2000]
    X, sex = people.drop(columns=["sex", "income"]), people["sex"]
    counts = np.random.default_rng(0).integers(1, 4, len(X))
    rows = np.repeat(np.arange(len(X)), counts)
    weighted = fitted(X, sex, sample_weight=counts.astype(float))
    repeated = fitted(X.iloc[rows], sex.iloc[rows])
    assert weighted.diagnostics_["associations"] == pytest.approx(repeated.diagnostics_["associations"])


def test_constant_features_have_no_association() -> None:
    X = pd.DataFrame({"zero": np.zeros(60), "same": ["a"] * 60, "big": np.full(60, 1e9 + 0.1)})
    told = fitted(X, ["a", "b", "c"] * 20).diagnostics_["associations"]
    assert told == {"zero": 0, "same": 0, "big": 0}


def test_removing_everything_is_refused() -> None:
    sex = pd.Series(["F", "M"] * 50)
    with pytest.raises(NotFeasibleError, match=r"no feature would be left.*above 0\.4.*raise the threshold"):
        fitted(pd.DataFrame({"copy": sex}), sex)


@pytest.mark.data
def test_decisions_do_not_depend_on_what_was_dropped(adult_case: Case, adult_data: Dataset) -> None:
    after, effect = Suppression().run(adult_case)
    assert effect.text == "Removed relationship."
    assert effect.detail["dropped"] == ["relationship"]
    X = adult_case.validation.X
    shuffled = X.assign(relationship=X["relationship"].sample(frac=1, random_state=0).to_numpy())
    model = after.fitted()
    np.testing.assert_array_equal(model.scores(shuffled), model.scores(X))

    def gap(case: Case) -> float:
        women = (case.validation.sensitive["sex"] == "Female").to_numpy()
        score = case.fitted().scores(case.validation.X)
        return float(score[~women].mean() - score[women].mean())

    assert gap(after) < 0.8 * gap(adult_case)


def test_from_the_command_line_the_columns_are_gone(cli: Any, jobs_csv: Path, tmp_path: Path) -> None:
    written = tmp_path / "jobs.csv"
    asked = ["--data", jobs_csv, "--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
    done = cli("technique", "run", "44", *asked, "-p", "threshold=0.2", "-o", written, "--json")
    assert done.code == 0, done.err
    assert "score" not in pd.read_csv(written).columns
    assert done.json["effect"]["detail"]["dropped"] == ["score"]
