"""Features that differ between groups and mediate part of the gap in outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.random import Generator

from fairmend.auditing.candidate_findings import ORDER, CandidateFinding, Reading, severity
from fairmend.auditing.features import Binned
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.algorithms.least_squares import LinearSystem
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.metrics import newcombe
from fairmend.core.metrics.inference.bootstrap import generators, percentile_interval
from fairmend.core.metrics.tables.input_validation import sums_by
from fairmend.core.types import Floats, Ints
from fairmend.core.vocabulary import Severity

KIND = "biased-mediator"
CARRIED = "mediated_outcome_difference"
REPLICATES = 1000
SAME = 0.95
"""Features correlated above this are redundant for the outcome."""


@dataclass(frozen=True)
class Pair:
    """The two groups with the most significant gap in favorable outcomes, and their rows.

    Attributes
    ----------
    worst, best : str
        The groups.
    support : int
        Rows of the smaller one.
    rows : ndarray of int, shape (m,)
        Positions of their rows in the data.
    is_best, y : ndarray of int, shape (m,)
        Group and outcome of these rows.
    weights : ndarray of float, shape (m,)
        Their weights.
    """

    worst: str
    best: str
    support: int
    rows: Ints
    is_best: Ints
    y: Ints
    weights: Floats

    @property
    def effective_rows(self) -> int:
        """Effective sample size (Kish)."""
        return round(float(self.weights.sum() ** 2 / (self.weights**2).sum()))

    @property
    def gap(self) -> float:
        """Difference of their rates of favorable outcomes."""
        best, worst = (
            np.average(self.y[self.is_best == g], weights=self.weights[self.is_best == g]) for g in (1, 0)
        )
        return float(best - worst)


def biased_mediators(
    attribute: str,
    data: Dataset,
    features: dict[str, Binned],
    outcome_rates: dict[str, Floats],
    rules: Thresholds,
    seed: int,
) -> list[CandidateFinding]:
    """Measure how much each mediator differs between two groups, and how much of their gap it mediates.

    The mediated part is the gap in outcomes minus the gap that remains between people in the same
    bin of the feature (the coefficient of the group in a regression on group and bins). The severity
    requires both: it is at most one level above that of the difference between the groups.

    Parameters
    ----------
    attribute : str
        The protected attribute.
    data : Dataset
        The data.
    features : dict of str to Binned
        Candidate features.
    outcome_rates : dict of str to ndarray of shape (n,)
        For each of them, the rate of favorable outcomes in the bin, counted in other folds.
    rules : Thresholds
        Severity levels.
    seed : int
        Random seed of the bootstrap.

    Notes
    -----
    If no mediator is declared, every feature that is neither resolving nor a declared proxy is
    checked, and must also predict the outcome given the other features. That is association and
    does not establish a causal path.
    """
    pair = _pair(attribute, data, int(rules.minimum_support.value))
    if pair is None:
        return []
    declared = set(data.roles.mediators)
    barred = {*data.roles.resolving, *data.roles.proxies}
    asked = [name for name in features if (name in declared if declared else name not in barred)]
    out = []
    for name, rng in zip(asked, generators(seed, len(asked)), strict=True):
        carried, p_value, differs = _measured(pair, features[name], rng)
        ceiling = _ceiling(differs, rules)
        if not declared and carried.value >= rules.measures[CARRIED].low:
            share, chance = _beside_others(data.y, name, outcome_rates)
            p_value = max(p_value, chance)
            ceiling = ceiling if share >= rules.partial_r2.value else "none"
        out.append(
            CandidateFinding(
                kind=KIND,
                text=_text(name, attribute, pair, carried.value, differs, found=not declared),
                readings=(Reading(CARRIED, carried.value, carried.interval, ceiling),),
                support=pair.support,
                p_value=p_value,
                attribute=attribute,
                group=pair.worst,
                reference=pair.best,
                column=name,
                optional=not declared,
            )
        )
    return out


def _ceiling(differs: list[Reading], rules: Thresholds) -> Severity:
    """Return the highest severity that a feature with this difference can reach."""
    graded = (severity(rules.measures[r.measure], r, significant=True) for r in differs)
    gravest = max(graded, key=ORDER.index)
    raised: dict[Severity, Severity] = {"low": "medium", "medium": "high"}
    return raised.get(gravest, gravest)


def _pair(attribute: str, data: Dataset, min_support: int) -> Pair | None:
    """Return the groups with enough rows whose gap is largest in standard errors."""
    groups = Groups.of(data.sensitive[[attribute]])
    weights = np.ones(len(data)) if data.weights is None else data.weights
    size, total = groups.counts(), groups.counts(weights)
    enough = np.flatnonzero((size >= min_support) & (total > 0))
    if len(enough) < 2:
        return None
    n = size[enough]
    rate = groups.counts(weights * data.y)[enough] / total[enough]
    damped = (rate * n + 1) / (n + 2)
    variance = damped * (1 - damped) / n
    certainty = (rate[None, :] - rate[:, None]) / np.sqrt(variance[None, :] + variance[:, None])
    np.fill_diagonal(certainty, -np.inf)
    worst, best = enough[list(np.unravel_index(int(certainty.argmax()), certainty.shape))]
    rows = np.flatnonzero((groups.codes == worst) | (groups.codes == best))
    return Pair(
        worst=groups.labels[worst],
        best=groups.labels[best],
        support=int(min(size[worst], size[best])),
        rows=rows,
        is_best=(groups.codes[rows] == best).astype(np.int64),
        y=data.y[rows],
        weights=weights[rows],
    )


def _measured(pair: Pair, feature: Binned, rng: Generator) -> tuple[Reading, float, list[Reading]]:
    """Return the mediated gap of a feature, its p-value, and how much the feature differs."""
    codes = feature.codes[pair.rows]
    cell = (pair.is_best * feature.n_bins + codes) * 2 + pair.y
    flat = sums_by(cell, pair.weights, 4 * feature.n_bins)
    table = flat.reshape(2, feature.n_bins, 2)
    drawn = rng.multinomial(pair.effective_rows, flat / flat.sum(), size=REPLICATES).astype(np.float64)
    drawn = drawn.reshape(REPLICATES, *table.shape)
    value, replicates = float(carried_gap(table)), carried_gap(drawn)
    error = float(np.nanstd(replicates))
    p_value = NormalDist().cdf(-value / error) if error > 0 else math.nan
    if feature.values is None:
        differs = [_cramers_v(table.sum(axis=-1), drawn.sum(axis=-1))]
    else:
        values = feature.values[pair.rows]
        samples = [values[(pair.is_best == g) & ~np.isnan(values)] for g in (0, 1)]
        differs = [_standardized_difference(*samples), _ks_distance(*samples)]
    return Reading(CARRIED, value, percentile_interval(replicates)), p_value, differs


def carried_gap(counts: Floats) -> Floats:
    """Return the gap in outcomes that a feature mediates.

    Parameters
    ----------
    counts : ndarray of shape (..., 2, K, 2)
        Counts of group (worst, best) x bin x outcome.

    Returns
    -------
    ndarray of shape (...)
        The difference of the two rates minus its mean within bins, weighted by
        ``n_worst n_best / (n_worst + n_best)``, which is the coefficient of the group in the least
        squares regression of the outcome on group and bins. NaN if no bin contains both groups.
    """
    n, favorable = counts.sum(axis=-1), counts[..., 1]
    rate = np.divide(favorable, n, out=np.zeros_like(n), where=n > 0)
    within = rate[..., 1, :] - rate[..., 0, :]
    total = n.sum(axis=-2)
    weight = np.divide(n[..., 0, :] * n[..., 1, :], total, out=np.zeros_like(total), where=total > 0)
    shared = weight.sum(axis=-1)
    left = np.divide(
        (weight * within).sum(axis=-1), shared, out=np.full_like(shared, np.nan), where=shared > 0
    )
    overall = favorable.sum(axis=-1) / n.sum(axis=-1)
    return overall[..., 1] - overall[..., 0] - left


def _standardized_difference(a: Floats, b: Floats) -> Reading:
    """Return |mean difference| over the pooled deviation, with its normal interval (Hedges & Olkin 1985)."""
    name = "standardized_mean_difference"
    if min(len(a), len(b)) < 2:
        return Reading(name, math.nan, None)
    spread = math.sqrt((float(a.var(ddof=1)) + float(b.var(ddof=1))) / 2)
    if spread == 0:
        return Reading(name, 0.0, (0.0, 0.0))
    d = abs(float(b.mean() - a.mean())) / spread
    error = math.sqrt((len(a) + len(b)) / (len(a) * len(b)) + d**2 / (2 * (len(a) + len(b))))
    half = NormalDist().inv_cdf(0.975) * error
    return Reading(name, d, (max(d - half, 0.0), d + half))


def _ks_distance(a: Floats, b: Floats) -> Reading:
    """Return the Kolmogorov-Smirnov distance, with Newcombe's interval of the two shares at its place."""
    name = "ks_distance"
    if min(len(a), len(b)) < 1:
        return Reading(name, math.nan, None)
    at = np.unique(np.concatenate([a, b]))
    below_a, below_b = (np.searchsorted(np.sort(x), at, side="right") for x in (a, b))
    gap = below_a / len(a) - below_b / len(b)
    place = int(np.argmax(np.abs(gap)))
    ends = newcombe(below_a[place], len(a), below_b[place], len(b))
    low, high = sorted(float(end) * (1 if gap[place] >= 0 else -1) for end in ends)
    return Reading(name, float(abs(gap[place])), (max(low, 0.0), high))


def _cramers_v(counts: Floats, drawn: Floats) -> Reading:
    """Return the bias-corrected Cramér's V of group x level (Bergsma 2013), with its bootstrap interval.

    The replicates are biased twice, once by the data and once by the resampling.
    """
    value = float(_debiased_v(counts, 1))
    return Reading("cramers_v", value, percentile_interval(_debiased_v(drawn, 2)))


def _debiased_v(counts: Floats, times: int) -> Floats:
    total = counts.sum(axis=(-2, -1), keepdims=True)
    expected = counts.sum(axis=-1, keepdims=True) * counts.sum(axis=-2, keepdims=True) / total
    parts = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(counts), where=expected > 0)
    n = total[..., 0, 0]
    levels = counts.shape[-1]
    phi2 = parts.sum(axis=(-2, -1)) / n - times * (levels - 1) / (n - 1)
    return np.sqrt(np.clip(phi2, 0.0, 1.0))


def _beside_others(y: Ints, name: str, outcome_rates: dict[str, Floats]) -> tuple[float, float]:
    """Return the partial R2 of a feature for the outcome given the others, and the p-value of its F test.

    Each feature enters as its cross-fitted rate of favorable outcomes; features redundant with
    this one (education as text and in years) are excluded.
    """
    from scipy.stats import f as f_distribution

    names = {column: f"x{i}" for i, column in enumerate(outcome_rates)}
    own = outcome_rates[name]
    others = [
        names[column]
        for column, rates in outcome_rates.items()
        if column != name and rates.std() > 0 and abs(np.corrcoef(own, rates)[0, 1]) < SAME
    ]
    frame = pd.DataFrame({names[column]: rates for column, rates in outcome_rates.items()}).assign(y=y)
    share = LinearSystem.from_frame(frame, ["y", names[name], *others]).partial_r2("y", names[name], others)
    dof = len(y) - len(others) - 2
    if not math.isfinite(share) or dof < 1:
        return 0.0, 1.0
    return share, float(f_distribution.sf(share / (1 - share) * dof, 1, dof))


def _text(
    name: str, attribute: str, pair: Pair, carried: float, differs: list[Reading], *, found: bool
) -> str:
    sizes = ", ".join(
        f"{r.measure.replace('_', ' ')} {r.value:.2f}"
        + (f" [{r.interval[0]:.2f}, {r.interval[1]:.2f}]" if r.interval else "")
        for r in differs
    )
    share = f", {carried / pair.gap:.0%}" if pair.gap > 0.01 and carried > 0 else ""
    how = "; found by association, not declared" if found else ""
    return (
        f"{name} differs between {pair.worst} and {pair.best} ({attribute}; {sizes}) and mediates "
        f"{carried * 100:.1f} of the {pair.gap * 100:.1f} points gap in their outcomes{share}{how}"
    )
