"""Label-bias reweighting, Jiang & Nachum 2020."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    fit_weighted,
    split_learner,
)
from fairmend.plugins.preprocessing._cells import cell_counts

_LABELS = {"demographic_parity": (), "equal_opportunity": (1,), "equalized_odds": (0, 1)}
"""Labels within which decisions are compared; without any, over all rows."""


def label_weights(multipliers: Floats, y: Ints, codes: Ints) -> Floats:
    """Return e^u / (1 + e^u) for favorable labels and 1 / (1 + e^u) for others, u the multiplier of the cell.

    Examples
    --------
    >>> label_weights(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([1, 0, 1]), np.array([0, 0, 1])).round(3)
    array([0.731, 0.269, 0.5  ])
    """
    return np.asarray(expit(np.where(y == 1, 1, -1) * multipliers[codes, y]))


def violations(decided: Floats, y: Ints, codes: Ints, w: Floats, constraint: str) -> Floats:
    """Return D, a group's rate of favorable decisions less that of all rows, by group and label.

    The rates are those among the rows of a label where the notion compares such, and 0 where it does not.

    Examples
    --------
    >>> decided, y = np.array([1.0, 0.0, 1.0, 1.0]), np.array([1, 1, 1, 0])
    >>> codes, w = np.array([0, 0, 1, 1]), np.ones(4)
    >>> violations(decided, y, codes, w, "demographic_parity").tolist()
    [[-0.25, -0.25], [0.25, 0.25]]
    >>> violations(decided, y, codes, w, "equal_opportunity").round(2).tolist()
    [[0.0, -0.17], [0.0, 0.33]]
    """
    out = np.zeros((int(codes.max()) + 1, 2))
    for label in _LABELS[constraint] or (None,):
        v = w if label is None else w * (y == label)
        rates = np.bincount(codes, weights=v * decided) / np.bincount(codes, weights=v)
        gaps = rates - np.average(decided, weights=v)
        if label is None:
            out[:] = gaps[:, None]
        else:
            out[:, label] = gaps
    return out


class LabelBiasReweighting(Preprocessor):
    """Weight rows so that a model trained on them satisfies a notion of fairness, as on unbiased labels.

    Parameters
    ----------
    estimator : classifier with predict_proba that takes sample weights, optional
        What is trained on the weighted rows; the learner of the run by default.
    constraint : {"demographic_parity", "equal_opportunity", "equalized_odds"}, default="demographic_parity"
        Which rates of favorable decisions the groups should share.
    tolerance : float > 0, default=0.01
        Iteration ends when no group's rate is further than this from the rate of all rows.
    step : float > 0, default=2.0
        Factor of the violation by which multipliers change; 2 is a step of 1 in the authors' code.
    max_iter : int, default=100
        Most models to train.

    Attributes
    ----------
    multipliers_ : ndarray of float, shape (groups, 2)
        lambda by group and label.
    diagnostics_ : dict
        ``violation_before`` and ``violation_after``, the largest D on the training rows; ``iterations``;
        ``converged``; ``multipliers`` by group.

    Notes
    -----
    The observed labels are seen as a biased version of unknown fair ones, as close to them as the bias allows;
    the fair ones are restored by weights. A favorable row of group a weighs e^u / (1 + e^u), another one
    1 / (1 + e^u), with u = lambda_a. Starting from 0, which leaves all weights equal, a model is trained, its
    violation D_a measured on the same rows, and lambda_a reduced by ``step`` times D_a. For equal opportunity
    D_a is measured among favorable rows, and for equalized odds each label has multipliers of its own, which
    apply to the rows with that label. The weights are scaled to the sum of those given.

    As in the authors' code, decisions at one half are compared and the constraint of a group is its indicator.
    Departures: the weights with the smallest violation are returned, not the last ones, and several attributes
    are crossed. A learner that fits the training rows too well hides its violation there: check the result on
    held-out rows. Weights that bring parity show what label bias would explain, not that there was one.

    References
    ----------
    H. Jiang and O. Nachum (2020), "Identifying and correcting label bias in machine learning", AISTATS.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import LabelBiasReweighting
    >>> loans = bank(2_000)
    >>> X = loans[["credit_score", "redlining"]].assign(income=loans["income"] / 1000)
    >>> technique = LabelBiasReweighting(LogisticRegression(max_iter=1000), tolerance=0.03)
    >>> changed = technique.change(X, loans["approved"], sensitive_features=loans["race"])
    >>> [round(technique.diagnostics_[f"violation_{when}"], 2) for when in ("before", "after")]
    [0.13, 0.03]
    """

    metadata = TechniqueMetadata(
        technique_id=33,
        slug="label-bias-reweighting",
        name="Label-bias reweighting",
        family="reweighting",
        summary="Finds by repeated training the weights of rows with which a model meets a fairness notion, as if the labels had been unbiased.",
        citation="jiang2020identifying",
        addresses=("outcome-disparity", "error-rate-disparity", "base-rate-difference"),
        targets=("demographic_parity", "equal_opportunity", "equalized_odds"),
        modifies=("weights",),
        minimum_rows=500,
        complexity="medium",
        compute="high",
        duration_weeks=(1, 2),
        use_when="Labels were assigned with prejudice, no label may be edited, and weights from counts alone leave a disparity in the decisions.",
        avoid_when="The learner ignores sample weights or reproduces its training labels, or training it dozens of times is too expensive.",
        questions=(
            "Our labels come from biased reviewers; how do I train as if they had been fair?",
            "Reweighing by counts did not close the gap in the decisions; which weights do?",
            "Can sample weights be learned so that true positive rates agree?",
            "How do I correct annotation bias without relabeling anything?",
            "Which method adjusts weights round by round until the constraint holds?",
            "Can I get equal opportunity from any classifier that accepts weights?",
        ),
        notion_parameters={notion: {"constraint": notion} for notion in _LABELS},
        adjustments=(Adjustment(parameter="tolerance", stronger=-0.01, minimum=0.005, maximum=0.1),),
        alternatives=(31, 113, 34),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "constraint": [StrOptions(set(_LABELS))],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
        "step": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any = None,
        constraint: str = "demographic_parity",
        tolerance: float = 0.01,
        step: float = 2.0,
        max_iter: int = 100,
    ) -> None:
        self.estimator = estimator
        self.constraint = constraint
        self.tolerance = tolerance
        self.step = step
        self.max_iter = max_iter

    def _change(
        self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats, learner: Any
    ) -> DataChange:
        cell_counts(y, groups, sample_weight)  # a rate of an empty cell is undefined
        encoder, model = split_learner(learner)
        Z = encoder.fit_transform(X)
        multipliers = np.zeros((groups.n_groups, 2))
        found: list[tuple[float, Floats]] = []
        while len(found) < self.max_iter:
            w = sample_weight * label_weights(multipliers, y, groups.codes)
            fitted = fit_weighted(clone(model), Z, y, w * (sample_weight.sum() / w.sum()))
            decided = (fitted.predict_proba(Z)[:, 1] >= 0.5).astype(float)
            D = violations(decided, y, groups.codes, sample_weight, self.constraint)
            found.append((float(np.abs(D).max()), multipliers))
            if found[-1][0] <= self.tolerance:
                break
            multipliers = multipliers - self.step * D
        smallest, self.multipliers_ = min(found, key=lambda iterate: iterate[0])
        self.diagnostics_ = {
            "violation_before": found[0][0],
            "violation_after": smallest,
            "iterations": len(found),
            "converged": smallest <= self.tolerance,
            "multipliers": dict(zip(groups.labels, self.multipliers_.tolist(), strict=True)),
        }
        w = sample_weight * label_weights(self.multipliers_, y, groups.codes)
        return DataChange(sample_weight=w * (sample_weight.sum() / w.sum()))
