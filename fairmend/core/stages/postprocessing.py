"""The post-processing stage: change scores, decisions, rankings or sets of a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.data.row_random import decide, row_hash
from fairmend.core.errors import DataError
from fairmend.core.injection import Verb
from fairmend.core.stages._returned import (
    returned_intervals,
    returned_scores,
    returned_sets,
    returned_values,
)
from fairmend.core.stages._shared import implements, prepared
from fairmend.core.stages.effects import ranking_effect, uncertainty_effect
from fairmend.core.technique import (
    GroupAware,
    Technique,
    as_frame,
    labels_of,
    sample_weights,
    scores_of,
    task_of,
)
from fairmend.core.vocabulary import Modifies, Stage

_PREDICTION = ("scores", "groups", "X", "model", "query")
ACTS: Mapping[str, Modifies] = {
    "_adjust": "scores",
    "_decide": "decisions",
    "_rank": "ranking",
    "_predict_set": "prediction sets",
    "_predict_interval": "intervals",
    "_abstain": "abstention",
}
"""The private methods that act, and what each one modifies."""
UNCERTAINTY: Mapping[Modifies, str] = {
    "abstention": "abstain",
    "prediction sets": "predict_set",
    "intervals": "predict_interval",
}
"""What a technique may return besides scores and decisions, and the public method that returns it."""


class RowInputs(TypedDict, total=False):
    """What a rule may read of rows besides their scores."""

    sensitive_features: Any
    X: Any
    model: Any
    query: Any


class Postprocessor(GroupAware, Technique):
    """Base of the post-processing stage: change scores, decisions, rankings or sets of a trained model.

    Write ``_fit(...)`` and at least one of

    - ``_adjust(...)``: new scores, of the shape of the old ones;
    - ``_decide(...)``: the probability of a favorable decision, shape (n,), 0 or 1 where the rule is not
      randomized;
    - ``_abstain(...)``: where no decision is made, shape (n,), bool;
    - ``_rank(...)``: the place of each row within its query, shape (n,), 1 at the top;
    - ``_predict_set(...)``: the classes that each set holds, shape (n, k), bool;
    - ``_predict_interval(...)``: lower and upper bound, shape (n, 2).

    ``_fit`` may name ``scores``, ``y``, ``groups``, ``sample_weight``, ``X``, ``model`` and ``query``; the
    others the same without ``y`` and ``sample_weight``. ``scores`` are probabilities of the favorable
    outcome, shape (n,); of each class, shape (n, k), for a multiclass outcome; predicted values for
    regression and ranking. ``X`` are the features as the model reads them, ``model`` is the fitted
    estimator, ``query`` the query of each row.

    What names neither ``X`` nor ``model`` is fitted on scores only and works with any model:
    :class:`~fairmend.core.fair_pipeline.FairPipeline` joins it to an estimator.
    """

    stage: ClassVar[Stage] = "post-processing"
    verbs: ClassVar[tuple[Verb, ...]] = (
        Verb("_fit", ("scores", "y", "groups", "sample_weight", "X", "model", "query"), "fit"),
        *(Verb(name, _PREDICTION, "prediction") for name in ACTS),
    )

    @classmethod
    def _derived(cls) -> dict[str, Any]:
        acts = tuple(what for verb, what in ACTS.items() if verb in cls._reads)
        return {**super()._derived(), "modifies": acts}

    def fit(
        self,
        scores: Any,
        y: Any = None,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        X: Any = None,
        model: Any = None,
        query: Any = None,
    ) -> Self:
        """Learn the adjustment from data that trained neither the model nor the figures to report.

        Parameters
        ----------
        scores : array of shape (n,) or (n, k)
            Probability of the favorable outcome, or of each class; predicted values for regression and ranking.
        y : array of shape (n,), optional
            Labels, where the technique needs them.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        X : DataFrame of shape (n, p), optional
            Features as the model reads them, where the technique needs them.
        model : fitted estimator, optional
            The model itself, where the technique needs it.
        query : array of shape (n,), optional
            Query of each row, for rankings.

        Raises
        ------
        DataError
            Something that the technique reads is missing, or of a kind that it does not support.
        """
        self.check_parameters()
        self.task_ = task_of(scores, y, self.metadata.tasks)
        values = scores_of(scores, (self.task_,))
        labels = None
        if self.reads("y") and y is not None:
            labels = labels_of(y, len(values), values, (self.task_,))
        elif self.metadata.needs_labels:
            raise DataError(f"{self.metadata.name} reads the labels; give y")
        self._call(
            "_fit",
            scores=values,
            y=labels,
            groups=self._fit_groups(sensitive_features, len(values)),
            sample_weight=sample_weights(sample_weight, len(values)),
            X=None if X is None else as_frame(X),
            model=model,
            query=None if query is None else np.asarray(query),
        )
        self.fitted_ = True
        return self

    def _act(
        self,
        verb: str,
        scores: Any,
        sensitive_features: Any = None,
        X: Any = None,
        model: Any = None,
        query: Any = None,
    ) -> Any:
        """Call a private method that acts on rows, with what it names."""
        check_is_fitted(self)
        values = scores_of(scores, (self.task_,))
        return self._call(
            verb,
            scores=values,
            groups=self._find_groups(sensitive_features, len(values)),
            X=None if X is None else as_frame(X),
            model=model,
            query=None if query is None else np.asarray(query),
        )

    @implements("_adjust")
    def adjust(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.float64]:
        """Return new scores, of the shape of the old ones.

        Parameters
        ----------
        scores : array of shape (n,) or (n, k)
            Scores as at fit.
        **inputs
            ``sensitive_features``, ``X``, ``model`` and ``query``: what the rule reads, as at fit.
        """
        found = self._act("_adjust", scores, **inputs)
        like, tasks = np.asarray(scores, dtype=float), set(self.metadata.tasks)
        if like.ndim == 2 and like.shape[1] == 2:
            like = like[:, 1]
        probabilities = not tasks & {"regression", "ranking"}
        return returned_scores(self, "_adjust", found, like, probabilities=probabilities)

    @implements("_decide")
    def decision_probability(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.float64]:
        """Return the probability of a favorable decision, shape (n,); parameters are those of :meth:`predict`."""
        chance = self._act("_decide", scores, **inputs)
        return returned_values(self, "_decide", chance, len(scores), low=0.0, high=1.0)

    @implements("_decide")
    def predict(
        self,
        scores: Any,
        *,
        key: Any = None,
        seed: int = 0,
        **inputs: Unpack[RowInputs],
    ) -> NDArray[np.int64]:
        """Return decisions of 0 and 1; the same row always gets the same one.

        Parameters
        ----------
        scores : array of shape (n,)
            Probability of the favorable outcome.
        **inputs
            ``sensitive_features``, ``X``, ``model`` and ``query``: what the rule reads, as at fit.
        key : array of shape (n,), optional
            What identifies the rows in the draws of a randomized rule; the score itself otherwise.
        seed : int
            Seed of these draws.
        """
        chance = self.decision_probability(scores, **inputs)
        return decide(chance, row_hash(np.asarray(scores, dtype=float) if key is None else key), seed)

    @implements("_abstain")
    def abstain(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.bool_]:
        """Return where no decision is made, shape (n,); parameters are those of :meth:`adjust`."""
        out = self._act("_abstain", scores, **inputs)
        return returned_sets(self, "_abstain", out, (len(scores),))

    @implements("_rank")
    def rank(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.int64]:
        """Return the place of each row within its query, shape (n,), 1 at the top; parameters as :meth:`adjust`."""
        out = self._act("_rank", scores, **inputs)
        return returned_values(self, "_rank", out, len(scores), low=1, high=len(scores)).astype(np.int64)

    @implements("_predict_set")
    def predict_set(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.bool_]:
        """Return the classes that each set holds, shape (n, k); parameters are those of :meth:`adjust`."""
        out = self._act("_predict_set", scores, **inputs)
        n_classes = np.shape(scores)[1] if np.ndim(scores) == 2 else 2
        return returned_sets(self, "_predict_set", out, (len(scores), n_classes))

    @implements("_predict_interval")
    def predict_interval(self, scores: Any, **inputs: Unpack[RowInputs]) -> NDArray[np.float64]:
        """Return lower and upper bound, shape (n, 2); parameters are those of :meth:`adjust`."""
        out = self._act("_predict_interval", scores, **inputs)
        return returned_intervals(self, "_predict_interval", out, len(scores))

    def uncertainty(self, scores: Any, **inputs: Unpack[RowInputs]) -> dict[Modifies, NDArray[Any]]:
        """Return what it outputs besides scores and decisions, by the name of what it modifies.

        Parameters
        ----------
        scores : array of shape (n,) or (n, k)
            Scores as at fit.
        **inputs
            As for :meth:`adjust`.

        Returns
        -------
        dict
            Abstentions; prediction sets of classes, or intervals of real values, by the task at fit.
        """
        check_is_fitted(self)
        other = "prediction sets" if self.task_ in {"regression", "ranking"} else "intervals"
        return {
            what: getattr(self, verb)(scores, **inputs)
            for what, verb in UNCERTAINTY.items()
            if what in self.metadata.modifies and what != other
        }

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Fit on the calibration data and join the model."""
        technique = prepared(self, case)
        data, former = case.calibration, case.fitted()
        if technique.reads("model"):
            # Its leaves or layers must be those of one model, which also gives the scores.
            case = case.replace(out_of_fold=None)
        known = case.calibration_scores()
        technique.fit(
            known.scores,
            data.y,
            sensitive_features=data.groups,
            sample_weight=data.weights,
            X=known.frame if technique.reads("X") else None,
            model=former.estimator if technique.reads("model") else None,
            query=data.query,
        )
        model = former.with_postprocessor(technique)
        detail = dict(getattr(technique, "diagnostics_", {}))
        if set(self.metadata.modifies) <= set(UNCERTAINTY):
            return case.replace(model=model), uncertainty_effect(case.validation, model, detail)
        if "ranking" in self.metadata.modifies:
            check = case.validation
            frame, scores = former.transform_and_score(check.X, check.sensitive)
            reads = {"X": frame, "model": former.estimator, "query": check.query}
            place = technique.rank(scores, sensitive_features=check.sensitive, **reads)
            return case.replace(model=model), ranking_effect(check, scores, place, detail)
        share = case.decisions_changed(model)
        if "decisions" in self.metadata.modifies:
            text = f"Changed the decision in {share:.1%} of the validation rows."
            return case.replace(model=model), Effect("decisions", share, text, None, detail)
        check = case.validation
        old = former.scores(check.X, check.sensitive)
        new = model.scores(check.X, check.sensitive)
        moved = float(np.mean(~np.isclose(old, new, atol=1e-12)))
        size = float(np.abs(new - old).mean())
        detail["decisions_changed"] = share
        text = f"Moved scores by {size:.3f} on average, and with them {share:.1%} of the decisions."
        if data.task in ("regression", "ranking"):
            text = f"Moved {moved:.1%} of the predicted values, all of them by {size:.3f} on average."
        return case.replace(model=model), Effect("scores", moved, text, size, detail)
