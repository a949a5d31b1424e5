"""Adversarial debiasing, Zhang, Lemoine & Mitchell (AIES 2018)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Inprocessor,
    TechniqueMetadata,
    train_against_adversary,
)
from fairmend.plugins.inprocessing._adversary import adversary_logits, predictor_logit, uninformed_loss


def update_direction(g_P: Any, g_A: Any, alpha: float) -> Any:
    """Return g_P - proj_{g_A} g_P - alpha g_A, the descent direction of the predictor's weights (equation 1).

    Examples
    --------
    >>> update_direction(np.array([1.0, 1.0]), np.array([2.0, 0.0]), 0.5).tolist()
    [-1.0, 1.0]
    """
    square = g_A @ g_A
    share = (g_P @ g_A) / square if square > 0 else 0.0
    return g_P - (share + alpha) * g_A


class AdversarialDebiasing(Inprocessor):
    """Train a predictor against an adversary that predicts the group from its output.

    Parameters
    ----------
    constraint : {"demographic_parity", "equalized_odds", "equal_opportunity"}, \
default="demographic_parity"
        The adversary's input: the output; the output and the label; the output of rows with label 1.
    adversary_weight : float, default=1.0
        The paper's alpha in the first epoch; it grows with the square root of the epoch.
    hidden_units : int, default=0
        Width of the predictor's hidden layer; 0 is logistic regression.
    epochs : int, default=30
        Passes over the data.
    batch_size : int, default=128
        Rows per step.
    learning_rate : float, default=0.3
        Learning rate of the predictor in the first epoch; it decays with the inverse of the epoch.
    random_state : int or None, default=None
        Seed of the initial weights and of the order of rows; None means 0.

    Attributes
    ----------
    weights_ : ndarray of float
        All weights of the predictor in one vector.
    diagnostics_ : dict
        ``converged`` (the predictor's loss changed by less than 2 % in the last fifth of the epochs),
        ``iterations`` (steps), ``gradient_norm`` (of the update direction over all rows), ``losses`` (of the
        predictor, per epoch), ``adversary_losses``, and ``adversary_advantage`` (entropy of the groups minus
        the adversary's loss over all rows, in nats; near 0 the output reveals nothing).

    Notes
    -----
    The direction is applied as in the paper, by gradient descent over all weights of the predictor together;
    the adversary uses Adam. With several groups the adversary is a softmax. Departure: for equalized odds the
    adversary also has an intercept per label; without it, the adversary would use the output to recover what
    the label alone reveals about the group, which overcorrects. Mini-batch gradients do not vanish, so
    ``gradient_norm`` shows the balance of the two players, not an optimum. Sample weights enter the losses of
    a batch. The same seed gives the same model on the same machine.

    References
    ----------
    B. H. Zhang, B. Lemoine and M. Mitchell (2018), "Mitigating unwanted biases with adversarial
    learning", AIES, sections 3 and 4.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.inprocessing import AdversarialDebiasing
    >>> loans = bank(400)
    >>> X, y, race = loans[["income", "credit_score"]] / 1000, loans["approved"], loans["race"]
    >>> model = AdversarialDebiasing(epochs=10, random_state=0).fit(X, y, sensitive_features=race)
    >>> pd.Series(model.predict(X)).groupby(race).mean().round(2).to_dict()
    {'Asian': 0.56, 'Black': 0.28, 'Hispanic': 0.38, 'White': 0.53}
    """

    metadata = TechniqueMetadata(
        technique_id=29,
        slug="adversarial-debiasing",
        name="Adversarial debiasing",
        family="adversarial",
        summary="Trains a predictor together with an adversary that tries to predict the group from its output, and removes what helps the adversary.",
        citation="zhang2018mitigating",
        addresses=(
            "outcome-disparity",
            "error-rate-disparity",
            "proxy-variable",
            "intersectional-disparity",
        ),
        targets=("demographic_parity", "equalized_odds", "equal_opportunity"),
        tasks=("binary",),
        minimum_rows=2000,
        complexity="medium",
        duration_weeks=(3, 5),
        compute="medium",
        use_when="A differentiable model is trained on many rows, its output reveals the group, and the group may be used in training only.",
        avoid_when="Data is scarce, training must be exactly reproducible on any machine, or a bound on the disparity must be guaranteed.",
        questions=(
            "Can a neural network be trained so that nobody can guess the group from its score?",
            "How does an adversary in training reduce bias?",
            "Which gradient-based method works towards equalized odds without reading the attribute at prediction?",
            "How do I remove information about ethnicity from the output of a network?",
        ),
        notion_parameters={
            "demographic_parity": {"constraint": "demographic_parity"},
            "equalized_odds": {"constraint": "equalized_odds"},
            "equal_opportunity": {"constraint": "equal_opportunity"},
        },
        adjustments=(Adjustment(parameter="adversary_weight", stronger=0.5, minimum=0.0, maximum=5.0),),
        alternatives=(76, 113),
    )
    exemptions: ClassVar[dict[str, str]] = {
        "row_order": "mini-batch training depends on the order of the rows",
        "integer_weights": "repeated rows change the mini-batches; within one batch weights act as repetition",
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "constraint": [StrOptions({"demographic_parity", "equalized_odds", "equal_opportunity"})],
        "adversary_weight": [Interval(Real, 0, None, closed="left")],
        "hidden_units": [Interval(Integral, 0, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        constraint: str = "demographic_parity",
        adversary_weight: float = 1.0,
        hidden_units: int = 0,
        epochs: int = 30,
        batch_size: int = 128,
        learning_rate: float = 0.3,
        random_state: int | None = None,
    ) -> None:
        self.constraint = constraint
        self.adversary_weight = adversary_weight
        self.hidden_units = hidden_units
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"epochs": 10}

    def _fit(self, X: Floats, groups: Groups, y: NDArray[np.int64], sample_weight: Floats) -> None:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        p, h, K = X.shape[1], self.hidden_units, groups.n_groups
        seen = sample_weight * (y if self.constraint == "equal_opportunity" else 1)
        known = uninformed_loss(groups, y, seen, self.constraint)
        random = torch.Generator().manual_seed(self.random_state or 0)
        x, label, weight, weight_seen = (
            torch.tensor(np.asarray(v, float)) for v in (X, y, sample_weight, seen)
        )
        group = torch.tensor(groups.codes)
        first = torch.randn((p + 2) * h + 1, generator=random, dtype=torch.float64) / p**0.5
        W = first if h else torch.zeros(p + 1, dtype=torch.float64)
        U = torch.zeros(1 + (4 if self.constraint == "equalized_odds" else 2) * K, dtype=torch.float64)

        def losses(W: Any, U: Any, rows: Any) -> tuple[Any, Any]:
            logit = predictor_logit(W, x[rows], h)
            guess = adversary_logits(U, logit, label[rows], self.constraint)
            L_P = binary_cross_entropy_with_logits(logit, label[rows], reduction="none")
            L_A = cross_entropy(guess, group[rows], reduction="none")
            return tuple(
                w[rows] @ loss / w[rows].sum().clip(1e-300) for w, loss in ((weight, L_P), (weight_seen, L_A))
            )

        def direction(g_P: Any, g_A: Any, pace: float) -> Any:
            return update_direction(g_P, g_A, self.adversary_weight * pace)

        duel = train_against_adversary(
            losses,
            direction,
            W,
            U,
            len(X),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            generator=random,
        )
        self.weights_ = duel.W.numpy()
        self.diagnostics_ = {**duel.diagnostics(), "adversary_advantage": known - duel.final[1]}

    def _predict_proba(self, X: Floats) -> Floats:
        return expit(predictor_logit(self.weights_, X, self.hidden_units))
