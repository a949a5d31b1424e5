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
    """Leave the decisions of which the model is least sure to a person, alike in every group.

    A row is decided where its confidence kappa(x) = |p(x) - 1/2| is at least a threshold tau. Among the
    rows decided there are fewer errors, but not in every group: one tau for all can leave a group that
    is worse off behind, or decide mostly for the others.

    Parameters
    ----------
    coverage : float in (0, 1], default=0.8
        Least share of the rows to decide, of every group or, for equal errors, of all together.
    equalize : {"coverage", "error", "nothing"}, default="coverage"
        ``coverage`` decides the same share of each group; ``error`` gives all groups the least common
        bound on the error among the decided at which ``coverage`` is reached; ``nothing`` is one tau
        for all, the rule that the paper examines.
    unseen : {"error", "fallback"}, default="error"
        A group that was not there at fit: refuse it, or give it the tau of all rows.

    Attributes
    ----------
    thresholds_ : ndarray of float, shape (n_groups + 1,)
        tau of each group; the last entry is that of all rows.
    diagnostics_ : dict
        Coverage and selective error by group without abstention, with one tau for all and with the rule;
        ``curve`` follows one tau from full coverage down, beside the paper's group-agnostic reference,
        which abstains on the same share of the right and of the wrong decisions of each group. ``magnified``
        says whether one tau makes the gap in error between groups greater than it is at full coverage.

    Notes
    -----
    The paper diagnoses: it shows that one tau for all can magnify gaps. The thresholds by group are an
    extension of ours and not to be credited to it. Selective error need not fall with coverage within
    a group. What people decide on the rows left to them is not measured here, and a group with more of
    them bears more of the delay: with equal errors, compare ``coverage``, which is 0 for a group whose
    error is above the bound wherever one cuts.

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
        summary="Leaves the cases that the model is least sure of to a person, with thresholds of confidence by group so that no group is left behind.",
        citation="jones2021selective",
        targets=("equalized_odds", "minimax"),
        minimum_rows=400,
        complexity="medium",
        duration_weeks=(2, 4),
        legal_notes=(
            "Thresholds by group read the protected attribute to say who waits for a person, which may count as "
            "disparate treatment. An unequal share of referrals is a burden of its own; have counsel agree, and "
            "record how people decide on the cases that they are given."
        ),
        use_when="People can review some of the cases, and errors on uncertain cases fall on some groups more than on others.",
        avoid_when="Every case must be decided by the model, or reviewers are no better than it on the cases they would get.",
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
