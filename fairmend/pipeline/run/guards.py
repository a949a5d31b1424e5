"""Guards: conditions for any verdict, whatever the policy requires.

A policy defines how fair and how useful a rule must be. It cannot detect that a rule gives everyone the
same decision, that the baseline for utility is worthless, or that a feature leaks the outcome: then its
checks pass and prove nothing. A run with a tripped guard is never "deployable".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fairmend.auditing.leakage import Leak
from fairmend.core.metrics import Measurement, metric
from fairmend.core.metrics.degenerate import Degeneracy, degeneracies
from fairmend.core.metrics.utility import ALMOST_NO_SKILL
from fairmend.core.utility import Utility
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.utility import comparison

HANDFUL = 5
"""A ratio of selection rates rests on a handful where equal rates would select fewer of a group."""
NOTABLE = 0.05
"""Unweighted metrics are reported next to weighted ones if they differ by more than this."""


@dataclass(frozen=True)
class Guard:
    """A guard that tripped.

    Attributes
    ----------
    kind : str
        ``degenerate-decisions``, ``no-skill``, ``worthless-baseline``, ``few-decisions`` or ``label-leak``.
    status : {"failed", "escalated"}
        Status of a run that would otherwise be deployable: a rule without decisions failed; what
        people can resolve is escalated to them.
    reason : str
        Explanation.
    remedy : str
        What to do next.
    """

    kind: str
    status: Literal["failed", "escalated"]
    reason: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return asdict(self)


def guards(
    baseline: ModelEvaluation,
    final: ModelEvaluation,
    leaks: Iterable[Leak],
    *,
    target: str,
    utility: Utility,
) -> list[Guard]:
    """Return the guards that trip, the most severe first.

    Parameters
    ----------
    baseline, final : ModelEvaluation
        Both rules on the test data.
    leaks : iterable of Leak
        Features that leak the outcome, without those that the user allows.
    target : str
        Name of the target metric.
    utility : Utility
        What decisions are worth. A worthless baseline is no obstacle to a rule that is surely better by it
        and has skill of its own.
    """
    found = [_of_rule(one) for one in _of(final)]
    worthless = _of(baseline)
    if worthless and not (not found and _surely_better(utility, baseline, final)):
        told = "; ".join(one.text for one in worthless)
        found.append(
            Guard(
                "worthless-baseline",
                "escalated",
                f"the baseline {told}; a utility loss relative to it is not meaningful",
                skill_remedy(baseline),
            )
        )
    if target == "demographic_parity_ratio" and (few := _few_decisions(final.measurement)):
        found.append(
            Guard(
                "few-decisions",
                "escalated",
                f"the verdict on {target.replace('_', ' ')} rests on a handful of favorable decisions: {'; '.join(few)}",
                "Collect more rows of these groups, or merge groups if that makes sense",
            )
        )
    read = {str(name) for name in final.model.features}
    for leak in leaks:
        if leak.column in read:
            found.append(
                Guard(
                    "label-leak",
                    "escalated",
                    f"{leak.text}: it was probably recorded after the outcome",
                    f"Exclude it (--ignore {leak.column}), or allow it if it is known before the decision "
                    f"(--allow-feature {leak.column}, or allowed_features in the roles of a pipeline)",
                )
            )
    return found


def _of_rule(one: Degeneracy) -> Guard:
    """Return the guard of a final rule: failed if all decisions are equal, escalated if it has no skill."""
    reason = f"the final rule {one.text}; its fairness metrics are not meaningful"
    if one.kind == "no-skill":
        remedy = "Collect more rows, or use features and techniques with predictive skill"
        return Guard(one.kind, "escalated", reason, remedy)
    return Guard(one.kind, "failed", reason, "Use another technique, or a baseline with predictive skill")


def skill_remedy(baseline: ModelEvaluation) -> str:
    """Return what to do about a baseline whose decisions have no skill: its scores may have some."""
    area = baseline.measurement.figure("auc")
    if area.interval is not None and area.interval[0] > 0.5 + ALMOST_NO_SKILL / 2:
        return (
            f"Its scores have skill (AUC {area.value:.3f}), its threshold has not: choose decisions by "
            "--utility balanced_accuracy or by costs (--cost-fp, --cost-fn), and run again"
        )
    return "Use features, a learner or a model (--model) with predictive skill, and run again"


def _surely_better(utility: Utility, baseline: ModelEvaluation, final: ModelEvaluation) -> bool:
    found = comparison(utility, baseline, final)
    interval = found.change[1]
    return found.rule_has_skill and interval is not None and interval[0] > 0


def _few_decisions(measured: Measurement) -> list[str]:
    """Return the groups of which equal rates would select fewer than a handful, with what was selected."""
    overall = measured.figure("selection_rate").value
    return [
        f"{group} ({figure.support:,} rows, {figure.value:.1%} selected)"
        for group, figure in measured.by_group("selection_rate").items()
        if figure.support * overall < HANDFUL
    ]


def _of(judged: ModelEvaluation) -> list[Degeneracy]:
    data = judged.data
    return degeneracies(judged.measurement, data.y, judged.scores, sample_weight=data.weights)


def row_figures(measured: Measurement, target: str) -> dict[str, Any] | None:
    """Return unweighted next to weighted metrics; None without weights.

    Parameters
    ----------
    measured : Measurement
        Weighted metrics.
    target : str
        Name of the target metric.
    """
    table = measured.table
    if table.moments is None:
        return None
    rows = table.rows.astype(float)
    selection = metric("selection_rate").rates[0]
    by_rows = dict(zip(measured.groups, selection.of(rows), strict=True))
    by_weight = measured.by_group("selection_rate")
    figures: dict[str, Any] = {
        name: _both(float(metric(name).of(rows)), measured.figure(name).value)
        for name in ("accuracy", "selection_rate", target)
    }
    figures["selection_rate"]["by_group"] = {
        group: _both(float(by_rows[group]), by_weight[group].value) for group in measured.groups
    }
    return figures


def _both(rows: float, weighted: float) -> dict[str, float | None]:
    known = (value if value == value else None for value in (rows, weighted))
    return dict(zip(("rows", "weighted"), known, strict=True))


def row_notes(figures: dict[str, Any] | None) -> list[str]:
    """Return a sentence for each metric that differs notably between rows and weights."""
    if figures is None:
        return []
    shown = {name.replace("_", " "): one for name, one in figures.items()}
    shown |= {f"selection rate of {g}": one for g, one in figures["selection_rate"]["by_group"].items()}
    return [
        f"The unweighted {name} is {one['rows']:.3f}, the weighted one {one['weighted']:.3f}: a few rows with large weights dominate it."
        for name, one in shown.items()
        if None not in (one["rows"], one["weighted"]) and abs(one["rows"] - one["weighted"]) > NOTABLE
    ]
