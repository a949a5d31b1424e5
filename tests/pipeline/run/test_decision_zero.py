"""Decision 0: nothing is built for what chance shows, and what more than chance shows is not passed by."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.catalog.policy import Policy, load_policy, merged, raw_policy
from fairmend.pipeline.gates.checks import CHECKS
from fairmend.pipeline.run.decision_zero import NeedRecord, assess_need
from tests.pipeline.run.measured import Measured, drawn

PLAYBOOK = load_policy("playbook")


def assess(
    judged: Measured, notion: str = "demographic_parity", policy: Policy = PLAYBOOK, **more
) -> NeedRecord:
    return assess_need(policy.judgment.need, judged.view(notion), policy, CHECKS, **more)


def test_a_target_met_with_its_interval_needs_nothing():
    found = assess(drawn(20_000, 0))
    assert found.finding == "no need"
    assert found.ending.to == "keep"
    assert [c.verdict for c in found.checks] == ["passed"] * len(found.checks)
    assert {c.check for c in found.checks} >= {"fairness", "utility"}
    assert "demographic_parity_ratio" in found.reason


def test_a_target_missed_by_more_than_chance_is_a_need():
    found = assess(drawn(5_000, 0, gap=1.0))
    assert (found.finding, found.ending) == ("need", None)
    assert found.p_value < 0.05
    assert "misses demographic_parity_ratio" in found.reason


def test_between_the_two_the_finding_stays_open_and_is_named():
    found = assess(drawn(300, 3))
    assert found.finding == "open"
    assert found.ending.to == "undecided"
    assert "demographic_parity_ratio" in found.reason
    assert found.rows_needed is None or found.rows_needed > found.rows
    assert any("--intervene" in option for option in found.ending.options)


def test_the_rows_that_are_missing_would_settle_it():
    """With as many rows as decision 0 asks for, the same figure is decided in most draws."""
    settled, asked = 0, 0
    for seed in range(25):
        first = assess(drawn(1_500, seed))
        if first.finding == "open" and first.rows_needed is not None and first.rows_needed < 20_000:
            asked += 1
            settled += assess(drawn(2 * first.rows_needed, 1000 + seed)).finding == "no need"
    assert asked >= 5
    assert settled / asked > 0.6


def test_it_goes_on_all_the_same_where_it_is_told_to():
    found = assess(drawn(20_000, 0), intervene=True)
    assert (found.finding, found.overruled, found.ending) == ("no need", True, None)


NULL = {  # rows, groups, share of favorable labels, notion
    "few rows, two groups": (400, 2, 0.3, "demographic_parity"),
    "few selected": (1_000, 2, 0.15, "demographic_parity"),
    "many rows, few selected": (6_000, 2, 0.12, "demographic_parity"),
    "six groups": (1_500, 6, 0.3, "demographic_parity"),
    "equal opportunity": (800, 2, 0.3, "equal_opportunity"),
    "equalized odds, four groups": (1_500, 4, 0.4, "equalized_odds"),
}


@pytest.mark.parametrize("case", NULL)
def test_where_nothing_is_wrong_few_runs_intervene(case):
    """The protected attribute is a coin toss: at most one run in twenty may change anything."""
    rows, groups, base, notion = NULL[case]
    draws = 120
    found = [assess(drawn(rows, seed, groups=groups, base=base), notion).finding for seed in range(draws)]
    needless = found.count("need") / draws
    assert needless <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / draws)


def test_a_model_without_skill_is_escalated_before_anything_is_built():
    noise = drawn(2_000, 0)
    found = assess(Measured(noise.y[::-1], noise.scores, noise.groups))
    assert found.finding == "no skill"
    assert found.ending.to == "escalate"
    assert "not meaningful" in found.reason


def test_a_group_that_nobody_is_selected_of_is_a_need_and_no_lack_of_skill():
    one = drawn(4_000, 0)
    scores = np.where(one.groups == "g0", one.scores * 0.4, one.scores)
    assert assess(Measured(one.y, scores, one.groups)).finding == "need"


def with_few(one: Measured, rows: int = 12) -> Measured:
    groups = one.groups.astype(object)
    groups[:rows] = "tiny"
    return Measured(one.y, one.scores, groups.astype(str))


def test_a_group_with_too_few_rows_stays_open_where_the_others_show_nothing():
    found = assess(with_few(drawn(20_000, 0)))
    assert found.finding == "open"
    assert "shows no disparity, and tiny has too few rows" in found.reason


def test_a_group_with_too_few_rows_does_not_hide_what_the_others_show():
    assert assess(with_few(drawn(5_000, 0, gap=1.0))).finding == "need"


def test_no_verdict_where_no_two_groups_have_enough_rows():
    found = assess(drawn(45, 0, groups=2, base=0.5, signal=3.0))
    assert found.finding in {"open", "no skill"}


def test_whole_units_are_judged_by_the_interval():
    """Every row ten times, as of one person: ten times the rows are no ten times the evidence."""
    needs = 0
    for seed in range(40):
        one = drawn(150, seed)
        every = np.repeat(np.arange(150), 10)
        rows = Measured(one.y[every], one.scores[every], one.groups[every], cluster=every)
        needs += assess(rows).finding == "need"
    assert needs <= 6


def test_calibration_calls_for_no_intervention_by_itself():
    one = drawn(20_000, 0)
    pushed = np.where(one.scores >= 0.5, one.scores**0.2, one.scores**3)
    found = assess(Measured(one.y, pushed, one.groups))
    assert found.finding == "no need"
    assert not any("calibration" in c.measure for c in found.checks)


def test_a_stricter_significance_intervenes_less():
    cases = [drawn(1_500, seed, gap=0.25) for seed in range(30)]
    cautious = Policy(**merged(raw_policy("playbook"), {"judgment": {"need": {"significance": 0.001}}}))
    bold, careful = ([assess(c, policy=p).finding == "need" for c in cases] for p in (PLAYBOOK, cautious))
    assert sum(careful) < sum(bold)
    assert all(b for b, c in zip(bold, careful, strict=True) if c)


def test_a_model_worse_than_a_constant_rule_by_the_utility_has_no_skill():
    """Its decisions separate the labels, but cost more than giving everyone the same one."""
    found = assess(drawn(20_000, 0, base=0.1, threshold=0.2))
    assert found.finding == "no skill"
    assert found.ending.to == "escalate"
    assert "no better than a constant rule by accuracy" in found.reason
    assert "--utility balanced_accuracy" in found.remedy
