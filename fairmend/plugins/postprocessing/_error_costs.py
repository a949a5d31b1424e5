"""The costs of errors by which techniques that choose decisions maximize balanced accuracy or F1."""

from __future__ import annotations

from fairmend.plugins.postprocessing._roc_thresholds import RocCurve

OBJECTIVES = {"cost", "balanced_accuracy", "f1"}


def error_costs(
    objective: str, false_positive_cost: float, false_negative_cost: float, curve: RocCurve
) -> tuple[float, float]:
    """Return the costs of a false positive and of a false negative whose sum an objective minimizes.

    Parameters
    ----------
    objective : {"cost", "balanced_accuracy", "f1"}
        What decisions are worth.
    false_positive_cost, false_negative_cost : float
        The costs where the objective is ``cost``.
    curve : RocCurve
        The curve of all rows of the fitting data.

    Notes
    -----
    Balanced accuracy weights the errors on each label by the share of the other label. F1 is a ratio; its
    maximum F is reached where 2 TP - F (2 TP + FP + FN) is greatest, that is, at the costs F and 2 - F, which
    amount to a threshold of F / 2 on probabilities (Lipton, Elkan & Naryanaswamy 2014). F is computed from the
    best single threshold for all rows; under a fairness constraint it may be slightly lower.

    Examples
    --------
    >>> import numpy as np
    >>> curve = RocCurve(np.array([2.0, 0.5, 0.0]), np.array([0.0, 2.0, 2.0]), np.array([0.0, 0.0, 6.0]))
    >>> error_costs("balanced_accuracy", 1.0, 1.0, curve), error_costs("f1", 1.0, 1.0, curve)
    ((0.5, 1.5), (1.0, 1.0))
    """
    if objective == "cost":
        return false_positive_cost, false_negative_cost
    favorable, other = float(curve.tp[-1]), float(curve.fp[-1])
    if objective == "balanced_accuracy":
        return 2 * favorable / (favorable + other), 2 * other / (favorable + other)
    best = float((2 * curve.tp / (curve.tp + curve.fp + favorable)).max()) if favorable else 1.0
    return best, 2 - best
