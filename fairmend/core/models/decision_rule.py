"""The fitted model that flows through a pipeline: transformers, estimator, postprocessors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.data.row_random import decide, row_hash
from fairmend.core.errors import DataError
from fairmend.core.vocabulary import Task


@dataclass(frozen=True)
class FairModel:
    """A fitted rule: raw features (and, where a part needs them, protected attributes) to decisions.

    Attributes
    ----------
    features : tuple of str
        Columns it reads.
    attributes : tuple of str
        Protected attributes it was fitted with.
    estimator : fitted classifier
        Gives ``predict_proba``; its last class is the favorable one.
    transformers : tuple of Preprocessor
        Applied to the features, in order.
    postprocessors : tuple of Postprocessor
        Applied to the scores, in order; at most one makes decisions.
    seed : int
        Seed of the draws of randomized rules.
    task : {"binary", "multiclass", "regression", "ranking"}
        What it predicts: a decision, a class, or a value; see :meth:`scores` and :meth:`predict`.
    """

    features: tuple[str, ...]
    attributes: tuple[str, ...]
    estimator: Any
    transformers: tuple[Any, ...] = ()
    postprocessors: tuple[Any, ...] = ()
    seed: int = 0
    task: Task = "binary"

    @property
    def parts(self) -> tuple[Any, ...]:
        """All fitted techniques in it, in the order in which they act."""
        middle = (self.estimator,) if hasattr(self.estimator, "metadata") else ()
        return (*self.transformers, *middle, *self.postprocessors)

    @property
    def reads_protected(self) -> bool:
        """Whether a decision needs the protected attributes."""
        return any(part.metadata.needs_protected_at_prediction for part in self.parts)

    @property
    def decides(self) -> bool:
        """Whether an adjuster makes the decisions, so that scores do not determine them."""
        return any("decisions" in a.metadata.modifies for a in self.postprocessors)

    def with_postprocessor(self, adjuster: Any) -> FairModel:
        """Return the model with one more adjuster, which replaces those that it makes void.

        A new rule of decision replaces the former one, and so do abstentions, sets and intervals; new
        scores void all that was fitted on the former ones but other maps of scores.
        """
        new = set(adjuster.metadata.modifies)
        kept = tuple(
            a
            for a in self.postprocessors
            if "scores" in a.metadata.modifies or not ("scores" in new or new & set(a.metadata.modifies))
        )
        return replace(self, postprocessors=(*kept, adjuster))

    def transform(self, X: pd.DataFrame, sensitive: Any = None) -> pd.DataFrame:
        """Return the features as the estimator reads them."""
        absent = [c for c in self.features if c not in X.columns]
        if absent:
            raise DataError(f"the data lacks {', '.join(map(str, absent[:5]))}, which the model reads")
        frame = X[list(self.features)]
        for part in self.transformers:
            frame = part.transform(frame, **_sensitive_for(part, sensitive))
        return frame

    def transform_and_score(
        self, X: pd.DataFrame, sensitive: Any = None
    ) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        """Return the features as the estimator reads them, and what :meth:`scores` gives, in one pass."""
        frame = self.transform(X, sensitive)
        return frame, self._scores(frame, sensitive)

    def scores(self, X: pd.DataFrame, sensitive: Any = None) -> NDArray[np.float64]:
        """Return the (calibrated) probability of the favorable outcome, shape (n,).

        Of a multiclass outcome the probability of each class, shape (n, k); of a regression or a ranking the
        predicted values, shape (n,).
        """
        return self._scores(self.transform(X, sensitive), sensitive)

    def _scores(self, frame: pd.DataFrame, sensitive: Any) -> NDArray[np.float64]:
        known = _sensitive_for(self.estimator, sensitive)
        if self.task in ("regression", "ranking"):
            values = np.asarray(self.estimator.predict(frame, **known), dtype=float)
        else:
            values = np.asarray(self.estimator.predict_proba(frame, **known))
        if self.task == "binary":
            values = values[:, -1]
        for part in self.postprocessors:
            if "scores" in part.metadata.modifies:
                values = part.adjust(values, **self._inputs(part, frame, sensitive))
        return values

    def decision_probability(self, X: pd.DataFrame, sensitive: Any = None) -> NDArray[np.float64]:
        """Return the probability of a favorable decision; 0 or 1 where the rule is not randomized."""
        frame = self.transform(X, sensitive)
        if self._asks_estimator:
            return self._asked(frame, sensitive)
        return self._chance(self._scores(frame, sensitive), frame, sensitive)

    @property
    def _asks_estimator(self) -> bool:
        """Whether the estimator decides by more than its scores, as a randomized or external one does."""
        asks = hasattr(self.estimator, "decision_probability")
        changed = any({"scores", "decisions"} & set(a.metadata.modifies) for a in self.postprocessors)
        return asks and not changed and not getattr(self.estimator, "decides_by_score", False)

    def _asked(self, frame: pd.DataFrame, sensitive: Any) -> NDArray[np.float64]:
        known = _sensitive_for(self.estimator, sensitive)
        return np.asarray(self.estimator.decision_probability(frame, **known))

    def _chance(
        self, scores: NDArray[np.float64], frame: pd.DataFrame, sensitive: Any
    ) -> NDArray[np.float64]:
        if self.decides:
            rule = next(a for a in self.postprocessors if "decisions" in a.metadata.modifies)
            return np.asarray(rule.decision_probability(scores, **self._inputs(rule, frame, sensitive)))
        return (scores >= 0.5).astype(float)

    def predict(self, X: pd.DataFrame, sensitive: Any = None, key: Any = None) -> NDArray[Any]:
        """Return decisions of 0 and 1; the same row always gets the same one.

        Of a multiclass outcome the codes of the most probable classes; of a regression or a ranking the values.

        Parameters
        ----------
        X : DataFrame, shape (n, p)
            Features.
        sensitive : DataFrame, shape (n, k), optional
            Protected attributes, needed where ``reads_protected``.
        key : array of shape (n,), optional
            What identifies the rows; without it the draw depends on their content.
        """
        if self.task != "binary":
            scores = self.scores(X, sensitive)
            return scores.argmax(axis=1) if self.task == "multiclass" else scores
        return self._drawn(self.decision_probability(X, sensitive), X, key)

    def score_and_decide(
        self, X: pd.DataFrame, sensitive: Any = None, key: Any = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return what ``scores`` and ``predict`` do, in one pass of the estimator."""
        frame = self.transform(X, sensitive)
        scores = self._scores(frame, sensitive)
        asks = self._asks_estimator
        chance = self._asked(frame, sensitive) if asks else self._chance(scores, frame, sensitive)
        return scores, self._drawn(chance, X, key)

    def uncertainty(self, X: pd.DataFrame, sensitive: Any = None) -> dict[str, NDArray[Any]]:
        """Return what it outputs besides scores and decisions: abstentions, prediction sets, intervals.

        Parameters
        ----------
        X, sensitive
            As for :meth:`predict`.
        """
        frame = self.transform(X, sensitive)
        scores = self._scores(frame, sensitive)
        said: dict[str, NDArray[Any]] = {}
        for part in self.postprocessors:
            said |= part.uncertainty(scores, **self._inputs(part, frame, sensitive))
        return said

    def _inputs(self, part: Any, frame: pd.DataFrame, sensitive: Any) -> dict[str, Any]:
        """Return what a post-processing technique reads besides the scores."""
        known = _sensitive_for(part, sensitive)
        if part.reads("X", "prediction"):
            known["X"] = frame
        if part.reads("model", "prediction"):
            known["model"] = self.estimator
        return known

    def _drawn(self, chance: NDArray[np.float64], X: pd.DataFrame, key: Any) -> NDArray[np.int64]:
        if not ((chance > 0) & (chance < 1)).any():
            return chance.astype(np.int64)
        return decide(chance, row_hash(X[list(self.features)] if key is None else key), self.seed)


def _sensitive_for(part: Any, sensitive: Any) -> dict[str, Any]:
    metadata = getattr(part, "metadata", None)
    if metadata is None or not metadata.needs_protected_at_prediction:
        return {}
    if sensitive is None:
        raise DataError(
            f"{metadata.name} reads the protected attribute for every decision; give sensitive_features"
        )
    return {"sensitive_features": sensitive}
