"""Selective classification with thresholds by group, and the diagnostic of Jones et al. 2021."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import Adjustment, Floats, Groups, Postprocessor, TechniqueMetadata, Unseen
from fairmend.plugins.postprocessing._selective_curves import (
    at_coverage,
    confidence,
    equal_error,
    magnification,
    selective_curve,
)


class SelectiveClassification(Postprocessor):
    """Defer the least confident decisions to a person, with comparable rates in every group.

    A row is decided if its confidence kappa(x) = |p(x) - 1/2| is at least a threshold tau. The decided rows
    have fewer errors overall, but not in every group: one tau for all groups can increase a group's error or
    decide mostly rows of the others.

    Parameters
    ----------
    coverage : float in (0, 1], default=0.8
        Minimum share of rows to decide, in every group or, for ``equalize="error"``, overall.
    equalize : {"coverage", "error", "nothing"}, default="coverage"
        ``coverage`` decides the same share of each group; ``error`` finds the smallest common bound on the
        selective error at which ``coverage`` is reached; ``nothing`` uses one tau for all groups, the rule
        that the paper examines.
    unseen : {"error", "fallback"}, default="error"
        For a group not seen in fit: raise an error, or use the tau of all rows.

    Attributes
    ----------
    thresholds_ : ndarray of float, shape (n_groups + 1,)
        tau of each group; the last entry is that of all rows.
    diagnostics_ : dict
        Coverage and selective error by group without abstention, with one tau for all and with the rule;
        ``curve`` lowers the coverage of one tau from 1 and adds the paper's group-agnostic reference, which
        abstains on the same share of the correct and of the wrong decisions in each group. ``magnified`` is
        true if one tau makes the error gap between groups larger than at full coverage.

    Notes
    -----
    The paper is a diagnosis: it shows that one tau for all groups can magnify gaps. The group-specific
    thresholds are our extension, not part of the paper. Selective error need not fall with coverage within a
    group. The decisions that people make on the deferred rows are not measured here, and a group with more
    deferred rows bears more of the delay: with ``equalize="error"`` compare ``coverage``, which is 0 for a
    group whose error exceeds the bound at every threshold.

    The decision is that at a score of one half. Weights count as repeated rows. A group without a row
    of positive weight gets the tau of all rows.

    References
    ----------
    E. Jones, S. Sagawa, P. W. Koh, A. Kumar and P. Liang (2021), "Selective classification can magnify
    disparities across groups", ICLR.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.postprocessing import SelectiveClassification
    >>> loans = bank(4_000)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> scores = LogisticRegression(C=100).fit(X, y).predict_proba(X)[:, 1]
    >>> rule = SelectiveClassification(coverage=0.8).fit(scores, y, sensitive_features=race)
    >>> left = pd.Series(rule.abstain(scores, sensitive_features=race))
    >>> left.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.2, 'Black': 0.2, 'Hispanic': 0.2, 'White': 0.2}
    """

    metadata = TechniqueMetadata(
        technique_id=104,
        slug="selective-classification",
        name="Fair selective classification",
        family="abstention",
        summary="Defers the cases with the lowest confidence to a person, with group-specific confidence thresholds so that no group is disadvantaged.",
        citation="jones2021selective",
        targets=("equalized_odds", "minimax"),
        minimum_rows=400,
        complexity="medium",
        duration_weeks=(2, 4),
        legal_notes=(
            "Group-specific thresholds use the protected attribute to decide which cases are deferred, "
            "which may count as disparate treatment. An unequal share of referrals is itself a burden; "
            "consult counsel, and record how people decide the deferred cases."
        ),
        use_when="People can review some of the cases, and errors on uncertain cases fall on some groups more than on others.",
        avoid_when="The model must decide every case, or reviewers are no better than the model on the deferred cases.",
        questions=(
            "Can the model hand doubtful applications to a caseworker instead of guessing?",
            "Does abstaining on low-confidence predictions make the gap between groups larger?",
            "How do I set a reject option so that each group gets the same share of automated decisions?",
            "Which confidence cut-off gives every group the same error rate among the cases decided?",
            "Our manual review queue is full of one minority; how should we choose whom to refer?",
            "Accuracy at 80 percent coverage improved overall, but did it for women too?",
        ),
        adjustments=(Adjustment(parameter="coverage", stronger=-0.05, minimum=0.5, maximum=1.0),),
        alternatives=(106,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "coverage": [Interval(Real, 0, 1, closed="right")],
        "equalize": [StrOptions({"coverage", "error", "nothing"})],
        "unseen": [StrOptions({"error", "fallback"})],
    }

    def __init__(self, coverage: float = 0.8, equalize: str = "coverage", unseen: Unseen = "error") -> None:
        self.coverage = coverage
        self.equalize = equalize
        self.unseen = unseen

    def _fit(self, scores: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        kappa, wrong = confidence(scores), ((scores >= 0.5) != y).astype(float)
        members = [groups.codes == code for code in range(groups.n_groups)]
        curves = [selective_curve(kappa[m], wrong[m], sample_weight[m]) for m in members]
        pooled = selective_curve(kappa, wrong, sample_weight)
        tau = pooled[0][at_coverage(pooled[1], self.coverage)]
        shares = np.array([sample_weight[m].sum() for m in members]) / sample_weight.sum()
        if self.equalize == "coverage":
            chosen = [at_coverage(coverage, self.coverage) for _, coverage, _ in curves]
            thresholds = [c[0][i] for c, i in zip(curves, chosen, strict=True)]
        elif self.equalize == "error":
            thresholds = equal_error(curves, shares, self.coverage)
        else:
            thresholds = [tau] * groups.n_groups
        self.thresholds_ = np.append(np.where(shares > 0, thresholds, tau), tau)
        self.diagnostics_ = {
            "confidence_thresholds": dict(zip(groups.labels, self.thresholds_.tolist(), strict=False)),
            **magnification(kappa, wrong, sample_weight, groups, self.thresholds_[groups.codes], pooled),
        }

    def _abstain(self, scores: Floats, groups: Groups) -> NDArray[np.bool_]:
        # The code -1 of an unseen group reads the last entry, the threshold of all rows.
        return confidence(scores) < self.thresholds_[groups.codes]
