"""Checks of abstentions, prediction sets and intervals: they hold what they promise in every group."""

from __future__ import annotations

import numpy as np

from fairmend.core.metrics import UncertaintyMeasurement, compare_uncertainty
from fairmend.core.stages import Postprocessor
from fairmend.core.technique import Technique
from fairmend.testing.driving import instance, model_inputs, sensitive_for
from fairmend.testing.problems import Problem, problem
from fairmend.testing.suite import check

ROWS = 4000
CHANCE = 3.5  # standard errors that a coverage may fall short by on new rows


def _gives(t: type[Technique], *what: str) -> bool:
    return issubclass(t, Postprocessor) and bool(set(what) & set(t.metadata.modifies))


def _measured(
    technique: type[Technique], p: Problem
) -> list[tuple[UncertaintyMeasurement, UncertaintyMeasurement]]:
    """Return the figures of the new rows before and after, of all that a technique says beside decisions."""
    made = instance(technique)
    fitted = made.fit(p.scores, p.y, sensitive_features=p.sensitive, **model_inputs(made, p))
    new = model_inputs(made, p, new=True)
    said = fitted.uncertainty(p.scores_new, **sensitive_for(fitted, p.sensitive_new), **new)
    decisions = (p.scores_new >= 0.5).astype(int)
    found = compare_uncertainty(
        p.y_new, decisions, said, y_score=p.scores_new, sensitive_features=p.sensitive_new, n_boot=1
    )
    return list(found.values())


@check(
    "The error rate of the decided rows is lower than that of all rows.",
    lambda t: _gives(t, "abstention"),
)
def check_abstention(technique: type[Technique]) -> None:
    for before, after in _measured(technique, problem(n=ROWS)):
        coverage = after.figure("coverage").value
        assert 0 < coverage < 1, f"{coverage:.0%} of the rows are decided; expected some but not all"
        then, now = (m.figure("selective_error").value for m in (before, after))
        assert now < then, f"errors among the decided are {now:.3f}, among all rows {then:.3f}"


@check(
    "Sets and intervals contain the true value in every group at the rate that alpha, if there is one, guarantees.",
    lambda t: _gives(t, "prediction sets", "intervals"),
)
def check_coverage(technique: type[Technique]) -> None:
    tasks = set(technique.metadata.tasks)
    problems = [problem(n=ROWS, groups=("a", "b", "c"), tilt=1.0)] if tasks & {"binary"} else []
    problems += (
        [problem(n=ROWS, groups=("a", "b", "c"), tilt=2.0, task="regression")]
        if tasks & {"regression"}
        else []
    )
    alpha = getattr(instance(technique), "alpha", None)
    for p in problems:
        for before, after in _measured(technique, p):
            for group, found in after.by_group("coverage").items():
                if alpha is None:
                    least = before.figure("coverage", group).value
                else:
                    least = 1 - alpha - CHANCE * np.sqrt(alpha * (1 - alpha) / found.support)
                assert found.value >= least, (
                    f"in {group} they contain the true value in {found.value:.3f} of the rows, at least {least:.3f} is due"
                )
