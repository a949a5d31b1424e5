"""The pre-processing stage: change the data that a model is trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case, Effect
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError
from fairmend.core.stages._returned import (
    returned_frame,
    returned_labels,
    returned_rows,
    returned_weights,
)
from fairmend.core.stages._shared import implements, prepared
from fairmend.core.stages.effects import feature_effect, label_effect, row_effect, weight_effect
from fairmend.core.technique import GroupAware, Technique, as_frame, binary_labels, sample_weights
from fairmend.core.vocabulary import Stage


@dataclass(frozen=True)
class Resampled:
    """Rows after resampling.

    Attributes
    ----------
    X, sensitive : DataFrame
        Features and protected attributes.
    y : ndarray, shape (n,)
        Labels.
    weights : ndarray of float, shape (n,)
        Weights.
    origin : ndarray of int, shape (n,)
        Place of the row in the data before, -1 for a synthetic row.
    """

    X: pd.DataFrame
    sensitive: pd.DataFrame
    y: NDArray[Any]
    weights: NDArray[np.float64]
    origin: NDArray[np.intp]


class Preprocessor(GroupAware, Technique):
    """Base of the pre-processing stage: change the data that a model is trained on.

    Write one of

    - ``_fit(X, sensitive, y)`` and ``_transform(X, sensitive)`` to change features,
    - ``_reweight(X, sensitive, y, sample_weight)`` to give weights, shape (n,),
    - ``_resample(X, sensitive, y, sample_weight)`` to give a :class:`Resampled`,
    - ``_relabel(X, sensitive, y)`` to give labels, shape (n,).

    ``X`` is a DataFrame, ``sensitive`` the :class:`~fairmend.core.data.groups.Groups`, ``y`` labels 0 and 1.
    """

    stage: ClassVar[Stage] = "pre-processing"
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sensitive_features": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"sensitive_features": True}

    def _checked(
        self, X: Any, y: Any, sensitive_features: Any
    ) -> tuple[pd.DataFrame, Groups | None, NDArray[np.int64] | None]:
        self.check_parameters()
        frame = as_frame(X)
        labels = None
        if self.metadata.needs_labels:
            if y is None:
                raise DataError(f"{self.metadata.name} reads the labels; give y")
            labels, self.classes_ = binary_labels(y, len(frame))
        return frame, self._fit_groups(sensitive_features, len(frame)), labels

    @implements("_transform")
    def fit(self, X: Any, y: Any = None, *, sensitive_features: Any = None) -> Self:
        """Learn the transformation.

        Parameters
        ----------
        X : DataFrame or array of shape (n, p)
            Features.
        y : array of shape (n,), optional
            Labels, where the technique needs them.
        sensitive_features : Series, DataFrame or array of shape (n,) or (n, k)
            Protected attributes.
        """
        frame, groups, labels = self._checked(X, y, sensitive_features)
        self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        self._fit(frame, groups, labels)
        return self

    @implements("_transform")
    def transform(self, X: Any, *, sensitive_features: Any = None) -> Any:
        """Return the features as changed; a frame for a frame, an array for an array."""
        check_is_fitted(self)
        frame = as_frame(X, tuple(self.feature_names_in_))
        groups = self._find_groups(sensitive_features, len(frame))
        out = returned_frame(self, "_transform", self._transform(frame, groups), frame)
        return out if isinstance(X, pd.DataFrame) else out.to_numpy()

    @implements("_transform")
    def fit_transform(self, X: Any, y: Any = None, *, sensitive_features: Any = None) -> Any:
        """Learn the transformation and apply it to the same rows."""
        self.fit(X, y, sensitive_features=sensitive_features)
        return self.transform(X, sensitive_features=sensitive_features)

    @implements("_reweight")
    def reweight(
        self, X: Any, y: Any, *, sensitive_features: Any, sample_weight: Any = None
    ) -> NDArray[np.float64]:
        """Return a weight a row, shape (n,), to give to ``fit`` as ``sample_weight``."""
        frame, groups, labels = self._checked(X, y, sensitive_features)
        out = self._reweight(frame, groups, labels, sample_weights(sample_weight, len(frame)))
        return returned_weights(self, "_reweight", out, len(frame))

    @implements("_resample")
    def resample(self, X: Any, y: Any, *, sensitive_features: Any, sample_weight: Any = None) -> Resampled:
        """Return rows drawn anew; labels are those of the input classes."""
        frame, groups, labels = self._checked(X, y, sensitive_features)
        drawn = self._resample(frame, groups, labels, sample_weights(sample_weight, len(frame)))
        out = returned_rows(self, "_resample", drawn, len(frame), Resampled)
        return Resampled(out.X, out.sensitive, self.classes_[out.y], out.weights, out.origin)

    @implements("_relabel")
    def relabel(self, X: Any, y: Any, *, sensitive_features: Any) -> NDArray[Any]:
        """Return the labels as changed, shape (n,), in the input classes."""
        frame, groups, labels = self._checked(X, y, sensitive_features)
        out = returned_labels(self, "_relabel", self._relabel(frame, groups, labels), len(frame))
        return self.classes_[out]

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Change the training data and retrain the learner on it."""
        technique = prepared(self, case)
        train = case.train
        if hasattr(technique, "_transform"):
            return technique._run_transform(case)
        if hasattr(technique, "_reweight"):
            weights = technique.reweight(
                train.X, train.y, sensitive_features=train.sensitive, sample_weight=train.weights
            )
            effect = weight_effect(train, weights)
            after = case.replace(train=train.reweighted(weights))
        elif hasattr(technique, "_resample"):
            rows = technique.resample(
                train.X, train.y, sensitive_features=train.sensitive, sample_weight=train.weights
            )
            effect = row_effect(train, rows)
            keep = None if train.weights is None else rows.weights
            after = case.replace(
                train=replace(
                    train,
                    X=rows.X,
                    y=rows.y,
                    sensitive=rows.sensitive,
                    weights=keep,
                    key=None,
                    own_weights=None,
                    units=None,
                )
            )
        else:
            labels = technique.relabel(train.X, train.y, sensitive_features=train.sensitive)
            effect = label_effect(train, labels)
            after = case.replace(train=replace(train, y=labels))
        return after.retrained(), effect

    def _run_transform(self, case: Case) -> tuple[Case, Effect]:
        train = case.train
        changed = self.fit_transform(train.X, train.y, sensitive_features=train.sensitive)
        effect = feature_effect(train.X, changed)
        effect = replace(effect, detail={**effect.detail, **getattr(self, "diagnostics_", {})})
        former = case.model.transformers if case.model else ()
        return case.replace(train=replace(train, X=changed)).retrained((*former, self)), effect
