"""Evaluation against fairlearn, AIF360, netcal and SciPy; replicates are equal on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from _pairs.data import Sample, adult, drawn
from _pairs.pair import Calls, pair
from fairmend.plugins import evaluation as ours

REPLICATES = 20  # a peer takes about half a second for each


def measured(technique: Any, metrics: tuple[str, ...], rows: int) -> Calls:
    """Measure rates by sex and race with bootstrap intervals, against fairlearn."""
    import fairlearn.metrics as peers

    data = adult(rows)
    chosen = {name: getattr(peers, name) for name in metrics}

    def theirs() -> Any:
        return peers.MetricFrame(
            metrics=chosen, y_true=data.y, y_pred=data.decisions, sensitive_features=data.sensitive,
            n_boot=REPLICATES, ci_quantiles=[0.025, 0.975], random_state=0,
        )  # fmt: skip

    return lambda: technique.evaluate(data.y, data.decisions, sensitive_features=data.sensitive), theirs


@pair("selection-rate-audit", "fairlearn", 5_000)
def selection_rate_audit(rows: int) -> Calls:
    return measured(ours.SelectionRateAudit(n_boot=REPLICATES), ("selection_rate",), rows)


@pair("error-rate-audit", "fairlearn", 5_000)
def error_rate_audit(rows: int) -> Calls:
    rates = ("true_positive_rate", "false_positive_rate")
    return measured(ours.ErrorRateAudit(n_boot=REPLICATES), rates, rows)


@pair("intersectional-evaluation", "fairlearn", 5_000)
def intersectional_evaluation(rows: int) -> Calls:
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate")
    technique = ours.IntersectionalEvaluation(list(rates), n_boot=REPLICATES, n_permutations=REPLICATES)
    return measured(technique, rates, rows)


@pair("bootstrap-intervals", "fairlearn", 5_000)
def bootstrap_intervals(rows: int) -> Calls:
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate")
    return measured(ours.BootstrapIntervals(n_boot=REPLICATES), rates, rows)


@pair("individual-consistency", "aif360", 5_000)
def individual_consistency(rows: int) -> Calls:
    from aif360.sklearn.metrics import consistency_score

    data, technique = drawn(rows), ours.IndividualConsistency(5, scale=False)
    return (
        lambda: technique.evaluate(y_pred=data.decisions, sensitive_features=data.sensitive, X=data.X),
        lambda: consistency_score(data.X, data.decisions, 5),
    )


@pair("expected-calibration-error", "netcal", 48_842)
def expected_calibration_error(rows: int) -> Calls:
    from netcal.metrics import ECE

    data, technique = drawn(rows), ours.ExpectedCalibrationError(n_boot=REPLICATES)
    groups = list(data.sensitive.groupby("group").indices.values())

    def theirs() -> Any:
        return [_resampled(data, where, ECE(bins=10)) for where in groups]

    return lambda: technique.evaluate(data.y, y_score=data.scores, sensitive_features=data.sensitive), theirs


def _resampled(data: Sample, where: np.ndarray, metric: Any) -> list[float]:
    """Return a metric of a group and of its bootstrap replicates."""
    rng = np.random.default_rng(0)
    draws = [where, *(rng.choice(where, len(where)) for _ in range(REPLICATES))]
    return [metric.measure(data.scores[rows], data.y[rows]) for rows in draws]


@pair("permutation-test", "scipy", 20_000)
def permutation_test(rows: int) -> Calls:
    from scipy.stats import permutation_test as peer

    data = drawn(rows)
    technique = ours.PermutationTest(n_permutations=1000)
    parts = [data.decisions[where] for where in data.sensitive.groupby("group").indices.values()]

    def difference(a: Any, b: Any, axis: int) -> Any:
        return a.mean(axis=axis) - b.mean(axis=axis)

    return (
        lambda: technique.evaluate(data.y, data.decisions, sensitive_features=data.sensitive),
        lambda: peer(parts, difference, vectorized=True, n_resamples=1000, batch=50, rng=0),
    )


@pair("bias-scan", "aif360", 2_000)
def bias_scan(rows: int) -> Calls:
    """Scan four attributes for overestimated scores and for underestimated ones, two starts each, without a test."""
    from aif360.detectors import bias_scan as peer

    data = adult(rows)
    cut = data.X[["education-num", "hours-per-week"]].apply(lambda c: pd.cut(c, 4).astype(str))
    people = pd.concat([data.sensitive.astype(str), cut], axis=1)
    labels, scores = pd.Series(data.y), pd.Series(data.scores * 0.5)
    technique = ours.BiasScan(penalty=1.0, n_starts=2, n_simulations=0)

    def theirs() -> Any:
        return [
            peer(people, labels, scores, overpredicted=over, num_iters=2, penalty=1.0)
            for over in (True, False)
        ]

    return lambda: technique.evaluate(data.y, y_score=data.scores * 0.5, sensitive_features=people), theirs
