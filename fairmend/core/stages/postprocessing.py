"""The post-processing stage: change scores or decisions of a trained model."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.data.row_random import decide, row_hash
from fairmend.core.errors import DataError
from fairmend.core.stages._returned import returned_values
from fairmend.core.stages._shared import prepared
from fairmend.core.technique import GroupAware, Technique, binary_labels, probabilities, sample_weights
from fairmend.core.vocabulary import Stage


class Postprocessor(GroupAware, Technique):
    """Base of the post-processing stage: change scores or decisions of a trained model.

    Write ``_fit(scores, sensitive, y, sample_weight)`` and ``_adjust(scores, sensitive)``. A technique
    that changes scores returns new scores; one that changes decisions returns the probability of a
    favourable decision, 0 or 1 where the rule is not randomised. Either is one number from 0 to 1 per
    row, shape (n,), in the order of ``scores``.

    It is fitted on scores, so that it serves any model:
    :class:`~fairmend.core.fair_pipeline.FairPipeline` joins it to an estimator.
    """

    stage: ClassVar[Stage] = "post-processing"

    def fit(
        self, scores: Any, y: Any = None, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> Self:
        """Learn the adjustment from data that trained neither the model nor the figures to report.

        Parameters
        ----------
        scores : array of shape (n,)
            Probability of the favourable outcome.
        y : array of shape (n,), optional
            Labels, where the technique needs them.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        """
        self.check_parameters()
        values = probabilities(scores)
        labels = None
        if self.metadata.needs_labels:
            if y is None:
                raise DataError(f"{self.metadata.name} reads the labels; give y")
            labels, _ = binary_labels(y, len(values))
        groups = self._fit_groups(sensitive_features, len(values))
        self._fit(values, groups, labels, sample_weights(sample_weight, len(values)))
        self.fitted_ = True
        return self

    def adjust(
        self, scores: Any, *, sensitive_features: Any = None, key: Any = None, seed: int = 0
    ) -> NDArray[Any]:
        """Return new scores, or decisions of 0 and 1 for a technique that changes decisions.

        Parameters
        ----------
        scores : array of shape (n,)
            Probability of the favourable outcome.
        sensitive_features : optional
            Protected attributes, where the rule reads them.
        key : array of shape (n,), optional
            What identifies the rows in the draws of a randomised rule; the score itself otherwise.
        seed : int
            Seed of these draws.
        """
        check_is_fitted(self)
        values = probabilities(scores)
        out = self._adjusted(values, sensitive_features)
        if "decisions" not in self.metadata.changes:
            return out
        return decide(out, row_hash(values if key is None else key), seed)

    @available_if(lambda technique: "decisions" in technique.metadata.changes)
    def decision_probability(self, scores: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of a favourable decision, shape (n,)."""
        check_is_fitted(self)
        return self._adjusted(probabilities(scores), sensitive_features)

    def _adjusted(self, values: NDArray[np.float64], sensitive_features: Any) -> NDArray[np.float64]:
        found = self._adjust(values, self._find_groups(sensitive_features, len(values)))
        return returned_values(self, "_adjust", found, len(values), low=0.0, high=1.0)

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Fit on the calibration data and join the model."""
        technique = prepared(self, case)
        data, former = case.calibration, case.fitted()
        scores = former.scores(data.X, data.sensitive)
        technique.fit(scores, data.y, sensitive_features=data.sensitive, sample_weight=data.weights)
        model = former.with_postprocessor(technique)
        detail = dict(getattr(technique, "diagnostics_", {}))
        share = case.decisions_changed(model)
        if "decisions" in self.metadata.changes:
            text = f"Changed the decision in {share:.1%} of the validation rows."
            return case.replace(model=model), Effect("decisions", share, text, None, detail)
        check = case.validation
        old = former.scores(check.X, check.sensitive)
        new = model.scores(check.X, check.sensitive)
        moved = float(np.mean(~np.isclose(old, new, atol=1e-12)))
        size = float(np.abs(new - old).mean())
        detail["decisions_changed"] = share
        text = f"Moved scores by {size:.3f} on average, and with them {share:.1%} of the decisions."
        return case.replace(model=model), Effect("scores", moved, text, size, detail)
