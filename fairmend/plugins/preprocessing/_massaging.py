"""Massaging (label repair), Kamiran & Calders 2009."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval

from fairmend.base import (
    Adjustment,
    DataChange,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TechniqueMetadata,
    fit_weighted,
    row_hash,
)
from fairmend.plugins.preprocessing._cells import nearest


def label_moves(n_a: Floats, n_a1: Floats, strength: float = 1.0) -> tuple[Floats, Floats]:
    """Return how many labels to promote and to demote in each group.

    A group whose share of favorable labels is below that of all rows needs n_a (p - p_a) more of them. With
    two groups this is disc n_b n_w / n.

    Examples
    --------
    >>> raised, lowered = label_moves(np.array([10.0, 10.0]), np.array([3.0, 8.0]))
    >>> raised.tolist(), lowered.tolist()
    ([2.5, 0.0], [0.0, 2.5])
    """
    needed = strength * (n_a * n_a1.sum() / n_a.sum() - n_a1)
    return np.maximum(needed, 0), np.maximum(-needed, 0)


def rounded_up(amounts: Floats) -> Floats:
    """Return whole numbers, each less than one away, that sum to the total rounded up, the paper's M.

    Examples
    --------
    >>> rounded_up(np.array([2.5, 0.2, 0.4])).tolist()
    [3.0, 0.0, 1.0]
    """
    whole = np.floor(amounts + 1e-9)
    left = int(np.ceil(amounts.sum() - whole.sum() - 1e-9))
    order = np.argsort(whole - amounts, kind="stable")
    whole[order[:left]] += 1
    return whole


class Massaging(Preprocessor):
    """Change the labels closest to the decision boundary until all groups have the same share of favorable labels.

    Parameters
    ----------
    estimator : classifier with predict_proba, optional
        The ranker; the learner of the run by default. The paper uses naive Bayes.
    strength : float in [0, 1], default=1.0
        Share of the discrimination to remove: 1 is the paper's method, 0 changes nothing. Values between are
        an extension, used by rollbacks that reduce the correction.

    Attributes
    ----------
    changed_rows_ : ndarray of int
        Positions of the rows whose label was changed.
    diagnostics_ : dict
        ``by_group``: rows, share of favorable labels before and after, labels promoted and demoted.

    Notes
    -----
    With n_b and n_w rows in the deprived and the favored group and disc the difference of their shares of
    favorable labels, M = ceil(disc n_b n_w / n) labels are promoted in the deprived group, those of the
    candidates that the ranker scores highest, and as many demoted in the favored group, lowest scores first;
    the ranker is trained on the same rows. Afterwards disc is at most 0 and at least -(1/n_b + 1/n_w), and
    the number of favorable labels does not change.

    More than two groups are an extension: each is moved to the share of all rows, to within one row. Ties are
    ordered by the features of the row, never by its position. With sample weights, labels are changed until
    their weight is as close as possible to the required amount.

    Keep the original labels: metrics computed on changed labels are meaningless.

    References
    ----------
    F. Kamiran and T. Calders (2009), "Classifying without discriminating", IC4. F. Kamiran and T. Calders
    (2012), "Data preprocessing techniques for classification without discrimination", Knowledge and
    Information Systems, describe it again.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import Massaging
    >>> loans = bank(2_000)
    >>> X, y, race = loans[["income", "credit_score"]], loans["approved"], loans["race"]
    >>> changed = Massaging().change(X / 1000, y, sensitive_features=race, learner=LogisticRegression())
    >>> y.groupby(race).mean().round(2).to_dict()
    {'Asian': 0.87, 'Black': 0.62, 'Hispanic': 0.68, 'White': 0.82}
    >>> pd.Series(changed.y).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.76, 'Black': 0.76, 'Hispanic': 0.76, 'White': 0.76}
    """

    metadata = TechniqueMetadata(
        technique_id=30,
        slug="massaging",
        name="Massaging (label repair)",
        family="relabelling",
        summary="Changes the labels of the rows closest to the decision boundary until every group has the same share of favorable labels.",
        citation="kamiran2009classifying",
        addresses=("outcome-disparity", "base-rate-difference", "intersectional-disparity"),
        targets=("demographic_parity",),
        modifies=("labels",),
        minimum_rows=200,
        complexity="low",
        duration_weeks=(1, 2),
        legal_notes="Labels of real people are overwritten in the training data; keep the originals, log each change and have it approved.",
        use_when="The labels are past decisions that were unfair to a group, above all in borderline cases.",
        avoid_when="Labels are measured facts, such as a repayment, or the recorded outcomes may not be edited.",
        questions=(
            "Our historical decisions were prejudiced; can we correct the labels before we train?",
            "Which borderline rejections should be turned into acceptances so that the training set treats both sexes alike?",
            "Can I relabel as few examples as possible so that no group is behind in positive outcomes?",
            "How do I flip training labels in a principled way instead of at random?",
            "My learner takes no sample weights; is there another way to take bias out of the training set?",
            "How do promotion and demotion of labels by a ranker work?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.25, minimum=0.0, maximum=1.0),),
        alternatives=(31, 36, 32),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, estimator: Any = None, strength: float = 1.0) -> None:
        self.estimator = estimator
        self.strength = strength

    def _change(
        self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats, learner: Any
    ) -> DataChange:
        w, codes = sample_weight, groups.codes
        ranker = fit_weighted(clone(learner), X, y, w)
        score, hashes = ranker.predict_proba(X)[:, 1], row_hash(X)
        n_a, n_a1 = groups.counts(w), groups.counts(w * y)
        raised, lowered = label_moves(n_a, n_a1, self.strength)
        if (w == 1).all():
            raised, lowered = rounded_up(raised), rounded_up(lowered)
        labels = y.copy()
        for a in range(groups.n_groups):
            promoted = nearest((codes == a) & (y == 0), -score, hashes, w, raised[a])
            demoted = nearest((codes == a) & (y == 1), score, hashes, w, lowered[a])
            labels[promoted], labels[demoted] = 1, 0
        self.changed_rows_ = np.flatnonzero(labels != y)
        up, down = groups.counts(w * (labels > y)), groups.counts(w * (labels < y))
        by_group = {
            label: {
                "rows": n_a[a],
                "favorable_before": n_a1[a] / n_a[a],
                "favorable_after": (n_a1[a] + up[a] - down[a]) / n_a[a],
                "raised": up[a],
                "lowered": down[a],
            }
            for a, label in enumerate(groups.labels)
        }
        self.diagnostics_ = {"by_group": by_group}
        return DataChange(y=labels)
