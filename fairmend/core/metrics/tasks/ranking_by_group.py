"""Rankings measured by group: exposure, share at the top, divergence and gain, with intervals.

A ranking is a table of counts, group by distinct score, highest score first. Rows of equal scores share
the places that they take together: each counts with the mean over these places, which is what a random
order among them gives on average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairmend.core.metrics.estimate import GroupStatistic
from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tasks.measurement import TaskMeasurement, quotient
from fairmend.core.types import Floats, Ints

TOP_SHARE = 0.1
"""Share of the positions of a query that count as its top."""
SHORTEST_TOP = 10
STATISTICS = ("exposure", "top_share_ratio", "skew", "ndkl", "ndcg")


def top_places(n: int) -> int:
    """Return how many places are the top of a ranking of n rows: a tenth, at least ten, at most all.

    Examples
    --------
    >>> top_places(5), top_places(60), top_places(6172)
    (5, 10, 617)
    """
    return min(n, max(SHORTEST_TOP, round(TOP_SHARE * n)))


def measure_ranking(
    y_true: ArrayLike,
    scores: ArrayLike,
    *,
    sensitive_features: Any,
    query: ArrayLike | None = None,
    high_is_good: bool = True,
    n_boot: int = 1000,
    level: float = 0.95,
    min_support: int = 30,
    seed: int = 0,
) -> TaskMeasurement:
    """Measure rankings by scores: what places the groups get, with intervals.

    The figures are, of each group, ``exposure`` (mean of ``1 / log2(1 + place)`` of its members, over that of
    all rows: 1 is an equal share; Singh & Joachims 2018), ``top_share_ratio`` (its share of the top places over
    its share of all rows) and ``skew`` (the logarithm of that; Geyik et al. 2019); and of all rows together,
    ``ndkl`` (the normalized discounted divergence of the shares in every prefix; Geyik et al. 2019) and
    ``ndcg`` (the discounted gain of the relevance ``y_true`` over that of the ideal order).

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Relevance of the rows; negative values count as 0 for the gain.
    scores : array-like of shape (n,)
        What they are ranked by, highest first.
    query : array-like of shape (n,), optional
        Which rows are ranked together; figures are the mean over queries, and queries are resampled.
    high_is_good : bool
        Whether people want to be at the top.
    sensitive_features, n_boot, level, min_support, seed
        See :func:`.regression.measure_regression`. The top of a query is a tenth of its rows, at least ten.

    Raises
    ------
    DataError
        On missing or infinite values, or lengths that differ.
    """
    InferenceSettings(n_boot, level)  # checks them
    gain = np.maximum(input_validation.numbers(y_true, "y_true"), 0.0)
    values = input_validation.numbers(scores, "scores")
    codes, labels = input_validation.groups(sensitive_features)
    input_validation.same_length(y_true=gain, scores=values, sensitive_features=codes, query=query)
    members = input_validation.clusters(query)
    (rng,) = bootstrap.generators(seed, 1)
    if members is None:
        every, drawn = _one_ranking(codes, values, gain, len(labels), n_boot, rng)
    else:
        every, drawn = _many_rankings(codes, values, gain, len(labels), members, n_boot, rng)
    rows = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    return TaskMeasurement(
        "ranking",
        labels,
        rows,
        {
            name: GroupStatistic(
                labels, every[place], drawn[:, place], rows, level, min_support, high_is_good
            )
            for place, name in enumerate(STATISTICS)
        },
    )


def _one_ranking(
    codes: Ints, values: Floats, gain: Floats, n_groups: int, n_boot: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the figures of one ranking, and of resamples of its rows."""
    distinct, at = np.unique(-values, return_inverse=True)
    size = n_groups * len(distinct)
    order = np.argsort(-gain, kind="stable")
    drawn = np.empty((n_boot, len(STATISTICS), n_groups + 1))
    for part in bootstrap.chunks(n_boot, 8 * (size + len(codes))):
        times = rng.multinomial(len(codes), np.full(len(codes), 1 / len(codes)), size=part.stop - part.start)
        for place, n in zip(range(part.start, part.stop), times, strict=True):
            mass = input_validation.sums_by(codes * len(distinct) + at, n, size)
            merit = input_validation.sums_by(at, n * gain, len(distinct))
            drawn[place] = _figures(mass.reshape(n_groups, -1), merit, n[order], gain[order])
    once = np.ones(len(codes))
    mass = input_validation.sums_by(codes * len(distinct) + at, once, size)
    merit = input_validation.sums_by(at, gain, len(distinct))
    return _figures(mass.reshape(n_groups, -1), merit, once, gain[order]), drawn


def _many_rankings(
    codes: Ints,
    values: Floats,
    gain: Floats,
    n_groups: int,
    members: tuple[Ints, int],
    n_boot: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the mean figures over queries, and of resamples of whole queries."""
    query, n_queries = members
    of_query = np.empty((n_queries, len(STATISTICS), n_groups + 1))
    start = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=n_queries))])
    order = np.argsort(query, kind="stable")
    for q in range(n_queries):
        rows = order[start[q] : start[q + 1]]
        of_query[q] = _one_ranking(codes[rows], values[rows], gain[rows], n_groups, 0, rng)[0]
    flat = of_query.reshape(n_queries, -1)
    known = np.isfinite(flat)
    filled = np.where(known, flat, 0.0)
    mean = quotient(filled.sum(axis=0), known.sum(axis=0).astype(np.float64))
    drawn = np.concatenate(
        [
            quotient(n @ filled, n @ known.astype(np.float64))
            for n in bootstrap.unit_draws(n_queries, n_boot, rng)
        ]
    )
    return mean.reshape(of_query.shape[1:]), drawn.reshape(n_boot, *of_query.shape[1:])


def _figures(mass: Floats, merit: Floats, times: Floats, ideal: Floats) -> Floats:
    """Return the figures of one ranking, shape (5, G + 1).

    Parameters
    ----------
    mass : ndarray of shape (G, m)
        Rows of each group at each distinct score, highest score first.
    merit : ndarray of shape (m,)
        Sum of the gains at each distinct score.
    times, ideal : ndarray of shape (n,)
        Gains in falling order, and how often each occurs.
    """
    taken = mass.sum(axis=0)
    n, rows = taken.sum(), mass.sum(axis=1)
    ends = np.cumsum(taken)
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, round(n) + 2)))])
    light = np.diff(discounts[np.round(np.concatenate([[0.0], ends])).astype(np.int64)])
    each = quotient(light, taken)
    each = np.where(taken > 0, each, 0.0)
    exposure = quotient(mass @ each, rows) / (discounts[-1] / n)
    k = top_places(round(n))
    inside = np.clip(quotient(k - (ends - taken), taken), 0, 1)
    share = quotient(mass @ np.where(taken > 0, inside, 0.0), rows) / (k / n)
    with np.errstate(divide="ignore"):
        skew = np.log(share)
    out = np.full((len(STATISTICS), len(rows) + 1), np.nan)
    out[0, :-1], out[0, -1] = exposure, 1.0
    out[1, :-1], out[1, -1] = share, 1.0
    out[2, :-1], out[2, -1] = skew, 0.0
    out[3, -1] = divergence(mass)
    best = np.repeat(ideal, np.round(times).astype(np.int64))
    top = (best * np.diff(discounts)).sum()
    out[4, -1] = (merit @ each) / top if top > 0 else np.nan
    return out


def divergence(mass: Floats, wanted: Floats | None = None) -> float:
    """Return the normalized discounted Kullback-Leibler divergence of a ranking with ties averaged over.

    Parameters
    ----------
    mass : ndarray of shape (G, m)
        Rows of each group at each distinct score, highest score first.
    wanted : ndarray of shape (G,), optional
        Desired shares; those of all rows by default.
    """
    rows = mass.sum(axis=1)
    present = rows > 0
    wanted = (rows / rows.sum() if wanted is None else wanted)[present]
    mass = mass[present][:, mass.sum(axis=0) > 0]
    taken = mass.sum(axis=0)
    block = np.repeat(np.arange(len(taken)), np.round(taken).astype(np.int64))
    share = np.cumsum((mass / taken)[:, block], axis=1)
    place = np.arange(1, len(block) + 1)
    share = share / place
    logs = np.log(np.where(share > 0, share, 1.0) / wanted[:, None])
    discount = 1 / np.log2(place + 1)
    return float((discount * np.where(share > 0, share * logs, 0.0).sum(axis=0)).sum() / discount.sum())
