"""Selective classification: by hand, brute force, the diagnostic of Jones et al., and the claim on Adult."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.groups import Groups
from fairmend.core.errors import ParameterError, UnseenGroupError
from fairmend.plugins.postprocessing import GroupThresholds, SelectiveClassification


def _by_group(abstained, scores, y, sensitive):
    """Return coverage and selective error of each group, counted row by row."""
    groups = Groups.of(sensitive)
    out = {}
    for code, name in enumerate(groups.labels):
        rows = [i for i in range(len(y)) if groups.codes[i] == code]
        decided = [i for i in rows if not abstained[i]]
        wrong = [i for i in decided if (scores[i] >= 0.5) != bool(y[i])]
        out[name] = (len(decided) / len(rows), len(wrong) / len(decided) if decided else None)
    return out


def test_by_hand():
    # Confidences .45 .3 .2 .1 in a, .4 .35 .05 .02 in b; wrong are the second of a and the last of b.
    scores = np.array([0.95, 0.8, 0.3, 0.6, 0.1, 0.85, 0.55, 0.48])
    y = np.array([1, 0, 0, 1, 0, 1, 1, 1])
    group = list("aaaabbbb")
    half = SelectiveClassification(coverage=0.5).fit(scores, y, sensitive_features=group)
    assert half.thresholds_ == pytest.approx([0.3, 0.35, 0.3])
    # Thresholds of scores are what gates read under "thresholds"; these are of confidence.
    assert half.diagnostics_["confidence_thresholds"] == pytest.approx({"a": 0.3, "b": 0.35})
    assert "thresholds" not in half.diagnostics_
    assert half.abstain(scores, sensitive_features=group).tolist() == [False, False, True, True] * 2
    assert half.diagnostics_["selective_error"] == {"a": 0.5, "b": 0.0}
    assert half.diagnostics_["without_abstention"]["selective_error"] == {"a": 0.25, "b": 0.25}
    # One threshold decides the four surest of all, which are two of each group here.
    assert half.diagnostics_["one_threshold"] == {
        "coverage": {"a": 0.5, "b": 0.5},
        "selective_error": {"a": 0.5, "b": 0.0},
    }
    assert half.diagnostics_["magnified"]
    # With the same bound on the error, a stops after its first row or takes all; 1/4 is the least bound
    # that decides half of the rows together.
    even = SelectiveClassification(coverage=0.5, equalize="error").fit(scores, y, sensitive_features=group)
    assert even.diagnostics_["selective_error"] == {"a": 0.0, "b": 0.0}
    assert even.diagnostics_["coverage"] == {"a": 0.25, "b": 0.75}
    one = SelectiveClassification(coverage=0.25, equalize="nothing").fit(scores, y, sensitive_features=group)
    assert set(one.thresholds_) == {0.4}


@pytest.mark.parametrize("equalize", ["coverage", "error", "nothing"])
def test_equals_brute_force(small_groups, equalize):
    scores, y, sensitive = small_groups
    fitted = SelectiveClassification(coverage=0.6, equalize=equalize)
    fitted.fit(scores, y, sensitive_features=sensitive)
    counted = _by_group(fitted.abstain(scores, sensitive_features=sensitive), scores, y, sensitive)
    for name, (coverage, error) in counted.items():
        assert fitted.diagnostics_["coverage"][name] == pytest.approx(coverage)
        assert fitted.diagnostics_["selective_error"][name] == pytest.approx(error)
    smallest = Groups.of(sensitive).counts().min()
    covered = np.array([coverage for coverage, _ in counted.values()])
    if equalize == "coverage":
        assert covered.min() >= 0.6
        assert np.ptp(covered) <= 1 / smallest + 1e-12
    if equalize == "nothing":
        kappa = np.sort(np.abs(scores - 0.5))[::-1]
        assert np.allclose(fitted.thresholds_, kappa[int(np.ceil(0.6 * len(y))) - 1])


@pytest.mark.parametrize("seed", range(4))
def test_equal_errors_use_the_least_common_bound(seed):
    """Every bound that occurs is tried: the least at which the groups together decide enough rows."""
    rng = np.random.default_rng(seed)
    n, coverage = 60, 0.7
    group, scores = np.repeat(list("abc"), n // 3), rng.random(n)
    y = (rng.random(n) < 0.5 + (scores - 0.5) * np.repeat([0.4, 0.8, 1.2], n // 3)).astype(int)
    best = None
    options = {}
    for g in "abc":
        own = np.flatnonzero(group == g)
        order = own[np.argsort(-np.abs(scores[own] - 0.5))]
        wrong = np.cumsum((scores[order] >= 0.5) != y[order])
        options[g] = [(wrong[k] / (k + 1), k + 1) for k in range(len(order))]
    for bound in sorted({error for curve in options.values() for error, _ in curve}):
        decided = [max((k for error, k in curve if error <= bound), default=0) for curve in options.values()]
        if sum(decided) >= coverage * n:
            best = decided
            break
    fitted = SelectiveClassification(coverage=coverage, equalize="error")
    fitted.fit(scores, y, sensitive_features=group)
    kept = ~fitted.abstain(scores, sensitive_features=group)
    assert [int(kept[group == g].sum()) for g in "abc"] == best


@pytest.mark.parametrize("equalize", ["coverage", "error", "nothing"])
def test_full_coverage_decides_everybody_also_new_people(small_groups, equalize):
    scores, y, sensitive = small_groups
    fitted = SelectiveClassification(coverage=1.0, equalize=equalize)
    fitted.fit(scores, y, sensitive_features=sensitive)
    new = np.full(len(y), 0.5)
    assert not fitted.abstain(new, sensitive_features=sensitive).any()
    plain = fitted.diagnostics_["without_abstention"]
    assert fitted.diagnostics_["selective_error"] == plain["selective_error"]
    assert set(plain["coverage"].values()) == {1.0}
    assert not fitted.diagnostics_["magnified"]


def test_one_threshold_magnifies_a_gap_and_the_reference_does_not():
    """One group's errors are confident ones: what Jones et al. find on real data, drawn."""
    rng = np.random.default_rng(3)
    n = 4000
    group = np.repeat(["a", "b"], n // 2)
    y = rng.integers(0, 2, n)
    kappa = rng.random(n) / 2
    chance_wrong = np.where(group == "a", 0.15 + 0.3 * kappa, 0.25 - 0.5 * kappa)
    right = rng.random(n) >= chance_wrong
    scores = np.where((y == 1) == right, 0.5 + kappa, 0.5 - kappa - 1e-9)
    one = SelectiveClassification(coverage=0.4, equalize="nothing").fit(scores, y, sensitive_features=group)
    told = one.diagnostics_
    assert told["magnified"]
    gap = told["selective_error"]["a"] - told["selective_error"]["b"]
    plain = told["without_abstention"]["selective_error"]
    assert gap > 2 * abs(plain["a"] - plain["b"])
    # The group-agnostic reference, by its definition: the same shares of right and of wrong rows are decided.
    for line, coverage in zip(told["curve"], (1.0, 0.9, 0.8), strict=False):
        decided = kappa >= np.sort(kappa)[::-1][int(np.ceil(coverage * n)) - 1]
        share_right, share_wrong = decided[right].mean(), decided[~right].mean()
        for g in "ab":
            error = plain[g]
            expected = error * share_wrong / (error * share_wrong + (1 - error) * share_right)
            assert line["reference_error"][g] == pytest.approx(expected, abs=2e-3)
    # Errors of a are above any bound that b needs, wherever one cuts: a is left to people, and that is told.
    even = SelectiveClassification(coverage=0.4, equalize="error").fit(scores, y, sensitive_features=group)
    assert even.diagnostics_["coverage"]["a"] < 0.05


def test_equal_errors_serve_the_group_that_is_worst_off(small_groups):
    scores, y, sensitive = small_groups
    gains = []
    for coverage in (0.3, 0.5, 0.7, 0.9):
        fitted = SelectiveClassification(coverage=coverage, equalize="error")
        told = fitted.fit(scores, y, sensitive_features=sensitive).diagnostics_
        worst = max(error for error in told["selective_error"].values() if error is not None)
        one = max(told["one_threshold"]["selective_error"].values())
        assert worst <= one
        gains.append(one - worst)
    assert max(gains) > 0.03


def test_weights_and_unseen_groups(small_groups):
    scores, y, sensitive = small_groups
    w = np.random.default_rng(0).integers(0, 3, len(y))
    again = np.repeat(np.arange(len(y)), w)
    for equalize in ("coverage", "error", "nothing"):
        weighted = SelectiveClassification(equalize=equalize, unseen="fallback")
        weighted.fit(scores, y, sensitive_features=sensitive, sample_weight=w)
        repeated = SelectiveClassification(equalize=equalize)
        repeated.fit(scores[again], y[again], sensitive_features=sensitive.iloc[again])
        np.testing.assert_allclose(
            weighted.abstain(scores[again], sensitive_features=sensitive.iloc[again]),
            repeated.abstain(scores[again], sensitive_features=sensitive.iloc[again]),
        )
    strange = pd.DataFrame({"a": ["p"], "b": ["w"]})
    assert weighted.abstain([0.5], sensitive_features=strange).tolist() == [True]
    assert weighted.abstain([0.999], sensitive_features=strange).tolist() == [False]
    with pytest.raises(UnseenGroupError, match="w"):
        repeated.abstain([0.5], sensitive_features=strange)
    with pytest.raises(ParameterError, match="coverage"):
        SelectiveClassification(coverage=0.0).fit(scores, y, sensitive_features=sensitive)


@pytest.mark.data
@pytest.mark.parametrize("attributes", [["sex"], ["sex", "race"]])
def test_on_adult_the_decided_are_fewer_and_surer_in_every_group(scored_adult, attributes):
    scores, y, sensitive = scored_adult
    half = np.arange(len(y)) % 2 == 0
    known = {"sensitive_features": sensitive.loc[half, attributes]}
    fitted = SelectiveClassification(coverage=0.8).fit(scores[half], y[half], **known)
    new = sensitive.loc[~half, attributes]
    abstained = fitted.abstain(scores[~half], sensitive_features=new)
    before = _by_group(np.zeros((~half).sum(), dtype=bool), scores[~half], y[~half], new)
    after = _by_group(abstained, scores[~half], y[~half], new)
    counts = dict(zip(Groups.of(new).labels, Groups.of(new).counts(), strict=True))
    large = [g for g, n in counts.items() if n >= 300]
    assert len(large) >= 2
    for g in large:
        assert after[g][0] == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / counts[g]) + 1 / counts[g])
        assert after[g][1] < before[g][1]


@pytest.mark.data
def test_in_a_case_the_decisions_stay_and_the_effect_names_the_rows_left(adult_case):
    after, effect = SelectiveClassification(coverage=0.7).run(adult_case)
    data = adult_case.validation
    assert effect.kind == "abstention"
    assert effect.share == pytest.approx(0.3, abs=0.03)
    said = after.model.uncertainty(data.X, data.sensitive)["abstention"]
    assert said.mean() == pytest.approx(effect.share)
    np.testing.assert_array_equal(
        after.model.predict(data.X, data.sensitive), adult_case.model.predict(data.X)
    )
    figures = effect.detail["abstention"]
    assert set(figures["after"]["selective_error"]["by_group"]) == {"Female", "Male"}
    assert figures["after"]["selective_error"]["value"] < figures["before"]["selective_error"]["value"]
    # A rule of decision that comes later keeps it, and new scores would not.
    ruled, _ = GroupThresholds().run(after)
    assert list(ruled.model.uncertainty(data.X, data.sensitive)) == ["abstention"]
    assert not np.array_equal(ruled.model.predict(data.X, data.sensitive), adult_case.model.predict(data.X))


def test_alone_from_the_command_line(cli, jobs_csv, tmp_path):
    out = tmp_path / "out.csv"
    done = cli(
        "technique", "run", "104", "--data", jobs_csv, "--outcome", "hired", "--favorable", "yes",
        "--protected", "sex", "--learner", "logistic_regression", "-p", "coverage=0.75", "-o", out, "--json",
    )  # fmt: skip
    assert done.code == 0
    baseline, final = (done.json[k]["abstention"] for k in ("baseline", "final"))
    assert baseline["coverage"]["by_group"]["F"]["value"] == 1
    assert final["coverage"]["by_group"]["F"]["value"] == pytest.approx(0.75, abs=0.08)
    low, high = final["selective_error"]["interval"]
    assert low < final["selective_error"]["value"] < high < baseline["selective_error"]["value"] + 0.1
    table = pd.read_csv(out)
    assert 1 - table["abstains"].mean() == pytest.approx(final["coverage"]["value"])
    decided = table[~table["abstains"]]
    assert np.mean(decided["decision"] != decided["hired"]) == pytest.approx(
        final["selective_error"]["value"]
    )
