"""Rules aimed with a margin hold on new data as often as they say, and cost no more than is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.catalog.policy import Margin, PolicyCheck
from fairmend.catalog.registry import Registry
from fairmend.core.metrics import measure, metric
from fairmend.core.metrics.inference.predictive import predictive_draws, probability_to_hold
from fairmend.pipeline.run.aim import Setting, aim, probability_of, settings_of, tuned_parameter
from fairmend.plugins.postprocessing import EqualOpportunityThresholds, GroupThresholds

MARGIN = Margin(probability=0.9, at_most=0.05)
RATIO = PolicyCheck(id="t", metric="demographic_parity_ratio", at_least=0.8)
GAP = PolicyCheck(id="t", metric="equal_opportunity_difference", below=0.1)
FOLDS = 5
DRAWN = 80
"""Draws of each case; ``benchmarks/judgement.py --tuned 200`` trains models, too."""


def people(rng: np.random.Generator, n: int, groups: int, gap: float) -> tuple[np.ndarray, ...]:
    """Draw labels, calibrated scores and groups; the first group's odds are lower."""
    group = rng.integers(0, groups, n)
    logit = 1.5 * rng.normal(size=n) - gap * (group == 0)
    scores = 1 / (1 + np.exp(-logit))
    return (rng.random(n) < scores).astype(int), scores, group


def tuned(kind, target, y, scores, group, test_rows):
    """Tune a rule on out-of-fold decisions, as a run does, and fit it on all rows."""
    fold = np.arange(len(y)) % FOLDS

    def at(value):
        decisions = np.zeros(len(y), dtype=int)
        for k in range(FOLDS):
            held = fold == k
            rule = kind(value).fit(scores[~held], y[~held], sensitive_features=group[~held])
            decisions[held] = rule.predict(scores[held], sensitive_features=group[held])
        measured = measure(y, decisions, sensitive_features=group, n_boot=1000)
        found = [probability_of(measured, target, rows, 0, tuned=True) for rows in (None, test_rows)]
        return Setting(value, *found, measured.figure("accuracy").value)

    adjustment = tuned_parameter(kind.metadata, target)
    rule = kind(target.threshold)
    found, cost, limited = aim(settings_of(adjustment, rule, True, target), at, MARGIN)
    return kind(found.value).fit(scores, y, sensitive_features=group), found, cost, limited


DRAWS = {  # rule, target, groups, gap, rows to tune on, rows of the new data
    "two groups": (GroupThresholds, RATIO, 2, 1.0, 2_400, 600),
    "four groups": (GroupThresholds, RATIO, 4, 1.0, 8_000, 2_500),
    "equal opportunity": (EqualOpportunityThresholds, GAP, 2, 1.0, 4_000, 1_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", DRAWS)
def test_what_is_aimed_with_probability_90_holds_on_new_data_in_about_90_percent(case, record_property):
    kind, target, groups, gap, rows, test_rows = DRAWS[case]
    held, said, covered = [], [], []
    for seed in range(DRAWN):
        rng = np.random.default_rng(seed)
        rule, found, _, limited = tuned(kind, target, *people(rng, rows, groups, gap), test_rows)
        if limited:
            continue
        y, scores, group = people(rng, test_rows, groups, gap)
        decisions = rule.predict(scores, sensitive_features=group)
        new = measure(y, decisions, sensitive_features=group, n_boot=200).figure(target.metric)
        large = people(rng, 20_000, groups, gap)
        sure = rule.predict(large[1], sensitive_features=large[2])
        truth = measure(large[0], sure, sensitive_features=large[2], n_boot=1).figure(target.metric).value
        held.append(target.holds(new.value))
        said.append(found.on_test)
        covered.append(new.interval[0] <= truth <= new.interval[1])
    record_property("held", float(np.mean(held)))
    record_property("interval covers after selection", float(np.mean(covered)))
    print(
        f"{case}: {len(held)} draws, held {np.mean(held):.3f}, said {np.mean(said):.3f}, covered {np.mean(covered):.3f}"
    )
    error = np.sqrt(0.9 * 0.1 / len(held))
    assert len(held) >= 0.75 * DRAWN
    assert 0.9 - 2 * error <= np.mean(held) <= 0.97 + 2 * error
    assert abs(np.mean(held) - np.mean(said)) < 0.02 + 2 * error
    assert np.mean(covered) > 0.9


def measured_with(probabilities, utilities):
    """Return settings that hold in the population and on test rows with the same probability."""
    return lambda value: Setting(value, *[probabilities[round(value)]] * 2, utilities[round(value)])


SEARCHES = {  # probability and utility by setting, what may be spent: the chosen setting, whether it is limited
    "the mildest suffices": ([0.95, 0.97, 0.99], [0.9, 0.9, 0.9], 0.01, 0, False),
    "one further": ([0.5, 0.92, 0.99], [0.9, 0.895, 0.89], 0.01, 1, False),
    "in the middle of many": (
        [i / 20 for i in range(20)],
        [0.9 - i / 2000 for i in range(20)],
        0.05,
        18,
        False,
    ),
    "never reached": ([0.5, 0.6, 0.7], [0.9, 0.9, 0.9], 0.01, 2, True),
    "too dear": ([0.5, 0.6, 0.7, 0.95], [0.9, 0.895, 0.891, 0.8], 0.01, 2, True),
    "nothing may be spent": ([0.5, 0.95], [0.9, 0.899], 0.0, 0, True),
    "one setting": ([0.3], [0.9], 0.01, 0, True),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_the_mildest_setting_that_suffices_is_found(case):
    probabilities, utilities, at_most, expected, limited = SEARCHES[case]
    margin = Margin(probability=0.9, at_most=at_most)
    tried = []

    def measure_one(value):
        tried.append(value)
        return measured_with(probabilities, utilities)(value)

    setting, cost, was_limited = aim(list(map(float, range(len(utilities)))), measure_one, margin)
    assert (setting.value, was_limited) == (expected, limited)
    assert cost == pytest.approx(utilities[0] - utilities[expected])
    assert len(tried) == len(set(tried)) <= 9


FOR_THE_TEST_PART = {  # probability on test rows, what may be spent: the chosen setting
    "reached": ([0.5, 0.6, 0.95, 0.97], 0.01, 2),
    "too dear as a whole": ([0.5, 0.6, 0.8, 0.95], 0.0022, 2),
    "only the population is affordable": ([0.5, 0.6, 0.8, 0.95], 0.0012, 1),
    "never reached": ([0.5, 0.6, 0.7, 0.8], 0.1, 3),
    "reached by the way": ([0.5, 0.95, 0.97, 0.98], 0.01, 1),
}


@pytest.mark.parametrize("case", FOR_THE_TEST_PART)
def test_once_the_population_is_sure_the_margin_goes_on_for_the_test_part(case):
    on_test, at_most, expected = FOR_THE_TEST_PART[case]
    sure, utilities = [0.8, 0.92, 0.96, 0.99], [0.9, 0.899, 0.898, 0.897]
    found, cost, limited = aim(
        [0.0, 1.0, 2.0, 3.0],
        lambda value: Setting(value, sure[round(value)], on_test[round(value)], utilities[round(value)]),
        Margin(probability=0.9, at_most=at_most),
    )
    assert (found.value, limited) == (expected, False)
    assert cost == pytest.approx(utilities[0] - utilities[expected])


def test_where_the_population_is_never_sure_the_setting_that_may_hold_on_test_rows_is_taken():
    on_test = [0.0, 0.02, 0.1]
    found, _, limited = aim(
        [0.0, 1.0, 2.0], lambda value: Setting(value, 0.0, on_test[round(value)], 0.9), MARGIN
    )
    assert (found.value, limited) == (2.0, True)


def test_settings_run_from_the_bound_to_the_strict_end():
    adjustment = tuned_parameter(GroupThresholds.metadata, RATIO)
    given = settings_of(adjustment, GroupThresholds(0.8), True, RATIO)
    assert (given[0], given[-1]) == (0.8, 1.0)
    assert np.all(np.diff(given) > 0)
    of_default = settings_of(adjustment, GroupThresholds(), False, RATIO)
    assert of_default[0] == 0.8
    gap = tuned_parameter(EqualOpportunityThresholds.metadata, GAP)
    falling = settings_of(gap, EqualOpportunityThresholds(), False, GAP)
    assert (falling[0], falling[-1]) == (0.1, 0.0)
    assert np.all(np.diff(falling) < 0)
    assert settings_of(adjustment, GroupThresholds(1.0), True, RATIO) == [1.0]


def test_only_rules_on_scores_are_tuned():
    registry = Registry.installed()
    for card in registry.cards():
        found = tuned_parameter(card.metadata, RATIO)
        if found is not None:
            assert card.metadata.stage == "post-processing"
            assert not card.metadata.needs_model


def of_rates(rates, rows):
    """Measure groups of so many rows each, of which the given shares are selected."""
    y = np.concatenate([np.arange(rows) < rows * rate for rate in rates]).astype(int)
    return measure(y, y, sensitive_features=np.repeat(list("abcdefgh")[: len(rates)], rows), n_boot=4000)


def test_a_figure_at_the_bound_holds_every_other_time():
    found = probability_to_hold(of_rates([0.4, 0.5], 4_000), RATIO.metric, RATIO.holds, 8_000)
    assert found == pytest.approx(0.5, abs=0.06)


def test_draws_are_wider_for_a_smaller_sample_by_the_variance_of_its_ratio():
    one = of_rates([0.42, 0.5], 2_000)
    variance = [np.var(np.log(predictive_draws(one, RATIO.metric, rows))) for rows in (4_000, 400)]
    by_delta = (1 - 0.42) / 0.42 + (1 - 0.5) / 0.5  # of the log ratio, times the rows of a group
    for found, rows in zip(variance, (4_000, 400), strict=True):
        assert found == pytest.approx(by_delta * (1 / 2_000 + 2 / rows), rel=0.2)


def test_the_ratio_of_many_groups_is_not_taken_down_twice():
    """Of eight equal groups the measured ratio lies below 1 by chance; so does that of new data, and once only."""
    rng = np.random.default_rng(0)
    rows, groups = 1_000, 8
    y = np.ones(rows * groups, dtype=int)
    group = np.repeat(list("abcdefgh"), rows)
    seen, said, drawn = [], [], []
    for _ in range(60):
        decisions = (rng.random(len(y)) < 0.3).astype(int)
        measured = measure(y, decisions, sensitive_features=group, n_boot=400)
        seen.append(measured.figure(RATIO.metric).value)
        said.append(np.nanmean(predictive_draws(measured, RATIO.metric, len(y))))
        drawn.append(np.nanmean(metric(RATIO.metric).of(measured.drawn)))
    assert np.mean(drawn) < np.mean(seen) - 0.02
    assert np.mean(said) == pytest.approx(np.mean(seen), abs=0.01)
