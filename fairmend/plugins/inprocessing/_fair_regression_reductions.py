"""Fair regression by reductions (bounded group loss), Agarwal, Dudík and Wu (ICML 2019)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import HasMethods, Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Inprocessor,
    TechniqueMetadata,
)
from fairmend.plugins.inprocessing._group_losses import GroupLossMoment
from fairmend.plugins.inprocessing._reductions import Oracle, exponentiated_gradient


class FairRegressionReductions(Inprocessor):
    """Bound the mean squared error of every group while minimizing the overall error.

    The learner is trained repeatedly, with more weight on the groups whose loss exceeds the bound zeta.

    Parameters
    ----------
    estimator : regressor or None, default=None
        The learner; it must minimize the squared error under sample weights. None is gradient boosting. A
        table is encoded once, as in technique 113.
    upper_bound : float or None, default=None
        zeta, in squared units of the outcome; None uses ``relative_bound``.
    relative_bound : float in (0, 1], default=0.95
        zeta as a fraction of the largest group loss of the unconstrained learner.
    eps : float, default=0.01
        The multipliers sum to at most 1 / eps.
    max_iter : int, default=50
        Maximum number of rounds; a round trains the learner up to nine times.
    nu : float or None, default=None
        Duality gap at which to stop, in variances of the outcome; None uses half the standard error of
        the first model's loss.
    random_state : int or None, default=None
        Seed of a learner without a seed of its own; None is 0.

    Attributes
    ----------
    members_ : list of regressors
        The models of the mixture, on encoded features.
    member_weights_ : ndarray of float, shape (m,)
        Their weights.
    diagnostics_ : dict
        ``upper_bound`` and, of the training data in squared units of the outcome, ``loss_alone`` and
        ``loss`` by group; ``bound_met``, ``converged``, ``best_gap``, ``iterations``, ``oracle_calls``, ``members``.

    Notes
    -----
    The paper draws one model of the mixture for each prediction. Here a prediction is their weighted mean, which
    is deterministic: the squared loss is convex, so by Jensen's inequality the loss of a group is at most that of
    the randomized predictor, and the bound still holds. Predictions lie in the range of the training labels.

    ``bound_met`` is False if no mixture of these models satisfies the bound; the result is then close to the
    minimax solution. The guarantee is for the training data: a learner that overfits, such as boosting, has small
    training losses in every group, so that the constraint does not bind.

    References
    ----------
    A. Agarwal, M. Dudik and Z. S. Wu (2019), "Fair regression: Quantitative definitions and reduction-based
    algorithms", ICML, on bounded group loss.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from fairmend.plugins.inprocessing import FairRegressionReductions
    >>> x, group = np.linspace(0, 1, 400), np.where(np.arange(400) % 5, "many", "few")
    >>> y = np.where(group == "few", 1 - x, x)
    >>> model = FairRegressionReductions(LinearRegression(), relative_bound=0.7)
    >>> model = model.fit(x[:, None], y, sensitive_features=group)
    >>> {name: (round(model.diagnostics_["loss_alone"][name], 2), round(loss, 2))
    ...  for name, loss in model.diagnostics_["loss"].items()}
    {'few': (0.21, 0.15), 'many': (0.01, 0.04)}
    """

    holds_rates = True
    metadata = TechniqueMetadata(
        technique_id=87,
        slug="fair-regression-reductions",
        name="Fair regression by reductions (bounded group loss)",
        family="regression",
        summary="Trains any regressor repeatedly with more weight on the groups it serves badly, until the error of every group keeps a bound.",
        citation="agarwal2019fair",
        addresses=("error-gap",),
        targets=("minimax",),
        tasks=("regression",),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(2, 4),
        compute="medium",
        legal_notes="The protected attribute is read in training only; errors of the groups that were served well grow.",
        use_when="Predicted numbers are further off for some groups, and any regressor with sample weights may be retrained.",
        avoid_when="Predictions are to be alike between groups rather than equally exact, or one group is harder to predict whatever the weights.",
        questions=(
            "How do I keep the mean squared error of every group below a limit?",
            "Our price model is far less exact for minorities; can it be retrained to serve them better?",
            "Is there a fair regression method that works with any regressor as a black box?",
            "How can worst-group error be lowered without reading the group at prediction?",
            "Can salary or risk predictions be made equally accurate for all groups?",
            "What does it cost overall to bound the loss of the group that fares worst?",
        ),
        adjustments=(Adjustment(parameter="relative_bound", stronger=-0.05, minimum=0.5, maximum=1.0),),
        alternatives=(16, 113),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "upper_bound": [Interval(Real, 0, None, closed="neither"), None],
        "relative_bound": [Interval(Real, 0, 1, closed="right")],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "nu": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: Any = None,
        upper_bound: float | None = None,
        relative_bound: float = 0.95,
        eps: float = 0.01,
        max_iter: int = 50,
        nu: float | None = None,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.upper_bound = upper_bound
        self.relative_bound = relative_bound
        self.eps = eps
        self.max_iter = max_iter
        self.nu = nu
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"max_iter": 8, "relative_bound": 0.8}

    def _fit(self, X: pd.DataFrame, y: Floats, groups: Groups, sample_weight: Floats, learner: Any) -> None:
        oracle = Oracle.of(learner, X, y, self.random_state)
        self.encoder_ = oracle.encoder
        moment = GroupLossMoment(groups, y, sample_weight)
        alone = moment.violations(oracle(y, sample_weight)[1])
        zeta = self.relative_bound * float(alone.max())
        if self.upper_bound is not None:
            zeta = self.upper_bound / moment.scale**2
        found = exponentiated_gradient(
            moment, oracle, bound=zeta, eps=self.eps, max_iter=self.max_iter, tolerance=self.nu
        )
        self.members_, self.member_weights_, self.range_ = found.members, found.weights, moment.range
        reached = moment.violations(self._mixed(oracle.values))
        unit = moment.scale**2
        self.diagnostics_ = {
            "upper_bound": zeta * unit,
            "loss_alone": dict(zip(groups.labels, (alone * unit).tolist(), strict=True)),
            "loss": dict(zip(groups.labels, (reached * unit).tolist(), strict=True)),
            "bound_met": bool(reached.max() <= zeta + found.tolerance),
            **found.diagnostics(),
        }

    def _mixed(self, values: Any) -> Floats:
        predicted = [np.clip(member.predict(values), *self.range_) for member in self.members_]
        return np.column_stack(predicted) @ self.member_weights_

    def _predict(self, X: pd.DataFrame) -> Floats:
        return self._mixed(self.encoder_.transform(X))
