from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import ks_2samp, spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import (
    DataError,
    InsufficientDataError,
    ParameterError,
    UnknownNameError,
    UnseenGroupError,
)
from fairmend.plugins.preprocessing import DisparateImpactRemover

ByGroup = Callable[[pd.DataFrame, Any], list[pd.DataFrame]]
LargestKS = Callable[[list[pd.DataFrame], str], float]
NUMBERS = ["age", "fnlwgt", "education-num", "capital-gain", "hours-per-week"]


@pytest.fixture(scope="module")
def continuous() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two continuous features of six groups (sex x race) of unequal size, shifted and stretched."""
    rng = np.random.default_rng(0)
    n = 3000
    sensitive = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n, p=[0.4, 0.6]),
            "race": rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]),
        }
    )
    shift = sensitive["sex"].map({"F": -1, "M": 0}) + sensitive["race"].map({"a": 0, "b": -2, "c": 1})
    score = 600 + 50 * shift + rng.normal(0, 40 + 10 * (sensitive["sex"] == "M"), n)
    return pd.DataFrame({"score": score, "income": np.exp(rng.normal(10 + shift / 4, 0.5, n))}), sensitive


def repaired(X: pd.DataFrame, sensitive: object, **parameters: object) -> pd.DataFrame:
    return DisparateImpactRemover(**parameters).fit_transform(X, sensitive_features=sensitive)


@pytest.mark.parametrize("target", ["median", "lower_median"])
def test_full_repair_of_continuous_features_equals_the_groups(
    continuous: tuple[pd.DataFrame, pd.DataFrame], target: str, by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = continuous
    before = by_group(X, sensitive)
    after = by_group(repaired(X, sensitive, repair_level=1.0, target=target), sensitive)
    smallest = min(map(len, before))
    for name in X.columns:
        assert largest_ks(before, name) > 0.5
        assert largest_ks(after, name) <= 1 / smallest + 1e-9


def test_within_groups_the_order_is_kept(
    continuous: tuple[pd.DataFrame, pd.DataFrame], by_group: ByGroup
) -> None:
    X, sensitive = continuous
    for level in (0.3, 1.0):
        after = repaired(X, sensitive, repair_level=level)
        for old, new in zip(by_group(X, sensitive), by_group(after, sensitive), strict=True):
            for name in X.columns:
                assert spearmanr(old[name], new[name]).statistic == pytest.approx(1, abs=1e-12)


def test_the_move_is_linear_in_the_repair_level(continuous: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, sensitive = continuous
    full = repaired(X, sensitive, repair_level=1.0)
    for level in (0.2, 0.5, 0.8):
        pd.testing.assert_frame_equal(
            repaired(X, sensitive, repair_level=level), X + level * (full - X), rtol=1e-12
        )


@pytest.mark.data
def test_no_repair_is_identity_to_the_bit_and_the_type(adult: pd.DataFrame) -> None:
    X = adult.drop(columns=["income"])
    pd.testing.assert_frame_equal(repaired(X, adult["race"], repair_level=0.0), X)


@pytest.mark.data
def test_the_distribution_is_that_of_aif360(german: pd.DataFrame) -> None:
    datasets = pytest.importorskip("aif360.datasets")
    pytest.importorskip("BlackBoxAuditing", reason="the engine of aif360's DisparateImpactRemover")
    from aif360.algorithms.preprocessing import DisparateImpactRemover as Reference

    old = (german["age_group"] == "over 25").astype(float)
    frame = pd.DataFrame(
        {"old": old, "amount": german["credit_amount"].astype(float), "y": german["credit"] == 1}
    )
    theirs = datasets.BinaryLabelDataset(
        df=frame.astype(float), label_names=["y"], protected_attribute_names=["old"]
    )
    out = Reference(repair_level=1.0, sensitive_attribute="old").fit_transform(theirs)
    expected = out.features[:, out.feature_names.index("amount")]
    ours = repaired(frame[["amount"]], old, repair_level=1.0, target="lower_median")["amount"]
    u = np.linspace(0.05, 0.95, 46)
    for group in (0, 1):
        # It moves buckets of rows and we move rows, so the laws agree to the width of a bucket.
        difference = np.quantile(ours[old == group], u) - np.quantile(expected[old == group], u)
        assert np.abs(difference).mean() < 0.02 * frame["amount"].std()
        assert np.abs(difference).max() < 0.1 * frame["amount"].std()
    assert (
        ks_2samp(ours, frame["amount"], method="asymp").statistic > 0.02
    )  # the agreement is not that of two identities


def test_worked_by_hand() -> None:
    # a holds 0 10 20 30 40, b holds 4 6 8 10 12: the middle of the two at each rank is 2 8 14 20 26.
    X = pd.DataFrame({"x": [0, 10, 20, 30, 40, 4, 6, 8, 10, 12]})
    half = repaired(X, list("aaaaabbbbb"), repair_level=0.5)
    assert half["x"].tolist() == [1, 9, 17, 25, 33, 3, 7, 11, 15, 19]
    lower = repaired(X, list("aaaaabbbbb"), repair_level=1, target="lower_median")
    assert lower["x"].tolist() == [0, 6, 8, 10, 12] * 2


def test_the_median_of_three_groups_ignores_the_outlying_one() -> None:
    X = pd.DataFrame({"x": np.concatenate([np.arange(5.0), np.arange(5.0) + 1, np.arange(5.0) + 1000])})
    assert repaired(X, np.repeat(["a", "b", "c"], 5), repair_level=1)["x"].tolist() == [1, 2, 3, 4, 5] * 3


def test_groups_of_equal_laws_do_not_change() -> None:
    x = np.array([1.0, 2.0, 2.0, 2.0, 5.0, 9.0])
    X = pd.DataFrame({"x": np.concatenate([x, np.repeat(x, 7)]), "constant": 3})
    after = repaired(X, ["a"] * 6 + ["b"] * 42, repair_level=1.0)
    np.testing.assert_allclose(after, X, rtol=1e-12)


@pytest.mark.data
def test_ties_stay_together_and_adult_columns_come_closer(
    adult_data: Dataset, by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = adult_data.X, adult_data.sensitive
    after = repaired(X, sensitive, features=NUMBERS, repair_level=1.0)
    for old, new in zip(by_group(X, sensitive), by_group(after, sensitive), strict=True):
        for name in NUMBERS:
            moves = np.unique(np.column_stack([old[name], new[name]]), axis=0)
            assert len(moves) == old[name].nunique()
            assert (np.diff(moves[:, 1]) >= 0).all()
    for name in ("age", "fnlwgt"):
        assert largest_ks(by_group(after, sensitive), name) < 0.4 * largest_ks(by_group(X, sensitive), name)
    pd.testing.assert_series_equal(after["relationship"], X["relationship"])
    assert after["age"].dtype == float


@pytest.mark.data
def test_spread_ties_leave_a_tree_nothing_to_find(adult_data: Dataset) -> None:
    X, sex = adult_data.X[["age", "education-num", "hours-per-week"]], adult_data.sensitive["sex"]
    train = np.arange(len(X)) % 2 == 0

    def auc(Z: pd.DataFrame) -> float:
        tree = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(Z[train], sex[train])
        return float(roc_auc_score(sex[~train], tree.predict_proba(Z[~train])[:, 1]))

    columns = [X[[name]] for name in X.columns]
    whole = {"repair_level": 0.8, "ties": "spread", "partial": "combinatorial", "random_state": 0}
    X_wide = adult_data.X  # the draw depends on the whole row, so that equal ages differ in it
    spread = repaired(X_wide, sex, features=list(X.columns), **whole)
    for column in columns:
        name = column.columns[0]
        assert auc(spread[[name]]) < max(0.5 + 0.5 * (auc(column) - 0.5), 0.53)
    # Mid-ranks keep the groups' ties on different values, which is the limit that the notes name.
    assert auc(repaired(X, sex, repair_level=0.8)) > auc(X)


def test_combinatorial_repair_moves_a_share_of_the_rows_all_the_way(
    continuous: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, sensitive = continuous
    full = repaired(X, sensitive, repair_level=1.0)
    some = repaired(X, sensitive, repair_level=0.3, partial="combinatorial", random_state=1)
    moved = (some != X).any(axis=1)
    assert moved.mean() == pytest.approx(0.3, abs=0.03)
    pd.testing.assert_frame_equal(some[moved], full[moved])
    more = repaired(X, sensitive, repair_level=0.6, partial="combinatorial", random_state=1)
    assert (more != X).any(axis=1)[moved].all()


def test_a_row_gets_the_same_values_in_any_company(continuous: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, sensitive = continuous[0].round(-1), continuous[1]
    remover = DisparateImpactRemover(ties="spread", partial="combinatorial", random_state=5)
    remover.fit(X, sensitive_features=sensitive)
    together = remover.transform(X, sensitive_features=sensitive)
    alone = remover.transform(X.iloc[7:9], sensitive_features=sensitive.iloc[7:9])
    pd.testing.assert_frame_equal(alone, together.iloc[7:9])


def test_new_values_interpolate_and_clip_at_the_ends() -> None:
    X = pd.DataFrame({"x": [0, 10, 20, 30, 40, 4, 6, 8, 10, 12]})
    remover = DisparateImpactRemover(repair_level=1.0).fit(X, sensitive_features=list("aaaaabbbbb"))
    new = remover.transform(pd.DataFrame({"x": [-99.0, 5.0, 99.0]}), sensitive_features=list("aaa"))
    np.testing.assert_allclose(new["x"], [2, 5, 26])


def test_missing_values_stay_missing_and_shape_nothing(continuous: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, sensitive = continuous
    gaps = np.random.default_rng(1).random(len(X)) < 0.2
    holed = X.assign(score=X["score"].mask(gaps))
    after = repaired(holed, sensitive, repair_level=1.0)
    assert after["score"].isna().tolist() == gaps.tolist()
    assert after["income"].notna().all()
    without = repaired(X[~gaps], sensitive[~gaps], features="score", repair_level=1.0)
    np.testing.assert_allclose(after.loc[~gaps, "score"], without["score"])


def test_people_without_the_attribute_are_a_group_of_their_own(
    continuous: tuple[pd.DataFrame, pd.DataFrame], by_group: ByGroup, largest_ks: LargestKS
) -> None:
    X, sensitive = continuous
    unknown_sex = sensitive["sex"].where(sensitive["race"] != "b", None)
    after = repaired(X, unknown_sex, repair_level=1.0)
    assert largest_ks(by_group(after, unknown_sex), "score") < 0.01


def test_a_group_unseen_at_fit_is_refused_or_ranked_among_all(
    continuous: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, sensitive = continuous
    new = pd.DataFrame({"sex": ["F", "F"], "race": ["z", "a"]})
    with pytest.raises(UnseenGroupError, match="F & z"):
        DisparateImpactRemover().fit(X, sensitive_features=sensitive).transform(
            X.iloc[:2], sensitive_features=new
        )
    remover = DisparateImpactRemover(repair_level=1.0, unseen="fallback").fit(X, sensitive_features=sensitive)
    middle = X.median().to_frame().T.loc[[0, 0]]
    places, values = remover.targets_["score"]
    found = remover.transform(middle, sensitive_features=new)["score"]
    assert found.iloc[0] == pytest.approx(np.interp(0.5, places, values), abs=0.5)
    assert found.iloc[0] != found.iloc[1]


def test_a_tiny_group_is_refused_or_does_not_shape_the_target() -> None:
    X = pd.DataFrame({"x": [*np.arange(20.0), *np.arange(20.0) + 5, 1e6]})
    a = ["a"] * 20 + ["b"] * 20 + ["rare"]
    with pytest.raises(InsufficientDataError, match="has 1 values in the group 'rare'"):
        repaired(X, a)
    remover = DisparateImpactRemover(repair_level=1.0, unseen="fallback").fit(X, sensitive_features=a)
    after = remover.transform(X, sensitive_features=a)
    assert remover.diagnostics_ == {"small_groups": {"x": ["rare"]}}
    np.testing.assert_allclose(after["x"].iloc[:20], np.arange(20) + 2.5)
    assert after["x"].iloc[-1] == 21.5
    with pytest.raises(InsufficientDataError, match="two others must remain"):
        repaired(X.iloc[[0, 1, 2, 3, 4, 40]], ["a"] * 5 + ["rare"], unseen="fallback")


def test_bad_features_and_parameters_are_refused_with_the_reason(
    continuous: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, sensitive = continuous
    text = X.assign(score=X["score"].round().astype(str).where(X.index != 3, "n/a"))
    with pytest.raises(DataError, match=r"'score' must be numeric, but contains text; 1 row such as 'n/a'"):
        repaired(text, sensitive, features=["score"])
    with pytest.raises((DataError, UnknownNameError), match="did you mean score"):
        repaired(X, sensitive, features=["scor"])
    with pytest.raises(DataError, match="no feature is numeric"):
        repaired(X.astype(str), sensitive)
    with pytest.raises(DataError, match="infinite"):
        repaired(X.assign(score=np.inf), sensitive)
    with pytest.raises(ParameterError, match="repair_level"):
        repaired(X, sensitive, repair_level=1.2)
    with pytest.raises(NotFittedError):
        DisparateImpactRemover().transform(X, sensitive_features=sensitive)
    fitted = DisparateImpactRemover().fit(X, sensitive_features=sensitive)
    with pytest.raises(DataError, match="'score' must be numeric"):
        fitted.transform(text, sensitive_features=sensitive)
    with pytest.raises(DataError, match="sensitive_features was not given"):
        fitted.transform(X)


def test_alone_in_a_pipeline_of_scikit_learn(
    continuous: tuple[pd.DataFrame, pd.DataFrame], by_group: ByGroup
) -> None:
    X, sensitive = continuous
    y = (X["score"] + np.random.default_rng(2).normal(0, 60, len(X)) > 560).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(DisparateImpactRemover(repair_level=1.0), LogisticRegression(max_iter=1000))
        pipeline.fit(X, y, sensitive_features=sensitive)
        fair = pipeline.predict(X, sensitive_features=sensitive)
        array = make_pipeline(DisparateImpactRemover(repair_level=1.0), LogisticRegression(max_iter=1000))
        array.fit(X.to_numpy(), y, sensitive_features=sensitive)
        np.testing.assert_array_equal(
            array.predict(X.to_numpy(), sensitive_features=sensitive.to_numpy()), fair
        )
    plain = LogisticRegression(max_iter=1000).fit(X, y).predict(X)

    def gap(decisions: np.ndarray) -> float:
        rates = [p["d"].mean() for p in by_group(pd.DataFrame({"d": decisions}), sensitive)]
        return max(rates) - min(rates)

    assert gap(plain) > 0.5
    assert gap(fair) < 0.05


@pytest.mark.data
def test_in_a_case_it_reports_features_and_serves_new_data(adult_case: Case) -> None:
    former = adult_case.train.X.copy()
    remover = DisparateImpactRemover(features=["age", "hours-per-week"], repair_level=0.8)
    after, effect = remover.run(adult_case)
    assert effect.kind == "features"
    assert set(effect.detail["features"]) == {"age", "hours-per-week"}
    changed = (after.train.X[["age", "hours-per-week"]] != former[["age", "hours-per-week"]]).any(axis=1)
    assert effect.share == pytest.approx(changed.mean())
    assert 0.5 < effect.share <= 1
    pd.testing.assert_frame_equal(adult_case.train.X, former)
    model, data = after.fitted(), after.validation
    assert model.reads_protected
    expected = after.model.transformers[0].transform(data.X, sensitive_features=data.sensitive)
    pd.testing.assert_frame_equal(model.transform(data.X, data.sensitive), expected)
    _, nothing = DisparateImpactRemover(repair_level=0.0).run(adult_case)
    assert nothing.changed_nothing


def test_the_playbook_can_turn_the_repair_down() -> None:
    metadata = DisparateImpactRemover.metadata
    (repair,) = metadata.adjustments
    assert repair.moved(DisparateImpactRemover().repair_level, "weaker") == 0.6
    assert metadata.alternatives == (31, 74)
