"""Differential fairness of crossings of attributes (Foulds, Islam, Keya & Pan 2020).

Epsilon is the largest log ratio of the probabilities of one outcome, favorable or not, in two cells:
0 is parity, ln(1 / 0.8) = 0.223 is the four-fifths rule for one outcome.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from fairmend.core.data.groups import Groups, crossed, encode_groups
from fairmend.core.metrics.estimate import Estimate
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.types import Floats, Ints


def log_probabilities(n_sy: Floats, alpha: float) -> Floats:
    """Return ln P(y | s) with P = (N_sy + alpha) / (N_s + 2 alpha), the smoothed estimate.

    Parameters
    ----------
    n_sy : ndarray of shape (..., S, 2)
        Counts of cell and outcome.
    alpha : float
        Prior count of each outcome; with 0 a cell without rows is NaN.

    Examples
    --------
    >>> np.exp(log_probabilities(np.array([[3.0, 1.0]]), 0.5)).round(6).tolist()
    [[0.7, 0.3]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log((n_sy + alpha) / (n_sy.sum(axis=-1, keepdims=True) + 2 * alpha))


def epsilon(log_p: Floats) -> Floats:
    """Return max over y, s, s' of ln P(y|s) - ln P(y|s'): (..., S, 2) to (...).

    Cells without rows are passed over, and so is an outcome that no cell has.

    Examples
    --------
    >>> round(float(epsilon(np.log([[0.5, 0.5], [0.6, 0.4]]))), 4)
    0.2231
    """
    high = np.where(np.isnan(log_p), -np.inf, log_p).max(axis=-2)
    low = np.where(np.isnan(log_p), np.inf, log_p).min(axis=-2)
    seen = high > -np.inf
    return np.where(seen, np.where(seen, high, 0.0) - np.where(seen, low, 0.0), 0.0).max(axis=-1)


def epsilon_figure(
    cells: tuple[str, ...],
    counts: Floats,
    drawn: Floats,
    rows: Ints,
    *,
    alpha: float,
    settings: InferenceSettings,
) -> Estimate:
    """Return epsilon with its interval and the two cells that make it.

    Parameters
    ----------
    cells : tuple of str
        Labels of the S cells.
    counts : ndarray of shape (S, 2)
        Counts of cell and outcome.
    drawn : ndarray of shape (B, S, 2)
        Replicates of the counts.
    rows : ndarray of shape (S,)
        Rows of each cell.
    alpha : float
        Prior count of each outcome.
    settings : InferenceSettings
        Coverage of the interval, and rows that each cell must have.

    Notes
    -----
    Replicates of a maximum lie above it. The lower end of the interval is therefore taken from the
    two cells that are extreme in the data.
    """
    lacking = tuple(cell for cell, n in zip(cells, rows, strict=True) if n < settings.min_support)
    if len(cells) < 2:
        return Estimate(math.nan, None, int(rows.sum()), False, lacking)
    log_p, drawn_p = log_probabilities(counts, alpha), log_probabilities(drawn, alpha)
    value = float(epsilon(log_p))
    least, most = np.nanargmin(log_p, axis=0), np.nanargmax(log_p, axis=0)
    with np.errstate(invalid="ignore"):
        y = int(np.nanargmax(log_p[most, [0, 1]] - log_p[least, [0, 1]]))
        pair = drawn_p[:, most[y], y] - drawn_p[:, least[y], y]
    interval = (
        bootstrap.percentile_interval(epsilon(drawn_p), settings.level) if math.isfinite(value) else None
    )
    fixed = bootstrap.percentile_interval(pair, settings.level)
    if interval is not None and fixed is not None:
        interval = (max(0.0, min(interval[0], fixed[0])), interval[1])
    worst, best = (least[1], most[1]) if y == 1 else (most[0], least[0])
    return Estimate(value, interval, int(rows.sum()), not lacking, lacking, cells[worst], cells[best])


def epsilon_by_subset(groups: Groups, counts: Floats, alpha: float) -> dict[str, dict[str, float]]:
    """Return the plain and the smoothed epsilon of every choice of attributes, and its cells.

    Parameters
    ----------
    groups : Groups
        The crossing of all attributes, S cells.
    counts : ndarray of shape (S, 2)
        Counts of cell and outcome.
    alpha : float
        Prior count of each outcome in the smoothed figure.

    Returns
    -------
    dict
        Names of the attributes, joined, to ``plain``, ``smoothed`` and ``cells``. The plain figure of
        fewer attributes is never larger: their rates are means of the cells' rates.
    """
    first = np.unique(groups.codes, return_index=True)[1]
    attributes = groups.frame.iloc[first]
    found = {}
    for size in range(1, attributes.shape[1] + 1):
        for subset in combinations(attributes.columns, size):
            codes, labels = encode_groups(attributes[list(subset)])
            merged = np.zeros((len(labels), 2))
            np.add.at(merged, codes, counts)
            found[crossed(map(str, subset))] = {
                "plain": float(epsilon(log_probabilities(merged, 0.0))),
                "smoothed": float(epsilon(log_probabilities(merged, alpha))),
                "cells": len(labels),
            }
    return found
