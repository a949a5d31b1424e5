"""Causal discovery with DirectLiNGAM, Shimizu et al. 2011."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    CausalResult,
    Dataset,
    Floats,
    InsufficientDataError,
    TechniqueMetadata,
    regressors,
    unshared,
)
from fairmend.plugins.causal._learned_graph import edge_table, half_samples

K1, K2, GAMMA = 79.047, 7.4129, 0.37457  # of the maximum-entropy approximation (Hyvärinen 1998)


def entropy(u: Floats) -> Floats:
    """Return the approximate differential entropy of standardized columns."""
    log_cosh = np.abs(u) + np.log1p(np.exp(-2 * np.abs(u))) - np.log(2)
    first = log_cosh.mean(axis=0) - GAMMA
    second = (u * np.exp(-(u**2) / 2)).mean(axis=0)
    return np.asarray((1 + np.log(2 * np.pi)) / 2 - K1 * first**2 - K2 * second**2)


def most_exogenous(X: Floats) -> int:
    """Return the column that depends least on its residuals as a cause of each other one.

    For columns i and j, M_ij = H(x_j) + H(residual of x_i on x_j) - H(x_i) - H(residual of x_j on x_i) is the
    difference of mutual information between cause and noise in the two directions; it is positive if i causes j.
    Chosen is the column with the smallest sum of min(0, M_ij)^2 (Hyvärinen & Smith 2013).
    """
    H, correlation = entropy(X), X.T @ X / len(X)
    residual = np.zeros_like(correlation)  # entropy of the residual of i on j
    for j in range(X.shape[1]):
        rho = correlation[:, j].copy()
        rho[j] = 0.0
        residual[:, j] = entropy((X - np.outer(X[:, j], rho)) / np.sqrt(1 - rho**2))
    M = H[None, :] + residual - H[:, None] - residual.T
    np.fill_diagonal(M, 0.0)
    return int(np.argmin((np.minimum(M, 0.0) ** 2).sum(axis=1)))


def causal_order(X: Floats) -> list[int]:
    """Return columns with causes before effects: the most exogenous one, then that of what it leaves, and so on."""
    left, order = list(range(X.shape[1])), list[int]()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    while len(left) > 1:
        first = most_exogenous(X)
        order.append(left.pop(first))
        x, X = X[:, first], np.delete(X, first, axis=1)
        X = X - np.outer(x, x @ X / len(x))
        X /= X.std(axis=0)
    return order + left


def adaptive_lasso(X: Floats, y: Floats) -> Floats:
    """Return coefficients, zero where the adaptive lasso drops a cause; the penalty is chosen by BIC."""
    from sklearn.linear_model import LassoLarsIC, LinearRegression

    weight = np.abs(LinearRegression().fit(X, y).coef_)
    return np.asarray(LassoLarsIC(criterion="bic").fit(X * weight, y).coef_ * weight)


def indicators(column: pd.Series[Any]) -> Floats:
    """Return an indicator for each value but the most frequent one; of a number, the number."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(float)[:, None]
    codes, values = pd.factorize(column, use_na_sentinel=False)
    counts = np.bincount(codes, minlength=len(values))
    return (codes[:, None] == np.delete(np.arange(len(values)), counts.argmax())).astype(float)


def independent_columns(X: Floats) -> list[int]:
    """Return the columns that are no linear combination of earlier ones and the constant."""
    X = X - X.mean(axis=0)
    scale = np.linalg.norm(X, axis=0)
    diagonal = np.abs(np.diag(np.linalg.qr(X / np.where(scale > 0, scale, 1.0), mode="r")))
    return [int(k) for k in np.flatnonzero(diagonal > 1e-6)]


class DirectLiNGAM(CausalAnalysis):
    """Learn the direction and size of causal effects between numbers from the shape of their noise.

    Parameters
    ----------
    alpha : float, default=0.01
        Level of the test of Gaussian noise: a larger p-value means that the noise may be Gaussian.
    n_subsamples : int, default=10
        Number of random half-samples on which the search is repeated, for the frequency of each edge.
    random_state : int, optional
        Seed of the half-samples.

    Notes
    -----
    If effects are linear, without cycles or hidden common causes, and the noise is not Gaussian, data identify
    all directions, where conditional independences (technique 52) leave some open. With Gaussian noise they
    do not: an edge whose two columns both have noise that may be Gaussian stays undirected.

    The search orders numbers with more than two values. Protected attributes and categories come first, as
    nothing is assumed to cause them: their group means are removed before the search. The outcome comes
    last. The order is found by pairwise likelihood ratios of entropy approximations, edges by the adaptive lasso.
    A category is compared with its most frequent value and is a cause if any of its indicators is; its
    ``coefficient`` is the largest of them.
    Missing numbers are imputed by the median; sample weights are ignored. Treat the graph as a proposal for
    experts, and test it with technique 53.

    References
    ----------
    S. Shimizu et al. (2011), "DirectLiNGAM: A direct method for learning a linear non-Gaussian structural
    equation model", JMLR 12. A. Hyvärinen and S. M. Smith (2013), "Pairwise likelihood ratios for estimation of
    non-Gaussian structural equation models", JMLR 14, for the measure of dependence.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import DirectLiNGAM
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], 2_000)
    >>> school = rng.uniform(size=2_000) - 0.5 * (group == "a")
    >>> salary = 2 * school + rng.uniform(size=2_000)
    >>> frame = pd.DataFrame({"salary": salary, "school": school, "group": group, "hired": (salary > 1).astype(int)})
    >>> data = Dataset.from_frame(frame, Roles(outcome="hired", protected=("group",)))
    >>> for edge in DirectLiNGAM(n_subsamples=0).analyze(data).result["edges"]:
    ...     print(edge["from"], "->", edge["to"], round(edge["coefficient"], 1))
    group -> school -0.5
    school -> salary 2.0
    salary -> hired 0.5
    """

    metadata = TechniqueMetadata(
        technique_id=64,
        slug="direct-lingam",
        name="Causal discovery with DirectLiNGAM",
        family="discovery",
        summary="Learns directions and sizes of linear effects between numeric columns from noise that is not Gaussian.",
        citation="shimizu2011directlingam",
        addresses=("biased-mediator", "proxy-variable"),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="high",
        duration_weeks=(1, 3),
        compute="medium",
        use_when="Most columns are skewed or heavy-tailed numbers, effects are about linear, and directions must come from data.",
        avoid_when="Columns are mostly categories, noise is Gaussian, or common causes are not recorded.",
        questions=(
            "Does debt drive the score or the score the debt, going by their distributions?",
            "How do I get all arrows directed when independence tests leave them open?",
            "Can skewness of the data reveal what is cause and what is effect?",
            "What is the linear effect of each numeric feature on the next, with a causal order?",
            "Which directions can not be learned because the errors look normal?",
            "Is there a causal discovery method for continuous variables without conditional independence tests?",
        ),
        alternatives=(52, 53),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "n_subsamples": [Interval(Integral, 0, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(self, alpha: float = 0.01, n_subsamples: int = 10, random_state: int | None = None) -> None:
        self.alpha = alpha
        self.n_subsamples = n_subsamples
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run."""
        return {"n_subsamples": 0}

    def _analyze(self, data: Dataset) -> CausalResult:
        roles = data.roles
        features = [str(c) for c in data.X.columns if c not in roles.protected]
        notes = unshared(data.frame, features)
        names = [c for c in features if c not in notes]
        frame, imputed = regressors(data.frame, [*roles.protected, *names, roles.outcome])
        varied = [c for c in names if len(frame[c].unique()) > 1]
        notes |= dict.fromkeys(set(names) - set(varied), "excluded: it does not vary")
        numbers = [c for c in varied if pd.api.types.is_numeric_dtype(frame[c]) and frame[c].nunique() > 2]
        kept = [numbers[k] for k in independent_columns(frame[numbers].to_numpy(float))] if numbers else []
        notes |= dict.fromkeys(set(numbers) - set(kept), "excluded: other columns determine it")
        first = [*roles.protected, *(c for c in varied if c not in numbers)]
        graph, coefficients, order, normal = self._learned(frame, first, kept, roles.outcome)
        halves = [
            self._learned(half, first, kept, roles.outcome)[0]
            for half in half_samples(frame, self.n_subsamples, self.random_state or 0)
        ]
        edges = [
            {**row, "coefficient": coefficients[row["from"], row["to"]]} for row in edge_table(graph, halves)
        ]
        open_edges = f"; {len(graph.undirected)} stay undirected, since their noise may be Gaussian"
        return CausalResult({
            "order": order,
            "edges": edges,
            "gaussian": normal,
            "notes": {**imputed, **notes},
            "text": (
                f"{len(kept)} numeric columns in the causal order {', '.join(order) or 'of none'}; {len(graph.edges)} directed "
                f"edges{open_edges if graph.undirected else ''}."
            ),
        }, graph)  # fmt: skip

    def _learned(
        self, frame: pd.DataFrame, first: Sequence[str], numbers: Sequence[str], outcome: str
    ) -> tuple[CausalGraph, dict[tuple[str, str], float], list[str], list[str]]:
        """Return the graph, the coefficients, the order, and the numbers whose noise may be Gaussian."""
        from scipy.stats import jarque_bera

        blocks = {c: indicators(frame[c]) for c in first}
        ends = np.cumsum([block.shape[1] for block in blocks.values()], dtype=int)
        places = {c: range(end - blocks[c].shape[1], end) for c, end in zip(blocks, ends, strict=True)}
        known, values = np.column_stack(list(blocks.values())), frame[list(numbers)].to_numpy(float)
        centered = np.column_stack([known, np.ones(len(frame))])
        free = values - centered @ np.linalg.lstsq(centered, values)[0]
        if len(numbers) and not (free.std(axis=0) > 1e-9 * values.std(axis=0)).all():
            raise InsufficientDataError(
                "each number must vary within groups and categories; leave out those that do not"
            )
        order = [numbers[k] for k in causal_order(free)] if len(numbers) else []
        coefficients: dict[tuple[str, str], float] = {}
        normal = []
        for place, effect in enumerate([*order, outcome]):
            causes = order[:place]
            X = np.column_stack([known, frame[causes].to_numpy(float)])
            y = frame[effect].to_numpy(float)
            found = adaptive_lasso(X, y)
            at = {
                **places,
                **{c: range(known.shape[1] + k, known.shape[1] + k + 1) for k, c in enumerate(causes)},
            }
            for cause, columns in at.items():
                largest = max(found[list(columns)], key=abs, default=0.0)
                if largest:
                    coefficients[cause, effect] = float(largest)
            if effect != outcome and jarque_bera(y - X @ found).pvalue > self.alpha:
                normal.append(effect)
        lines = [pair for pair in coefficients if set(pair) <= set(normal)]
        graph = CausalGraph.from_edges(
            [pair for pair in coefficients if pair not in lines],
            nodes=[*first, *order, outcome],
            undirected=lines,
            provenance="discovery",
        )
        return graph, coefficients, order, normal
