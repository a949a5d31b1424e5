"""The correlation remover against Fairlearn, and at its limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.preprocessing import CorrelationRemover as Reference

from fairmend.plugins.preprocessing import CorrelationRemover

NUMBERS = ["age", "education-num", "capital-gain", "hours-per-week"]
ATTRIBUTES = ["sex", "race"]


@pytest.fixture(scope="module")
def people(adult: pd.DataFrame) -> pd.DataFrame:
    return adult.sample(6_000, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def uneven() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two features of six groups: the second differs in one intersection alone."""
    rng = np.random.default_rng(0)
    who = pd.DataFrame({"sex": rng.choice(["F", "M"], 900), "race": rng.choice(["a", "b", "c"], 900)})
    both = (who["sex"] == "F") & (who["race"] == "a")
    first = rng.normal(size=900) - 2 * (who["sex"] == "F")
    return pd.DataFrame({"first": first, "second": rng.normal(size=900) + 3 * both}), who


def spread(values: pd.DataFrame, *by: pd.Series) -> pd.Series:
    means = values.groupby(list(by)).mean()
    return means.max() - means.min()


@pytest.mark.data
@pytest.mark.parametrize("alpha", [0.35, 1.0])
@pytest.mark.parametrize("crossed", [True, False])
def test_equal_to_fairlearn_on_new_rows(people: pd.DataFrame, alpha: float, crossed: bool) -> None:
    """Five races and two sexes, as ten groups or as separate indicators; half of the rows are new."""
    cells = people["sex"] + people["race"] if crossed else people[ATTRIBUTES]
    S = pd.get_dummies(cells, drop_first=True, dtype=float)
    table = pd.concat([people[NUMBERS].astype(float), S], axis=1)
    reference = Reference(sensitive_feature_ids=list(S.columns), alpha=alpha).fit(table[:4_000])
    remover = CorrelationRemover(alpha=alpha, crossed=crossed)
    remover.fit(people[NUMBERS][:4_000], sensitive_features=people[ATTRIBUTES][:4_000])
    ours = remover.transform(people[NUMBERS][4_000:], sensitive_features=people[ATTRIBUTES][4_000:])
    np.testing.assert_allclose(ours, reference.transform(table[4_000:]), rtol=1e-10, atol=1e-8)


@pytest.mark.data
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_what_is_left_of_the_covariance_is_one_minus_alpha(people: pd.DataFrame, alpha: float) -> None:
    S = pd.get_dummies(people["race"], dtype=float)
    X = people[NUMBERS].astype(float)
    out = CorrelationRemover(alpha=alpha).fit_transform(X, sensitive_features=people["race"])

    def covariance(Z: pd.DataFrame) -> np.ndarray:
        return (S - S.mean()).T.to_numpy() @ ((Z - Z.mean()) / X.std()).to_numpy() / len(Z)

    np.testing.assert_allclose(covariance(out), (1 - alpha) * covariance(X), atol=1e-12)
    np.testing.assert_allclose(out.mean(), X.mean())
    pd.testing.assert_frame_equal(out, X) if alpha == 0 else None


def test_only_crossing_removes_what_an_intersection_has(uneven: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = uneven
    for crossed in (True, False):
        out = CorrelationRemover(crossed=crossed).fit_transform(X, sensitive_features=who)
        for name in who:
            covariance = np.cov(pd.get_dummies(who[name], dtype=float).T, out.T)[-2:, :-2]
            np.testing.assert_allclose(covariance, 0, atol=1e-12)
        left = spread(out, who["sex"], who["race"])["second"]
        assert left < 1e-9 if crossed else left > 1


def test_integer_weights_act_as_repeated_rows(uneven: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = uneven
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weight)
    for crossed in (True, False):
        one, other = CorrelationRemover(crossed=crossed), CorrelationRemover(crossed=crossed)
        one.fit(X, sensitive_features=who, sample_weight=weight)
        other.fit(X.iloc[rows], sensitive_features=who.iloc[rows])
        np.testing.assert_allclose(one.shifts_, other.shifts_, atol=1e-12)


def test_missing_values_stay_missing_and_are_ignored(uneven: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = uneven
    gaps = np.random.default_rng(1).random(len(X)) < 0.2
    holed = X.assign(first=X["first"].mask(gaps), text="t")
    out = CorrelationRemover().fit_transform(holed, sensitive_features=who)
    assert out["first"].isna().tolist() == gaps.tolist()
    assert (out["text"] == "t").all()
    alone = CorrelationRemover().fit_transform(X.loc[~gaps, ["first"]], sensitive_features=who[~gaps])
    np.testing.assert_allclose(out.loc[~gaps, "first"], alone["first"])
    empty = holed.assign(first=holed["first"].mask(who["race"] == "a"), second=np.nan)
    out = CorrelationRemover().fit_transform(empty, sensitive_features=who)
    assert spread(out[["first"]].dropna(), who["sex"], who["race"])["first"] < 1e-12


def test_groups_not_seen_in_fit_stay_as_they_are(uneven: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = uneven
    remover = CorrelationRemover(unseen="fallback").fit(X, sensitive_features=who["race"])
    out = remover.transform(X[:2], sensitive_features=["never seen", "a"])
    assert (out.iloc[0] == X.iloc[0]).all()
    assert (out.iloc[1] != X.iloc[1]).all()


def test_it_says_what_there_was_to_remove(uneven: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = uneven
    remover = CorrelationRemover().fit(X.assign(constant=1), sensitive_features=who["sex"])
    shares = remover.diagnostics_["variance_explained"]
    assert shares["first"] == pytest.approx(X["first"].corr(who["sex"] == "F") ** 2)
    assert shares["constant"] == 0
    remover.fit(remover.fit_transform(X, sensitive_features=who["sex"]), sensitive_features=who["sex"])
    assert max(remover.diagnostics_["variance_explained"].values()) < 1e-20
