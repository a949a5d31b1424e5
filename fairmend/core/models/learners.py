"""Learners for tables: numbers and categories, missing values, unseen categories, sample weights."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import has_fit_parameter

from fairmend.core.errors import DataError, unknown
from fairmend.core.vocabulary import LEARNERS

MOST_CATEGORIES = 250
Encoding = Literal["ordinal", "one-hot"]


def table_encoder(X: pd.DataFrame, encoding: Encoding) -> ColumnTransformer:
    """Return an unfitted encoder of a table into floats.

    ``ordinal`` suits trees: numbers as they are, categories as codes, gaps as NaN. ``one-hot`` suits
    linear models: numbers imputed by the median and standardized, categories as indicators, a
    missing category as a level of its own. A category that was not there at fit counts as missing.
    """
    numbers = [c for c in X.columns if pd.api.types.is_numeric_dtype(X[c])]
    texts = [c for c in X.columns if c not in set(numbers)]
    if encoding == "ordinal":
        wide = [c for c in texts if X[c].nunique() > MOST_CATEGORIES]
        narrow = [c for c in texts if c not in set(wide)]
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
        )
        parts: list[tuple[str, Any, list[Any]]] = [
            ("texts", codes, narrow),
            # Counting the categories, which a limit on them needs, costs more than all else here.
            ("wide texts", clone(codes).set_params(max_categories=MOST_CATEGORIES), wide),
            ("numbers", "passthrough", numbers),
        ]
    else:
        indicators = OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=50, sparse_output=False
        )
        scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        parts = [("texts", indicators, texts), ("numbers", scaled, numbers)]
    return ColumnTransformer([p for p in parts if p[2]], sparse_threshold=0.0)


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turn a table, whatever its columns hold, into a matrix of floats.

    Parameters
    ----------
    encoding : {"ordinal", "one-hot"}
        How columns become numbers; see :func:`table_encoder`.
    """

    def __init__(self, encoding: Encoding = "ordinal") -> None:
        self.encoding = encoding

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the columns, categories and scales of a table."""
        frame = _plain(X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)))
        self.encoder_ = table_encoder(frame, self.encoding).fit(frame)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the matrix, shape (n, p)."""
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
        return np.asarray(self.encoder_.transform(_plain(frame)), dtype=float)


class TabularLearner(BaseEstimator):
    """Base of learners that encode a table and hand it to another one."""

    encoding: Encoding
    encoder_: TableEncoder

    @property
    def unfitted(self) -> Any:
        """An unfitted copy of the learner behind the encoding."""
        raise NotImplementedError

    @property
    def behind_(self) -> Any:
        """The fitted learner behind the encoding."""
        raise NotImplementedError


class TabularClassifier(ClassifierMixin, TabularLearner):
    """A classifier that reads tables as they are and takes sample weights.

    Parameters
    ----------
    classifier : scikit-learn classifier
        The model behind the encoding.
    encoding : {"ordinal", "one-hot"}
        How columns become numbers; see :func:`table_encoder`.
    """

    def __init__(self, classifier: Any = None, encoding: Encoding = "ordinal") -> None:
        self.classifier = classifier
        self.encoding = encoding

    @property
    def unfitted(self) -> Any:
        """An unfitted copy of the classifier."""
        return HistGradientBoostingClassifier() if self.classifier is None else clone(self.classifier)

    @property
    def behind_(self) -> Any:
        """The fitted classifier."""
        return self.classifier_

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the encoding and the classifier."""
        self.encoder_, model = split_learner(self)
        self.classifier_ = fit_weighted(model, self.encoder_.fit_transform(X), y, sample_weight)
        self.classes_ = self.classifier_.classes_
        self.n_features_in_ = self.encoder_.n_features_in_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, n_classes)."""
        return np.asarray(self.classifier_.predict_proba(self.encoder_.transform(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class."""
        return np.asarray(self.classes_)[self.predict_proba(X).argmax(axis=1)]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn booleans into numbers and categories into objects, so that encoders see two kinds only."""
    casts: dict[Any, Any] = {}
    for name in frame.columns:
        dtype = frame[name].dtype
        if pd.api.types.is_bool_dtype(dtype):
            casts[name] = float
        elif isinstance(dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(dtype):
            casts[name] = object
    out = frame.astype(casts) if casts else frame
    texts = [c for c, kind in casts.items() if kind is object]
    return out.assign(**{c: out[c].where(out[c].notna(), np.nan) for c in texts}) if texts else out


def make_learner(name: str = "gradient_boosting", *, seed: int = 0) -> TabularClassifier:
    """Return a base learner by name: ``gradient_boosting``, ``logistic_regression`` or ``decision_tree``.

    Raises
    ------
    UnknownNameError
        Another name.
    """
    if name == "gradient_boosting":
        return TabularClassifier(
            HistGradientBoostingClassifier(random_state=seed, early_stopping=False), "ordinal"
        )
    if name == "logistic_regression":
        return TabularClassifier(LogisticRegression(max_iter=1000), "one-hot")
    if name == "decision_tree":
        return TabularClassifier(DecisionTreeClassifier(min_samples_leaf=50, random_state=seed), "ordinal")
    raise unknown("learner", name, LEARNERS, "fairmend technique learners")


def split_learner(estimator: Any) -> tuple[Any, Any]:
    """Return unfitted copies of what encodes the features and of the model behind it.

    A method that trains the same learner many times encodes once and trains only what follows. A
    learner that is neither a :class:`TabularLearner` nor a scikit-learn pipeline encodes nothing.
    """
    if isinstance(estimator, TabularLearner):
        return TableEncoder(estimator.encoding), estimator.unfitted
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return clone(estimator[:-1]), clone(estimator[-1])
    return FunctionTransformer(), clone(estimator)


def fitted_parts(estimator: Any) -> tuple[Any, Any]:
    """Return what encodes the features and the model behind it, of a fitted estimator.

    The counterpart of :func:`split_learner`: a technique that reads the inside of a model finds it in a
    :class:`TabularLearner`, in a scikit-learn pipeline, or unwrapped.
    """
    if isinstance(estimator, TabularLearner):
        return estimator.encoder_, estimator.behind_
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return estimator[:-1], estimator[-1]
    return FunctionTransformer(), estimator


def fit_weighted(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
    """Fit an estimator with sample weights, also where it is the last step of a scikit-learn pipeline.

    Raises
    ------
    DataError
        There are weights, and the estimator does not accept any.
    """
    if sample_weight is None:
        return estimator.fit(X, y)
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        if has_fit_parameter(last, "sample_weight"):
            return estimator.fit(X, y, **{f"{name}__sample_weight": sample_weight})
    elif has_fit_parameter(estimator, "sample_weight"):
        return estimator.fit(X, y, sample_weight=sample_weight)
    raise DataError(
        f"{type(estimator).__name__} takes no sample weights; use a learner that does, or a technique that resamples"
    )
