"""Constraint-based causal discovery (PC), Spirtes, Glymour & Scheines 2000."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalResult,
    Dataset,
    TechniqueMetadata,
    regressors,
    unshared,
)
from fairmend.plugins.causal._background_knowledge import Arrow, Knowledge, background_knowledge
from fairmend.plugins.causal._cpdag import directed, skeleton
from fairmend.plugins.causal._learned_graph import ConditionalTests, LearnedGraph, half_samples


class CausalDiscoveryPC(CausalAnalysis):
    """Learn which columns cause which from conditional independences in the data.

    Parameters
    ----------
    alpha : float, default=0.05
        Level of each test; a larger p-value removes an edge.
    min_effect : float in [0, 1], default=0.0
        Strength of dependence below which an edge is removed as well; with many rows any dependence is
        significant.
    max_conditioning : int or None, default=3
        Maximum number of columns to condition on; None means no limit, as in the paper.
    tiers : list of lists of str, optional
        Columns in temporal order: no column is caused by one of a later tier.
    required, forbidden : list of (cause, effect), optional
        Direct effects that are known to exist, or to be impossible.
    use_roles : bool, default=True
        Whether to assume that nothing causes a protected attribute and that the outcome causes nothing.
        Dependent protected attributes then share a hidden common cause.
    n_subsamples : int, default=10
        Number of random half-samples on which the search is repeated, for the frequency of each edge.
    random_state : int, optional
        Seed of the half-samples.

    Notes
    -----
    The result is a class of graphs (a CPDAG): all of them fit the tests equally well, and an edge whose
    direction differs among them stays undirected. Pass background knowledge as ``tiers``, ``required`` or
    ``forbidden`` to direct more edges; techniques that need directions name the undirected edges. Treat the
    graph as a proposal for experts, and test it with technique 53.

    The tests are the G-test if all columns are discrete, Fisher's z if all are numeric, and Wilks' lambda for
    mixtures. The method assumes that no common cause is missing (causal sufficiency), that rows are
    independent and not selected by their values, and faithfulness. A column that is a function of others
    violates faithfulness: such edges are kept and listed as ``untestable``. Missing numbers are imputed by
    the median; sample weights are ignored.

    If several sets separate two columns, the one with the largest p-value is used; if colliders contradict
    each other, the one with the clearest separation. The result therefore does not depend on the order of the
    columns. Overruled colliders are listed as ``contradicted``. Half-samples are used instead of bootstrap
    samples, whose repeated rows look like dependence.

    References
    ----------
    P. Spirtes, C. Glymour and R. Scheines (2000), *Causation, prediction, and search*, section 5.4.2. D.
    Colombo and M. H. Maathuis (2014), JMLR 15, for independence of the order. C. Meek (1995), UAI, for the
    rules of orientation. N. Meinshausen and P. Bühlmann (2010), "Stability selection", JRSS-B, for the
    half-samples.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import CausalDiscoveryPC
    >>> from fairmend.plugins.datasets import bank
    >>> columns = ["gender", "employment_history", "education", "income", "approved"]
    >>> data = Dataset.from_frame(bank(4_000)[columns], Roles(outcome="approved", protected=("gender",)))
    >>> order = [["education", "employment_history"], ["income"]]
    >>> found = CausalDiscoveryPC(alpha=0.01, tiers=order, n_subsamples=0).analyze(data)
    >>> for edge in found.graph.edges:
    ...     print(edge.cause, "->", edge.effect)
    education -> approved
    education -> income
    employment_history -> approved
    employment_history -> income
    gender -> employment_history
    income -> approved
    >>> found.graph.undirected
    ()
    """

    metadata = TechniqueMetadata(
        technique_id=52,
        slug="causal-discovery-pc",
        name="Constraint-based causal discovery (PC)",
        family="discovery",
        summary="Learns a causal graph from the conditional independences in the data, and says which directions remain undetermined.",
        citation="spirtes2000causation",
        addresses=("biased-mediator", "proxy-variable"),
        tasks=("binary", "multiclass", "regression"),
        minimum_rows=100,
        complexity="high",
        duration_weeks=(1, 3),
        compute="medium",
        use_when="There is no agreed causal diagram, and there are many rows and few columns.",
        avoid_when="Important common causes are not recorded, rows were selected by an outcome, or columns are functions of each other.",
        questions=(
            "Can the data themselves suggest a causal graph for our loan applications?",
            "We do not have a domain expert; how do we find out which variables drive which?",
            "Which arrows of the diagram follow from the data, and which need a human to decide?",
            "How stable is an edge that an algorithm found between zip code and income?",
            "How do I learn a DAG when I only know what comes before what in time?",
            "Is race connected to the decision only through other columns, judging by conditional independence tests?",
        ),
        alternatives=(53,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_effect": [Interval(Real, 0, 1, closed="both")],
        "max_conditioning": [Interval(Integral, 0, None, closed="left"), None],
        "tiers": [list, tuple, None],
        "required": [list, tuple, None],
        "forbidden": [list, tuple, None],
        "use_roles": ["boolean"],
        "n_subsamples": [Interval(Integral, 0, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        alpha: float = 0.05,
        min_effect: float = 0.0,
        max_conditioning: int | None = 3,
        tiers: Sequence[Sequence[str]] | None = None,
        required: Sequence[Arrow] | None = None,
        forbidden: Sequence[Arrow] | None = None,
        use_roles: bool = True,
        n_subsamples: int = 10,
        random_state: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.min_effect = min_effect
        self.max_conditioning = max_conditioning
        self.tiers = tiers
        self.required = required
        self.forbidden = forbidden
        self.use_roles = use_roles
        self.n_subsamples = n_subsamples
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run."""
        return {"n_subsamples": 0}

    def _analyze(self, data: Dataset) -> CausalResult:
        roles = data.roles
        columns = dict.fromkeys((*roles.protected, *map(str, data.X.columns), roles.outcome))
        left_out = unshared(data.frame, columns)
        nodes = [name for name in columns if name not in left_out]
        frame, notes = regressors(data.frame, nodes)
        knowledge = background_knowledge(
            nodes,
            required=self.required or (),
            forbidden=self.forbidden or (),
            tiers=self.tiers or (),
            first=roles.protected if self.use_roles else (),
            last=(roles.outcome,) if self.use_roles else (),
        )
        found = self._search(frame, knowledge)
        halves = [
            self._search(half, knowledge).graph
            for half in half_samples(frame, self.n_subsamples, self.random_state or 0)
        ]
        return CausalResult(found.report(halves) | {"notes": {**notes, **left_out}}, found.graph)

    def _search(self, frame: pd.DataFrame, knowledge: Knowledge) -> LearnedGraph:
        """Remove edges by tests, then direct those that are left."""
        nodes, tests = list(frame.columns), ConditionalTests(frame, self.min_effect)
        kept = [frozenset(arrow) for arrow in knowledge.required]
        found = skeleton(nodes, tests, self.alpha, most=self.max_conditioning, kept=kept)
        graph, contradicted = directed(nodes, found, knowledge)
        return LearnedGraph(graph, found, contradicted, tests.untestable)
