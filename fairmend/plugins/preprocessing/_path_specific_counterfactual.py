"""Path-specific counterfactual correction of features, Chiappa 2019."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    CausalGraph,
    Groups,
    Preprocessor,
    StructuralEquations,
    TechniqueMetadata,
    UsageError,
    row_hash,
    uniform_by_row,
    unknown,
)


def named(groups: Groups) -> pd.DataFrame:
    """Return the protected attributes as names of groups, missing values included."""
    parts = {str(c): Groups.of(groups.frame[[c]]) for c in groups.frame.columns}
    return pd.DataFrame({c: [one.labels[code] for code in one.codes] for c, one in parts.items()})


class PathSpecificCounterfactual(Preprocessor):
    """Correct features by what protected attributes do to them along unfair causal paths.

    Parameters
    ----------
    fair : list of str, optional
        Columns whose direct dependence on a protected attribute is accepted; they keep it, and pass it on.
    reference : mapping of str to str, optional
        Attribute to the group that the corrected features refer to; by default the largest.
    strength : float in [0, 1], default=1.0
        Share of the correction: of the distance of numbers, and of the rows of categories.

    Notes
    -----
    Each column that an attribute influences has a structural equation: numbers are linear in their causes, with
    noise that a row keeps; categories have probabilities. The corrected value is what the row would have if
    the attribute had its reference value along all edges out of it except those to ``fair`` columns, and its own
    value along these. Paths are told apart by their first edge. The paper infers the noise by variational
    inference; here it is what the equations leave unexplained. A category changes as rarely as the other
    probabilities allow, by a draw that depends on the row alone. Several attributes are corrected together.

    A model trained on the result must not read the attributes. The direct effect of an attribute on the outcome
    is then left out, too, as far as no other feature reveals the attribute.

    References
    ----------
    S. Chiappa (2019), "Path-specific counterfactual fairness", AAAI.

    Examples
    --------
    >>> from fairmend.base import CausalGraph
    >>> from fairmend.plugins.datasets import bank, bank_graph
    >>> from fairmend.plugins.preprocessing import PathSpecificCounterfactual
    >>> loans = bank(2_000)
    >>> people, X = loans[["race", "gender"]], loans.drop(columns=["race", "gender", "approved", "application_id"])
    >>> technique = PathSpecificCounterfactual(fair=["employment_history"])
    >>> technique.fit(X, sensitive_features=people, graph=CausalGraph.from_mapping(bank_graph()))
    PathSpecificCounterfactual(fair=['employment_history'])
    >>> corrected = technique.transform(X, sensitive_features=people)
    >>> [round(x["credit_score"].groupby(people["race"]).mean()["Black"]) for x in (X, corrected)]
    [655, 689]
    """

    metadata = TechniqueMetadata(
        technique_id=61,
        slug="path-specific-counterfactual",
        name="Path-specific counterfactual correction",
        family="counterfactuals",
        summary="Replaces features by what they would be had the attribute not acted along unfair causal paths.",
        citation="chiappa2019path",
        addresses=("biased-mediator",),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "multiclass", "regression"),
        complexity="high",
        duration_weeks=(2, 4),
        legal_notes="The protected attribute is read for every decision, which is disparate treatment in some jurisdictions.",
        use_when="A causal graph is agreed, and only some of the paths from the attribute to the decision are unfair.",
        avoid_when="The attribute may not be read at decision time, or nobody stands behind the causal graph.",
        questions=(
            "How do I keep the effect of sex on department choice but drop the rest of its causal influence?",
            "Can each applicant be scored as if the unfair path had not acted on them?",
            "Which correction keeps individual information while it removes one causal pathway?",
            "How can I subtract the discriminatory part of income along a causal diagram?",
            "Is there a counterfactual repair of features that respects accepted mediators?",
            "How do I train on data from a world in which race had no influence on credit history?",
        ),
        adjustments=(Adjustment(parameter="strength", stronger=0.2, minimum=0.0, maximum=1.0),),
        alternatives=(69,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "fair": [list, tuple, None],
        "reference": [dict, None],
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        fair: Sequence[str] | None = None,
        reference: Mapping[str, str] | None = None,
        strength: float = 1.0,
    ) -> None:
        self.fair = fair
        self.reference = reference
        self.strength = strength

    def _fit(self, X: pd.DataFrame, groups: Groups, graph: CausalGraph) -> None:
        people = named(groups)
        attributes = list(people.columns)
        graph.check_known([*attributes, *(self.fair or ())])
        rows = self._rows(X, people)
        absent = [node for node in graph.nodes if node not in rows.columns]
        for node in (node for node in graph.descendants(attributes) if node in rows.columns):
            for cause in graph.parents(node):
                if cause in absent:
                    raise UsageError(
                        f"the causal graph has {cause} -> {node}, but {cause!r} is no feature; add the column or change the graph"
                    )
        self.reference_ = {}
        for attribute in attributes:
            counts = people[attribute].value_counts()
            value = (self.reference or {}).get(attribute, counts.index[0])
            if value not in counts.index:
                raise unknown(f"group of {attribute}", str(value), sorted(counts.index))
            self.reference_[attribute] = value
        self.edges_ = [(a, c) for a in attributes for c in graph.children(a) if c not in (self.fair or ())]
        equations = StructuralEquations.fit(rows, graph, attributes, leave_out=absent)
        self.numbers_ = list(equations.residuals(rows.iloc[:1]).columns)
        self.equations_ = equations.to_state()  # plain types, for model files
        self.diagnostics_ = {"corrected": list(self.equations_), "reference": self.reference_}

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        rows = self._rows(X, named(groups))
        equations = StructuralEquations.from_state(self.equations_)
        there = equations.counterfactual(rows, self.reference_, edges=self.edges_, separately=False)
        some = uniform_by_row(row_hash(X[sorted(X, key=str)]), 0) < self.strength
        corrected = {}
        for name in self.equations_:
            own, other = X[name], there[name].set_axis(X.index)
            if name in self.numbers_:
                corrected[name] = own + self.strength * (other - own)
            else:
                corrected[name] = other.where(some, own)
        return X.assign(**corrected)

    def _rows(self, X: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
        return X.assign(**{str(c): people[c].to_numpy() for c in people})
