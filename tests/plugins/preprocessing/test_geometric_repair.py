"""Optimal-transport repair against POT (Python Optimal Transport), and at its limits."""

from __future__ import annotations

import itertools

import numpy as np
import ot
import pandas as pd
import pytest

from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError
from fairmend.plugins.preprocessing import GeometricRepair

NUMBERS = ["age", "education-num", "fnlwgt", "hours-per-week"]


@pytest.fixture(scope="module")
def people(adult: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four features of six groups of sex and race."""
    common = adult[adult["race"].isin(["White", "Black", "Asian-Pac-Islander"])]
    some = common.sample(5_000, random_state=0).reset_index(drop=True)
    return some[NUMBERS].astype(float), some[["sex", "race"]]


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, pd.Series]:
    """Two groups of unequal size that differ by location and a linear map."""
    rng = np.random.default_rng(0)
    group = pd.Series(["a"] * 300 + ["b"] * 200)
    Z = rng.normal(size=(500, 2))
    Z[300:] = Z[300:] @ [[1.5, 0.4], [0.4, 0.6]] + [2.0, -1.0]
    return pd.DataFrame(Z, columns=["x", "y"]), group


def repaired(X: pd.DataFrame, who: object, **parameters: object) -> pd.DataFrame:
    return GeometricRepair(**parameters).fit_transform(X, sensitive_features=who)


def moments(X: pd.DataFrame, who: object) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Means, covariances and shares of the groups, in standard deviations of all rows."""
    Z, groups = (X / X.std(ddof=0)).to_numpy(), Groups.of(who)
    parts = [Z[groups.codes == a] for a in range(groups.n_groups)]
    covariances = [np.cov(part.T, bias=True) for part in parts]
    return [part.mean(axis=0) for part in parts], covariances, groups.counts() / len(Z)


def distance(x: pd.DataFrame, y: pd.DataFrame) -> float:
    return float(np.sqrt(ot.emd2_1d(x.to_numpy(), y.to_numpy(), metric="sqeuclidean")))


@pytest.mark.data
def test_the_joint_repair_is_that_of_pot(people: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, who = people
    centers, covariances, p = moments(X, who)
    center, covariance = ot.gaussian.bures_wasserstein_barycenter(
        np.stack(centers), np.stack(covariances), weights=p, num_iter=500, eps=1e-13
    )
    scale, codes = X.std(ddof=0), Groups.of(who).codes
    ours = repaired(X, who)
    for a, (m, c) in enumerate(zip(centers, covariances, strict=True)):
        A, b = ot.gaussian.bures_wasserstein_mapping(m, center, c, covariance)
        expected = (X / scale).to_numpy()[codes == a] @ A + b
        np.testing.assert_allclose((ours / scale).to_numpy()[codes == a], expected, atol=1e-6)
    np.testing.assert_allclose(center, (ours / scale).mean(), atol=1e-9)


@pytest.mark.data
def test_after_the_joint_repair_means_and_covariances_agree(
    people: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    centers, covariances, _ = moments(repaired(*people), people[1])
    np.testing.assert_allclose(np.ptp(centers, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.ptp(covariances, axis=0), 0, atol=1e-8)


@pytest.mark.data
@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_the_distance_between_groups_falls_linearly(
    people: tuple[pd.DataFrame, pd.DataFrame], level: float
) -> None:
    """For each pair of six groups of equal size, as measured by POT."""
    rows = people[1].groupby(["sex", "race"]).head(40).index
    X, who = people[0].loc[rows, ["fnlwgt"]], people[1].loc[rows]
    X += np.random.default_rng(0).random(X.shape)  # no ties
    out = repaired(X, who, repair_level=level, method="marginal")
    parts = [(X[rows], out[rows]) for rows in (Groups.of(who).codes == a for a in range(6))]
    for (x, new_x), (y, new_y) in itertools.combinations(parts, 2):
        before, after = (distance(*pair) / X["fnlwgt"].std() for pair in ((x, y), (new_x, new_y)))
        assert before > 0.1
        assert after == pytest.approx((1 - level) * before, abs=1e-6)


def test_no_other_target_of_one_feature_costs_less(drawn: tuple[pd.DataFrame, pd.Series]) -> None:
    """The barycenter of POT, by free support from our result, moves nowhere and costs as much."""
    X, group = drawn[0][["x"]], drawn[1]
    out = repaired(X, group, method="marginal")
    parts = [X.loc[group == a].to_numpy() for a in ("a", "b")]
    p = np.array([0.6, 0.4])
    uniform = [np.full(len(part), 1 / len(part)) for part in parts]
    start = out.sort_values("x").to_numpy().reshape(100, 5).mean(axis=1)[:, None]
    found = ot.lp.free_support_barycenter(parts, uniform, start, weights=p, numItermax=50)
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(start, axis=0), atol=0.06)

    def cost(target: np.ndarray) -> float:
        return sum(
            w * ot.emd2_1d(part, target, metric="sqeuclidean") for w, part in zip(p, parts, strict=True)
        )

    assert cost(out[group == "a"].to_numpy()) == pytest.approx(cost(found), rel=0.01)


def test_the_joint_repair_is_near_the_exact_transport_of_the_samples(
    drawn: tuple[pd.DataFrame, pd.Series],
) -> None:
    """The paper's repair of two samples: a row moves to the weighted mean of itself and where it is sent."""
    X, group = drawn
    scale = X.std(ddof=0)
    a, b = ((X[group == label] / scale).to_numpy() for label in ("a", "b"))
    plan = ot.emd(np.full(300, 1 / 300), np.full(200, 1 / 200), ot.dist(a, b), numItermax=1_000_000)
    expected = np.vstack([0.6 * a + 0.4 * 300 * plan @ b, 0.4 * b + 0.6 * 200 * plan.T @ a])
    ours = (repaired(X, group) / scale).to_numpy()
    assert np.sqrt(((ours - expected) ** 2).mean()) < 0.12
    assert np.sqrt(((X / scale - expected) ** 2).mean(axis=None)) > 0.4


def test_the_random_repair_moves_a_share_of_the_rows_all_the_way(
    drawn: tuple[pd.DataFrame, pd.Series],
) -> None:
    X, group = drawn
    total = repaired(X, group)
    some = repaired(X, group, repair_level=0.3, partial="random", random_state=1)
    moved = (some != X).all(axis=1)
    assert moved.mean() == pytest.approx(0.3, abs=0.06)
    pd.testing.assert_frame_equal(some[moved], total[moved])
    pd.testing.assert_frame_equal(some[~moved], X[~moved])
    more = repaired(X, group, repair_level=0.6, partial="random", random_state=1)
    assert (more != X).all(axis=1)[moved].all()


@pytest.mark.parametrize("method", ["joint", "marginal"])
def test_integer_weights_act_as_repeated_rows(drawn: tuple[pd.DataFrame, pd.Series], method: str) -> None:
    X, group = drawn
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weight)
    one = GeometricRepair(method=method).fit(X, sensitive_features=group, sample_weight=weight)
    other = GeometricRepair(method=method).fit(X.iloc[rows], sensitive_features=group.iloc[rows])
    np.testing.assert_allclose(
        one.transform(X, sensitive_features=group), other.transform(X, sensitive_features=group), atol=1e-8
    )


@pytest.mark.parametrize("method", ["joint", "marginal"])
def test_missing_values_and_small_groups(drawn: tuple[pd.DataFrame, pd.Series], method: str) -> None:
    X, group = drawn
    holed = X.assign(x=X["x"].mask(X.index % 10 == 3), text="t")
    out = repaired(holed, group, method=method)
    assert out["x"].isna().tolist() == holed["x"].isna().tolist()
    assert out["y"].notna().all()
    assert (out["text"] == "t").all()
    rare = group.where(group.index > 2, "rare")
    with pytest.raises(InsufficientDataError, match="in the group 'rare'"):
        repaired(X, rare, method=method)
    repair = GeometricRepair(method=method, unseen="fallback").fit(X, sensitive_features=rare)
    assert repair.diagnostics_["small_groups"] == {"x": ["rare"], "y": ["rare"]}
    few = repair.transform(X[:4], sensitive_features=["never seen", *rare[1:4]])
    assert np.isfinite(few).all(axis=None)
    alone = repaired(X[3:], rare[3:], method=method)
    np.testing.assert_allclose(few.iloc[3], alone.iloc[0], atol=1e-6)
    with pytest.raises(InsufficientDataError, match="'b'"):
        repaired(X.assign(x=X["x"].mask(group == "b")), group, method=method)
