"""Print what DoubleML finds on the data of test_double_ml_effect.py, with the same folds and learners.

    pip install doubleml && python -m tests.plugins.causal.doubleml_numbers

DoubleML 0.11.4 printed the numbers in the test. It is not a dependency of the tests, since it brings optuna,
plotly and seaborn along.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fairmend.plugins.causal._cross_fitting import fold_of_rows

LEARNERS: dict[str, tuple[Any, Any]] = {
    "linear": (LinearRegression(), LogisticRegression()),
    "tree": (
        DecisionTreeRegressor(max_depth=3, random_state=0),
        DecisionTreeClassifier(max_depth=3, min_samples_leaf=30, random_state=0),
    ),
}
"""Learners of the outcome and of the group."""


def groups_and_outcome(groups: int = 2, n: int = 900) -> pd.DataFrame:
    """Return a numeric outcome with non-linear confounding by three covariates."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, 3))
    chances = np.exp(np.outer(X[:, 0] + 0.5 * X[:, 1] ** 2, np.arange(groups)) * 0.4)
    chances /= chances.sum(axis=1, keepdims=True)
    group = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    y = X[:, 0] + np.sin(X[:, 1]) + 0.5 * X[:, 2] - group * (0.8 + 0.3 * X[:, 0]) + rng.normal(size=n)
    return pd.DataFrame(X, columns=["x1", "x2", "x3"]).assign(group=[f"g{g}" for g in group], y=y)


def main() -> None:
    """Print estimate and standard error for each model, learner and group."""
    import doubleml

    for groups in (2, 3):
        frame = groups_and_outcome(groups)
        X, y = frame[["x1", "x2", "x3"]], frame["y"].to_numpy()
        folds = fold_of_rows(X, y, None, 5, 0)
        split = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(5)]
        code = frame["group"].str[1:].astype(int)
        data = doubleml.DoubleMLData(X.assign(y=y, d=code), "y", "d")
        for name, (of_outcome, of_group) in LEARNERS.items():
            learners = clone(of_outcome), clone(of_group)
            models = (
                {"partially_linear": doubleml.DoubleMLPLR(data, *learners), "interactive": doubleml.DoubleMLIRM(data, *learners)}
                if groups == 2
                else {"interactive": doubleml.DoubleMLAPOS(data, *learners, treatment_levels=[0, 1, 2])}
            )  # fmt: skip
            for model, fitted in models.items():
                fitted.set_sample_splitting([split])
                fitted.fit()
                if groups == 3:
                    fitted = fitted.causal_contrast(reference_levels=0)
                    print(groups, name, model, fitted.thetas.tolist(), fitted.ses.tolist())
                else:
                    print(groups, name, model, fitted.coef.tolist(), fitted.se.tolist())


if __name__ == "__main__":
    main()
