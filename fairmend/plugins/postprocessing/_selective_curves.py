"""Coverage and selective error as functions of a confidence threshold, by group."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairmend.base import Floats, Groups

NEVER = 1.0  # a threshold above every confidence, by which no row is decided
GRID = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)  # coverages at which one threshold is examined
Curve = tuple[Floats, Floats, Floats]


def confidence(scores: Floats) -> Floats:
    """Return kappa(x) = |p(x) - 1/2|, the distance of a probability from the threshold 1/2."""
    return np.abs(scores - 0.5)


def selective_curve(kappa: Floats, wrong: Floats, weight: Floats) -> Curve:
    """Return thresholds tau from high to low, with coverage and selective error of deciding kappa >= tau.

    There is one entry per distinct confidence, so rows of equal confidence are decided together. The last
    threshold is 0, which decides all rows, including new ones.
    """
    tau, place = np.unique(-kappa, return_inverse=True)
    decided = np.cumsum(np.bincount(place, weight))
    errors = np.cumsum(np.bincount(place, weight * wrong))
    error = np.divide(errors, decided, out=np.zeros_like(errors), where=decided > 0)
    return np.append(-tau[:-1], 0.0), decided / max(decided[-1], 1e-12), error


def at_coverage(coverage: Floats, least: float) -> int:
    """Return the index on a curve of the highest threshold whose coverage is at least ``least``."""
    return min(int(np.searchsorted(coverage, least - 1e-9)), len(coverage) - 1)


def at_error(error: Floats, bound: float) -> int:
    """Return the last index on a curve whose selective error is within the bound, -1 if there is none."""
    within = np.flatnonzero(error <= bound + 1e-12)
    return int(within[-1]) if len(within) else -1


def equal_error(curves: list[Curve], shares: Floats, coverage: float) -> list[float]:
    """Return the threshold of each group for the smallest common bound on selective error that reaches the coverage.

    Overall coverage increases with the bound, so the bound is found by bisection over the errors on the
    curves.
    """
    bounds = np.unique(np.concatenate([error for _, _, error in curves]))

    def reached(bound: float) -> float:
        at = [at_error(error, bound) for _, _, error in curves]
        return float(np.dot(shares, [c[1][i] if i >= 0 else 0.0 for c, i in zip(curves, at, strict=True)]))

    low, high = 0, len(bounds) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(bounds[middle]) >= coverage - 1e-9 else (middle + 1, high)
    at = [at_error(error, bounds[low]) for _, _, error in curves]
    return [float(c[0][i]) if i >= 0 else NEVER for c, i in zip(curves, at, strict=True)]


def magnification(
    kappa: Floats, wrong: Floats, weight: Floats, groups: Groups, thresholds: Floats, pooled: Curve
) -> dict[str, Any]:
    """Return coverage and selective error by group: without abstention, with one threshold, and with those given.

    Parameters
    ----------
    kappa, wrong, weight : ndarray of float, shape (n,)
        Confidence, whether the decision at 1/2 is wrong, and weight.
    groups : Groups
        The groups.
    thresholds : ndarray of float, shape (n,)
        The threshold of each row.
    pooled : tuple of ndarray
        The curve of all rows.
    """
    plain = _by_group(np.ones(len(kappa), dtype=bool), wrong, weight, groups)
    rule = _by_group(kappa >= thresholds, wrong, weight, groups)
    curve = []
    for coverage in GRID:
        decided = kappa >= pooled[0][at_coverage(pooled[1], coverage)]
        kept = [
            float(np.average(decided[wrong == of], weights=weight[wrong == of]))
            if (weight[wrong == of] > 0).any()
            else 0.0
            for of in (0, 1)
        ]
        reference = {g: _agnostic(e, *kept) for g, e in plain["selective_error"].items()}
        curve.append({**_by_group(decided, wrong, weight, groups), "reference_error": reference})
    same = float(weight[kappa >= thresholds].sum() / weight.sum())
    one = _by_group(kappa >= pooled[0][at_coverage(pooled[1], same)], wrong, weight, groups)
    return {
        **rule,
        "without_abstention": plain,
        "one_threshold": one,
        "magnified": _gap(one["selective_error"]) > _gap(plain["selective_error"]) + 1e-12,
        "curve": curve,
    }


def _agnostic(error: float | None, right_kept: float, wrong_kept: float) -> float | None:
    """Return a group's error if abstention takes the same share of correct and of wrong decisions in every group."""
    if error is None:
        return None
    decided = error * wrong_kept + (1 - error) * right_kept
    return error * wrong_kept / decided if decided > 0 else None


def _by_group(decided: Any, wrong: Floats, weight: Floats, groups: Groups) -> dict[str, Any]:
    """Return coverage and selective error of each group, None if no row is decided."""
    total, kept = groups.counts(weight), groups.counts(weight * decided)
    errors = groups.counts(weight * decided * wrong)
    return {
        name: {g: float(t / b) if b > 0 else None for g, t, b in zip(groups.labels, top, bottom, strict=True)}
        for name, top, bottom in (("coverage", kept, total), ("selective_error", errors, kept))
    }


def _gap(by_group: dict[str, float | None]) -> float:
    found = [value for value in by_group.values() if value is not None]
    return max(found) - min(found) if found else 0.0
