"""Equalized coverage: the sorted index, the exact coverage over simulations, and the claim on Adult."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, UnseenGroupError
from fairmend.plugins.postprocessing import EqualizedCoverage


def test_by_hand():
    # Nine scores of the label in a, at alpha = 0.2: ceil(10 * 0.8) = 8, the eighth smallest. In b four
    # rows cannot promise it: ceil(5 * 0.8) = 4 is the largest of four.
    y = np.array([1.0] * 9 + [2.0] * 4)
    predicted = y - np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0])
    group = list("a" * 9 + "b" * 4)
    fitted = EqualizedCoverage(alpha=0.2).fit(predicted, y, sensitive_features=group)
    assert fitted.quantiles_ == pytest.approx([0.8, 4.0, 3.0])
    bounds = fitted.predict_interval([10.0, 10.0], sensitive_features=["a", "b"])
    np.testing.assert_allclose(bounds, [[9.2, 10.8], [6.0, 14.0]])
    assert fitted.diagnostics_["pooled_coverage"] == {"a": 1.0, "b": 0.75}
    assert list(fitted.uncertainty([10.0], sensitive_features=["a"])) == ["intervals"]


def test_too_few_rows_for_alpha_say_nothing_rather_than_something_wrong():
    y, scores = np.array([0, 1, 1, 0, 1, 0]), np.array([0.2, 0.7, 0.9, 0.4, 0.6, 0.1])
    fitted = EqualizedCoverage(alpha=0.1).fit(scores, y, sensitive_features=list("aaabbb"))
    assert np.isinf(fitted.quantiles_).all()
    assert fitted.diagnostics_["quantiles"] == {"a": None, "b": None}
    assert fitted.predict_set([0.5], sensitive_features=["a"]).all()
    numbers = EqualizedCoverage(alpha=0.1).fit(scores * 10, y * 7.5, sensitive_features=list("aaabbb"))
    assert numbers.predict_interval([1.0], sensitive_features=["b"]).tolist() == [[-np.inf, np.inf]]


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["sex"], ["race"], ["sex", "race"]])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.37])
def test_quantile_is_that_of_the_sorted_scores(scored_adult, attributes, alpha):
    scores, y, sensitive = scored_adult
    group = sensitive[attributes]
    fitted = EqualizedCoverage(alpha=alpha).fit(scores, y, sensitive_features=group)
    groups = Groups.of(group)
    E = np.where(y == 1, 1 - scores, scores)
    for code in range(groups.n_groups):
        own = np.sort(E[groups.codes == code])
        k = int(np.ceil((len(own) + 1) * (1 - alpha)))
        expected = own[k - 1] if k <= len(own) else np.inf
        assert fitted.quantiles_[code] == pytest.approx(expected, abs=1e-12)
    own = np.sort(E)
    assert fitted.quantiles_[-1] == pytest.approx(
        own[int(np.ceil((len(own) + 1) * (1 - alpha))) - 1], abs=1e-12
    )


@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_coverage_over_simulations_is_the_exact_one(alpha):
    """With E uniform the coverage of new rows is Q itself; its mean is ceil((n + 1)(1 - alpha)) / (n + 1)."""
    rng = np.random.default_rng(0)
    sizes = {"a": 19, "b": 50, "c": 133}
    group = np.repeat(list(sizes), list(sizes.values()))
    n = len(group)
    covered = []
    for _ in range(600):
        y = rng.random(n) * rng.choice([-1, 1], n)
        fitted = EqualizedCoverage(alpha=alpha).fit(np.zeros(n), y, sensitive_features=group)
        covered.append(fitted.quantiles_[:3])
    for i, size in enumerate(sizes.values()):
        mean, error = np.mean([c[i] for c in covered]), np.std([c[i] for c in covered]) / np.sqrt(600)
        exact = np.ceil((size + 1) * (1 - alpha) - 1e-9) / (size + 1)
        assert 1 - alpha <= exact <= 1 - alpha + 1 / (size + 1)
        assert mean == pytest.approx(exact, abs=4 * error)


def test_where_one_quantile_fails_a_group_its_own_does_not():
    rng = np.random.default_rng(1)
    n = 8000
    group = rng.choice(["hard", "easy", "rare"], n, p=[0.3, 0.65, 0.05])
    predicted = rng.normal(size=n)
    y = predicted + rng.normal(size=n) * np.select([group == "hard", group == "rare"], [3.0, 2.0], 1.0)
    half = np.arange(n) < n // 2
    fitted = EqualizedCoverage().fit(predicted[half], y[half], sensitive_features=group[half])
    bounds = fitted.predict_interval(predicted[~half], sensitive_features=group[~half])
    held = (bounds[:, 0] <= y[~half]) & (y[~half] <= bounds[:, 1])
    pooled = np.abs(y[~half] - predicted[~half]) <= fitted.quantiles_[-1]
    for g in ("hard", "easy", "rare"):
        own = group[~half] == g
        assert held[own].mean() == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / own.sum()) + 0.02)
    assert pooled[group[~half] == "hard"].mean() < 0.8
    width = {g: np.ptp(bounds[group[~half] == g], axis=1).mean() for g in ("hard", "easy")}
    assert width["hard"] > 2 * width["easy"]


def test_several_classes():
    rng = np.random.default_rng(2)
    n = 3000
    group, logits = rng.choice(list("ab"), n), rng.normal(size=(n, 4)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    flat = np.where((group == "a")[:, None], p, 0.5 * p + 0.125)
    y = np.array([rng.choice(4, p=row) for row in flat])
    half = np.arange(n) < n // 2
    fitted = EqualizedCoverage(alpha=0.1).fit(p[half], y[half], sensitive_features=group[half])
    sets = fitted.predict_set(p[~half], sensitive_features=group[~half])
    assert sets.shape == (n - n // 2, 4)
    held = sets[np.arange(len(sets)), y[~half]]
    for g in "ab":
        assert held[group[~half] == g].mean() == pytest.approx(0.9, abs=0.035)
    assert sets[group[~half] == "b"].sum(axis=1).mean() > sets[group[~half] == "a"].sum(axis=1).mean() + 0.3
    assert list(fitted.uncertainty(p[:1], sensitive_features=["a"])) == ["prediction sets"]


def test_weights_and_unseen_groups(small_groups):
    scores, y, sensitive = small_groups
    w = np.random.default_rng(0).integers(0, 3, len(y))
    again = np.repeat(np.arange(len(y)), w)
    weighted = EqualizedCoverage(unseen="fallback")
    weighted.fit(scores, y, sensitive_features=sensitive, sample_weight=w)
    repeated = EqualizedCoverage().fit(scores[again], y[again], sensitive_features=sensitive.iloc[again])
    np.testing.assert_allclose(weighted.quantiles_, repeated.quantiles_)
    strange = pd.DataFrame({"a": ["p"], "b": ["w"]})
    expected = [weighted.quantiles_[-1] >= 1 - 0.6, weighted.quantiles_[-1] >= 1 - 0.4]
    assert weighted.predict_set([0.4], sensitive_features=strange).tolist() == [expected]
    with pytest.raises(UnseenGroupError, match="w"):
        repeated.predict_set([0.4], sensitive_features=strange)
    with pytest.raises(DataError, match="sum to 1"):
        EqualizedCoverage().fit(np.full((4, 3), 0.5), [0, 1, 2, 0], sensitive_features=list("aabb"))


@pytest.mark.data
def test_in_a_case_new_rows_of_each_group_are_covered(adult_case):
    after, effect = EqualizedCoverage(alpha=0.1).run(adult_case)
    found = effect.detail["prediction sets"]
    assert effect.kind == "prediction sets"
    assert 0 < effect.share < 1
    for group in ("Female", "Male"):
        held = found["after"]["coverage"]["by_group"][group]
        assert held["value"] == pytest.approx(0.9, abs=0.02)
        assert held["interval"][0] < held["value"] < held["interval"][1]
    # Decisions alone err more often for men, so their sets are the larger ones; one quantile for all
    # covers women too often and men too seldom.
    size = {g: v["value"] for g, v in found["after"]["mean_size"]["by_group"].items()}
    assert size["Male"] > size["Female"] + 0.1
    assert effect.detail["pooled_coverage"]["Male"] < 0.88 < 0.92 < effect.detail["pooled_coverage"]["Female"]
    assert after.model.reads_protected


@pytest.mark.parametrize("scores", [False, True])
def test_alone_from_the_command_line(cli, jobs_csv, tmp_path, scores):
    data = tmp_path / "jobs.csv"
    frame = pd.read_csv(jobs_csv)
    frame.assign(p=1 / (1 + np.exp(-(frame["score"] - 52) / 4))).to_csv(data, index=False)
    out = tmp_path / "out.csv"
    done = cli(
        "technique", "run", "equalized-coverage", "--data", data, "--outcome", "hired", "--favorable", "yes",
        "--protected", "sex", *(["--scores", "p"] if scores else ["--learner", "logistic_regression"]),
        "-o", out, "--json",
    )  # fmt: skip
    assert done.code == 0
    baseline, final = (done.json[k]["prediction sets"] for k in ("baseline", "final"))
    assert baseline["mean_size"]["value"] == 1
    for group in ("F", "M"):
        low, high = final["coverage"]["by_group"][group]["interval"]
        assert low <= 0.92
        assert high >= 0.88
    assert "coverage_difference" in final
    table = pd.read_csv(out)
    held = np.where(table["hired"] == 1, table["in_set[1]"], table["in_set[0]"])
    assert held.mean() == pytest.approx(final["coverage"]["value"])


def test_the_command_line_prints_each_group(cli, jobs_csv):
    done = cli(
        "technique", "run", "106", "--data", jobs_csv, "--outcome", "hired", "--favorable", "yes",
        "--protected", "sex", "--learner", "logistic_regression",
    )  # fmt: skip
    assert done.code == 0
    assert done.out.count("mean_size_difference: ") >= 2
    lines = done.out.splitlines()
    place = max(i for i, line in enumerate(lines) if line.strip().startswith("coverage: "))
    assert [line.split(":")[0].strip() for line in lines[place + 1 : place + 3]] == ["F", "M"]


def test_alone_on_a_numeric_outcome(cli, jobs_csv, tmp_path):
    out = tmp_path / "out.csv"
    done = cli(
        "technique", "run", "106", "--data", jobs_csv, "--outcome", "score", "--task", "regression",
        "--protected", "sex", "--learner", "linear_regression", "-p", "alpha=0.2", "-o", out, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    baseline, final = (done.json[k]["intervals"] for k in ("baseline", "final"))
    assert baseline["mean_width"]["value"] == 0
    for group in ("F", "M"):
        assert final["coverage"]["by_group"][group]["value"] == pytest.approx(0.8, abs=0.08)
        assert final["mean_width"]["by_group"][group]["value"] > 5
    table = pd.read_csv(out)
    held = (table["low"] <= table["score"]) & (table["score"] <= table["high"])
    assert held.mean() == pytest.approx(final["coverage"]["value"])
