"""Group metrics as functions of counts, with Fairlearn's names and definitions.

A rate is the mean of one or two fractions whose numerator and denominator are sums over the cells
of label x decision. So one table of numbers defines every rate, its support, its variance and the
stratum in which groups are exchangeable. A metric over groups is a rate (or two) with a form:
``difference``, ``ratio``, ``group_min`` or ``group_max``.

One definition departs from Fairlearn: a rate over an empty cell is undefined (NaN), where Fairlearn
gives 0, so that a group in which nobody could be selected differs from one in which nobody was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fairmend.core.errors import UsageError, unknown
from fairmend.core.metrics.group_comparison import BETWEEN, OVERALL, Form, across, reference_place
from fairmend.core.metrics.tables.contingency import GroupTable
from fairmend.core.types import Floats, Ints

Stratum = Literal["none", "label", "decision"]

#                  label 0          label 1      (decision 0, decision 1)
_ALL = ((1, 1), (1, 1))
_TN, _FP, _FN, _TP = ((1, 0), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (1, 0)), ((0, 0), (0, 1))
_LABEL_0, _LABEL_1 = ((1, 1), (0, 0)), ((0, 0), (1, 1))
_DECISION_0, _DECISION_1 = ((1, 0), (1, 0)), ((0, 1), (0, 1))
_RIGHT, _WRONG = ((1, 0), (0, 1)), ((0, 1), (1, 0))

Cells = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Rate:
    """A rate of one group.

    Attributes
    ----------
    name : str
        Its name.
    fractions : tuple of (numerator, denominator)
        Coefficients of the cells ``[label][decision]``; the rate is the mean of the fractions.
    stratum : {"none", "label", "decision"}
        Within what groups are exchangeable when all have the same rate.
    high_is_good : bool
        Whether the group with the highest value is the best off.
    """

    name: str
    fractions: tuple[tuple[Cells, Cells], ...]
    stratum: Stratum = "none"
    high_is_good: bool = True

    def of(self, counts: Floats) -> Floats:
        """Return the rate of each group: counts (..., 2, 2) to values (...), NaN where undefined."""
        total = np.zeros(counts.shape[:-2])
        for numerator, denominator in self.fractions:
            over = _weighed(counts, denominator)
            total += np.divide(
                _weighed(counts, numerator), over, out=np.full_like(over, np.nan), where=over > 0
            )
        return total / len(self.fractions)

    def support(self, rows: Ints | Floats) -> Ints:
        """Return the number of rows the rate rests on; of two fractions, the smaller number."""
        cells = [_weighed(rows, np.asarray(denominator) > 0) for _, denominator in self.fractions]
        return np.min(cells, axis=0).astype(np.int64)

    def variance(self, counts: Floats, square_weights: Floats) -> Floats:
        """Return the variance of each group's rate by the delta method, NaN where undefined.

        Parameters
        ----------
        counts, square_weights : ndarray of shape (..., 2, 2)
            Sums of weights and of squared weights in each cell; equal where all weights are 1.
        """
        influence = np.zeros_like(counts)
        for numerator, denominator in self.fractions:
            over = _weighed(counts, denominator)
            over = np.where(over > 0, over, np.nan)
            value = _weighed(counts, numerator) / over
            slope = np.asarray(numerator) - value[..., None, None] * np.asarray(denominator)
            influence += slope / over[..., None, None] / len(self.fractions)
        return (square_weights * influence**2).sum(axis=(-2, -1))

    @property
    def is_proportion(self) -> bool:
        """Whether the rate is a share of some rows among others."""
        ((numerator, denominator), *more) = self.fractions
        top, bottom = np.asarray(numerator), np.asarray(denominator)
        return not more and bool((top <= bottom).all()) and bool(bottom.max() == 1)


def _weighed(counts: Floats | Ints, cells: Cells | NDArray[np.bool_]) -> Floats:
    """Return the sum over the cells of counts (..., 2, 2) times the coefficients."""
    flat = counts.reshape(*counts.shape[:-2], 4)
    return flat @ np.asarray(cells, dtype=np.float64).ravel()


RATES: dict[str, Rate] = {
    rate.name: rate
    for rate in (
        Rate("selection_rate", ((_DECISION_1, _ALL),)),
        Rate("base_rate", ((_LABEL_1, _ALL),)),
        Rate("true_positive_rate", ((_TP, _LABEL_1),), "label"),
        Rate("false_positive_rate", ((_FP, _LABEL_0),), "label"),
        Rate("true_negative_rate", ((_TN, _LABEL_0),), "label", high_is_good=False),
        Rate("false_negative_rate", ((_FN, _LABEL_1),), "label", high_is_good=False),
        Rate("positive_predictive_value", ((_TP, _DECISION_1),), "decision"),
        Rate("negative_predictive_value", ((_TN, _DECISION_0),), "decision"),
        Rate("false_omission_rate", ((_FN, _DECISION_0),), "decision", high_is_good=False),
        Rate("false_discovery_rate", ((_FP, _DECISION_1),), "decision", high_is_good=False),
        Rate("accuracy", ((_RIGHT, _ALL),)),
        Rate("zero_one_loss", ((_WRONG, _ALL),), high_is_good=False),
        Rate("balanced_accuracy", ((_TP, _LABEL_1), (_TN, _LABEL_0)), "label"),
        Rate("f1", ((((0, 0), (0, 2)), ((0, 1), (1, 2))),)),
        Rate("average_odds", ((_TP, _LABEL_1), (_FP, _LABEL_0)), "label"),
        Rate("treatment_equality", ((_FN, _FP),), high_is_good=False),
    )
}

_ALIASES = {
    "precision": "positive_predictive_value",
    "recall": "true_positive_rate",
    "accuracy_score": "accuracy",
    "balanced_accuracy_score": "balanced_accuracy",
    "f1_score": "f1",
    "precision_score": "positive_predictive_value",
    "recall_score": "true_positive_rate",
}

_NOTIONS: dict[str, tuple[tuple[str, ...], bool]] = {
    "demographic_parity": (("selection_rate",), False),
    "equal_opportunity": (("true_positive_rate",), False),
    "predictive_parity": (("positive_predictive_value",), False),
    "equalized_odds": (("true_positive_rate", "false_positive_rate"), False),
    "average_absolute_odds": (("true_positive_rate", "false_positive_rate"), True),
}

_FORMS: tuple[Form, ...] = ("difference", "ratio", "group_min", "group_max")

# what a measurement writes
RATE_FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "recall",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "base_rate",
)
COMPARISON_FIGURES = (
    "demographic_parity_ratio",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
    "average_odds_difference",
    "predictive_parity_difference",
)


@dataclass(frozen=True)
class Metric:
    """One number computed from a table: a pooled rate, or a comparison of the groups' rates.

    Attributes
    ----------
    name : str
        Its name, such as ``"equalized_odds_difference"``.
    rates : tuple of Rate
        The rates it is made of.
    form : {"difference", "ratio", "group_min", "group_max"} or None
        How groups are compared; None for the pooled rate.
    mean : bool
        With several rates, whether their comparisons are averaged; the worst counts otherwise.
    """

    name: str
    rates: tuple[Rate, ...]
    form: Form | None = None
    mean: bool = False

    @property
    def ideal(self) -> float | None:
        """The value of a comparison when all groups are equal: 0, 1, or None for a level."""
        return {"difference": 0.0, "ratio": 1.0}.get(self.form or "")

    @property
    def signatures(self) -> NDArray[np.int64]:
        """Number of the kind of each cell ``[label, decision]``: cells of one kind count the same."""
        coefficients = np.array(
            [rate.fractions[i] for rate in self.rates for i in range(len(rate.fractions))]
        )
        _, kinds = np.unique(coefficients.reshape(-1, 4).T, axis=0, return_inverse=True)
        return kinds.reshape(2, 2)

    @property
    def stratum(self) -> Stratum:
        """Within what groups are exchangeable when the metric is at its ideal."""
        strata = {rate.stratum for rate in self.rates}
        return strata.pop() if len(strata) == 1 else "none"

    def of(self, counts: Floats, reference: int | str = BETWEEN) -> Floats:
        """Return the metric of tables of counts.

        Parameters
        ----------
        counts : ndarray of shape (..., G, 2, 2)
            One or many tables.
        reference : "between_groups", "to_overall", "to_best" or int
            What each group is compared with: the group at the other end, all rows together, the
            best-off group, or the group of that number.

        Returns
        -------
        ndarray of shape (...)
            NaN where undefined: a comparison needs two groups whose rate is defined.
        """
        if self.form is None:
            return self.rates[0].of(counts.sum(axis=-3))
        parts = []
        for rate in self.rates:
            overall = rate.of(counts.sum(axis=-3)) if reference == OVERALL else None
            parts.append(across(rate.of(counts), overall, self.form, reference, rate.high_is_good))
        return self._joined(parts)

    def extremes(self, counts: Floats) -> list[tuple[int, int]] | None:
        """Return for each rate the groups with the lowest and the highest value, None if undefined."""
        pairs = []
        for rate in self.rates:
            values = rate.of(counts)
            if np.isfinite(values).sum() < 2:
                return None
            pairs.append((int(np.nanargmin(values)), int(np.nanargmax(values))))
        return pairs

    def _joined(self, parts: list[Floats]) -> Floats:
        if len(parts) == 1:
            return parts[0]
        stacked = np.stack(parts)
        if self.mean:
            return stacked.mean(axis=0)
        worst_is_high = self.form in ("difference", "group_max")
        return stacked.max(axis=0) if worst_is_high else stacked.min(axis=0)


def split_form(name: str) -> tuple[str, Form | None]:
    """Return what a name compares and how; the form is None where it compares nothing.

    Examples
    --------
    >>> split_form("brier_group_max"), split_form("brier")
    (('brier', 'group_max'), ('brier', None))
    """
    for form in _FORMS:
        if name.endswith(f"_{form}"):
            return name.removesuffix(f"_{form}"), form
    return name, None


@cache
def metric(name: str) -> Metric:
    """Return the metric of a name.

    Parameters
    ----------
    name : str
        A rate (``"selection_rate"``), a rate with a form (``"accuracy_ratio"``,
        ``"f1_score_group_min"``) or a notion with a form (``"equalized_odds_difference"``).

    Raises
    ------
    UnknownNameError
        When no metric has this name.

    Examples
    --------
    >>> metric("equalized_odds_difference").rates[1].name
    'false_positive_rate'
    """
    if _ALIASES.get(name, name) in RATES:
        return Metric(name, (RATES[_ALIASES.get(name, name)],))
    stem, form = split_form(name)
    if form is not None and stem in _NOTIONS:
        rates, mean = _NOTIONS[stem]
        return Metric(name, tuple(RATES[rate] for rate in rates), form, mean)
    if form is not None and _ALIASES.get(stem, stem) in RATES:
        return Metric(name, (RATES[_ALIASES.get(stem, stem)],), form)
    raise unknown("metric", name, metric_names())


def metric_names() -> tuple[str, ...]:
    """Return every name that :func:`metric` understands."""
    stems = (*RATES, *_ALIASES)
    return (*stems, *(f"{stem}_{form}" for stem in (*_NOTIONS, *stems) for form in _FORMS))


def evaluate(table: GroupTable, name: str, reference: str = BETWEEN) -> float:
    """Return one metric of a table.

    Parameters
    ----------
    table : GroupTable
        The counts.
    name : str
        See :func:`metric`.
    reference : str
        ``"between_groups"``, ``"to_overall"``, ``"to_best"`` or the label of a group.

    Returns
    -------
    float
        NaN where undefined.

    Examples
    --------
    >>> table = GroupTable(("F", "M"), np.array([[[4, 1], [3, 2]], [[3, 2], [1, 4]]]))
    >>> evaluate(table, "demographic_parity_ratio")
    0.5
    """
    return float(metric(name).of(table.counts, reference_place(table.groups, reference)))


def by_group(table: GroupTable, name: str) -> dict[str, float]:
    """Return a rate of each group of a table; NaN where undefined."""
    found = metric(name)
    if found.form is not None:
        raise UsageError(f"{name} compares groups and has no value for one group; use one of its rates")
    return dict(zip(table.groups, found.rates[0].of(table.counts).tolist(), strict=True))
