"""The utility of rules on the data of a gate: its value, its change, and the skill that is retained."""

from __future__ import annotations

import math

from fairmend.core.metrics import Estimate, MetricChange
from fairmend.core.metrics.utility import ALMOST_NO_SKILL, UtilityComparison, compare_utility, rate_of
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_model import PrecomputedScores
from fairmend.core.utility import Utility
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.value import Value

BALANCED = Utility(metric="balanced_accuracy")


def utility_of(chosen: Utility | None, baseline: FairModel) -> Utility:
    """Return the utility of a run: the chosen one, else the expected cost at the baseline's own threshold."""
    if chosen is not None:
        return chosen
    estimator = baseline.estimator
    return Utility.at_threshold(estimator.threshold if isinstance(estimator, PrecomputedScores) else 0.5)


def value(utility: Utility, evaluation: ModelEvaluation) -> Estimate:
    """Return the utility of a rule, with its interval."""
    measurement, rate = evaluation.measurement, rate_of(utility)
    return measurement.figure("auc") if rate is None else measurement.pooled(rate)


def comparison(utility: Utility, baseline: ModelEvaluation, current: ModelEvaluation) -> UtilityComparison:
    """Return the paired comparison of two rules on the same rows."""
    data = current.data
    return compare_utility(
        utility,
        data.y,
        (baseline.decisions, current.decisions),
        (baseline.scores, current.scores),
        sensitive_features=current.groups,
        sample_weight=data.weights,
        cluster=data.units,
        settings=current.settings,
    )


def difference(utility: Utility, before: ModelEvaluation, after: ModelEvaluation) -> MetricChange:
    """Return the change of the utility from one rule to another, paired; there is no p-value."""
    found = comparison(utility, before, after)
    change, interval = found.change
    return MetricChange(
        before=found.before,
        after=found.after,
        change=change,
        interval=interval,
        p_value=math.nan,
        p_holm=math.nan,
        support=found.support,
        enough=found.enough,
        lacking=(),
    )


def relative_loss(utility: Utility, baseline: ModelEvaluation, current: ModelEvaluation) -> Value:
    """Return the utility that a rule loses, as a part of the baseline's."""
    found = comparison(utility, baseline, current)
    lost, interval = found.relative_loss
    if not math.isfinite(lost):
        told = f"the baseline's {utility.text} is {found.before:.4f}, so that a loss relative to it is not defined"
        return Value(None, None, found.support, False, told)
    points = f"{utility.text} {found.before:.4f} to {found.after:.4f}, {found.change[0] * 100:+.2f} points"
    return Value(lost, interval, found.support, found.enough, points)


def retained_skill(utility: Utility, baseline: ModelEvaluation, current: ModelEvaluation) -> Value:
    """Return the part of the baseline's skill that a rule retains: (U - U0) / (U_baseline - U0).

    U0 is the utility of the best constant rule. By a utility by which the baseline has almost no skill, a
    share of it would be a ratio of two small numbers. There a rule that has skill of its own retains all that
    there was; for another one skill is measured by balanced accuracy, and where the baseline has none by that
    either, there is no evidence.
    """
    found = comparison(utility, baseline, current)
    told = ""
    if not found.baseline_has_skill:
        told = f"the baseline {_lack_of_skill(found)}"
        if not found.rule_has_skill and utility != BALANCED:
            found = comparison(BALANCED, baseline, current)
            told += "; use --utility balanced_accuracy"
        if not found.baseline_has_skill:
            if found.rule_has_skill:
                return Value(
                    1.0, None, found.support, found.enough, f"{told}; the rule has {found.after:.3f}"
                )
            return Value(None, None, found.support, False, told)
        told += "; "
    share, interval = found.retained_skill
    told += f"{found.utility.text} {found.after:.3f}, baseline {found.before:.3f}, best constant rule {found.constant:.3f}"
    return Value(share, interval, found.support, found.enough, told)


def _lack_of_skill(found: UtilityComparison) -> str:
    """Return how a baseline lacks skill: it has almost none, or too few rows show it."""
    barely = found.before - found.constant < ALMOST_NO_SKILL * (1 - found.constant)
    how = "has almost no skill" if barely else "is not shown to have skill"
    return (
        f"{how} by {found.utility.text} ({found.before:.3f} against {found.constant:.3f} of a constant rule)"
    )
