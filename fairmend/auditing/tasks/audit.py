"""Audit an outcome of more than two values by the measures of its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from fairmend.auditing.candidate_findings import CandidateFinding, conclude
from fairmend.auditing.contributed_kinds import ContributedKind, detected, thresholds_with
from fairmend.auditing.features import binned
from fairmend.auditing.imbalance import representation
from fairmend.auditing.proxies import proxies
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.auditing.tasks.compared_groups import ComparedGroups
from fairmend.auditing.tasks.multiclass import multiclass_findings
from fairmend.auditing.tasks.predictions import task_predictions
from fairmend.auditing.tasks.ranking import ranking_findings
from fairmend.auditing.tasks.regression import regression_findings
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Audit, Finding
from fairmend.core.metrics import TaskMeasurement
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.metrics.tasks.by_task import measure_predictions
from fairmend.core.vocabulary import Task

MOST_ROWS_DRAWN = 20_000_000
REPLICATES = (200, 1000)
FINDINGS: dict[Task, Callable[[ComparedGroups], list[CandidateFinding | Finding]]] = {
    "regression": regression_findings,
    "ranking": ranking_findings,
    "multiclass": multiclass_findings,
}


def task_replicates(n_rows: int) -> int:
    """Return the replicates of an audit: rows themselves are resampled, so that large data get fewer.

    Examples
    --------
    >>> task_replicates(5_000), task_replicates(50_000), task_replicates(5_000_000)
    (1000, 400, 200)
    """
    least, most = REPLICATES
    return min(max(MOST_ROWS_DRAWN // max(n_rows, 1), least), most)


def audit_task(
    data: Dataset,
    *,
    predictions: ArrayLike | None,
    scores: ArrayLike | None,
    model: Any,
    learner: str | None,
    seed: int,
    n_boot: int,
    kinds: Sequence[ContributedKind],
    progress: Callable[[str], None],
) -> Audit:
    """Audit a multiclass, regression or ranking outcome; see :func:`fairmend.auditing.audit`."""
    rules = thresholds_with(kinds)
    if predictions is None and scores is None and model is None and learner is not None:
        progress(f"training a reference model ({learner})")
    subject = task_predictions(data, predictions, scores, model, learner, seed)
    progress("comparing groups")
    groups = data.groups
    measured: dict[str, TaskMeasurement] = {}
    found: list[CandidateFinding | Finding] = []
    for name, part in views(groups).items():
        measured[name] = measure_task(
            data, subject.values, part, subject.scores, n_boot, int(rules.minimum_support.value), seed
        )
        found += FINDINGS[data.task](ComparedGroups(name, data, subject, part, measured[name], rules))
        found.append(representation(name, part.labels, part.counts(), rules))
    progress("looking for proxies")
    found += _proxies(data, rules, seed)
    contributed, failed = detected(kinds, data, subject.values, subject.scores, n_boot=n_boot, seed=seed)
    findings, notes = conclude([*found, *contributed], rules)
    said = f"Biased mediators are looked for where the outcome is binary; this one is {data.task}."
    return Audit(
        rows=len(data),
        roles=data.roles,
        groups={label: int(n) for label, n in zip(groups.labels, groups.counts(), strict=True)},
        subject=subject.name,
        fingerprint=data.fingerprint(),
        seed=seed,
        measures={name: one.to_json() for name, one in measured.items()},
        findings=findings,
        notes=(*data.notes, *subject.notes, said, *failed, *notes),
    )


def measure_task(
    data: Dataset, values: Any, groups: Groups, scores: Any, n_boot: int, min_support: int, seed: int
) -> TaskMeasurement:
    """Measure predictions by the figures of the data's task.

    Parameters
    ----------
    data : Dataset
        Outcome, weights and queries.
    values : ndarray, shape (n,)
        Predicted values, or codes of predicted classes.
    groups : Groups
        Groups to compare.
    scores : ndarray of shape (n, k) or None
        Probabilities of classes.
    n_boot, min_support, seed
        As in :func:`fairmend.core.metrics.measure_regression`.
    """
    return measure_predictions(
        data.task,
        data.y,
        values,
        sensitive_features=groups,
        classes=data.classes,
        y_score=scores,
        query=data.query,
        high_is_good=data.roles.favorable != "low",
        sample_weight=data.population_weights,
        cluster=data.units,
        n_boot=n_boot,
        min_support=min_support,
        seed=seed,
    )


def _proxies(data: Dataset, rules: Thresholds, seed: int) -> list[CandidateFinding]:
    features = {str(name): binned(data.X[name]) for name in data.X.columns}
    features = {name: feature for name, feature in features.items() if feature.n_bins > 1}
    return [
        finding
        for attribute in data.roles.protected
        for finding in proxies(attribute, data, features, rules, seed)
    ]
