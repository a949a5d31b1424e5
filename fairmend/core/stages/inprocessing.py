"""The in-processing stage: a model that is trained to be fair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import RegressorTags, Tags
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.row_random import decide, row_hash
from fairmend.core.injection import Verb
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import TableEncoder
from fairmend.core.models.task_learner import learner_for
from fairmend.core.stages._returned import returned_scores, returned_values
from fairmend.core.stages._shared import implements, prepared
from fairmend.core.technique import (
    GroupAware,
    Technique,
    as_frame,
    sample_weights,
    training_labels,
)
from fairmend.core.vocabulary import Stage, Task

NUMBERS: frozenset[Task] = frozenset({"regression", "ranking"})
"""Tasks whose predictions are real values."""

HELD_BACK = {"train": 0.85, "validation": 0.15}
"""Parts of the training rows for a technique that needs validation data, with cross-fitting."""


class Inprocessor(ClassifierMixin, GroupAware, Technique):
    """Base of the in-processing stage: a model that is trained to be fair.

    Write ``_fit(...)`` and, by the tasks that it supports, ``_predict_proba(X, groups)`` or ``_predict(X, groups)``.
    ``_predict_proba`` gives the probability of the favorable class, shape (n,), or of each of several classes,
    shape (n, k); ``_predict`` the predicted value of a regression or ranking, shape (n,). A randomized rule on
    two classes also writes ``_decision_probability(X, groups)``.

    ``_fit`` may name ``X``, ``y`` (labels 0 and 1, codes of classes, or real values), ``groups``,
    ``sample_weight``, ``learner`` (unfitted: a classifier, or a regressor where the outcome is a number),
    ``graph``, ``proxies`` and ``validation`` (data that trained nothing, with the fields of
    :class:`~fairmend.core.data.dataset.Dataset`); it gets what it names and nothing else. A technique that
    names a ``learner`` receives ``X`` as a frame as it came; any other receives a float array: numbers
    standardized, categories as indicators.
    """

    stage: ClassVar[Stage] = "in-processing"
    verbs: ClassVar[tuple[Verb, ...]] = (
        Verb(
            "_fit",
            ("X", "y", "groups", "sample_weight", "learner", "graph", "proxies", "validation"),
            "fit",
        ),
        Verb("_predict_proba", ("X", "groups"), "prediction"),
        Verb("_predict", ("X", "groups"), "prediction"),
        Verb("_decision_probability", ("X", "groups"), "prediction"),
    )
    holds_rates: ClassVar[bool] = False
    """Whether it equalizes rates of the training rows. It is then trained on the data's own weights:
    under those of a reweighing step it would hold the rates of people who are not there."""
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"sensitive_features": True}

    @classmethod
    def _derived(cls) -> dict[str, Any]:
        return {**super()._derived(), "modifies": ("model",)}

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        learner: Any = None,
        graph: CausalGraph | None = None,
        proxies: Any = None,
        validation: Dataset | None = None,
    ) -> Self:
        """Train the model.

        Parameters
        ----------
        X : DataFrame or array of shape (n, p)
            Features.
        y : array of shape (n,)
            Labels: of two classes, the greater of which is the favorable one; of several; or real values.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        learner : unfitted classifier or regressor, optional
            What a technique that wraps a learner trains; its parameter ``estimator``, where that is set.
        graph : CausalGraph, optional
            The causal graph, where the technique needs one.
        proxies : sequence of str, optional
            Columns that stand in for the protected attributes.
        validation : Dataset, optional
            Data for early stopping.
        """
        self.check_parameters()
        frame = as_frame(X)
        labels, classes = training_labels(y, len(frame), self.metadata.tasks)
        self.task_ = _task_of(classes, self.metadata.tasks)
        if len(classes):
            self.classes_ = classes
        groups = self._fit_groups(sensitive_features, len(frame))
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        own = getattr(self, "estimator", None)
        values: Any = frame
        if not self.metadata.needs_learner:
            self.encoder_ = TableEncoder("one-hot")
            values = self.encoder_.fit_transform(frame)
        elif own is None and learner is None:
            learner = learner_for(self.task_)
        self._call(
            "_fit",
            X=values,
            y=labels,
            groups=groups,
            sample_weight=sample_weights(sample_weight, len(frame)),
            learner=learner if own is None else own,
            graph=graph,
            proxies=proxies,
            validation=validation,
        )
        return self

    def _known(self, X: Any, sensitive_features: Any) -> dict[str, Any]:
        check_is_fitted(self)
        frame = as_frame(X, tuple(self.feature_names_in_))
        values = frame if self.metadata.needs_learner else self.encoder_.transform(frame)
        return {"X": values, "groups": self._find_groups(sensitive_features, len(frame))}

    @implements("_predict_proba")
    def predict_proba(self, X: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, k)."""
        found = self._call("_predict_proba", **self._known(X, sensitive_features))
        if self.task_ == "multiclass":
            like = np.empty((len(X), len(self.classes_)))
            return returned_scores(self, "_predict_proba", found, like, probabilities=True)
        favorable = returned_values(self, "_predict_proba", found, len(X), low=0.0, high=1.0)
        return np.column_stack([1 - favorable, favorable])

    @property
    def decides_by_score(self) -> bool:
        """Whether a decision is a score of one half and more, as where no rule of its own is written."""
        return "_decision_probability" not in self._reads

    def decision_probability(self, X: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of a favorable decision, shape (n,)."""
        if self.decides_by_score:
            scores = self.predict_proba(X, sensitive_features=sensitive_features)[:, 1]
            return (scores >= 0.5).astype(float)
        chance = self._call("_decision_probability", **self._known(X, sensitive_features))
        return returned_values(self, "_decision_probability", chance, len(X), low=0.0, high=1.0)

    def predict(self, X: Any, *, sensitive_features: Any = None) -> NDArray[Any]:
        """Return a class per row, or a value; where the rule is randomized, the same row always gets the same one."""
        check_is_fitted(self)
        if self.task_ in NUMBERS:
            found = self._call("_predict", **self._known(X, sensitive_features))
            return returned_values(self, "_predict", found, len(X))
        if self.task_ == "multiclass":
            scores = self.predict_proba(X, sensitive_features=sensitive_features)
            return self.classes_[scores.argmax(axis=1)]
        chance = self.decision_probability(X, sensitive_features=sensitive_features)
        seed = getattr(self, "random_state", None) or 0
        return self.classes_[decide(chance, row_hash(as_frame(X)), int(seed))]

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, sensitive_features: Any = None) -> float:
        """Return the accuracy of the predicted classes, or the R2 of predicted values."""
        measure = r2_score if self.task_ in NUMBERS else accuracy_score
        found = self.predict(X, sensitive_features=sensitive_features)
        return float(measure(y, found, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if set(self.metadata.tasks) <= NUMBERS:
            tags.estimator_type, tags.classifier_tags, tags.regressor_tags = (
                "regressor",
                None,
                RegressorTags(),
            )
        return tags

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Train on the training data; the new model takes the place of the former one's estimator."""
        technique = prepared(self, case)
        train, validation = case.train, case.calibration
        if case.cross_fitted and technique.reads("validation"):
            parts = train.split(HELD_BACK, seed=case.seed)
            train, validation = parts["train"], parts["validation"]
        weights = train.population_weights if self.holds_rates else train.weights
        technique.fit(
            train.X,
            train.y,
            sensitive_features=train.groups,
            sample_weight=weights,
            learner=case.learner,
            graph=case.graph,
            proxies=case.proxies or None,
            validation=validation,
        )
        return technique._taking_over(case)

    def trains_alike(self, one: Case, other: Case) -> bool:
        """Whether two cases train it to the same model, so that once is enough.

        That is so where they differ in weights only that a step has put on the same rows, and it is
        trained on the data's own.
        """
        a, b = one.train, other.train
        if not self.holds_rates or a.X is not b.X or a.y is not b.y or a.sensitive is not b.sensitive:
            return False
        weights = [np.ones(len(d)) if d.population_weights is None else d.population_weights for d in (a, b)]
        return np.array_equal(weights[0], weights[1])

    def reuse(self, trained: Case, case: Case) -> tuple[Case, Effect]:
        """Return what :meth:`run` would, with the model that another case has trained."""
        return trained.fitted().estimator._taking_over(case)

    def _taking_over(self, case: Case) -> tuple[Case, Effect]:
        """Return the case with this fitted model in the place of the former one's estimator."""
        former = case.fitted()
        model = FairModel(
            case.features, former.attributes, self, former.transformers, seed=case.seed, task=case.train.task
        )
        share = case.decisions_changed(model)
        detail = dict(getattr(self, "diagnostics_", {}))
        verb = "predicts" if self.task_ in NUMBERS else "decides"
        text = f"Trained {self.metadata.name}; it {verb} {share:.1%} of the validation rows differently."
        return case.replace(model=model), Effect("model", share, text, None, detail)


def _task_of(classes: NDArray[Any], tasks: Sequence[Task]) -> Task:
    """Return the task of labels of these classes; real values have none."""
    if len(classes):
        return "binary" if len(classes) == 2 else "multiclass"
    return "regression" if "regression" in tasks else "ranking"
