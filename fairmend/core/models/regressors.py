"""Learners of a number for tables, for outcomes of regression and ranking."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from fairmend.core.errors import unknown
from fairmend.core.models.learners import Encoding, TabularLearner, fit_weighted, split_learner

REGRESSORS = ("gradient_boosting", "linear_regression")


class TabularRegressor(RegressorMixin, TabularLearner):
    """A regressor that reads tables as they are and takes sample weights.

    Parameters
    ----------
    regressor : scikit-learn regressor
        The model behind the encoding.
    encoding : {"ordinal", "one-hot"}
        How columns become numbers; see :func:`.learners.table_encoder`.
    """

    def __init__(self, regressor: Any = None, encoding: Encoding = "ordinal") -> None:
        self.regressor = regressor
        self.encoding = encoding

    @property
    def unfitted(self) -> Any:
        """An unfitted copy of the regressor."""
        return HistGradientBoostingRegressor() if self.regressor is None else clone(self.regressor)

    @property
    def behind_(self) -> Any:
        """The fitted regressor."""
        return self.regressor_

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the encoding and the regressor."""
        self.encoder_, model = split_learner(self)
        self.regressor_ = fit_weighted(model, self.encoder_.fit_transform(X), y, sample_weight)
        self.n_features_in_ = self.encoder_.n_features_in_
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predicted values, shape (n,)."""
        return np.asarray(self.regressor_.predict(self.encoder_.transform(X)), dtype=float)


def make_regressor(name: str = "gradient_boosting", *, seed: int = 0) -> TabularRegressor:
    """Return a base learner of a number by name: ``gradient_boosting`` or ``linear_regression``.

    Raises
    ------
    UnknownNameError
        Another name.
    """
    if name == "gradient_boosting":
        return TabularRegressor(
            HistGradientBoostingRegressor(random_state=seed, early_stopping=False), "ordinal"
        )
    if name == "linear_regression":
        return TabularRegressor(LinearRegression(), "one-hot")
    raise unknown("learner of numbers", name, REGRESSORS)
