"""Reductions approach by exponentiated gradient, Agarwal et al. (ICML 2018)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Inprocessor,
    TechniqueMetadata,
)
from fairmend.plugins.inprocessing._group_rates import Constraint, GroupRateMoment
from fairmend.plugins.inprocessing._reductions import Oracle, exponentiated_gradient


def favorable(member: Any, X: Any) -> Floats:
    """Return a member's probability of the label 1; a constant member has one label only."""
    probability = np.asarray(member.predict_proba(X), dtype=float)
    return probability[:, np.asarray(member.classes_) == 1].sum(axis=1)


class ReductionsExponentiatedGradient(Inprocessor):
    """Mix classifiers so that the expected decisions are as accurate as possible under a bound on unfairness.

    Parameters
    ----------
    estimator : classifier or None, default=None
        The learner, trained repeatedly with new labels and weights; None means gradient boosting. Features
        are encoded once: the encoder of a ``TabularClassifier``, or all but the last step of a scikit-learn
        pipeline, is not refitted.
    constraint : {"demographic_parity", "equalized_odds", "true_positive_rate_parity", \
"false_positive_rate_parity"}, default="demographic_parity"
        Which rates of positive decisions must be equal between groups.
    difference_bound : float, default=0.01
        Maximum difference of a group's rate from the overall rate; two groups differ by at most twice as
        much.
    eps : float, default=0.01
        Slack of the constraints; the multipliers sum to at most 1 / eps.
    max_iter : int, default=50
        Maximum number of rounds; a round trains the learner up to nine times.
    max_oracle_calls : int or None, default=None
        Number of trainings after which no new round starts, for slow learners.
    nu : float or None, default=None
        Duality gap at which to stop; None means half the standard error of the first model's error, using the
        effective sample size.
    random_state : int or None, default=None
        Seed of a learner that has no seed, and of the randomized decisions; None means 0.

    Attributes
    ----------
    members_ : list of classifiers
        The classifiers of the mixture, on encoded features.
    member_weights_ : ndarray of float, shape (m,)
        Their weights.
    encoder_ : transformer
        Encodes features for the members.
    diagnostics_ : dict
        ``converged``, ``best_gap`` (duality gap), ``gap_tolerance``, ``iterations``, ``oracle_calls``,
        ``members``, ``weights``, and of the expected decisions on the training data: ``training_error``,
        ``training_violation`` (maximum difference of a group from the overall rate) and
        ``training_difference`` (maximum difference of two groups).

    Notes
    -----
    The saddle point (minimum over mixtures, maximum over multipliers, of the Lagrangian) is found as in
    Fairlearn, with a linear program over the classifiers so far in addition to the averages of the paper; on
    the same data both give the same mixture. Here a problem that occurs twice is trained once, and sample
    weights act as repeated rows.

    The rule is randomized: a decision is drawn at random, always the same one for the same row. The
    probability of the favorable class is the weighted mean of the members' probabilities, and the probability
    of a favorable decision is the weighted share of members that decide so. The guarantee is for the training
    data and a learner that solves each weighted problem exactly.

    References
    ----------
    A. Agarwal, A. Beygelzimer, M. Dudik, J. Langford and H. Wallach (2018), "A reductions approach to
    fair classification", ICML, section 3, algorithm 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.inprocessing import ReductionsExponentiatedGradient
    >>> loans = bank(500)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> learner = LogisticRegression(C=100)
    >>> model = ReductionsExponentiatedGradient(learner).fit(X, y, sensitive_features=race)
    >>> pd.Series(model.predict(X)).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.98, 'Black': 0.99, 'Hispanic': 0.96, 'White': 0.99}
    """

    holds_rates = True
    metadata = TechniqueMetadata(
        technique_id=113,
        slug="reductions-exponentiated-gradient",
        name="Reductions approach (exponentiated gradient)",
        family="reductions",
        summary="Trains any learner repeatedly with changing weights and labels and mixes the models so that a fairness constraint holds in expectation.",
        citation="agarwal2018reductions",
        addresses=(
            "outcome-disparity",
            "error-rate-disparity",
            "proxy-variable",
            "intersectional-disparity",
        ),
        targets=("demographic_parity", "equalized_odds", "equal_opportunity"),
        tasks=("binary",),
        randomized=True,
        minimum_rows=1000,
        complexity="medium",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="Decisions are drawn from a mixture: two people with equal features may get different decisions.",
        use_when="A learner that accepts sample weights can be retrained, and parity or equal error rates are needed with a stated bound.",
        avoid_when="Decisions may not be randomized, or training the learner about thirty times costs too much.",
        questions=(
            "How do I make a gradient boosting or random forest model satisfy equalized odds?",
            "Which in-processing method works with any classifier as a black box?",
            "Can I require during training that the true positive rates of all groups agree within one percentage point?",
            "How can equal error rates be enforced for many groups at once without reading the group at decision time?",
            "Is there a method with a guarantee on the fairness violation?",
        ),
        notion_parameters={
            "demographic_parity": {"constraint": "demographic_parity"},
            "equalized_odds": {"constraint": "equalized_odds"},
            "equal_opportunity": {"constraint": "true_positive_rate_parity"},
        },
        adjustments=(Adjustment(parameter="difference_bound", stronger=-0.01, minimum=0.001, maximum=0.1),),
        alternatives=(20, 29),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict", "predict_proba"]), None],
        "constraint": [StrOptions(set(get_args(Constraint)))],
        "difference_bound": [Interval(Real, 0, 1, closed="both")],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_oracle_calls": [Interval(Integral, 1, None, closed="left"), None],
        "nu": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: Any = None,
        constraint: Constraint = "demographic_parity",
        difference_bound: float = 0.01,
        eps: float = 0.01,
        max_iter: int = 50,
        max_oracle_calls: int | None = None,
        nu: float | None = None,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.constraint = constraint
        self.difference_bound = difference_bound
        self.eps = eps
        self.max_iter = max_iter
        self.max_oracle_calls = max_oracle_calls
        self.nu = nu
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"max_iter": 8}

    def _fit(
        self, X: pd.DataFrame, y: NDArray[np.int64], groups: Groups, sample_weight: Floats, learner: Any
    ) -> None:
        oracle = Oracle.of(learner, X, y, self.random_state)
        self.encoder_, values = oracle.encoder, oracle.values
        parity = GroupRateMoment(self.constraint, groups, y, sample_weight)
        found = exponentiated_gradient(
            parity,
            oracle,
            bound=self.difference_bound,
            eps=self.eps,
            max_iter=self.max_iter,
            max_calls=self.max_oracle_calls,
            tolerance=self.nu,
        )
        self.members_, self.member_weights_ = found.members, found.weights
        expected = self._mixed([member.predict(values) for member in self.members_])
        self.diagnostics_ = {
            **found.diagnostics(),
            "gap_tolerance": found.tolerance,
            "weights": found.weights.tolist(),
            "training_error": parity.error(expected),
            "training_violation": float(parity.violations(expected).max()),
            "training_difference": float(np.ptp(parity.rates(expected), axis=1).max()),
        }

    def _mixed(self, columns: list[Floats]) -> Floats:
        return np.clip(np.column_stack(columns) @ self.member_weights_, 0, 1)

    def _predict_proba(self, X: pd.DataFrame) -> Floats:
        values = self.encoder_.transform(X)
        return self._mixed([favorable(member, values) for member in self.members_])

    def _decision_probability(self, X: pd.DataFrame) -> Floats:
        values = self.encoder_.transform(X)
        return self._mixed([member.predict(values) for member in self.members_])
