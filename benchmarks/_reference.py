"""What a rule is worth, and what a reference reaches: figures, the best group thresholds, Fairlearn.

Group thresholds are searched on a table of scores with the chance of a favorable outcome: labels of 0
and 1 for out-of-fold scores, the true probabilities for the optimum of a drawn problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Floats = NDArray[np.float64]
METRICS = {
    "demographic_parity": "demographic_parity_ratio",
    "equal_opportunity": "equal_opportunity_difference",
    "equalized_odds": "equalized_odds_difference",
}
BOUNDS = {"demographic_parity": 0.80, "equal_opportunity": 0.10, "equalized_odds": 0.10}
# Bounds that the search tries, from the target to near parity: how much margin it leaves.
MARGINS: Mapping[str, tuple[float, ...]] = {
    "demographic_parity": (0.80, 0.82, 0.84, 0.86, 0.88, 0.91, 0.94, 0.97),
    "equal_opportunity": (0.10, 0.09, 0.08, 0.07, 0.06, 0.045, 0.03, 0.015),
    "equalized_odds": (0.10, 0.09, 0.08, 0.07, 0.06, 0.045, 0.03, 0.015),
}
SURE = 0.9  # probability with which a tuned bound should hold on new data
STEPS = 200  # thresholds per group that the search looks at
WINDOWS = 120  # places of the window that the groups' rates must share


def met(notion: str, figure: float, bound: float | None = None) -> bool:
    """Whether a figure meets the bound of its notion."""
    limit = BOUNDS[notion] if bound is None else bound
    if np.isnan(figure):
        return False
    return bool(figure >= limit if notion == "demographic_parity" else figure <= limit)


def cells(decided: Floats, likely: Floats, groups: NDArray[Any], weight: Floats | None = None) -> Floats:
    """Return the weight of each group x outcome x decision, shape (G, 2, 2); decisions may be probabilities."""
    weight = np.ones(len(decided)) if weight is None else weight
    codes = np.unique(groups, return_inverse=True)[1]
    table = np.empty((int(codes.max()) + 1, 2, 2))
    for y, outcome in enumerate((1 - likely, likely)):
        for d, decision in enumerate((1 - decided, decided)):
            table[:, y, d] = np.bincount(codes, weights=weight * outcome * decision)
    return table


def figures(table: Floats) -> dict[str, Any]:
    """Return the figures of tables of shape (..., G, 2, 2), each of shape (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        selected = table[..., 1].sum(-1) / table.sum((-1, -2))
        true = table[..., 1, 1] / table[..., 1, :].sum(-1)
        false = table[..., 0, 1] / table[..., 0, :].sum(-1)
        pooled = table.sum(-3)
        recall = pooled[..., 1, 1] / pooled[..., 1, :].sum(-1)
        specificity = pooled[..., 0, 0] / pooled[..., 0, :].sum(-1)
        all_rows = pooled.sum((-1, -2))
        base_rate = pooled[..., 1, :].sum(-1) / all_rows
        opportunity = np.ptp(true, axis=-1)
        return {
            "demographic_parity_ratio": selected.min(-1) / selected.max(-1),
            "equal_opportunity_difference": opportunity,
            "equalized_odds_difference": np.fmax(opportunity, np.ptp(false, axis=-1)),
            "accuracy": (pooled[..., 0, 0] + pooled[..., 1, 1]) / all_rows,
            "balanced_accuracy": (recall + specificity) / 2,
            "selection_rate": pooled[..., 1].sum(-1) / all_rows,
            "constant_accuracy": np.maximum(base_rate, 1 - base_rate),
            "constant_balanced_accuracy": np.full_like(base_rate, 0.5),
        }


def values(table: Floats) -> dict[str, float]:
    """Return the figures of one table as plain numbers."""
    return {name: float(value) for name, value in figures(table).items()}


@dataclass(frozen=True)
class GroupThresholds:
    """A threshold per group; a score at it or above is a favorable decision."""

    thresholds: dict[str, float]

    def decide(self, scores: Floats, groups: NDArray[Any]) -> Floats:
        """Return the decisions; a group without a threshold takes the largest one's."""
        known = np.array([self.thresholds.get(str(g), 0.5) for g in groups])
        return (scores >= known).astype(float)


def best_thresholds(
    scores: Floats,
    likely: Floats,
    groups: NDArray[Any],
    notion: str,
    bound: float,
    weight: Floats | None = None,
    utility: str = "accuracy",
) -> GroupThresholds | None:
    """Return the group thresholds of greatest utility under a bound; None where no thresholds meet it.

    The groups' rates must lie in one window: selection rates in [r b, r], true positive rates in
    [r - b, r], and for equalized odds false positive rates in a second one. For each place of the
    window every group takes its most useful threshold.
    """
    weight = np.ones(len(scores)) if weight is None else weight
    labels = [str(g) for g in np.unique(groups)]
    favorable = float(weight @ likely / weight.sum())
    worth = (1.0, 1.0) if utility == "accuracy" else (1 / (1 - favorable), 1 / favorable)
    curves = [
        _curve(scores[m], likely[m], weight[m], worth) for m in (groups == g for g in np.unique(groups))
    ]
    tops = np.unique(
        np.concatenate([c["rate" if notion == "demographic_parity" else "true"] for c in curves])
    )
    tops = tops[np.linspace(0, len(tops) - 1, min(WINDOWS, len(tops))).astype(int)]
    if notion == "demographic_parity":
        total = _in_window(curves, "rate", tops * bound, tops)
    elif notion == "equal_opportunity":
        total = _in_window(curves, "true", tops - bound, tops)
    else:
        # The two windows are independent: every place of the first with every place of the second.
        others = np.unique(np.concatenate([c["false"] for c in curves]))
        others = others[np.linspace(0, len(others) - 1, min(WINDOWS, len(others))).astype(int)]
        first, second = (grid.ravel() for grid in np.meshgrid(tops, others, indexing="ij"))
        total = _in_two_windows(curves, first, second, bound)
    right, chosen = total
    if not np.isfinite(right).any():
        return None
    best = int(np.argmax(right))
    return GroupThresholds(
        {g: float(c["at"][chosen[k][best]]) for k, (g, c) in enumerate(zip(labels, curves, strict=True))}
    )


def _curve(scores: Floats, likely: Floats, weight: Floats, worth: tuple[float, float]) -> dict[str, Floats]:
    """Return rates at a choice of thresholds of one group, and what its right decisions are worth."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], (likely * weight)[order]
    negative = weight[order] - positive
    last = np.flatnonzero(np.r_[np.diff(scores) != 0, True])  # thresholds lie between different scores
    last = last[np.unique(np.linspace(0, len(last) - 1, STEPS).astype(int))]
    true, false = np.r_[0.0, np.cumsum(positive)[last]], np.r_[0.0, np.cumsum(negative)[last]]
    nobody = np.nextafter(scores[0], np.inf)
    return {
        "at": np.r_[nobody, scores[last]],
        "rate": (true + false) / weight.sum(),
        "true": true / max(positive.sum(), 1e-12),
        "false": false / max(negative.sum(), 1e-12),
        "right": worth[1] * true + worth[0] * (negative.sum() - false),
    }


def _in_window(
    curves: list[dict[str, Floats]], rate: str, low: Floats, high: Floats
) -> tuple[Floats, list[NDArray[Any]]]:
    total, chosen = np.zeros(len(low)), []
    for curve in curves:
        inside = (curve[rate] >= low[:, None] - 1e-12) & (curve[rate] <= high[:, None] + 1e-12)
        right = np.where(inside, curve["right"], -np.inf)
        chosen.append(right.argmax(1))
        total += right.max(1)
    return total, chosen


def _in_two_windows(
    curves: list[dict[str, Floats]], true: Floats, false: Floats, bound: float
) -> tuple[Floats, list[NDArray[Any]]]:
    total, chosen = np.zeros(len(true)), []
    for curve in curves:
        best, at = np.full(len(true), -np.inf), np.zeros(len(true), dtype=int)
        for place in range(len(curve["at"])):  # keeps memory at one window grid
            t, f, right = curve["true"][place], curve["false"][place], curve["right"][place]
            better = (t <= true) & (t >= true - bound) & (f <= false) & (f >= false - bound) & (right > best)
            best[better], at[better] = right, place
        total += best
        chosen.append(at)
    return total, chosen


def fitted(X: pd.DataFrame, y: NDArray[Any], seed: int, learner: str = "gradient_boosting") -> Any:
    """Return scikit-learn's own model with its defaults, fitted to a table of :func:`readable`."""
    if learner == "gradient_boosting":
        model: Any = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    else:
        texts = list(X.select_dtypes("category").columns)
        numbers = [c for c in X.columns if c not in set(texts)]
        codes = OneHotEncoder(handle_unknown="ignore")
        model = make_pipeline(
            make_column_transformer((codes, texts), (StandardScaler(), numbers)),
            LogisticRegression(max_iter=1000),
        )
    return model.fit(X, y)


def readable(X: pd.DataFrame) -> pd.DataFrame:
    """Return a table as the reference's learner reads it: texts as categories."""
    texts = [c for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])]
    return X.astype(dict.fromkeys(texts, "category"))


@dataclass(frozen=True)
class Reference:
    """A model with rules that were found on out-of-fold scores; ``model`` is None where scores are given."""

    model: Any
    rules: dict[str, Any]
    chance: dict[str, float]
    own: dict[str, Floats]

    def decide(self, scores: Floats, groups: NDArray[Any]) -> dict[str, Floats]:
        """Return the decisions (or their probabilities) of the plain model and of each rule."""
        out = {"plain": (scores >= 0.5).astype(float)}
        for name, rule in self.rules.items():
            if isinstance(rule, GroupThresholds):
                out[name] = rule.decide(scores, groups)
            else:
                out[name] = np.asarray(rule._pmf_predict(scores[:, None], sensitive_features=groups))[:, 1]
        return out


def reference(
    X: pd.DataFrame,
    y: NDArray[Any],
    groups: NDArray[Any],
    notion: str,
    *,
    scores: Floats | None = None,
    learner: str = "gradient_boosting",
    utility: str = "accuracy",
    seed: int = 0,
) -> Reference:
    """Fit the reference on the rows outside the test part.

    Group thresholds take the least margin with which the bound holds in 90 % of resamples of the
    out-of-fold table, else the most useful of those whose chance comes close to the best.
    Fairlearn's optimizer aims at parity.
    """
    model = None
    if scores is None:
        scores, model = np.empty(len(y)), fitted(X, y, seed, learner)
        folds = StratifiedKFold(5 if len(y) <= 20_000 else 3, shuffle=True, random_state=seed)
        for train, held in folds.split(X, y):
            scores[held] = fitted(X.iloc[train], y[train], seed, learner).predict_proba(X.iloc[held])[:, 1]
    rng = np.random.default_rng(seed)
    likely = y.astype(float)
    plain = cells((scores >= 0.5).astype(float), likely, groups)
    rules: dict[str, Any] = {}
    chance = {"plain": _chance(plain, notion, rng)}
    tables = {"plain": plain}
    tried = []
    for bound in MARGINS[notion]:
        found = best_thresholds(scores, likely, groups, notion, bound, utility=utility)
        if found is None:
            break
        table = cells(found.decide(scores, groups), likely, groups)
        tried.append((_chance(table, notion, rng), values(table)[utility], found, table))
        if tried[-1][0] >= SURE:
            break
    if tried:
        best = max(chance for chance, *_ in tried)
        close = [one for one in tried if one[0] >= min(SURE, best - 0.05)]
        chance["thresholds"], _, rules["thresholds"], tables["thresholds"] = max(close, key=itemgetter(1))
    optimizer = _fairlearn(scores, y, groups, notion, utility)
    if optimizer is not None:
        rules["fairlearn"] = optimizer
        decided = np.asarray(optimizer._pmf_predict(scores[:, None], sensitive_features=groups))[:, 1]
        tables["fairlearn"] = cells(decided, likely, groups)
        chance["fairlearn"] = _chance(tables["fairlearn"], notion, rng)
    return Reference(model, rules, chance, tables)


def _chance(table: Floats, notion: str, rng: np.random.Generator) -> float:
    """Return the share of resamples of the rows in which the bound holds."""
    total = table.sum()
    drawn = rng.multinomial(round(total), table.ravel() / total, size=1000).reshape(-1, *table.shape)
    found = figures(drawn.astype(float))[METRICS[notion]]
    bound = BOUNDS[notion]
    return float(np.mean(found >= bound if notion == "demographic_parity" else found <= bound))


class _Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose only feature is its score."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> _Given:
        return self

    def predict_proba(self, X: Any) -> Floats:
        scores = np.asarray(X, dtype=float)[:, 0]
        return np.column_stack([1 - scores, scores])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _fairlearn(scores: Floats, y: NDArray[Any], groups: NDArray[Any], notion: str, utility: str) -> Any:
    parity = "true_positive_rate_parity" if notion == "equal_opportunity" else notion
    optimizer = ThresholdOptimizer(
        estimator=_Given(),
        constraints=parity,
        objective=f"{utility}_score",
        prefit=True,
        predict_method="predict_proba",
    )
    try:
        return optimizer.fit(scores[:, None], y, sensitive_features=groups)
    except ValueError:  # a group with one outcome only: it has no rule for such data
        return None


def optimum(
    probability: Floats, groups: NDArray[Any], weight: Floats, notion: str
) -> dict[str, dict[str, float]]:
    """Return the figures of the best rules under the true probability: unconstrained, and at the bound."""
    out = {}
    rules: Iterable[tuple[str, GroupThresholds | None]] = (
        ("free", GroupThresholds({})),
        ("bound", best_thresholds(probability, probability, groups, notion, BOUNDS[notion], weight)),
    )
    for name, rule in rules:
        if rule is not None:
            out[name] = values(cells(rule.decide(probability, groups), probability, groups, weight))
    return out
