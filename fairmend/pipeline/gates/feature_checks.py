"""What gates measure of the training features before and after a stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.value import Value


def _pairs(view: GateContext, unchanged: bool) -> Iterable[tuple[str, pd.Series[Any], pd.Series[Any]]]:
    before, after = view.before.train.X, view.case.train.X
    for name in before.columns:
        if name in after.columns and (name not in view.changed or not unchanged):
            yield str(name), before[name], after[name]


def undeclared_feature_shift(view: GateContext) -> Value:
    """Greatest Kolmogorov-Smirnov distance among features that no step declares it changes.

    Weighted data are compared as weighted distributions; features that are the same to the bit and
    carry the same weights have the distance 0.
    """
    worst, which, p = 0.0, "", 1.0
    w0, w1 = view.before.train.weights, view.case.train.weights
    same_weights = w0 is w1
    for name, old, new in _pairs(view, unchanged=True):
        if same_weights and len(old) == len(new) and old.equals(new):
            continue
        d = _ks(old, new, w0, w1)
        if d > worst:
            n = len(old) * len(new) / (len(old) + len(new))
            worst, which, p = d, name, float(stats.kstwobign.sf(d * np.sqrt(n)))
    text = f"{which}: D = {worst:.3f}, p = {p:.2g}" if which else "every undeclared feature is the same"
    return Value(worst, None, len(view.case.train), True, text)


def _ks(old: pd.Series[Any], new: pd.Series[Any], w0: Any, w1: Any) -> float:
    """Return the largest difference of the (weighted) distribution functions of two samples."""
    joined = pd.concat([old, new], ignore_index=True)
    numeric = pd.api.types.is_numeric_dtype(joined)
    codes = pd.factorize(joined, sort=numeric, use_na_sentinel=False)[0]
    k = int(codes.max()) + 1
    a = np.bincount(codes[: len(old)], weights=w0, minlength=k).astype(float)
    b = np.bincount(codes[len(old) :], weights=w1, minlength=k).astype(float)
    a, b = a / a.sum(), b / b.sum()
    if numeric:
        return float(np.abs(np.cumsum(a) - np.cumsum(b)).max())
    return float(np.abs(a - b).sum() / 2)


def new_missing_values(view: GateContext) -> Value:
    """Missing values that the stage introduced, in all features together."""
    before, after = view.before.train.X, view.case.train.X
    per_row = after.isna().sum().sum() / len(after) - before.isna().sum().sum() / len(before)
    return Value(float(max(0.0, round(per_row * len(after)))), None, len(after), True)


def outlier_rate_change(view: GateContext) -> Value:
    """Greatest change, over numeric features, of the share outside 1.5 quartile ranges."""
    worst, which = 0.0, "no feature changed"
    for name, old, new in _pairs(view, unchanged=False):
        if not pd.api.types.is_numeric_dtype(old) or pd.api.types.is_bool_dtype(old):
            continue
        q1, q3 = old.quantile(0.25), old.quantile(0.75)
        low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
        change = abs(float(((new < low) | (new > high)).mean() - ((old < low) | (old > high)).mean()))
        if change > worst:
            worst, which = change, name
    return Value(worst, None, len(view.case.train), True, which)
