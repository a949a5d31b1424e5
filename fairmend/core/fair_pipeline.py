"""A scikit-learn classifier that combines an estimator with techniques, for interactive use and deployment."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from fairmend.core.case import Case
from fairmend.core.data.column_schema import ColumnSchema, check_groups
from fairmend.core.data.dataset import Dataset, stratified_places
from fairmend.core.data.group_names import as_numbers, cut
from fairmend.core.data.groups import Groups, label_of, sensitive_frame
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, DataWarning, MissingColumnError, UsageError
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import make_learner
from fairmend.core.stages import (
    CausalAnalysis,
    Evaluator,
    Inprocessor,
    Operation,
    Postprocessor,
    Preprocessor,
)
from fairmend.core.technique import as_frame, binary_labels, sample_weights


class FairPipeline(ClassifierMixin, BaseEstimator):
    """An estimator with techniques before, in and after its training.

    Parameters
    ----------
    estimator : classifier, optional
        Classifier to train; default: gradient boosting.
    steps : list of techniques
        Pre-, in- and post-processing, in this order.
    calibration_size : float in (0, 1), default=0.25
        Share of the rows held out from training to fit post-processing, if there is any.
    random_state : int, default=0
        Seed of the split, of techniques without a seed, and of randomized decisions.

    Attributes
    ----------
    model_ : FairModel
        The fitted rule.
    classes_ : ndarray of shape (2,)
        The labels; the last one is the favorable one.
    effects_ : list of Effect
        What each step did.
    columns_ : list of ColumnSchema
        Values of each feature seen in fit.
    groups_ : dict of str to tuple of str
        The groups of each protected attribute at fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairmend.core.fair_pipeline import FairPipeline
    >>> import fairmend
    >>> rng = np.random.default_rng(0)
    >>> sex = rng.choice(["F", "M"], 2000)
    >>> X = pd.DataFrame({"skill": rng.normal(size=2000) + (sex == "M")})
    >>> y = (X["skill"] + rng.normal(size=2000) > 0.5).astype(int)
    >>> fair = FairPipeline(LogisticRegression(), [fairmend.technique(31)()])
    >>> fair.fit(X, y, sensitive_features=sex).predict(X).shape
    (2000,)
    """

    __metadata_request__fit = {"sensitive_features": True}  # noqa: RUF012 - read by scikit-learn at class creation
    __metadata_request__predict = {"sensitive_features": True}  # noqa: RUF012
    __metadata_request__predict_proba = {"sensitive_features": True}  # noqa: RUF012

    def __init__(
        self,
        estimator: Any = None,
        steps: Iterable[Any] = (),
        calibration_size: float = 0.25,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.steps = steps
        self.calibration_size = calibration_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any, *, sensitive_features: Any, sample_weight: Any = None) -> Self:
        """Train the estimator and fit the steps.

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

        Raises
        ------
        UsageError
            A step that only reports, or steps out of order.
        """
        steps = [step[1] if isinstance(step, tuple) else step for step in self.steps]
        _check_order(steps)
        frame = as_frame(X).reset_index(drop=True)
        labels, self.classes_ = binary_labels(y, len(frame))
        sensitive = _labeled(sensitive_frame(sensitive_features, len(frame)).reset_index(drop=True), {})
        weights = None if sample_weight is None else sample_weights(sample_weight, len(frame))
        roles = Roles(outcome="\x00outcome", favorable="1", protected=tuple(map(str, sensitive.columns)))
        data = Dataset(frame, labels, sensitive, roles, weights)
        train, calibration = data, data
        if any(isinstance(step, Postprocessor) for step in steps):
            train, calibration = self._held_out(data)
        learner = make_learner(seed=self.random_state) if self.estimator is None else clone(self.estimator)
        case = Case(train, calibration, calibration, learner=learner, seed=self.random_state).retrained()
        self.effects_ = []
        for step in steps:
            case, effect = step.run(case)
            self.effects_.append(effect)
        self._keep(case.fitted(), data)
        return self

    def _held_out(self, data: Dataset) -> tuple[Dataset, Dataset]:
        if not 0 < self.calibration_size < 1:
            raise UsageError(f"calibration_size must lie between 0 and 1, got {self.calibration_size}")
        strata = Groups.of(data.sensitive).codes * 2 + data.y
        place = stratified_places(strata, np.random.default_rng(self.random_state))
        out = place < self.calibration_size
        return data.take(np.flatnonzero(~out)), data.take(np.flatnonzero(out))

    @classmethod
    def of_model(cls, model: FairModel, data: Dataset, classes: Iterable[Any] = (0, 1)) -> Self:
        """Return a fitted pipeline around the model of a run.

        Parameters
        ----------
        model : FairModel
            The rule.
        data : Dataset
            Data it was fitted on: features, their types, and the bin edges of the attributes.
        classes : pair
            Names of the decisions 0 and 1.
        """
        pipeline = cls(random_state=model.seed)
        pipeline.classes_ = np.asarray(list(classes))
        pipeline.effects_ = []
        pipeline._keep(model, data)
        return pipeline

    def _keep(self, model: FairModel, data: Dataset) -> None:
        self.model_ = model
        self.cuts_ = dict(data.roles.cuts)
        self.feature_names_in_ = np.asarray(model.features, dtype=object)
        self.n_features_in_ = len(model.features)
        self.columns_ = [ColumnSchema.of(data.X[c]) for c in model.features]
        self.groups_ = {str(a): tuple(sorted(data.sensitive[a].unique())) for a in data.sensitive.columns}

    @property
    def reads_protected(self) -> bool:
        """Whether a decision needs the protected attributes."""
        check_is_fitted(self)
        return self.model_.reads_protected

    def predict(self, X: Any, *, sensitive_features: Any = None, key: Any = None) -> NDArray[Any]:
        """Return one class per row; the same row always gets the same class.

        Parameters
        ----------
        X : DataFrame or array of shape (n, p)
            Features; a frame may have additional columns, in any order.
        sensitive_features : optional
            Protected attributes, required if ``reads_protected``.
        key : array of shape (n,), optional
            Row identifiers, for the draws of randomized rules.

        Raises
        ------
        DataError
            Columns are missing, have other values than in fit, or a group was not seen in fit.

        Warns
        -----
        DataWarning
            Many values of a feature were not seen at fit.
        """
        frame, sensitive = self._read(X, sensitive_features)
        return self.classes_[self.model_.predict(frame, sensitive, key)]

    def predict_proba(self, X: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, 2)."""
        frame, sensitive = self._read(X, sensitive_features)
        scores = self.model_.scores(frame, sensitive)
        return np.column_stack([1 - scores, scores])

    def decision_probability(self, X: Any, *, sensitive_features: Any = None) -> NDArray[np.float64]:
        """Return the probability of a favorable decision, shape (n,)."""
        frame, sensitive = self._read(X, sensitive_features)
        return self.model_.decision_probability(frame, sensitive)

    def score_and_decide(
        self, X: Any, *, sensitive_features: Any = None, key: Any = None
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return the probability of the favorable class and the class of each row, in one pass of the estimator.

        Parameters and errors are those of :meth:`predict`.
        """
        frame, sensitive = self._read(X, sensitive_features)
        scores, decisions = self.model_.score_and_decide(frame, sensitive, key)
        return scores, self.classes_[decisions]

    def _read(self, X: Any, sensitive_features: Any) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        check_is_fitted(self)
        frame = as_frame(X)
        absent = [c for c in self.model_.features if c not in frame.columns]
        if absent:
            raise MissingColumnError(
                f"the data lacks {', '.join(map(str, absent[:5]))}, which the model reads"
            )
        read = {}
        for schema in self.columns_:
            read[schema.name], remarks = schema.read(frame[schema.name])
            for remark in remarks:
                warnings.warn(remark, DataWarning, stacklevel=3)
        frame = frame.assign(**read)
        if not self.model_.reads_protected:
            return frame, None
        if sensitive_features is None:
            raise DataError(
                f"this rule reads {', '.join(self.model_.attributes)} for every decision; give sensitive_features"
            )
        sensitive = _labeled(sensitive_frame(sensitive_features, len(frame)), self.cuts_)
        for name, known in self.groups_.items():
            if name in sensitive.columns:
                check_groups(name, sensitive[name].unique(), known)
        return frame, sensitive


def _labeled(frame: pd.DataFrame, cuts: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    """Return protected attributes as group names, with the bin edges of fit."""
    out = {}
    for name in frame.columns:
        column = frame[name]
        numbers = as_numbers(column) if str(name) in cuts else None
        if numbers is not None:
            out[str(name)] = cut(numbers, cuts[str(name)])
        else:
            codes, values = pd.factorize(column, use_na_sentinel=False)
            labels = np.asarray([label_of(v) for v in values], dtype=object)
            out[str(name)] = pd.Series(labels[codes], index=frame.index, dtype=object)
    return pd.DataFrame(out, index=frame.index)


def _check_order(steps: list[Any]) -> None:
    order = (Preprocessor, Inprocessor, Postprocessor)
    last = 0
    for step in steps:
        if isinstance(step, (CausalAnalysis, Evaluator, Operation)):
            raise UsageError(
                f"{type(step).__name__} only reports and does not act; a FairPipeline needs steps that act"
            )
        place = next((i for i, base in enumerate(order) if isinstance(step, base)), None)
        if place is None:
            raise UsageError(f"a step must be a technique, got {type(step).__name__}")
        if place < last:
            raise UsageError(f"{type(step).__name__} is out of order: pre-, then in-, then post-processing")
        last = place
