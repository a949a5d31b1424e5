"""The in-processing stage: a classifier that is trained to be fair."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.row_random import decide, row_hash
from fairmend.core.injection import Verb
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import TableEncoder, make_learner
from fairmend.core.stages._returned import returned_values
from fairmend.core.stages._shared import prepared
from fairmend.core.technique import (
    GroupAware,
    Technique,
    as_frame,
    binary_labels,
    sample_weights,
)
from fairmend.core.vocabulary import Stage

HELD_BACK = {"train": 0.85, "validation": 0.15}
"""Parts of the training rows for a technique that asks for validation data, with cross-fitting."""


class Inprocessor(ClassifierMixin, GroupAware, Technique):
    """Base of the in-processing stage: a classifier that is trained to be fair.

    Write ``_fit(...)`` and ``_predict_proba(X, groups)``, the latter with the probability of the favorable
    class, shape (n,). A randomized rule also writes ``_decision_probability(X, groups)``.

    ``_fit`` may name ``X``, ``y`` (labels 0 and 1), ``groups``, ``sample_weight``, ``learner`` (an unfitted
    classifier), ``graph``, ``proxies`` and ``validation`` (data that trained nothing, with the fields of
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
        Verb("_decision_probability", ("X", "groups"), "prediction"),
    )
    holds_rates: ClassVar[bool] = False
    """Whether it holds rates of the training rows together. It is then trained on the data's own weights:
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
        """Train the classifier.

        Parameters
        ----------
        X : DataFrame or array of shape (n, p)
            Features.
        y : array of shape (n,)
            Labels of two classes; the greater one is the favorable one.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        learner : unfitted classifier, optional
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
        labels, self.classes_ = binary_labels(y, len(frame))
        groups = self._fit_groups(sensitive_features, len(frame))
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        own = getattr(self, "estimator", None)
        values: Any = frame
        if not self.metadata.needs_learner:
            self.encoder_ = TableEncoder("one-hot")
            values = self.encoder_.fit_transform(frame)
        elif own is None and learner is None:
            learner = make_learner()
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

    def predict_proba(self, X: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, 2)."""
        found = self._call("_predict_proba", **self._known(X, sensitive_features))
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
        """Return a class a row; where the rule is randomized, the same row always gets the same one."""
        chance = self.decision_probability(X, sensitive_features=sensitive_features)
        seed = getattr(self, "random_state", None) or 0
        return self.classes_[decide(chance, row_hash(as_frame(X)), int(seed))]

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Train on the training data; the new classifier takes the place of the model's estimator."""
        technique = prepared(self, case)
        train, validation = case.train, case.calibration
        if case.cross_fitted and technique.reads("validation"):
            parts = train.split(HELD_BACK, seed=case.seed)
            train, validation = parts["train"], parts["validation"]
        weights = train.population_weights if self.holds_rates else train.weights
        technique.fit(
            train.X,
            train.y,
            sensitive_features=train.sensitive,
            sample_weight=weights,
            learner=case.learner,
            graph=case.graph,
            proxies=train.roles.proxies or None,
            validation=validation,
        )
        return technique._taking_over(case)

    def trains_alike(self, one: Case, other: Case) -> bool:
        """Whether two cases train it to the same classifier, so that once is enough.

        That is so where they differ in weights only that a step has put on the same rows, and it is
        trained on the data's own.
        """
        a, b = one.train, other.train
        if not self.holds_rates or a.X is not b.X or a.y is not b.y or a.sensitive is not b.sensitive:
            return False
        weights = [np.ones(len(d)) if d.population_weights is None else d.population_weights for d in (a, b)]
        return np.array_equal(weights[0], weights[1])

    def reuse(self, trained: Case, case: Case) -> tuple[Case, Effect]:
        """Return what :meth:`run` would, with the classifier that another case has trained."""
        return trained.fitted().estimator._taking_over(case)

    def _taking_over(self, case: Case) -> tuple[Case, Effect]:
        """Return the case with this fitted classifier in the place of the model's estimator."""
        former = case.fitted()
        model = FairModel(case.features, former.attributes, self, former.transformers, seed=case.seed)
        share = case.decisions_changed(model)
        detail = dict(getattr(self, "diagnostics_", {}))
        text = f"Trained {self.metadata.name}; it decides {share:.1%} of the validation rows differently."
        return case.replace(model=model), Effect("model", share, text, None, detail)
