"""Bounds on disparities when the protected attribute is missing, Kallus, Mao & Zhou 2022."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    DataError,
    Floats,
    Groups,
    InferenceParameters,
    InsufficientDataError,
    Ints,
    ResamplingEvaluator,
    TableEncoder,
    TechniqueMetadata,
    evaluation_tables,
    unknown,
)

RATES = {"selection_rate": (0, 1), "true_positive_rate": (1,), "false_positive_rate": (0,)}


def rate_bounds(p: Floats, w: Floats, hit: Floats, miss: Floats) -> tuple[Floats, Floats]:
    """Return the least and the greatest P(decision = 1 | E, A = a) that the proxies allow.

    In stratum z, at most min(w, hit) and at least max(0, w + hit - 1) of the rows are of group a and selected
    within the event E (Frechet); those that are not selected likewise. The rate rises with the first share and
    falls with the second, and both extremes can hold at once, also for two groups in opposite directions.

    Parameters
    ----------
    p : ndarray of float, shape (..., S)
        P(z), the share of each stratum.
    w : ndarray of float, shape (..., S, K)
        P(A = a | z).
    hit, miss : ndarray of float, shape (..., S)
        P(decision = 1, E | z) and P(decision = 0, E | z).

    Returns
    -------
    lower, upper : ndarray of float, shape (..., K)

    Examples
    --------
    >>> p, w = np.ones(1), np.array([[0.3, 0.7]])  # no proxies: the bounds of Frechet
    >>> rate_bounds(p, w, np.array([0.4]), np.array([0.6]))[1].round(4).tolist()
    [1.0, 0.5714]
    """

    def ends(q: Floats) -> tuple[Floats, Floats]:
        q = q[..., None]
        low, high = np.maximum(0, w + q - 1), np.minimum(w, q)
        return (p[..., None] * low).sum(axis=-2), (p[..., None] * high).sum(axis=-2)

    (low_hit, high_hit), (low_miss, high_miss) = ends(hit), ends(miss)
    with np.errstate(invalid="ignore"):
        return low_hit / (low_hit + high_miss), high_hit / (high_hit + low_miss)


def group_rates(counts: Floats, labels: tuple[int, ...], audited: Floats) -> Floats:
    """Return a rate of each group: its lower and upper bound, its value if independent, and that of the rows counted.

    Parameters
    ----------
    counts : ndarray of float, shape (..., S, K, 2, 2)
        Rows whose group is known: stratum, group, label, decision.
    labels : tuple of int
        Labels that the rate is conditional on.
    audited : ndarray of float, shape (..., S, 2, 2)
        Rows to audit: stratum, label, decision.

    Returns
    -------
    ndarray of float, shape (..., 4, K)
    """
    with np.errstate(invalid="ignore"):
        n_z = audited.sum(axis=(-2, -1))
        p = n_z / n_z.sum(axis=-1, keepdims=True)
        hit, miss = (np.nan_to_num(audited[..., labels, d].sum(axis=-1) / n_z) for d in (1, 0))
        n_za = counts.sum(axis=(-2, -1))
        overall = n_za.sum(axis=-2, keepdims=True) / n_za.sum(axis=(-2, -1), keepdims=True)
        w = np.where(n_za.sum(axis=-1, keepdims=True) > 0, n_za / n_za.sum(axis=-1, keepdims=True), overall)
        mass = (p * hit)[..., None] * w, (p * (hit + miss))[..., None] * w
        decided = counts[..., labels, :].sum(axis=(-4, -2))
        counted = decided[..., 1] / decided.sum(axis=-1)
        return np.stack(
            [*rate_bounds(p, w, hit, miss), mass[0].sum(axis=-2) / mass[1].sum(axis=-2), counted], axis=-2
        )


def less(rates: Floats, of: int) -> Floats:
    """Return the differences from one group, of what :func:`group_rates` returns; bounds are those of the difference."""
    return rates - rates[..., [1, 0, 2, 3], :][..., [of]]


class MissingGroupBounds(ResamplingEvaluator):
    """Bound group rates and their differences when the protected attribute of the decided people is unknown.

    Parameters
    ----------
    features : list of str, optional
        The proxies, columns that predict the attribute, such as region or a score of surnames; all by default.
    n_strata : int, default=10
        Leaves of the two trees, of the attribute and of the decision by the proxies, whose crossings are the strata.
    n_boot, level, min_support, random_state : int, float, int, int
        Bootstrap replicates, coverage of the intervals, minimum rows per stratum, seed; by default
        1,000, 95 %, 30 and 0.

    Notes
    -----
    Rows whose attribute is missing are audited; all others serve as the auxiliary sample, of which only attribute and
    proxies are used. If no attribute is missing, all rows are audited as if theirs were unknown, and ``observed`` is
    what they would hide.

    Proxies and decisions are known of one sample, proxies and groups of the other: how decision and group depend on
    each other within a stratum z is not. The bounds are the closed form of the extremes over all dependences, and sharp
    for these strata: true values outside are impossible, any within is possible. Coarser strata give wider bounds, but
    valid ones; strata with fewer than ``min_support`` rows in a sample are merged. ``if_independent`` is the value if
    decision and group are independent given the proxies, which the usual estimate by proxy probabilities assumes.

    It is assumed that the two samples have the same P(group | proxies). ``interval`` adds sampling error: percentiles
    of the lower bound and of the upper one over resampled rows. Differences are from the largest group.

    References
    ----------
    N. Kallus, X. Mao and A. Zhou (2022), "Assessing algorithmic fairness with unobserved protected class using data
    combination", Management Science.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import MissingGroupBounds
    >>> loans = pd.DataFrame({"region": ["east"] * 400 + ["west"] * 400})
    >>> origin = pd.Series((["new"] * 80 + ["local"] * 20 + [None] * 300) + (["new"] * 10 + ["local"] * 90 + [None] * 300))
    >>> accepted = [1, 0] * 200 + [1, 1, 1, 0] * 100
    >>> found = MissingGroupBounds(n_boot=200).evaluate(y_pred=accepted, sensitive_features=origin, X=loans)
    >>> print(found["text"])
    Of 600 rows audited without group: the selection rate of new differs from that of local by -0.53 to 0.08 (-0.18 if independent given the proxies).
    """

    metadata = TechniqueMetadata(
        technique_id=119,
        slug="missing-group-bounds",
        name="Fairness bounds when the protected class is missing",
        family="uncertainty",
        summary="Bounds the disparities of decisions whose protected attribute is unknown, from proxies and a sample in which it is known.",
        citation="kallus2022assessing",
        addresses=("outcome-disparity", "error-rate-disparity"),
        targets=("demographic_parity", "equal_opportunity", "equalized_odds"),
        minimum_rows=500,
        complexity="high",
        duration_weeks=(1, 2),
        use_when="The protected attribute of most people is not recorded, but proxies are, and a sample links proxies and attribute.",
        avoid_when="The attribute is known for nearly everybody, or proxies and attribute are linked otherwise in the two samples.",
        questions=(
            "We do not collect race; what can we still say about disparity?",
            "How large could the gap be if the sex of most applicants is blank?",
            "Is an estimate by surname and address trustworthy, or could the truth be the opposite?",
            "Can a survey with demographics be combined with decisions that have none?",
            "What is the worst case of the disparate impact ratio when membership is unobserved?",
            "How informative must a proxy be before a fairness audit says anything?",
        ),
        legal_notes="Inferring the protected attribute of individuals may itself be restricted; here only shares per stratum are used.",
        alternatives=(1, 2, 115),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "features": [list, tuple, None],
        "n_strata": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self, features: list[str] | None = None, n_strata: int = 10, **inference: Unpack[InferenceParameters]
    ) -> None:
        super().__init__(**inference)
        self.features = features
        self.n_strata = n_strata

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_boot": 50}

    def _proxies(self, X: pd.DataFrame) -> Floats:
        names = list(X.columns) if self.features is None else list(self.features)
        for name in names:
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
        return np.nan_to_num(TableEncoder("ordinal").fit(X[names]).transform(X[names]), nan=-1.0)

    def _strata(
        self,
        Z: Floats,
        group: Ints,
        y_pred: Ints,
        known: NDArray[np.bool_],
        audited: NDArray[np.bool_],
        w: Floats,
    ) -> Ints:
        """Return the stratum of each row; what is rare in either sample is one stratum."""

        def leaves(target: Ints, rows: NDArray[np.bool_]) -> Ints:
            tree = DecisionTreeClassifier(
                max_leaf_nodes=self.n_strata, min_samples_leaf=self.min_support, random_state=0
            )
            return np.asarray(tree.fit(Z[rows], target[rows], sample_weight=w[rows]).apply(Z), dtype=np.int64)

        crossed = leaves(group, known) * (2 * len(w)) + leaves(y_pred, audited)
        cell = np.unique(crossed, return_inverse=True)[1]
        rows = np.minimum(*(np.bincount(cell[r], minlength=cell.max() + 1) for r in (known, audited)))
        return np.unique(np.where(rows[cell] < self.min_support, -1, cell), return_inverse=True)[1]

    def _evaluate(
        self, y_pred: Ints, groups: Groups, X: pd.DataFrame, sample_weight: Floats, y_true: Ints | None = None
    ) -> Mapping[str, Any]:
        Z = self._proxies(X)
        by_attribute, said = {}, []
        for name, view in evaluation_tables.views(groups).items():
            found = self._view(name, view, Z, y_true, y_pred, sample_weight)
            by_attribute[name] = found
            said.append(_sentence(name, found))
        return {"by_attribute": by_attribute, "level": self.level, "text": " ".join(said)}

    def _view(
        self, name: str, view: Groups, Z: Floats, y_true: Ints | None, y_pred: Ints, w: Floats
    ) -> dict[str, Any]:
        """Return the bounds of one attribute, or of a crossing."""
        unknown_group = view.frame.isna().any(axis=1).to_numpy()
        known, some = ~unknown_group, bool(unknown_group.any())
        if not known.any():
            raise InsufficientDataError(f"no row has a value of {name}; add a sample in which it is known")
        people = Groups.of(view.frame[known])
        if people.n_groups < 2:
            raise DataError(
                f"all rows with a value of {name} are of the group {people.labels[0]!r}; two are needed"
            )
        group = np.full(len(Z), people.n_groups)
        group[known] = people.codes
        z = self._strata(Z, group, y_pred, known, unknown_group if some else known, w)
        shape = (int(z.max()) + 1, people.n_groups + 1, 2, 2)
        place = np.ravel_multi_index(
            (z, group, evaluation_tables.labels_or_zeros(y_true, y_pred), y_pred), shape
        )
        counts = np.bincount(place, w, int(np.prod(shape)))
        rng = np.random.default_rng(self.random_state)
        drawn = rng.multinomial(round(counts.sum()), counts / counts.sum(), self.n_boot)
        table = np.concatenate([counts[None], drawn]).reshape(-1, *shape)  # the data, and then its replicates
        inside = table[:, :, :-1]
        audited = table[:, :, -1] if some else inside.sum(axis=2)
        rows = counts.reshape(shape)[:, :-1].sum(axis=(0, 2, 3))
        largest = int(rows.argmax())
        by_group: dict[str, Any] = {label: {} for label in people.labels}
        differences: dict[str, Any] = {
            label: {} for label in people.labels if label != people.labels[largest]
        }
        for rate, labels in RATES.items():
            if rate != "selection_rate" and y_true is None:
                continue
            values = group_rates(inside, labels, audited)
            for found, of in ((by_group, values), (differences, less(values, largest))):
                for label in found:
                    found[label][rate] = self._figure(of[:, :, people.labels.index(label)], some)
        return {
            "rows": int((unknown_group if some else known).sum()),
            "strata": shape[0],
            "reference": people.labels[largest],
            "by_group": by_group,
            "differences": differences,
        }

    def _figure(self, values: Floats, some_unknown: bool) -> dict[str, Any]:
        """Return one rate or difference from its values in the data (first) and its replicates, shape (1 + B, 4)."""
        (lower, upper, independent, counted), drawn = values[0], values[1:]
        tail = (1 - self.level) / 2
        interval = [np.nanquantile(drawn[:, 0], tail), np.nanquantile(drawn[:, 1], 1 - tail)]
        figure = {"lower": lower, "upper": upper, "interval": interval, "if_independent": independent}
        return figure if some_unknown else {**figure, "observed": counted}


def _sentence(name: str, found: Mapping[str, Any]) -> str:
    """Return the widest difference of selection rates in words."""
    of = {group: figures["selection_rate"] for group, figures in found["differences"].items()}
    group = max(of, key=lambda g: of[g]["upper"] - of[g]["lower"])
    return (
        f"Of {found['rows']} rows audited without {name}: the selection rate of {group} differs from that of "
        f"{found['reference']} by {of[group]['lower']:.2f} to {of[group]['upper']:.2f} "
        f"({of[group]['if_independent']:.2f} if independent given the proxies)."
    )
