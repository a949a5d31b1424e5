from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score

from fairmend.core.data.dataset import Dataset
from fairmend.plugins.preprocessing import FairClassBalancing


def balanced(X: Any, y: Any, attributes: Any = None, **parameters: Any) -> tuple[Any, dict[str, Any]]:
    weight = parameters.pop("sample_weight", None)
    technique = FairClassBalancing(**{"random_state": 0, "filter_ratio": 0, "strength": 1.0, **parameters})
    change = technique.change(X, y, sensitive_features=attributes, sample_weight=weight)
    return change, technique.diagnostics_["by_cluster"]


@pytest.fixture
def islands() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Four islands far from each other, with other shares of favorable labels; the last one has one label."""
    X, island = make_blobs(
        [60, 80, 100, 50], centers=np.eye(4, 2) * 40 + np.arange(4)[:, None] * 30, random_state=0
    )
    y = (np.random.default_rng(0).random(290) < np.array([0.2, 0.5, 0.9, 0.0])[island]).astype(int)
    return pd.DataFrame(X, columns=["a", "b"]), y, island


def test_class_counts_become_equal_on_every_island(islands: Any) -> None:
    X, y, island = islands
    change, told = balanced(X, y)
    scaled = (X - X.mean()) / X.std(ddof=0)
    silhouettes = {
        k: silhouette_score(scaled, KMeans(k, n_init=10, random_state=0).fit_predict(scaled))
        for k in range(2, 10)
    }
    assert len(told) == max(silhouettes, key=lambda k: silhouettes[k]) == 4
    middles = X.groupby(island).mean().to_numpy()
    where = np.linalg.norm(change.X.to_numpy()[:, None] - middles, axis=2).argmin(axis=1)
    counts = pd.crosstab(where, change.y).to_numpy()
    before = pd.crosstab(island, y).to_numpy()
    assert (counts[:3, 0] == counts[:3, 1]).all()
    assert (counts[:3, 0] == before[:3].max(axis=1)).all()
    assert counts[3].tolist() == [50, 0]
    half, _ = balanced(X, y, strength=0.5)
    assert (half.origin < 0).sum() == pytest.approx((change.origin < 0).sum() / 2, abs=2)


@pytest.mark.data
@pytest.mark.parametrize("widen", [False, True])
def test_one_cluster_is_plain_oversampling_between_near_rows(adult: pd.DataFrame, widen: bool) -> None:
    people = adult.sample(400, random_state=0)
    X = people[["age", "education-num"]] + np.random.default_rng(0).normal(size=(400, 2)) / 100
    y = (people["income"] == ">50K").to_numpy().astype(int)
    change, told = balanced(X, y, n_clusters=1, widen=widen)
    assert change.y.mean() == 0.5
    assert (change.y[400:] == 1).all()
    assert told["0"]["synthetic"] == len(change.y) - 400
    Z = (X / X.std(ddof=0)).to_numpy()
    distance = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    pool = np.flatnonzero(y)
    if widen:
        pool = np.union1d(pool, np.argsort(distance[pool], axis=1, kind="stable")[:, :5])
    inner = distance[np.ix_(pool, pool)] + np.diag(np.full(len(pool), np.inf))
    near = pool[np.argsort(inner, axis=1)[:, :5]]
    for x in (change.X.to_numpy() / X.std(ddof=0).to_numpy())[400:]:
        from_a = np.linalg.norm(Z[pool] - x, axis=1)[:, None]
        from_b = np.linalg.norm(Z[near] - x, axis=2)
        # x is between a and b where its distances to both add up to theirs.
        detour = from_a + from_b - distance[pool[:, None], near]
        assert detour.min() < 1e-8


@pytest.mark.data
def test_the_protected_attribute_changes_nothing(adult_data: Dataset) -> None:
    data = adult_data.take(np.arange(1500))
    shuffled = data.sensitive.sample(frac=1, random_state=1).reset_index(drop=True)
    with_it, with_other, without = (
        balanced(data.X, data.y, a, filter_ratio=0.25)[0] for a in (data.sensitive, shuffled, None)
    )
    for other in (with_other, without):
        pd.testing.assert_frame_equal(with_it.X, other.X)
        np.testing.assert_array_equal(with_it.y, other.y)
        np.testing.assert_array_equal(with_it.origin, other.origin)
    assert without.sensitive_features is None
    kept = with_it.origin[with_it.origin >= 0]
    assert len(kept) == 1500 - 375
    expected = data.sensitive.iloc[kept].reset_index(drop=True)
    pd.testing.assert_frame_equal(with_it.sensitive_features[: len(kept)], expected)


def test_the_rows_that_fit_their_cluster_least_are_removed(islands: Any) -> None:
    X, y, _ = islands
    far = pd.concat([X, pd.DataFrame({"a": [25.0, 26.0], "b": [15.0, 16.0]})], ignore_index=True)
    change, _ = balanced(far, np.append(y, [0, 1]), n_clusters=4, filter_ratio=2 / 292)
    assert sorted(set(range(292)) - set(change.origin)) == [290, 291]


def test_categories_missing_values_and_weights() -> None:
    X = pd.DataFrame({"x": [1.0, np.nan, 3, 4, 5, 6, 7, 8], "c": [*"uvuvuvu", None]})
    y, w = [1, 1, 0, 0, 0, 0, 0, 0], np.array([1, 3, 1, 1, 1, 1, 1, 1.0])
    change, _ = balanced(X, y, n_clusters=1, sample_weight=w)
    made = change.X[8:]
    assert len(made) == 4
    assert set(made["c"]) <= {"u", "v"}
    assert set(made["x"].dropna()) <= {1.0}
    assert change.sample_weight[8:].tolist() == [2.0] * 4
    single, _ = balanced(X, [1, 0, 0, 0, 0, 0, 0, 0], n_clusters=1)
    assert (single.X["x"][8:] == 1.0).all()
