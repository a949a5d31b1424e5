"""Causal feature selection for fair training data, Galhotra, Shanmugam, Sattigeri & Varshney 2022."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    NotFeasibleError,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    unknown,
)

_PROTECTED, _OUTCOME = "(protected attributes)", "(outcome)"
_NONE = np.empty(0, dtype=np.intp)

Independent = Callable[[Sequence[str], Sequence[str], Sequence[str]], bool]


def subsets(names: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """Return all subsets, the smallest first."""
    return chain.from_iterable(combinations(names, k) for k in range(len(names) + 1))


def accepted(features: Sequence[str], passes: Callable[[Sequence[str]], bool], grouped: bool) -> list[str]:
    """Return the features that pass a test: one by one, or whole groups, halved where they fail.

    Examples
    --------
    >>> accepted(["a", "b", "c", "d"], lambda names: "c" not in names, grouped=True)
    ['a', 'b', 'd']
    """
    if not features:
        return []
    if (grouped or len(features) == 1) and passes(features):
        return list(features)
    if len(features) == 1:
        return []
    parts = (
        (features[: len(features) // 2], features[len(features) // 2 :])
        if grouped
        else [[f] for f in features]
    )
    return [name for part in parts for name in accepted(part, passes, grouped)]


def causal_selection(
    features: Sequence[str],
    protected: Sequence[str],
    outcome: str,
    admissible: Sequence[str],
    independent: Independent,
    *,
    grouped: bool = False,
) -> tuple[list[str], list[str]]:
    """Return C1, features without influence of the protected attributes, and C2, features that add nothing.

    C1 are independent of the protected attributes given some subset of the admissible features; C2, of the others, are
    independent of the outcome given the admissible features and C1. With ``grouped`` (GrpSel) a test is made of many
    features at once, otherwise (SeqSel) of each.
    """

    def untouched(names: Sequence[str]) -> bool:
        return any(independent(names, protected, given) for given in subsets(admissible))

    first = accepted(features, untouched, grouped)
    rest = [f for f in features if f not in first]
    return first, accepted(rest, lambda names: independent(names, [outcome], [*admissible, *first]), grouped)


def partial_dependence(R: Floats, n: float, x: Ints, y: Ints, given: Ints) -> tuple[float, float]:
    """Return the strength of dependence of two blocks of columns given others, and its p-value, by Wilks' Lambda.

    Parameters
    ----------
    R : ndarray of float, shape (p, p)
        Correlations.
    n : float
        Number of rows.
    x, y, given : ndarray of int
        Places of the columns.

    Returns
    -------
    strength : float
        sqrt(1 - Lambda), which is the partial correlation of two single columns.
    p_value : float
        By Bartlett's chi-square.
    """
    both = np.concatenate([x, y])
    partial = R[np.ix_(both, both)]
    partial = (
        partial - R[np.ix_(both, given)] @ np.linalg.pinv(R[np.ix_(given, given)]) @ R[np.ix_(given, both)]
    )
    white = []
    for block in (slice(len(x)), slice(len(x), None)):
        values, vectors = np.linalg.eigh(partial[block, block])
        kept = values > 1e-8
        white.append(vectors[:, kept] / np.sqrt(values[kept]))
    cross = white[0].T @ partial[: len(x), len(x) :] @ white[1]
    if cross.size == 0:
        return 0.0, 1.0
    log_lambda = np.log1p(-(np.clip(np.linalg.svd(cross, compute_uv=False), 0, 1 - 1e-12) ** 2)).sum()
    freedom = n - 1 - len(given) - (sum(cross.shape) + 1) / 2
    strength = float(np.sqrt(-np.expm1(log_lambda)))
    return strength, float(chi2.sf(max(-freedom * log_lambda, 0), cross.size))


class CausalFeatureSelection(Preprocessor):
    """Keep the features through which the protected attributes do not influence the outcome unduly.

    Parameters
    ----------
    admissible : list of str, optional
        Features through which an influence is accepted; they are kept. None by default.
    alpha : float, default=0.01
        Level of the tests of independence.
    min_strength : float, default=0.05
        A significant dependence is negligible below this strength (0 to 1, for two numbers their partial correlation).
        With many rows every dependence is significant; 0 is the paper's rule.
    search : {"sequential", "grouped"}, default="sequential"
        Test each feature (SeqSel), or groups of features that are halved where they fail (GrpSel).

    Attributes
    ----------
    kept_ : list of str
        The features that are kept, in their order.
    diagnostics_ : dict
        ``admissible``, ``untouched`` (C1), ``irrelevant`` (C2) and ``removed``.

    Notes
    -----
    A feature is kept if it is admissible, if it is independent of the protected attributes given some subset of the
    admissible features (C1), or if it is independent of the outcome given the admissible features and C1 (C2), so that it
    adds nothing. The others carry an influence of the attributes to the outcome, and are removed. No causal graph is
    needed: it is assumed that independences in the data are those of the unknown graph. An influence that is linear in
    no encoding is not seen: the tests are Wilks' Lambda of standardized numbers and indicators of categories.

    Several attributes are tested together. Group tests give the same set as single ones if independences follow a graph;
    in samples they may differ. The number of tests doubles with each admissible feature. Missing numbers are read as the
    median, missing categories as a category. A model that reads the kept features may still differ between groups,
    through the admissible ones.

    References
    ----------
    S. Galhotra, K. Shanmugam, P. Sattigeri and K. R. Varshney (2022), "Causal feature selection for algorithmic
    fairness", SIGMOD: SeqSel and GrpSel.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import CausalFeatureSelection
    >>> loans = bank(3_000)
    >>> X, y, race = loans.drop(columns=["approved", "race", "gender"]), loans["approved"], loans["race"]
    >>> selection = CausalFeatureSelection(["income"]).fit(X, y, sensitive_features=race)
    >>> selection.diagnostics_["removed"]
    ['education', 'zip_code', 'redlining', 'credit_score']
    """

    metadata = TechniqueMetadata(
        technique_id=75,
        slug="causal-feature-selection",
        name="Causal feature selection for fair data integration",
        family="feature selection",
        summary="Removes the features that carry an influence of the protected attribute to the outcome, found by tests of conditional independence.",
        citation="galhotra2022causal",
        addresses=("proxy-variable", "biased-mediator"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass", "regression"),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 2),
        legal_notes="The decisions do not use the protected attribute; it is read once, to select features.",
        use_when="Many candidate features were collected, some stand in for the protected attribute, and there is no causal graph.",
        avoid_when="All useful features depend on the attribute, or rows are too few to test independence.",
        questions=(
            "Which columns of a merged table may I use for training without adding bias?",
            "Can features be dropped by independence tests when we have no causal graph?",
            "We join data from several sources; which new attributes are safe to add?",
            "How do I find out which variables carry sex into the prediction and leave them out?",
            "Which proxies must go, and which are fine once job experience is taken into account?",
            "Is there a feature selection that keeps legitimate explanations but removes the rest of the path?",
        ),
        adjustments=(Adjustment(parameter="min_strength", stronger=-0.02, minimum=0.0, maximum=0.5),),
        alternatives=(69, 67, 74),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "admissible": [list, tuple, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_strength": [Interval(Real, 0, 1, closed="left")],
        "search": [StrOptions({"sequential", "grouped"})],
    }

    def __init__(
        self,
        admissible: Sequence[str] | None = None,
        alpha: float = 0.01,
        min_strength: float = 0.05,
        search: str = "sequential",
    ) -> None:
        self.admissible = admissible
        self.alpha = alpha
        self.min_strength = min_strength
        self.search = search

    def _fit(self, X: pd.DataFrame, y: Any, groups: Groups, sample_weight: Floats) -> None:
        admissible = list(self.admissible or ())
        for name in admissible:
            if name not in X.columns:
                raise unknown("feature", name, X.columns)
        blocks = {name: TableEncoder("one-hot").fit(X[[name]]).transform(X[[name]]) for name in X.columns}
        blocks[_PROTECTED] = np.eye(groups.n_groups)[groups.codes]
        blocks[_OUTCOME] = y[:, None] if y.dtype.kind == "f" else np.eye(int(y.max()) + 1)[y]
        ends = np.cumsum([block.shape[1] for block in blocks.values()])
        places = {
            name: np.arange(end - b.shape[1], end)
            for (name, b), end in zip(blocks.items(), ends, strict=True)
        }
        Z, n = np.hstack(list(blocks.values())), float(sample_weight.sum())
        Z = Z - np.average(Z, axis=0, weights=sample_weight)
        S = (Z * sample_weight[:, None]).T @ Z / n
        spread = np.sqrt(np.where(np.diag(S) > 0, np.diag(S), 1.0))
        R = S / np.outer(spread, spread)

        def independent(x: Sequence[str], y: Sequence[str], given: Sequence[str]) -> bool:
            at = [
                np.concatenate([places[name] for name in names]) if names else _NONE
                for names in (x, y, given)
            ]
            strength, p_value = partial_dependence(R, n, *at)
            return p_value >= self.alpha or strength < self.min_strength

        features = [name for name in X.columns if name not in admissible]
        untouched, irrelevant = causal_selection(
            features, [_PROTECTED], _OUTCOME, admissible, independent, grouped=self.search == "grouped"
        )
        kept = {*admissible, *untouched, *irrelevant}
        self.kept_ = [name for name in X.columns if name in kept]
        removed = [name for name in X.columns if name not in kept]
        if not self.kept_:
            raise NotFeasibleError(
                f"all {len(removed)} features carry an influence of the protected attributes; name admissible ones, "
                "or raise min_strength"
            )
        found = {
            "admissible": admissible,
            "untouched": untouched,
            "irrelevant": irrelevant,
            "removed": removed,
        }
        self.diagnostics_ = {key: list(map(str, names)) for key, names in found.items()}

    def _transform(self, X: pd.DataFrame) -> pd.DataFrame:
        return X[self.kept_]
