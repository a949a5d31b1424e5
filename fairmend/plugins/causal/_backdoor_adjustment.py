"""Backdoor adjustment of a protected attribute's effect, Pearl 2009."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Covariates,
    Dataset,
    InsufficientDataError,
    TechniqueMetadata,
    chosen_covariates,
    fitted_graph,
    standard_graph,
)
from fairmend.plugins.causal._outcome_means import (
    Design,
    Mean,
    Regression,
    adjusted_summary,
    contrasts,
    group_mean,
    link_for,
    mean_outcome,
    row_weights,
    rows_by_group,
)
from fairmend.plugins.causal._strata import strata, stratified_mean

FIGURES = (
    "estimate",
    "se",
    "interval",
    "rate",
    "reference_rate",
    "unadjusted",
    "confounded",
    "outside_support",
)


class BackdoorAdjustment(CausalAnalysis):
    """Estimate the total effect of a protected attribute, adjusted for what confounds it.

    Parameters
    ----------
    covariates : sequence of str, optional
        Columns to adjust for. By default the graph decides: causes of the outcome that the attribute does not
        influence, if they block all backdoor paths, otherwise the smallest set that does.
    method : {"regression", "stratification"}, default="regression"
        How E[Y | g, z] is estimated: by a regression in each group, logistic for a binary outcome, or by the
        mean in each stratum of the covariates.
    model : {"auto", "linear"}, default="auto"
        A linear regression also for a binary outcome.
    n_bins : int, default=5
        Strata of a number with more values than this.
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    P(y | do(g)) = sum over z of P(y | g, z) P(z) for covariates z that meet the backdoor criterion: the rate
    had everybody been in group g. ``estimate`` is the difference of two such rates, ``unadjusted`` that of the
    observed rates, and ``confounded`` what separates them. ``identified`` is false if the graph says that the
    covariates do not meet the criterion. Strata that one of the two groups does not occupy are excluded;
    ``outside_support`` is their share of the rows, or, for a regression, the share of rows to which one of
    both is extrapolated.

    "Effect of race" means the effect of changing everything that the attribute influences; a graph alone
    does not define this interpretation. Sample weights are used; covariances allow for unequal variances.

    References
    ----------
    J. Pearl (2009), "Causality: Models, reasoning, and inference", section 3.3.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import BackdoorAdjustment
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(3_000), Roles(**bank_roles()))
    >>> graph = CausalGraph.from_mapping(bank_graph())
    >>> print(BackdoorAdjustment().analyze(data, graph).result["text"])
    Clearest of 4 adjusted differences: Black against White -0.176 [-0.218, -0.133]; unadjusted -0.182.
    """

    metadata = TechniqueMetadata(
        technique_id=54,
        slug="backdoor-adjustment",
        name="Backdoor adjustment of the protected attribute's effect",
        family="effects",
        summary="Estimates the total effect of a protected attribute on the outcome, adjusted for the confounders that a causal graph names.",
        citation="pearl2009causality",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(1, 2),
        use_when="A causal graph is given, and the gap should be compared between groups with the same distribution of common causes.",
        avoid_when="An unmeasured common cause is likely, groups hardly overlap in the covariates, or the path of the effect is the question.",
        questions=(
            "How large is the gap once common causes of group and outcome are held equal?",
            "Which columns must I control for, and which must I not, to get the total effect of sex?",
            "What would the approval rate be if everybody belonged to this group?",
            "How much of the raw disparity is due to confounding?",
            "Do the numbers change when we compare like with like in strata of age and region?",
            "How do I standardize rates by group for a causal question?",
        ),
        alternatives=(63, 56, 66),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "covariates": [list, tuple, None],
        "method": [StrOptions({"regression", "stratification"})],
        "model": [StrOptions({"auto", "linear"})],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "reference": [dict, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Real, 2, None, closed="left")],
    }

    def __init__(
        self,
        covariates: list[str] | tuple[str, ...] | None = None,
        method: str = "regression",
        model: str = "auto",
        n_bins: int = 5,
        reference: Mapping[str, str] | None = None,
        alpha: float = 0.05,
        min_support: int = 30,
    ) -> None:
        self.covariates = covariates
        self.method = method
        self.model = model
        self.n_bins = n_bins
        self.reference = reference
        self.alpha = alpha
        self.min_support = min_support

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        graph = fitted_graph(standard_graph(data) if graph is None else graph, data)
        found, sets = [], {}
        for attribute in data.roles.protected:
            chosen = chosen_covariates(data, attribute, graph, self.covariates)
            found += [contrast | chosen.to_json() for contrast in self._of(data, attribute, chosen)]
            sets[attribute] = [list(names) for names in graph.adjustment_sets(attribute, data.roles.outcome)]
        return {"contrasts": found, "minimal_adjustment_sets": sets, "text": adjusted_summary(found)}

    def _of(self, data: Dataset, attribute: str, chosen: Covariates) -> list[dict[str, Any]]:
        """Return the adjusted contrasts of an attribute."""
        y, weights = data.y.astype(float), row_weights(data)
        rows, base = rows_by_group(data, attribute, self.reference)
        everybody = np.ones(len(data), dtype=bool)
        z = strata(chosen.frame[list(chosen.names)], self.n_bins)
        design = Design.of(chosen.frame, chosen.names)

        @cache
        def standardized(group: str) -> Mean:
            model = Regression.fit(design, y, rows[group], weights, link_for(data, self.model))
            return mean_outcome(model, everybody, weights)

        def stratified(group: str) -> tuple[Mean, Mean, float]:
            shared = np.isin(z, z[rows[group]]) & np.isin(z, z[rows[base]])
            if not shared.any():
                raise InsufficientDataError("no stratum of the covariates has rows of both groups")
            own, other = (stratified_mean(z, y, rows[g] & shared, shared, weights) for g in (group, base))
            return own, other, float(1 - np.average(shared, weights=weights))

        def adjusted(group: str) -> dict[str, Any]:
            if self.method == "stratification":
                own, other, outside = stratified(group)
            else:
                own, other = standardized(group), standardized(base)
                outside = max(design.outside(everybody, rows[g]) for g in (group, base))
            crude = group_mean(y, rows[group], weights) - group_mean(y, rows[base], weights)
            named = {
                "rate": own,
                "reference_rate": other,
                "unadjusted": crude,
                "confounded": crude - (own - other),
            }
            figures = {name: mean.figures(self.alpha, data.units) for name, mean in named.items()}
            return {**(own - other).figures(self.alpha, data.units), **figures, "outside_support": outside}

        return contrasts(attribute, rows, base, self.min_support, FIGURES, adjusted)
