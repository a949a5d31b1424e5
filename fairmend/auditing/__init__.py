"""Audit data or decisions: findings with severity, support and interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from fairmend.auditing.candidate_findings import CandidateFinding, conclude
from fairmend.auditing.contributed_kinds import ContributedKind, detected, thresholds_with
from fairmend.auditing.data_warnings import cautions, leaks
from fairmend.auditing.features import binned, most_telling, rates_by_bin
from fairmend.auditing.graph_roles import against, searches
from fairmend.auditing.group_gaps import BASE_RATE, ERROR_RATE, OUTCOME, compare_groups, group_miscalibration
from fairmend.auditing.imbalance import rarer_outcome, rarer_outcome_in_group, representation
from fairmend.auditing.intersectional import intersectional_disparity
from fairmend.auditing.leakage import label_leaks
from fairmend.auditing.mediators import biased_mediators
from fairmend.auditing.predictions import AuditedPredictions, audited_predictions, folds_of
from fairmend.auditing.proxies import proxies
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.auditing.skill import without_skill
from fairmend.auditing.tasks import audit_task, task_replicates
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import MINIMUM_ROWS, Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.findings import Audit, Finding
from fairmend.core.metrics import Measurement, ScoreTable, measure
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.text.validation import check_seed

__all__ = ["audit"]

LABEL_FIGURES = ("base_rate", "selection_rate", "demographic_parity_ratio", "demographic_parity_difference")


def audit(
    data: Dataset,
    *,
    predictions: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    model: Any = None,
    learner: str | None = "gradient_boosting",
    seed: int = 0,
    n_boot: int = 2000,
    graph: CausalGraph | None = None,
    kinds: Sequence[ContributedKind] = (),
    progress: Callable[[str], None] | None = None,
) -> Audit:
    """Audit a data set, and the decisions of a model on it.

    Parameters
    ----------
    data : Dataset
        Features, outcome and protected attributes; at least 100 rows.
    predictions : array-like of shape (n,), optional
        Decisions: 0 and 1, where 1 is the favorable one, or values of the outcome column.
    scores : array-like of shape (n,), optional
        Probabilities of the favorable outcome; without predictions, 0.5 and more is favorable.
    model : fitted classifier, optional
        Model whose decisions on ``data.X`` are audited, instead of predictions and scores.
    learner : str or None
        By default, the out-of-fold decisions of a reference model of this name are
        audited (five folds); with None the recorded outcomes are audited as decisions.
    seed : int
        Random seed of folds, bootstrap and permutations.
    n_boot : int
        Bootstrap replicates of the intervals.
    graph : CausalGraph, optional
        An expert's graph, as :func:`fairmend.core.causal.graph_io.expert_graph` returns it: it says which
        features are mediators and proxies, instead of the declared roles. What the data hold against
        it is in the notes.
    kinds : sequence of ContributedKind
        Finding kinds of plugins, which bring their own detectors and measures.
    progress : callable, optional
        Called with a short description of the current step.

    Returns
    -------
    Audit
        ``measures`` holds the metrics of each protected attribute by name and, for several, of
        their intersection, such as ``sex & race``.

    Raises
    ------
    InsufficientDataError
        Fewer than 100 rows, or too few of one outcome to train a reference model.
    DataError
        Predictions or scores with wrong length, missing values, or an unsupported type.
    UsageError
        A model together with predictions or scores, or one without ``predict``.
    UnknownNameError
        No learner has this name.
    """
    check_seed(seed)
    if len(data) < MINIMUM_ROWS:
        raise InsufficientDataError(f"the data has {len(data)} rows; an audit needs at least {MINIMUM_ROWS}")
    rules, say = thresholds_with(kinds), progress or _silent
    if data.task != "binary":
        if graph is not None:
            raise UsageError(
                f"a causal graph requires a binary outcome, and {data.roles.outcome!r} was read as {data.task}; "
                "leave the graph out, or make the outcome binary (--favorable)"
            )
        return audit_task(
            data,
            predictions=predictions,
            scores=scores,
            model=model,
            learner=learner,
            seed=seed,
            n_boot=min(n_boot, task_replicates(len(data))),
            kinds=kinds,
            progress=say,
        )
    if predictions is None and scores is None and model is None and learner is not None:
        say(f"training a reference model ({learner})")
    subject = audited_predictions(data, predictions, scores, model, learner, seed)
    say("comparing groups")
    groups = data.groups
    measured = {
        name: measure(
            data.y,
            subject.decisions,
            sensitive_features=part,
            y_score=subject.scores,
            sample_weight=data.weights,
            cluster=data.units,
            n_boot=n_boot,
            min_support=int(rules.minimum_support.value),
            seed=seed,
        )
        for name, part in views(groups).items()
    }
    found: list[CandidateFinding | Finding] = [rarer_outcome(next(iter(measured.values())))]
    if not subject.is_label:
        scored = subject.decisions if subject.scores is None else subject.scores
        found += without_skill(measured, data.y, scored, data.weights)
    for name, part in views(groups).items():
        found += _of_groups(name, measured[name], data, subject, part, rules, seed)
    *_, crossing = measured
    if len(measured) > 1:
        found += intersectional_disparity(crossing, measured[crossing], groups, errors=not subject.is_label)
    say(f"binning {data.X.shape[1]:,} features")
    about_features, cautions_ = _of_features(data, rules, seed, say, graph)
    contributed, failed = detected(kinds, data, subject.decisions, subject.scores, n_boot=n_boot, seed=seed)
    findings, notes = conclude([*found, *about_features, *contributed], rules)
    return Audit(
        rows=len(data),
        roles=data.roles,
        groups={label: int(n) for label, n in zip(groups.labels, groups.counts(), strict=True)},
        subject=subject.name,
        fingerprint=data.fingerprint(),
        seed=seed,
        measures={name: _figures(one, subject) for name, one in measured.items()},
        findings=tuple(_with_column_kind(finding, data) for finding in findings),
        graph=None if graph is None else graph.to_mapping(),
        notes=(*data.notes, *subject.notes, *cautions_, *failed, *notes, *against(graph, data, findings)),
    )


def _with_column_kind(finding: Finding, data: Dataset) -> Finding:
    """Return the finding with the type of its feature, so that a repair can distinguish numbers from categories."""
    if finding.column is None or finding.column not in data.X.columns:
        return finding
    held = "number" if pd.api.types.is_numeric_dtype(data.X[finding.column]) else "text"
    return finding.model_copy(update={"column_is": held})


def _of_groups(
    attribute: str,
    measured: Measurement,
    data: Dataset,
    subject: AuditedPredictions,
    groups: Any,
    rules: Thresholds,
    seed: int,
) -> list[CandidateFinding | Finding]:
    """Return the evidence from comparing the groups of one attribute, or of the intersection."""
    gaps = (OUTCOME, BASE_RATE) if subject.is_label else (OUTCOME, ERROR_RATE, BASE_RATE)
    out: list[CandidateFinding | Finding] = []
    for gap in gaps:
        out += compare_groups(gap, attribute, measured, rules, seed)
    if subject.scores is not None:
        counted = ScoreTable.from_arrays(data.y, subject.scores, groups)
        out += group_miscalibration(attribute, measured, counted, rules, seed)
    out.append(
        representation(
            attribute, measured.groups, measured.table.rows.sum(axis=(1, 2)), rules, measured.level
        )
    )
    out += rarer_outcome_in_group(attribute, measured)
    return out


def _of_features(
    data: Dataset,
    rules: Thresholds,
    seed: int,
    say: Callable[[str], None],
    graph: CausalGraph | None,
) -> tuple[list[CandidateFinding], list[str]]:
    """Return the evidence from features about each attribute, and the data warnings."""
    every = {str(name): binned(data.X[name]) for name in data.X.columns}
    every = {name: feature for name, feature in every.items() if feature.n_bins > 1}
    searched = searches(data, graph)
    data, roles = searched[0][0], searched[0][0].roles
    features = most_telling(
        every,
        [data.y, *(Groups.of(data.sensitive[[name]]).codes for name in roles.protected)],
        {*roles.mediators, *roles.resolving, *roles.proxies},
    )
    folds = folds_of(data.y, seed, units=data.units)
    rates = {name: rates_by_bin(feature, data.y, folds)[:, 1] for name, feature in features.items()}
    leaking = leaks(data.y, rates, rules)
    notes = cautions(data.X, leaking)
    if len(features) < len(every):
        notes.append(
            f"{len(features)} of {len(every):,} features were checked for leaks, bias and proxies: those most strongly "
            "associated with the outcome or a group."
        )
    asked = [name for name in data.X.columns if str(name) in features]
    stopping = [
        one for one in label_leaks(data.X, data.y, asked) if one.column not in data.roles.allowed_features
    ]
    if stopping:
        names = ", ".join(one.column for one in stopping)
        told = "; ".join(one.text for one in stopping)
        notes.append(
            f"Label leak: {told}. No run is deployable while its model reads this feature: exclude it (--ignore {names}), "
            "or allow it if it is known before the decision (--allow-feature)."
        )
    if data.roles.resolving:
        notes.append(
            f"Resolving variables were not checked for bias or as proxies: {', '.join(data.roles.resolving)}."
        )
    if graph is not None:
        notes.append("Mediators and proxies are those of the causal graph.")
    elif not roles.mediators:
        notes.append("No mediators are declared; biased mediators were searched by association.")
    honest = {name: feature for name, feature in features.items() if name not in leaking}
    out: list[CandidateFinding] = []
    for attribute in data.roles.protected:
        say(f"searching mediators and proxies of {attribute} among {len(features)} features")
        known = {name: feature for name, feature in honest.items() if name != attribute}
        beside = {name: rates[name] for name in known}
        for with_roles, columns in searched:
            asked_of = {name: one for name, one in known.items() if columns is None or name in columns}
            out += biased_mediators(attribute, with_roles, asked_of, beside, rules, seed)
        out += proxies(attribute, data, features, rules, seed)
    return out, notes


def _figures(measured: Measurement, subject: AuditedPredictions) -> dict[str, Any]:
    written = measured.to_json()
    return {name: written[name] for name in LABEL_FIGURES} if subject.is_label else written


def _silent(_: str) -> None:
    """Report nothing."""
