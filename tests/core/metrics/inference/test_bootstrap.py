"""Is the law of the replicates that of resampled rows, and do the intervals cover?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fairmend.core.metrics import (
    GroupTable,
    InferenceSettings,
    Measurement,
    PairedTable,
    ScoreTable,
    calibration,
    measure,
    metric,
)
from fairmend.core.metrics.inference.bootstrap import (
    acceleration,
    bca_interval,
    percentile_interval,
    replicates,
    score_replicates,
)

B = 5_000


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def people(n: int = 400, seed: int = 0) -> pd.DataFrame:
    r = rng(seed)
    group = r.choice(["F", "M", "X"], n, p=[0.4, 0.45, 0.15])
    y = (r.random(n) < np.where(group == "M", 0.6, 0.4)).astype(int)
    score = np.clip(0.3 + 0.3 * y + 0.1 * (group == "M") + 0.2 * r.normal(size=n), 0, 1)
    return pd.DataFrame(
        {"g": group, "y": y, "s": score, "d": (score > 0.5).astype(int), "w": r.gamma(1.5, size=n)}
    )


def resampled_rows(frame: pd.DataFrame, of, seed: int = 1) -> np.ndarray:
    """Return a statistic of B resamples of the rows, the plain way."""
    r = rng(seed)
    return np.array([of(frame.iloc[r.integers(len(frame), size=len(frame))]) for _ in range(B)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["selection_rate", "demographic_parity_ratio", "equalized_odds_difference", "f1"]
)
def test_draws_of_the_table_have_the_law_of_resampled_rows(name, weighted):
    frame = people()
    weight = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    cell = (frame["g"].map({"F": 0, "M": 1, "X": 2}) * 4 + frame["y"] * 2 + frame["d"]).to_numpy()
    r = rng(1)
    drawn = r.integers(len(frame), size=(B, len(frame)))
    place = np.arange(B)[:, None] * 12 + cell[drawn]
    plain = np.bincount(place.ravel(), weights=weight[drawn].ravel(), minlength=B * 12).reshape(B, 3, 2, 2)
    table = GroupTable.from_arrays(frame.y, frame.d, frame.g, sample_weight=weight if weighted else None)
    ours = metric(name).of(replicates(table, B, rng(2)))
    assert stats.ks_2samp(metric(name).of(plain), ours).pvalue > 0.01


def test_cluster_draws_have_the_law_of_resampled_clusters():
    frame = people(600)
    cluster = np.sort(rng(5).integers(0, 60, 600))
    frame["d"] = (rng(6).random(60) < 0.5).astype(int)[cluster]
    table = GroupTable.from_arrays(frame.y, frame.d, frame.g, cluster=cluster)
    by_cluster = np.stack(
        [
            GroupTable.from_arrays(
                frame.y, frame.d, frame.g, sample_weight=(cluster == c).astype(float)
            ).counts
            for c in np.unique(cluster)
        ]
    )
    n = len(by_cluster)
    plain = np.stack([by_cluster[rng(100 + b).integers(n, size=n)].sum(axis=0) for b in range(2000)])
    of = metric("selection_rate").of
    ours = of(replicates(table, 2000, rng(2)))
    assert stats.ks_2samp(of(plain), ours).pvalue > 0.01
    independent = of(replicates(GroupTable.from_arrays(frame.y, frame.d, frame.g), 2000, rng(2)))
    assert ours.std() > 2 * independent.std()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["expected_calibration_error", "brier"])
def test_score_draws_have_the_law_of_resampled_rows(name, weighted):
    frame = people(500)
    weight = frame["w"].to_numpy() if weighted else np.ones(500)
    of = getattr(calibration, name)
    table = ScoreTable.from_arrays(
        frame.y, frame.s, ["all"] * 500, sample_weight=weight if weighted else None
    )
    ours = score_replicates(table, 2000, rng(3), {"it": of})["it"][:, 0]
    place = np.searchsorted(table.edges[1:-1], frame.s, side="right") * 2 + frame.y.to_numpy()
    r, plain = rng(4), []
    s = frame.s.to_numpy()
    for _ in range(2000):
        i = r.integers(500, size=500)
        sums = [np.bincount(place[i], weights=weight[i] * s[i] ** p, minlength=20) for p in range(3)]
        plain.append(of(np.stack(sums).reshape(3, 1, 10, 2))[0])
    assert stats.ks_2samp(plain, ours).pvalue > 0.01
    assert np.std(ours) == pytest.approx(np.std(plain), rel=0.08)


def test_clustered_scores_agree_with_the_table():
    frame = people(300)
    cluster = np.arange(300)  # each row its own cluster: the law of rows
    table = ScoreTable.from_arrays(frame.y, frame.s, frame.g, sample_weight=frame.w, cluster=cluster)
    ours = score_replicates(table, 3000, rng(3), {"it": calibration.brier})["it"][:, 0]
    rows = ScoreTable.from_arrays(frame.y, frame.s, frame.g, sample_weight=frame.w)
    plain = score_replicates(rows, 3000, rng(4), {"it": calibration.brier})["it"][:, 0]
    assert stats.ks_2samp(plain, ours).pvalue > 0.01


def test_bca_and_percentile_agree_with_scipy():
    frame = people(300)
    table = GroupTable.from_arrays(frame.y, frame.d, ["all"] * 300)
    of = metric("f1").of
    drawn = of(replicates(table, 20_000, rng(0)))
    ours = {
        "percentile": percentile_interval(drawn),
        "bca": bca_interval(float(of(table.counts)), drawn, acceleration(table, of)),
    }

    def f1(y, d, axis=-1):
        return 2 * (y * d).sum(axis=axis) / (y.sum(axis=axis) + d.sum(axis=axis))

    for method, (low, high) in ours.items():
        theirs = stats.bootstrap(
            (frame.y.to_numpy(), frame.d.to_numpy()),
            f1,
            paired=True,
            n_resamples=5000,
            method=method,
            rng=rng(0),
        ).confidence_interval
        width = theirs.high - theirs.low
        assert low == pytest.approx(theirs.low, abs=0.06 * width)
        assert high == pytest.approx(theirs.high, abs=0.06 * width)


def cells(shares, base, tpr, fpr) -> np.ndarray:
    """Return the probabilities of group x label x decision."""
    tpr, fpr, base = np.array(tpr), np.array(fpr), np.array(base)[:, None]
    label_1, label_0 = np.stack([1 - tpr, tpr], -1) * base, np.stack([1 - fpr, fpr], -1) * (1 - base)
    return np.array(shares)[:, None, None] * np.stack([label_0, label_1], axis=1)


GAP = cells([0.4, 0.3, 0.2, 0.1], [0.5, 0.4, 0.5, 0.4], [0.85, 0.75, 0.75, 0.5], [0.25, 0.2, 0.2, 0.1])
EQUAL = cells([0.6, 0.4], [0.5, 0.5], [0.8, 0.8], [0.2, 0.2])


COMPARED = ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference")


@pytest.mark.parametrize(
    ("truth", "names"),
    [(GAP, ("selection_rate", "true_positive_rate", "f1", *COMPARED)), (EQUAL, COMPARED)],
    ids=["gap", "equal"],
)
def test_intervals_cover_known_rates(truth, names):
    """93 to 97 % of the intervals hold the truth; one and a half standard errors of the simulation are let go."""
    simulations = 400
    tables = rng(11).multinomial(4000, truth.ravel(), size=simulations).reshape(-1, *truth.shape)
    held = dict.fromkeys(names, 0)
    for s in range(simulations):
        table = GroupTable(tuple("abcd"[: len(truth)]), tables[s])
        measured = Measurement.of(table, settings=InferenceSettings(400, seed=s))
        for name in names:
            low, high = measured.figure(name).interval
            held[name] += low - 1e-12 <= metric(name).of(truth) <= high + 1e-12
    for name, times in held.items():
        assert 0.93 - 0.016 <= times / simulations <= 0.97 + 0.016, (name, times / simulations)


def test_weighted_intervals_cover():
    """Weights that go with the decision widen the interval as much as they should."""
    simulations, held = 400, {"selection_rate": 0, "f1": 0}
    r = rng(12)
    for s in range(simulations):
        y, d = r.random(300) < 0.5, r.random(300) < 0.3
        d = np.where(y, r.random(300) < 0.7, d)
        w = r.gamma(2.0, size=300) * np.where(d, 1.5, 0.5)
        measured = measure(y, d, sensitive_features=y, sample_weight=w, n_boot=300, seed=s)
        truth = {"selection_rate": 0.75 / (0.75 + 0.25), "f1": 2 * 0.525 / (2 * 0.525 + 0.225 + 0.075)}
        for name in held:
            low, high = measured.figure(name).interval
            held[name] += low <= truth[name] <= high
    for name, times in held.items():
        assert 0.92 <= times / simulations <= 0.98, (name, times / simulations)


def test_paired_bootstrap_is_narrower_than_two_separate_ones():
    frame = people(2000)
    after = np.where(rng(1).random(2000) < 0.05, 1 - frame.d, frame.d)
    paired = replicates(PairedTable.from_arrays(frame.y, frame.d, after, frame.g), 2000, rng(1))
    of = metric("accuracy").of
    change = of(paired.sum(axis=-2)) - of(paired.sum(axis=-1))
    apart = of(replicates(GroupTable.from_arrays(frame.y, frame.d, frame.g), 2000, rng(2)))
    assert change.std() < 0.5 * np.sqrt(2) * apart.std()


def test_undefined_replicates_make_no_interval():
    assert percentile_interval(np.array([0.1, 0.2, np.nan, 0.3])) is None
    assert percentile_interval(np.array([0.1] * 99 + [np.nan])) == (0.1, 0.1)
    assert bca_interval(float("nan"), np.array([0.1, 0.2]), 0.0) is None
