"""The pre-processing stage: change the data that a model is trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self, TypedDict, Unpack

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.errors import DataError
from fairmend.core.injection import Verb
from fairmend.core.stages._returned import returned_change, returned_frame
from fairmend.core.stages._shared import implements, prepared
from fairmend.core.stages.data_change import DataChange
from fairmend.core.stages.effects import change_effect, feature_effect
from fairmend.core.technique import GroupAware, Technique, as_frame, sample_weights, training_labels
from fairmend.core.vocabulary import Stage

_FIT = ("X", "y", "groups", "sample_weight", "learner", "graph", "proxies")


class FitInputs(TypedDict, total=False):
    """What a technique may learn from besides features and labels: the parameters of :meth:`Preprocessor.fit`."""

    sensitive_features: Any
    sample_weight: Any
    learner: Any
    graph: CausalGraph | None
    proxies: Any


class Preprocessor(GroupAware, Technique):
    """Base of the pre-processing stage: change the data that a model is trained on.

    Write one of

    - ``_fit(...)`` and ``_transform(X, groups)`` to change features, of the training data and of every row
      to decide on;
    - ``_change(...)`` to change only the training data: it returns a
      :class:`~fairmend.core.stages.DataChange` of features, labels, weights, rows, or several of them;
    - ``_change(...)`` and ``_transform(X, groups)`` where new rows are changed otherwise than those of the
      training data.

    ``_fit`` and ``_change`` may name ``X`` (DataFrame), ``y`` (labels 0 and 1; codes of classes or real values
    where the technique declares such tasks), ``groups``
    (:class:`~fairmend.core.data.groups.Groups`), ``sample_weight``, ``learner`` (an unfitted classifier),
    ``graph`` (:class:`~fairmend.core.causal.graph.CausalGraph`) and ``proxies`` (names of columns); they
    get what they name and nothing else.
    """

    stage: ClassVar[Stage] = "pre-processing"
    verbs: ClassVar[tuple[Verb, ...]] = (
        Verb("_fit", _FIT, "fit"),
        Verb("_change", _FIT, "fit"),
        Verb("_transform", ("X", "groups"), "prediction"),
    )
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"sensitive_features": True}

    @classmethod
    def _derived(cls) -> dict[str, Any]:
        facts = super()._derived()
        return facts if "_change" in cls._reads else {**facts, "modifies": ("features",)}

    def _known(
        self,
        X: Any,
        y: Any,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        learner: Any = None,
        graph: CausalGraph | None = None,
        proxies: Any = None,
    ) -> dict[str, Any]:
        """Return what the private methods may name, checked."""
        self.check_parameters()
        frame = as_frame(X)
        labels = None
        if y is not None and self.reads("y"):
            labels, self.classes_ = training_labels(y, len(frame), self.metadata.tasks)
        elif self.metadata.needs_labels:
            raise DataError(f"{self.metadata.name} reads the labels; give y")
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        own = getattr(self, "estimator", None)
        return {
            "X": frame,
            "y": labels,
            "groups": self._fit_groups(sensitive_features, len(frame)),
            "sample_weight": sample_weights(sample_weight, len(frame)),
            "learner": learner if own is None else own,
            "graph": graph,
            "proxies": proxies,
        }

    @implements("_transform")
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
        learner: Any = None,
        graph: CausalGraph | None = None,
        proxies: Any = None,
    ) -> Self:
        """Learn the transformation.

        Parameters
        ----------
        X : DataFrame or array of shape (n, p)
            Features.
        y : array of shape (n,), optional
            Labels, where the technique needs them.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        sample_weight : array of shape (n,), optional
            Weights.
        learner : unfitted classifier, optional
            What the technique trains, where it trains something.
        graph : CausalGraph, optional
            The causal graph, where the technique needs one.
        proxies : sequence of str, optional
            Columns that stand in for the protected attributes.
        """
        known = self._known(
            X,
            y,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            learner=learner,
            graph=graph,
            proxies=proxies,
        )
        self._call("_fit" if "_fit" in self._reads else "_change", **known)
        return self

    @implements("_transform")
    def transform(self, X: Any, *, sensitive_features: Any = None) -> Any:
        """Return the features as changed; a frame for a frame, an array for an array."""
        check_is_fitted(self)
        frame = as_frame(X, tuple(self.feature_names_in_))
        groups = self._find_groups(sensitive_features, len(frame))
        out = returned_frame(self, "_transform", self._call("_transform", X=frame, groups=groups), frame)
        return out if isinstance(X, pd.DataFrame) else out.to_numpy()

    @implements("_transform")
    def fit_transform(self, X: Any, y: Any = None, *, sensitive_features: Any = None, **known: Any) -> Any:
        """Learn the transformation and apply it to the same rows."""
        self.fit(X, y, sensitive_features=sensitive_features, **known)
        return self.transform(X, sensitive_features=sensitive_features)

    @implements("_change")
    def change(self, X: Any, y: Any = None, **inputs: Unpack[FitInputs]) -> DataChange:
        """Return the training data as changed; parameters are those of :meth:`fit`.

        Returns
        -------
        DataChange
            Labels are those of the input classes; what did not change is None.
        """
        known = self._known(X, y, **inputs)
        found = self._call("_change", **known)
        out = returned_change(
            self, "_change", found, known["X"], n_classes=len(getattr(self, "classes_", ()))
        )
        return (
            out
            if out.y is None or not len(self.classes_)
            else replace(out, y=self.classes_[np.asarray(out.y)])
        )

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Change the training data and retrain the learner on it."""
        technique = prepared(self, case)
        train = case.train
        known: FitInputs = {
            "sensitive_features": train.groups,
            "sample_weight": train.weights,
            "learner": case.learner,
            "graph": case.graph,
            "proxies": case.proxies or None,
        }
        former = case.model.transformers if case.model else ()
        if hasattr(technique, "_change"):
            change = technique.change(train.X, train.y, **known)
            effect = change_effect(train, change)
            after = case.replace(train=train.changed(change))
        else:
            changed = technique.fit_transform(train.X, train.y, **known)
            effect = feature_effect(train.X, changed)
            after = case.replace(train=replace(train, X=changed))
        effect = replace(effect, detail={**effect.detail, **getattr(technique, "diagnostics_", {})})
        if hasattr(technique, "_transform"):
            return after.retrained((*former, technique)), effect
        return after.retrained(), effect
