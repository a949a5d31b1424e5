"""What decides already: a fitted model of somebody's own, or its scores in a column, as a classifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from fairmend.core.errors import DataError, FairmendError
from fairmend.core.technique import probabilities

SUM_TOLERANCE = 1e-3


class ExternalModel(ClassifierMixin, BaseEstimator):
    """Base of what was fitted elsewhere: two classes, 0 and 1, and 1 is the favorable outcome."""

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The classes, the favorable one last."""
        return np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """Return decisions of 0 and 1, shape (n,)."""
        return self.decision_probability(X).astype(np.int64)

    def decision_probability(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return 1 where the decision is the favorable one, else 0, shape (n,)."""
        raise NotImplementedError


class FittedModel(ExternalModel):
    """A fitted classifier, unchanged, with its favorable class last.

    Parameters
    ----------
    model : fitted classifier
        Gives ``predict`` and ``predict_proba`` of two classes.
    favorable : {0, 1}
        Place of the favorable class in its ``classes_``.
    """

    def __init__(self, model: Any = None, favorable: int = 1) -> None:
        self.model = model
        self.favorable = favorable

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, 2).

        Raises
        ------
        DataError
            The model cannot score these rows, or gives no probabilities.
        """
        raw = self._ask("predict_proba", X, float)
        if raw.shape != (len(X), 2):
            raise DataError(
                f"{self._name} must give a probability for each of two classes a row, got shape {raw.shape} "
                f"for {len(X)} rows; was it fitted on the columns of a table?"
            )
        scores = probabilities(raw[:, self.favorable])
        if np.abs(raw.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise DataError(f"{self._name} gives probabilities of the two classes that do not sum to 1")
        return np.column_stack([1 - scores, scores])

    def decision_probability(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return 1 where the model itself decides for the favorable class, else 0, shape (n,)."""
        decided = self._ask("predict", X)
        if decided.shape != (len(X),):
            raise DataError(
                f"{self._name} must give a decision for each of {len(X)} rows, got shape {decided.shape}; "
                "was it fitted on the columns of a table?"
            )
        return np.asarray(decided == self.model.classes_[self.favorable]).astype(float)

    @property
    def _name(self) -> str:
        return f"the given model ({type(self.model).__name__})"

    def _ask(self, verb: str, X: pd.DataFrame, dtype: type | None = None) -> NDArray[Any]:
        return ask(self.model, verb, X, dtype)


def ask(model: Any, verb: str, X: pd.DataFrame, dtype: type | None = None) -> NDArray[Any]:
    """Return what a model says of rows, as an array.

    Parameters
    ----------
    model : fitted classifier
        Somebody's own.
    verb : str
        The method to call.
    X : DataFrame, shape (n, p)
        The rows.
    dtype : type, optional
        What the array must hold.

    Raises
    ------
    DataError
        It raises, whatever that is: it does not suit these rows.
    """
    try:
        with warnings.catch_warnings():
            # A model that was fitted on an array knows its columns by their order alone.
            warnings.filterwarnings("ignore", "X has feature names")
            return np.asarray(getattr(model, verb)(X), dtype=dtype)
    except FairmendError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(
            f"the given model ({type(model).__name__}) cannot score these rows: {type(error).__name__}: {said}"
        ) from error


class PrecomputedScores(ExternalModel):
    """Scores in a column, as a classifier that reads only this column.

    Parameters
    ----------
    column : str
        Where the probabilities of the favorable outcome are.
    threshold : float in [0, 1], default=0.5
        Decisions are favorable at this score and above.
    """

    def __init__(self, column: str = "score", threshold: float = 0.5) -> None:
        self.column = column
        self.threshold = threshold

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The one column that is read."""
        return np.array([self.column], dtype=object)

    @property
    def decides_by_score(self) -> bool:
        """Whether the threshold is one half."""
        return self.threshold == 0.5

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n, 2).

        Raises
        ------
        DataError
            The column holds no probabilities.
        """
        column = X[self.column]
        if not pd.api.types.is_numeric_dtype(column):
            raise DataError(
                f"the scores in {self.column!r} must be probabilities in [0, 1]; the column holds text"
            )
        scores = probabilities(column)
        return np.column_stack([1 - scores, scores])

    def decision_probability(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return 1 where the score reaches the threshold, else 0, shape (n,)."""
        return (self.predict_proba(X)[:, 1] >= self.threshold).astype(float)
