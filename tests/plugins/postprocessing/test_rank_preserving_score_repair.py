from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr, wasserstein_distance

from fairmend.base import InsufficientDataError, ParameterError
from fairmend.plugins.postprocessing import RankPreservingScoreRepair

ALPHAS = [0.0, 0.04, 0.25, 0.5, 1.0]


def unfairness(scores: np.ndarray, groups: np.ndarray) -> float:
    """Return the weighted mean of W2^2 from each group to the barycenter, by a fine grid of quantiles."""
    u = (np.arange(20_000) + 0.5) / 20_000
    names, counts = np.unique(groups, return_counts=True)
    quantiles = [np.quantile(scores[groups == name], u, method="hazen") for name in names]
    p = counts / counts.sum()
    center = p @ np.stack(quantiles)
    return float(p @ [((q - center) ** 2).mean() for q in quantiles])


def test_worked_by_hand() -> None:
    # groups 1..5 and 3..7: the barycenter is 2..6, and with sqrt(1/4) half of the way is gone
    scores, groups = [1, 2, 3, 4, 5, 3, 4, 5, 6, 7], list("aaaaabbbbb")
    repair = RankPreservingScoreRepair(0.25).fit(scores, sensitive_features=groups)
    moved = repair.adjust(scores, sensitive_features=groups)
    assert moved.tolist() == [1.5, 2.5, 3.5, 4.5, 5.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert repair.diagnostics_ == {
        "unfairness": 1.0,
        "unfairness_left": 0.25,
        "added_squared_error": 0.25,
        "small_groups": [],
    }
    # between two scores of the fit it is interpolated, and beyond them the barycenter ends at 6
    assert repair.adjust([1.5, 9.0], sensitive_features=["a", "b"]).tolist() == [2.0, 7.5]


def test_gaussian_closed_form() -> None:
    rng = np.random.default_rng(0)
    n = np.array([60_000, 40_000])
    m, s, p = np.array([1.0, 3.0]), np.array([1.0, 2.0]), n / n.sum()
    groups = np.repeat(["a", "b"], n)
    scores = np.concatenate([rng.normal(*one) for one in zip(m, s, n, strict=True)])
    repair = RankPreservingScoreRepair(0.25).fit(scores, sensitive_features=groups)
    closed = p[0] * p[1] * ((m[0] - m[1]) ** 2 + (s[0] - s[1]) ** 2)
    assert repair.diagnostics_["unfairness"] == pytest.approx(closed, rel=0.02)
    # the barycenter of Gaussians is Gaussian with the mean mean and the mean standard deviation
    f = np.array([0.5, 1.0, 2.5])
    f_0 = p @ m + p @ s * (f - m[0]) / s[0]
    moved = repair.adjust(f, sensitive_features=["a"] * 3)
    np.testing.assert_allclose(moved, (f + f_0) / 2, atol=0.03)


@pytest.mark.data
@pytest.mark.parametrize("alpha", [0.0, 0.09, 0.49])
@pytest.mark.parametrize("attribute", ["sex", "race"])
def test_agrees_with_equipy_on_adult(scored_adult, attribute: str, alpha: float) -> None:
    from equipy.fairness import FairWasserstein

    rows = np.random.default_rng(0).permutation(len(scored_adult.y))
    fit, new = rows[:4000], rows[4000:5000]
    groups, scores = scored_adult.sensitive[[attribute]], scored_adult.scores
    there = new[groups.iloc[new][attribute].isin(groups.iloc[fit][attribute]).to_numpy()]
    theirs = FairWasserstein(sigma=1e-7)
    theirs.fit(scores[fit], groups.iloc[fit])
    expected = theirs.transform(scores[there], groups.iloc[there], epsilon=np.sqrt(alpha))
    ours = RankPreservingScoreRepair(alpha).fit(scores[fit], sensitive_features=groups.iloc[fit])
    moved = ours.adjust(scores[there], sensitive_features=groups.iloc[there])
    # they read step functions where we interpolate: of the rarest race, with some thirty rows, steps are wide
    gap = np.abs(moved - expected)
    large = groups.iloc[there][attribute].isin(["White", "Black", "Male", "Female"]).to_numpy()
    assert gap[large].max() < 0.02
    assert gap.mean() < 0.004


@pytest.mark.data
@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_claims_of_the_paper_on_adult(scored_adult, alpha: float) -> None:
    scores, sensitive = scored_adult.scores[:6000], scored_adult.sensitive.iloc[:6000]
    sensitive = sensitive.assign(
        race=sensitive["race"].where(sensitive["race"].isin(["White", "Black"]), "other")
    )
    crossed = (sensitive["sex"] + sensitive["race"]).to_numpy()
    repair = RankPreservingScoreRepair(alpha).fit(scores, sensitive_features=sensitive)
    moved = repair.adjust(scores, sensitive_features=sensitive)
    before = unfairness(scores, crossed)
    assert repair.diagnostics_["unfairness"] == pytest.approx(before, rel=0.02)
    assert unfairness(moved, crossed) == pytest.approx(alpha * before, rel=0.02, abs=2e-5)
    price = (1 - np.sqrt(alpha)) ** 2 * before
    assert np.mean((moved - scores) ** 2) == pytest.approx(price, rel=0.02, abs=1e-12)
    for name in np.unique(crossed):
        order = np.argsort(scores[crossed == name], kind="stable")
        assert (np.diff(moved[crossed == name][order]) >= -1e-12).all()
    assert 0 <= moved.min() <= moved.max() <= 1


@pytest.mark.data
def test_predicted_grades_of_law_students(data_dir) -> None:
    law = pd.read_csv(data_dir / "law" / "law_school_fya.csv")
    predicted = law["UGPA"].to_numpy() * 10 + law["LSAT"].to_numpy()
    predicted = predicted + np.random.default_rng(0).uniform(0, 0.5, len(law))  # the scale has half points
    race = law["race"].where(law["race"].map(law["race"].value_counts()) > 500, "other").to_numpy()
    half = np.arange(len(law)) % 2 == 0
    repair = RankPreservingScoreRepair(0.0).fit(predicted[half], sensitive_features=race[half])
    moved = repair.adjust(predicted[~half], sensitive_features=race[~half])
    names, before, after = np.unique(race), [], []
    for name in names[1:]:
        pair = race[~half] == names[0], race[~half] == name
        before.append(ks_2samp(*(predicted[~half][rows] for rows in pair)).statistic)
        after.append(ks_2samp(*(moved[rows] for rows in pair)).statistic)
    assert max(before) > 0.3
    assert max(after) < 0.4 * max(before)


def test_no_unfairness_may_remain_or_all_of_it() -> None:
    rng = np.random.default_rng(5)
    groups = rng.choice(["a", "b", "c"], 900)
    scores = rng.normal(size=900) * (1 + (groups == "b")) + 2 * (groups == "c")
    same = RankPreservingScoreRepair(1.0).fit(scores, sensitive_features=groups)
    np.testing.assert_array_equal(same.adjust(scores, sensitive_features=groups), scores)
    full = RankPreservingScoreRepair(0.0).fit(scores, sensitive_features=groups)
    moved = full.adjust(scores, sensitive_features=groups)
    for name in "bc":
        assert wasserstein_distance(moved[groups == "a"], moved[groups == name]) < 0.02
        assert spearmanr(moved[groups == name], scores[groups == name]).statistic == pytest.approx(1)


def test_weights_are_rows_and_may_be_fractions() -> None:
    rng = np.random.default_rng(2)
    groups, scores, w = rng.choice(["a", "b"], 200), rng.random(200).round(2), rng.integers(0, 4, 200)
    weighted = RankPreservingScoreRepair().fit(scores, sensitive_features=groups, sample_weight=w)
    repeated = RankPreservingScoreRepair().fit(np.repeat(scores, w), sensitive_features=np.repeat(groups, w))
    asked = {"sensitive_features": groups}
    np.testing.assert_allclose(weighted.adjust(scores, **asked), repeated.adjust(scores, **asked))
    fractions = RankPreservingScoreRepair().fit(scores, sensitive_features=groups, sample_weight=w / 4)
    np.testing.assert_allclose(fractions.adjust(scores, **asked), repeated.adjust(scores, **asked), atol=0.02)


def test_small_groups_are_refused_or_ranked_among_all() -> None:
    rng = np.random.default_rng(4)
    scores, groups = rng.random(203), np.array(["a"] * 100 + ["b"] * 100 + ["c"] * 3)
    with pytest.raises(InsufficientDataError, match="'c'"):
        RankPreservingScoreRepair().fit(scores, sensitive_features=groups)
    repair = RankPreservingScoreRepair(0.0, unseen="fallback").fit(scores, sensitive_features=groups)
    assert repair.diagnostics_["small_groups"] == ["c"]
    moved = repair.adjust([0.5, 0.5], sensitive_features=["c", "d"])
    assert moved[0] == moved[1]
    with pytest.raises(ParameterError, match="alpha"):
        RankPreservingScoreRepair.with_parameters(alpha=1.5)


@pytest.mark.data
def test_decisions_come_closer_in_a_case(adult_case) -> None:
    gaps = {}
    for alpha in (1.0, 0.25, 0.0):
        after, effect = RankPreservingScoreRepair(alpha).run(adult_case)
        data = adult_case.validation
        decided = after.model.predict(data.X, data.sensitive)
        rates = pd.Series(decided).groupby(data.sensitive["sex"].to_numpy()).mean()
        gaps[alpha] = rates.max() - rates.min()
        assert effect.changed_nothing == (alpha == 1.0)
    assert gaps[1.0] > gaps[0.25] > gaps[0.0]
    assert gaps[0.0] < 0.25 * gaps[1.0]


def test_from_the_command_line(cli, jobs_csv, tmp_path) -> None:
    out = tmp_path / "scores.csv"
    done = cli("technique", "run", "108", "--data", jobs_csv, "--outcome", "hired", "--favorable", "yes",
               "--protected", "sex", "--learner", "logistic_regression", "-p", "alpha=0", "-o", out, "--json")  # fmt: skip
    assert done.code == 0, done.err
    table = pd.read_csv(out)
    means = table.groupby("sex")[["baseline_score", "score"]].mean()
    gap = (means.loc["M"] - means.loc["F"]).abs()
    assert gap["score"] < 0.3 * gap["baseline_score"]
