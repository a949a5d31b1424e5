"""Proxy detection by association and influence, Datta, Fredrikson, Ko, Mardziel & Sen 2017."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    Dataset,
    Floats,
    Groups,
    Ints,
    TechniqueMetadata,
    holm,
    regressors,
    row_hash,
    uniform_by_row,
    unknown,
)
from fairmend.plugins.causal._predictors import Predictor, given, learned


def association(z: Ints, a: Ints, weights: Floats | None = None) -> tuple[float, float]:
    """Return the normalized mutual information of two codes, 2 I(Z; A) / (H(Z) + H(A)), and its p-value.

    The p-value is that of the likelihood-ratio test: without association, 2 n I is chi-squared.

    Examples
    --------
    >>> association(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))[0]
    1.0
    """
    from scipy.special import chdtrc, xlogy

    rows, columns = int(z.max()) + 1, int(a.max()) + 1
    counts = np.bincount(z * columns + a, weights, minlength=rows * columns).reshape(rows, columns)
    p = counts / counts.sum()
    p_z, p_a = p.sum(axis=1), p.sum(axis=0)
    h_z, h_a, h_za = (-float(xlogy(q, q).sum()) for q in (p_z, p_a, p))
    information = max(h_z + h_a - h_za, 0.0)
    dof = ((p_z > 0).sum() - 1) * ((p_a > 0).sum() - 1)
    p_value = float(chdtrc(dof, 2 * len(z) * information)) if dof else 1.0
    return (2 * information / (h_z + h_a) if h_z + h_a else 0.0), p_value


def influence(predictor: Predictor, data: Dataset, columns: Sequence[str], n_draws: int, seed: int) -> float:
    """Return how often decisions change if some columns come from another row, drawn at random.

    Of predicted values it is the mean absolute change in standard deviations.
    """
    X, sensitive = data.X, data.sensitive
    decide = predictor.score if predictor.decide is None else predictor.decide
    before = decide(X, sensitive)
    order = np.argsort(uniform_by_row(row_hash(X[sorted(X, key=str)]), seed), kind="stable")
    moved = []
    for k in range(n_draws):
        donor = np.empty(len(X), dtype=np.int64)
        donor[order] = np.roll(order, len(X) * (k + 1) // (n_draws + 1))
        drawn = X.assign(**{c: X[c].to_numpy()[donor] for c in columns})
        after = decide(drawn, sensitive)
        change = np.abs(after - before) if predictor.decide is None else before + after - 2 * before * after
        moved.append(float(np.average(change, weights=data.weights)))
    size = float(np.std(before)) or 1.0
    return float(np.mean(moved)) / (size if predictor.decide is None else 1.0)


def codes(frame: pd.DataFrame, columns: Sequence[str], bins: int) -> Ints:
    """Return one code per combination of values; numbers with many values are cut at their quantiles."""
    parts = pd.DataFrame(index=frame.index)
    for name in columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and column.nunique() > bins:
            column = pd.qcut(column.astype(float), bins, labels=False, duplicates="drop")
        parts[name] = pd.factorize(column, sort=True)[0]
    return np.asarray(parts.groupby(list(columns)).ngroup(), dtype=np.int64)


class ProxyDetection(CausalAnalysis):
    """Find features that stand in for a protected attribute and matter to the decisions of a model.

    Parameters
    ----------
    min_association : float in [0, 1], default=0.02
        Normalized mutual information from which a feature is associated with an attribute.
    min_influence : float in [0, 1], default=0.02
        Share of changed decisions from which a feature is influential.
    components : list of lists of str, optional
        Features to examine together, beside each of them alone.
    bins : int, default=10
        Quantile bins of numbers, for the association.
    alpha : float, default=0.01
        Level of the tests of association, after Holm's correction.
    n_draws : int, default=5
        Number of random replacements per component.
    random_state : int, optional
        Seed of the replacements.

    Notes
    -----
    Proxy use needs both: association, that is what a component tells about the attribute, and influence, that
    is how often the decision changes if the component is drawn from another row at random. The paper examines
    every expression inside a program; here the components are the inputs, alone or together, so that any model can be
    examined. Without a model it is a regression on all features. Of a regression task, influence is the mean
    absolute change in standard deviations of the predictions. Rare categories are merged, missing numbers take
    the median. With few rows the mutual information of many categories is biased upward, hence the test.

    References
    ----------
    A. Datta, M. Fredrikson, G. Ko, P. Mardziel and S. Sen (2017), "Proxy discrimination in data-driven systems",
    arXiv:1707.08120.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import ProxyDetection
    >>> from fairmend.plugins.datasets import bank, bank_roles
    >>> data = Dataset.from_frame(bank(4_000), Roles(**bank_roles()))
    >>> print(ProxyDetection().analyze(data).result["text"])
    A regression on all features uses proxies: zip_code for race (association 0.094, changes 3.8% of decisions).
    """

    metadata = TechniqueMetadata(
        technique_id=65,
        slug="proxy-detection",
        name="Proxy-use detection (association and influence)",
        family="graphs",
        summary="Finds features that both reveal a protected attribute and change the decisions of a model.",
        citation="datta2017proxy",
        addresses=("proxy-variable",),
        targets=("demographic_parity",),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A model does not read the protected attribute, and somebody asks whether it uses stand-ins for it.",
        avoid_when="The question is whether the use of a stand-in is justified, which needs a causal graph and people.",
        questions=(
            "Does our model use zip code as a stand-in for race?",
            "Which inputs both give away gender and move the decision?",
            "A feature correlates with ethnicity, but does the model rely on it?",
            "How do I test a black box for redlining through proxies?",
            "Do two harmless columns together act as a proxy?",
            "Sex was removed from the model; does it still infer it from others?",
        ),
        alternatives=(53, 58),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_association": [Interval(Real, 0, 1, closed="both")],
        "min_influence": [Interval(Real, 0, 1, closed="both")],
        "components": [list, tuple, None],
        "bins": [Interval(Integral, 2, None, closed="left")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        min_association: float = 0.02,
        min_influence: float = 0.02,
        components: Sequence[Sequence[str]] | None = None,
        bins: int = 10,
        alpha: float = 0.01,
        n_draws: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.min_association = min_association
        self.min_influence = min_influence
        self.components = components
        self.bins = bins
        self.alpha = alpha
        self.n_draws = n_draws
        self.random_state = random_state

    def _analyze(self, data: Dataset, model: Any = None) -> Mapping[str, Any]:
        protected = data.roles.protected
        features = [str(c) for c in data.X.columns if c not in protected]
        together = [[one] if isinstance(one, str) else list(one) for one in self.components or ()]
        for name in (name for one in together for name in one):
            if name not in features:
                raise unknown("feature", name, features)
        frame, notes = regressors(data.X, features)
        predictor = (
            learned("regression", lambda X, _: X[features], data) if model is None else given(model, data)
        )
        found: list[dict[str, Any]] = []
        for columns in dict.fromkeys(map(tuple, [*([c] for c in features), *together])):
            of_component = codes(frame, columns, self.bins)
            flips = influence(predictor, data, columns, self.n_draws, self.random_state or 0)
            for attribute in protected:
                of_attribute = Groups.of(data.sensitive[[attribute]]).codes
                size, p_value = association(of_component, of_attribute, data.weights)
                row: dict[str, Any] = {
                    "component": " + ".join(columns),
                    "attribute": attribute,
                    "association": size,
                }
                found.append({**row, "p_value": p_value, "influence": flips})
        for row, p_holm in zip(found, holm([row["p_value"] for row in found]), strict=True):
            associated = bool(p_holm < self.alpha and row["association"] >= self.min_association)
            row |= {"p_holm": float(p_holm), "associated": associated}
            row["proxy"] = associated and row["influence"] >= self.min_influence
        found.sort(key=lambda row: -row["association"] * row["influence"])
        proxies = [row for row in found if row["proxy"]]
        return {
            "model": predictor.name,
            "components": found,
            "proxies": list(dict.fromkeys(row["component"] for row in proxies)),
            "notes": notes,
            "text": _told(predictor, found, proxies),
        }


def _told(predictor: Predictor, found: list[dict[str, Any]], proxies: list[dict[str, Any]]) -> str:
    subject = "The model" if predictor.name == "model" else "A regression on all features"
    if not proxies:
        associated = len({row["component"] for row in found if row["associated"]})
        return (
            f"{subject} uses no proxy: of {len({row['component'] for row in found})} components {associated} are associated "
            "with a protected attribute, and none of these is influential."
        )
    told = [
        f"{row['component']} for {row['attribute']} (association {row['association']:.3f}, changes {row['influence']:.1%} "
        "of decisions)"
        for row in proxies[:3]
    ]
    more = f" and {len(proxies) - 3} more" if len(proxies) > 3 else ""
    return f"{subject} uses proxies: {', '.join(told)}{more}."
