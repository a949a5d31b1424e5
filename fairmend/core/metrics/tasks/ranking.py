"""Rankings: exposure, representation at the top, and the ranked group fairness test.

A ranking is the groups of the people in order, best first, or with scores to order them by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmend.core.errors import InsufficientDataError, UsageError
from fairmend.core.metrics.tables import input_validation
from fairmend.core.metrics.tasks.ranking_by_group import divergence
from fairmend.core.types import Floats, Ints


def _ranked(
    groups: Any, scores: ArrayLike | None
) -> tuple[NDArray[np.intp], tuple[str, ...], NDArray[np.intp]]:
    """Return the codes in order of the ranking, the labels, and the order."""
    codes, labels = input_validation.groups(groups)
    n = input_validation.same_length(groups=codes)
    order = np.arange(n)
    if scores is not None:
        values = input_validation.numbers(scores, "scores")
        input_validation.same_length(groups=codes, scores=values)
        order = np.argsort(-values, kind="stable")
    return codes[order], labels, order


def places(scores: ArrayLike, query: ArrayLike | None = None) -> Ints:
    """Return the place of each row within its query by score, 1 at the top; ties stay in order.

    Examples
    --------
    >>> places([0.2, 0.9, 0.5, 0.1], ["a", "a", "b", "b"]).tolist()
    [2, 1, 1, 2]
    """
    values = input_validation.numbers(scores, "scores")
    of = np.zeros(len(values)) if query is None else np.unique(np.asarray(query), return_inverse=True)[1]
    order = np.lexsort((-values, of))
    first = np.searchsorted(of[order], of[order])
    out = np.empty(len(values), dtype=np.int64)
    out[order] = np.arange(len(values)) - first + 1
    return out


def _discount(n: int) -> Floats:
    return 1 / np.log2(np.arange(2, n + 2))


def _top(n: int, k: int | None) -> int:
    if k is not None and not 1 <= k <= n:
        raise UsageError(f"k must lie between 1 and the {n} ranked rows, got {k}")
    return n if k is None else k


def exposure(
    groups: Any, *, scores: ArrayLike | None = None, relevance: ArrayLike | None = None, k: int | None = None
) -> dict[str, float]:
    """Return the mean exposure of each group's members (Singh & Joachims 2018, eq. 1 and 3).

    Parameters
    ----------
    groups : Groups, array, Series, DataFrame or mapping, n rows
        Groups, best ranked first if there are no ``scores``.
    scores : array-like of shape (n,), optional
        Rank by these, highest first; ties stay in order.
    relevance : array-like of shape (n,), optional
        Exposure is divided by the mean relevance of the group (disparate treatment of merit).
    k : int, optional
        Only the first k places give exposure.

    Returns
    -------
    dict
        Group to the mean of ``1 / log2(1 + place)``; NaN for a group without rows or relevance.
    """
    codes, labels, order = _ranked(groups, scores)
    place = _discount(len(codes))
    place[_top(len(codes), k) :] = 0.0
    over = np.bincount(codes, minlength=len(labels)).astype(np.float64)
    if relevance is not None:
        merit = input_validation.numbers(relevance, "relevance")
        input_validation.same_length(groups=codes, relevance=merit)
        over = input_validation.sums_by(codes, merit[order], len(labels))
    total = input_validation.sums_by(codes, place, len(labels))
    values = np.divide(total, over, out=np.full(len(labels), np.nan), where=over > 0)
    return dict(zip(labels, values.tolist(), strict=True))


def skew(
    groups: Any, *, k: int, scores: ArrayLike | None = None, desired: dict[str, float] | None = None
) -> dict[str, float]:
    """Return the log ratio of each group's share of the first k places to its desired share.

    Parameters
    ----------
    groups, scores
        See :func:`exposure`.
    k : int
        Number of places.
    desired : dict, optional
        Desired share of each group; its share of all ranked rows by default.

    Returns
    -------
    dict
        Group to skew@k (Geyik et al. 2019, eq. 2); minus infinity for a group that is absent.

    Raises
    ------
    UsageError
        When k is out of range, or the desired shares do not name each group or sum to 1.
    """
    codes, labels, _ = _ranked(groups, scores)
    top = _top(len(codes), k)
    share = np.bincount(codes[:top], minlength=len(labels)) / top
    with np.errstate(divide="ignore"):
        values = np.log(share / _desired(codes, labels, desired))
    return dict(zip(labels, values.tolist(), strict=True))


def ndkl(groups: Any, *, scores: ArrayLike | None = None, desired: dict[str, float] | None = None) -> float:
    """Return the normalized discounted Kullback-Leibler divergence (Geyik et al. 2019, definition 3.2).

    Parameters and errors are those of :func:`skew`, with ties of scores averaged over; 0 when every prefix has the desired shares.
    """
    codes, labels, order = _ranked(groups, scores)
    wanted = _desired(codes, labels, desired)
    if scores is None:
        at = np.arange(len(codes))
    else:
        at = np.unique(-input_validation.numbers(scores, "scores")[order], return_inverse=True)[1]
    size = len(labels) * (int(at[-1]) + 1)
    mass = np.bincount(codes * (int(at[-1]) + 1) + at, minlength=size).reshape(len(labels), -1)
    return divergence(mass.astype(np.float64), wanted)


def _desired(codes: NDArray[np.intp], labels: tuple[str, ...], desired: dict[str, float] | None) -> Floats:
    if desired is None:
        return np.bincount(codes, minlength=len(labels)) / len(codes)
    if set(desired) != set(labels):
        raise UsageError(
            f"desired must give a share to each of {', '.join(labels)}, got {', '.join(desired)}"
        )
    shares = np.array([desired[label] for label in labels], dtype=np.float64)
    if (shares <= 0).any() or not np.isclose(shares.sum(), 1):
        raise UsageError(f"desired shares must be positive and sum to 1, got {shares.sum():g}")
    return shares


@dataclass(frozen=True)
class RankedGroupFairness:
    """The result of the ranked group fairness test.

    Attributes
    ----------
    fair : bool
        Whether every prefix has as many protected people as required.
    fails_at : int or None
        The first place (from 1) where there are too few.
    required, found : tuple of int
        Protected people required and found in each prefix.
    alpha : float
        The significance level of each prefix after the adjustment.
    """

    fair: bool
    fails_at: int | None
    required: tuple[int, ...]
    found: tuple[int, ...]
    alpha: float


def ranked_group_fairness(
    protected: ArrayLike, p: float, *, alpha: float = 0.1, k: int | None = None, adjust: bool = True
) -> RankedGroupFairness:
    """Test whether a ranking has too few protected people in any prefix (Zehlike et al. 2017).

    Parameters
    ----------
    protected : array-like of shape (n,)
        1 for a protected person, best ranked first.
    p : float
        Share of protected people that a fair process would draw, in (0, 1).
    alpha : float
        Chance that a fair ranking of length k is called unfair.
    k : int, optional
        Length of the prefix tested; all by default.
    adjust : bool
        Correct the level of each prefix for testing k of them.

    Returns
    -------
    RankedGroupFairness

    Raises
    ------
    UsageError
        When p, alpha or k is out of range.

    Examples
    --------
    >>> ranked_group_fairness([0, 0, 0, 0, 0, 0, 1, 1], 0.5, adjust=False).fails_at
    4
    """
    members = input_validation.binary(protected, "protected")
    if not len(members):
        raise InsufficientDataError("there is no ranked row to test")
    length = _top(len(members), k)
    level = adjusted_alpha(length, p, alpha) if adjust else alpha
    required = minimum_protected(length, p, level)
    found = np.cumsum(members[:length].astype(np.int64))
    short = np.flatnonzero(found < required)
    at = int(short[0]) + 1 if len(short) else None
    return RankedGroupFairness(at is None, at, tuple(required.tolist()), tuple(found.tolist()), level)


def minimum_protected(k: int, p: float, alpha: float) -> Ints:
    """Return the protected people required in each prefix of 1 to k places, shape (k,).

    The least m with ``P(Binomial(i, p) <= m) > alpha`` (Zehlike et al. 2017, section 4.1).
    """
    from scipy.stats import binom

    _check_fair(k, p, alpha)
    places = np.arange(1, k + 1)
    least = np.asarray(binom.ppf(alpha, places, p))
    return np.asarray(least + (binom.cdf(least, places, p) <= alpha), dtype=np.int64)


def failure_probability(k: int, p: float, alpha: float) -> float:
    """Return the chance that a fair ranking of length k fails in some prefix at the level alpha."""
    required = minimum_protected(k, p, alpha)
    alive = np.zeros(k + 2)  # chance of each number of protected people, having never failed
    alive[0] = 1.0
    for need in required:
        alive[1:] = alive[1:] * (1 - p) + alive[:-1] * p
        alive[0] *= 1 - p
        alive[:need] = 0.0
    return float(1 - alive.sum())


def adjusted_alpha(k: int, p: float, alpha: float) -> float:
    """Return the largest level of each prefix with which a fair ranking fails at most with chance alpha."""
    _check_fair(k, p, alpha)
    if failure_probability(k, p, alpha) <= alpha:
        return alpha
    low, high = 0.0, alpha
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if failure_probability(k, p, middle) <= alpha else (low, middle)
    return low


def _check_fair(k: int, p: float, alpha: float) -> None:
    if k < 1 or not 0 < p < 1 or not 0 <= alpha < 1:
        raise UsageError(f"k must be at least 1, p in (0, 1) and alpha in [0, 1), got {k}, {p} and {alpha}")
