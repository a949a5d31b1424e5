"""Proxy detection against scikit-learn's mutual information, all pairs of rows, and planted proxies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency
from sklearn.metrics import normalized_mutual_info_score

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError
from fairmend.core.models.learners import make_learner
from fairmend.plugins.causal import ProxyDetection
from fairmend.plugins.causal._predictors import given
from fairmend.plugins.causal._proxy_detection import association, codes, influence


@pytest.fixture(scope="module")
def planted() -> Dataset:
    """Rows whose outcome depends on a proxy and on skill, and not on a column that is only associated."""
    rng = np.random.default_rng(0)
    n = 4000
    group = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    town = np.where(
        rng.random(n) < 0.7, np.char.add("town ", group), rng.choice(["town a", "town b", "town c"], n)
    )
    frame = pd.DataFrame(
        {"group": group, "sex": rng.choice(["f", "m"], n), "town": pd.Series(town, dtype=object)}
    )
    frame["skill"] = rng.normal(size=n)
    frame["accent"] = (group == "b") + 0.5 * rng.normal(size=n)  # associated, of no use given the others
    score = 1.5 * frame["skill"] - 3 * (frame["town"] == "town b") + rng.normal(size=n)
    frame["y"] = (score > 0).astype(int)
    return Dataset.from_frame(frame, Roles(outcome="y", protected=("group", "sex")))


class Rule:
    """Reads skill and town alone."""

    def scores(self, X: pd.DataFrame, sensitive: Any = None) -> np.ndarray:
        return 1 / (1 + np.exp(-1.5 * X["skill"].to_numpy() + 3 * (X["town"] == "town b").to_numpy()))

    def decision_probability(self, X: pd.DataFrame, sensitive: Any = None) -> np.ndarray:
        return (self.scores(X) >= 0.5).astype(float)


def test_only_what_is_associated_and_influential_is_a_proxy(planted: Dataset) -> None:
    result = ProxyDetection().analyze(planted, model=Rule()).result
    found = {(row["component"], row["attribute"]): row for row in result["components"]}
    assert result["proxies"] == ["town"]
    assert found["town", "group"]["proxy"]
    assert not found["town", "sex"]["associated"]
    assert found["accent", "group"]["associated"]  # and not influential
    assert found["accent", "group"]["influence"] == 0
    assert found["skill", "group"]["influence"] > 0.2  # and not associated
    assert not found["skill", "group"]["associated"]
    assert result["text"].startswith("The model uses proxies: town for group")


def test_association_is_that_of_scikit_learn_and_its_p_value_that_of_scipy(planted: Dataset) -> None:
    result = ProxyDetection().analyze(planted, model=Rule()).result
    frame = planted.frame
    frame["skill"], frame["accent"] = (pd.qcut(frame[c], 10, labels=False) for c in ("skill", "accent"))
    for row in result["components"]:
        z, a = frame[row["component"]], frame[row["attribute"]]
        assert row["association"] == pytest.approx(normalized_mutual_info_score(a, z), abs=1e-12)
        expected = chi2_contingency(pd.crosstab(z, a), correction=False, lambda_="log-likelihood").pvalue
        assert row["p_value"] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.data
def test_association_on_adult(adult: pd.DataFrame) -> None:
    frame = adult.iloc[:8000]
    for name in ("relationship", "occupation", "marital-status", "native-country"):
        for attribute in ("sex", "race"):
            known = frame[[name, attribute]].fillna("missing")
            size, _ = association(*(codes(known, [c], 10) for c in (name, attribute)))
            assert size == pytest.approx(
                normalized_mutual_info_score(known[attribute], known[name]), abs=1e-12
            )


def test_weights_count_as_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    z, a, w = rng.integers(0, 4, 300), rng.integers(0, 3, 300), rng.integers(0, 4, 300)
    weighted, _ = association(z, a, w.astype(float))
    repeated, _ = association(np.repeat(z, w), np.repeat(a, w))
    assert weighted == pytest.approx(repeated, abs=1e-12)


def test_influence_is_the_share_of_changed_decisions_over_all_pairs(planted: Dataset) -> None:
    part = planted.take(np.arange(500))
    X, before = part.X, Rule().decision_probability(part.X)
    for columns in (["town"], ["skill"], ["town", "skill"]):
        pairs = [
            np.mean(Rule().decision_probability(X.assign(**{c: X[c].iloc[j] for c in columns})) != before)
            for j in range(len(X))
        ]
        found = influence(
            given(Rule(), part), part, columns, 499, 0
        )  # every row is every other row's donor once
        assert found == pytest.approx(np.sum(pairs) / 499, abs=1e-9)


def test_features_together_can_be_a_proxy_where_none_is_alone() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, (2, 3000))
    frame = pd.DataFrame({"first": first, "second": second, "group": np.where(first ^ second, "a", "b")})
    frame["y"] = ((first ^ second) + rng.normal(size=3000) > 0.5).astype(int)
    data = Dataset.from_frame(frame, Roles(outcome="y", protected=("group",)))

    class Both(Rule):
        def scores(self, X: pd.DataFrame, sensitive: Any = None) -> np.ndarray:
            return (X["first"] ^ X["second"]).to_numpy().astype(float)

    result = ProxyDetection(components=[["first", "second"]]).analyze(data, model=Both()).result
    assert result["proxies"] == ["first + second"]
    joint = next(row for row in result["components"] if row["component"] == "first + second")
    assert joint["association"] == pytest.approx(2 * np.log(2) / (np.log(2) + np.log(4)), abs=0.01)
    with pytest.raises(UnknownNameError, match="no feature is called 'third'"):
        ProxyDetection(components=[["third"]]).analyze(data)


def test_the_planted_proxies_of_the_bank(case: Case) -> None:
    fitted = case.replace(learner=make_learner("logistic_regression")).retrained()
    after, _ = ProxyDetection(min_association=0.02, min_influence=0.01).run(fitted)
    result = after.results["proxy-detection"]
    assert result["model"] == "model"
    assert "zip_code" in result["proxies"] or "redlining" in result["proxies"]
    assert not {"age", "loan_amount", "debt_to_income"} & set(result["proxies"])
