"""Guards: what must hold for any verdict, whatever a policy asks for.

A policy says how fair and how useful a rule must be. It cannot see that a rule gives everyone the same
decision, that the baseline which utility is held against is worthless, or that a feature gives the
outcome away: then its checks pass, and prove nothing. A guard that trips is never "deployable".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fairmend.auditing.leakage import Leak
from fairmend.core.metrics import Measurement, metric
from fairmend.core.metrics.degenerate import Degeneracy, degeneracies
from fairmend.pipeline.gates.gate_context import ModelEvaluation

NOTABLE = 0.05
"""Figures by rows are told beside those by weight where they differ by more than this."""


@dataclass(frozen=True)
class Guard:
    """A guard that tripped.

    Attributes
    ----------
    kind : str
        ``degenerate-decisions``, ``no-skill``, ``worthless-baseline`` or ``label-leak``.
    status : {"failed", "escalated"}
        What becomes of a run that would be deployable: a rule that decides nothing has failed; what
        people can clear up is escalated to them.
    reason : str
        What was seen.
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


def guards(baseline: ModelEvaluation, final: ModelEvaluation, leaks: Iterable[Leak]) -> list[Guard]:
    """Return the guards that trip, the gravest first.

    Parameters
    ----------
    baseline, final : ModelEvaluation
        Both rules on the test data.
    leaks : iterable of Leak
        Features that give the outcome away, without those that the user allows.
    """
    found = [_of_rule(one) for one in _of(final)]
    worthless = _of(baseline)
    if worthless:
        told = "; ".join(one.text for one in worthless)
        found.append(
            Guard(
                "worthless-baseline",
                "escalated",
                f"the baseline {told}; a loss of utility relative to it proves nothing",
                "Give features, a learner or a model (--model) that tell people apart, and run again",
            )
        )
    read = {str(name) for name in final.model.features}
    for leak in leaks:
        if leak.column in read:
            found.append(
                Guard(
                    "label-leak",
                    "escalated",
                    f"{leak.text}: it looks as if it was recorded after the outcome",
                    f"Leave it out (--ignore {leak.column}); or, if it is known before the decision, say so "
                    f"(--allow-feature {leak.column}, or allowed_features among the roles of a pipeline)",
                )
            )
    return found


def _of_rule(one: Degeneracy) -> Guard:
    """Return the guard of a final rule: without decisions it failed; whether it has skill, people can clear up."""
    reason = f"the final rule {one.text}; its figures of fairness say nothing"
    if one.kind == "no-skill":
        remedy = "Collect more rows, or use features and techniques that tell people apart"
        return Guard(one.kind, "escalated", reason, remedy)
    return Guard(one.kind, "failed", reason, "Use another technique or a baseline that tells people apart")


def _of(judged: ModelEvaluation) -> list[Degeneracy]:
    data = judged.data
    return degeneracies(judged.measurement, data.y, judged.scores, sample_weight=data.weights)


def row_figures(measured: Measurement, target: str) -> dict[str, Any] | None:
    """Return figures by rows beside those by weight; None where rows carry no weights.

    Parameters
    ----------
    measured : Measurement
        Weighted figures.
    target : str
        Name of the figure that the run's target is about.
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
    """Return a sentence for each figure that differs notably between rows and weights."""
    if figures is None:
        return []
    shown = {name.replace("_", " "): one for name, one in figures.items()}
    shown |= {f"selection rate of {g}": one for g, one in figures["selection_rate"]["by_group"].items()}
    return [
        f"By rows the {name} is {one['rows']:.3f}, by weight {one['weighted']:.3f}: a few heavy rows decide it."
        for name, one in shown.items()
        if None not in (one["rows"], one["weighted"]) and abs(one["rows"] - one["weighted"]) > NOTABLE
    ]
