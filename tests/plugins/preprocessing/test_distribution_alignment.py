from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import ks_2samp, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError, UnseenGroupError
from fairmend.plugins.preprocessing import DistributionAlignment

ByGroup = Callable[[pd.DataFrame, Any], list[pd.DataFrame]]
LargestKS = Callable[[list[pd.DataFrame], str], float]
Sample = tuple[pd.DataFrame, pd.DataFrame]


def draw(n: int, seed: int) -> Sample:
    """Return three features of four groups (sex x race) that differ in their means and in their dependence."""
    rng = np.random.default_rng(seed)
    sex, race = rng.integers(0, 2, n), (rng.random(n) < 0.3).astype(int)
    rho = np.array([0.8, -0.6, 0.0, 0.5])[2 * sex + race]
    first = rng.normal(size=n)
    second = rho * first + np.sqrt(1 - rho**2) * rng.normal(size=n)
    X = pd.DataFrame(
        {
            "income": np.exp(10 + first - 0.5 * sex),
            "score": 600 + 50 * second + 40 * race,
            "noise": rng.normal(size=n),
        }
    )
    return X, pd.DataFrame({"sex": np.array(["F", "M"])[sex], "race": np.array(["b", "w"])[race]})


@pytest.fixture(scope="module")
def sample() -> Sample:
    return draw(6000, seed=0)


def probe(X: pd.DataFrame, group: pd.Series, X_new: pd.DataFrame, group_new: pd.Series) -> float:
    """Return how well a model tells one group from the others, on rows that it was not fitted on."""
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(X, group)
    return float(roc_auc_score(group_new, model.predict_proba(X_new)[:, 1]))


@pytest.mark.parametrize("method", ["univariate", "chained"])
def test_every_feature_has_the_pooled_law_in_every_group(
    sample: Sample, method: str, by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = sample
    out = DistributionAlignment(method=method).fit_transform(X, sensitive_features=sensitive)
    after = by_group(out, sensitive)
    smallest = min(map(len, after))
    for name in X.columns:
        assert largest_ks(after, name) <= 1 / smallest + 1e-9
        for part in after:
            assert ks_2samp(part[name], X[name], method="asymp").statistic <= 1 / smallest
    assert largest_ks(by_group(X, sensitive), "income") > 0.15


def test_the_univariate_map_keeps_the_order_and_the_chain_that_of_the_first_feature(
    sample: Sample, by_group: ByGroup
) -> None:
    X, sensitive = sample
    for method, kept in (("univariate", list(X.columns)), ("chained", ["income"])):
        out = DistributionAlignment(method=method).fit_transform(X, sensitive_features=sensitive)
        for old, new in zip(by_group(X, sensitive), by_group(out, sensitive), strict=True):
            for name in kept:
                assert spearmanr(old[name], new[name]).statistic == pytest.approx(1, abs=1e-12)


def test_the_chain_removes_what_univariate_maps_leave(sample: Sample) -> None:
    X, sensitive = sample
    X_new, sensitive_new = draw(6000, seed=1)
    group, group_new = (s["sex"] + s["race"] == "Fb" for s in (sensitive, sensitive_new))
    auc = {"none": probe(X, group, X_new, group_new)}
    for method in ("univariate", "chained"):
        aligner = DistributionAlignment(method=method).fit(X, sensitive_features=sensitive)
        out, out_new = (
            aligner.transform(x, sensitive_features=s) for x, s in ((X, sensitive), (X_new, sensitive_new))
        )
        auc[method] = probe(out, group, out_new, group_new)
    assert auc["none"] > 0.75
    assert auc["univariate"] > 0.65
    assert abs(auc["chained"] - 0.5) < 0.04


def test_the_chain_gives_every_group_the_dependence_of_all_rows(sample: Sample, by_group: ByGroup) -> None:
    X, sensitive = sample
    out = DistributionAlignment().fit_transform(X, sensitive_features=sensitive)
    pooled = X.corr("spearman")
    for old, new in zip(by_group(X, sensitive), by_group(out, sensitive), strict=True):
        assert np.abs(new.corr("spearman") - pooled).max().max() < 0.05
        assert np.abs(old.corr("spearman") - pooled).max().max() > 0.1


def test_worked_by_hand() -> None:
    # All rows are 0 1 2 3 4 10 11 12 13 14 at places .05 .15 ...; each group's ranks are .1 .3 .5 .7 .9.
    X = pd.DataFrame({"x": [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]})
    out = DistributionAlignment(method="univariate").fit_transform(X, sensitive_features=list("aaaaabbbbb"))
    np.testing.assert_allclose(out["x"], [0.5, 2.5, 7, 11.5, 13.5] * 2)
    chained = DistributionAlignment().fit_transform(X, sensitive_features=list("aaaaabbbbb"))
    np.testing.assert_allclose(chained["x"], out["x"])


def test_groups_of_equal_laws_do_not_change() -> None:
    part = np.random.default_rng(0).normal(size=(200, 3)) @ np.triu(np.ones((3, 3)))
    X = pd.DataFrame(np.vstack([part, part]), columns=["a", "b", "c"]).assign(constant=7.0)
    groups = np.repeat(["u", "v"], 200)
    univariate = DistributionAlignment(method="univariate").fit_transform(X, sensitive_features=groups)
    np.testing.assert_allclose(univariate, X, rtol=1e-9)
    chained = DistributionAlignment().fit_transform(X, sensitive_features=groups)
    assert np.abs(chained - X).max().max() < 0.02


@pytest.mark.data
def test_spread_ties_remove_the_sex_from_adult(
    adult_data: Dataset, by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = adult_data.X, adult_data.sensitive
    numbers = ["age", "education-num", "capital-gain", "hours-per-week"]
    sex, train = sensitive["sex"] == "Male", np.arange(len(X)) % 2 == 0
    aligner = DistributionAlignment(features=numbers, ties="spread", random_state=0)
    out = aligner.fit_transform(X, sensitive_features=sensitive)
    before = probe(X.loc[train, numbers], sex[train], X.loc[~train, numbers], sex[~train])
    after = probe(out.loc[train, numbers], sex[train], out.loc[~train, numbers], sex[~train])
    assert before > 0.65
    assert after < 0.57
    for name in numbers:
        assert largest_ks(by_group(out, sensitive), name) < 0.02
    pd.testing.assert_series_equal(out["relationship"], X["relationship"])


def test_a_row_gets_the_same_values_in_any_company(sample: Sample) -> None:
    X, sensitive = sample[0].round(-1), sample[1]
    aligner = DistributionAlignment(ties="spread", random_state=5).fit(X, sensitive_features=sensitive)
    together = aligner.transform(X, sensitive_features=sensitive)
    alone = aligner.transform(X.iloc[7:9], sensitive_features=sensitive.iloc[7:9])
    pd.testing.assert_frame_equal(alone, together.iloc[7:9], rtol=1e-12)


def test_missing_values_stay_missing_and_leave_the_rest_usable(
    sample: Sample, by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = sample
    gaps = np.random.default_rng(1).random(len(X)) < 0.2
    out = DistributionAlignment().fit_transform(
        X.assign(income=X["income"].mask(gaps)), sensitive_features=sensitive
    )
    assert out["income"].isna().tolist() == gaps.tolist()
    assert out[["score", "noise"]].notna().all().all()
    assert largest_ks(by_group(out, sensitive), "score") < 0.01


def test_unseen_and_tiny_groups_are_refused_or_left_as_they_are(sample: Sample) -> None:
    X, sensitive = sample
    new = pd.DataFrame({"sex": ["X"], "race": ["b"]})
    with pytest.raises(UnseenGroupError, match="X & b"):
        DistributionAlignment().fit(X, sensitive_features=sensitive).transform(X[:1], sensitive_features=new)
    rare = sensitive.assign(sex=sensitive["sex"].where(sensitive.index > 2, "rare"))
    with pytest.raises(InsufficientDataError, match="values in the group 'rare & "):
        DistributionAlignment().fit(X, sensitive_features=rare)
    for method in ("univariate", "chained"):
        aligner = DistributionAlignment(method=method, unseen="fallback").fit(X, sensitive_features=sensitive)
        np.testing.assert_allclose(aligner.transform(X[:1], sensitive_features=new), X[:1], rtol=1e-6)
        assert DistributionAlignment(method=method, unseen="fallback").fit(
            X, sensitive_features=rare
        ).diagnostics_["small_groups"].keys() == set(X.columns)


def test_bad_input_is_refused_with_the_reason(sample: Sample) -> None:
    X, sensitive = sample
    with pytest.raises(ParameterError, match="method"):
        DistributionAlignment(method="joint").fit(X, sensitive_features=sensitive)
    fitted = DistributionAlignment().fit(X, sensitive_features=sensitive)
    with pytest.raises(DataError, match="'score' must be numeric"):
        fitted.transform(X.assign(score="high"), sensitive_features=sensitive)


def test_alone_in_a_pipeline_of_scikit_learn(sample: Sample, by_group: ByGroup) -> None:
    X, sensitive = sample
    y = (np.log(X["income"]) + X["score"] / 100 > 15.5).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(DistributionAlignment(), LogisticRegression(max_iter=1000))
        decisions = pipeline.fit(X, y, sensitive_features=sensitive).predict(X, sensitive_features=sensitive)
    rates = [p["d"].mean() for p in by_group(pd.DataFrame({"d": decisions}), sensitive)]
    assert max(rates) - min(rates) < 0.05
    assert 0.2 < np.mean(rates) < 0.8


@pytest.mark.data
def test_in_a_case_it_reports_features_and_serves_new_data(adult_case: Case) -> None:
    after, effect = DistributionAlignment(features=["age", "hours-per-week"], ties="spread").run(adult_case)
    assert effect.kind == "features"
    assert set(effect.detail["features"]) == {"age", "hours-per-week"}
    assert 0.5 < effect.share <= 1
    assert after.fitted().transformers[0].random_state == adult_case.seed
    data = after.validation
    scores = after.fitted().scores(data.X, data.sensitive)
    assert scores.shape == (len(data),)
    assert DistributionAlignment.metadata.alternatives == (69, 31)
