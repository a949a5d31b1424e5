"""Causal explanation formula: direct, indirect and spurious parts of a disparity, Zhang & Bareinboim 2018."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Covariates,
    Dataset,
    TechniqueMetadata,
    chosen_covariates,
    fitted_graph,
    regressors,
    standard_graph,
)
from fairmend.plugins.causal._outcome_means import (
    Design,
    Regression,
    clearest,
    contrasts,
    extrapolation,
    group_mean,
    link_for,
    mean_outcome,
    row_weights,
    rows_by_group,
)
from fairmend.plugins.causal._paths import chosen_mediators, is_identified

PARTS = ("total", "direct", "indirect", "spurious")


class CausalExplanationFormula(CausalAnalysis):
    """Split an observed disparity into a direct, an indirect and a spurious part that add up to it.

    Parameters
    ----------
    mediators : sequence of str, optional
        Columns W whose influence is the indirect part; by default all columns on a directed path of the graph
        from the attribute to the outcome.
    covariates : sequence of str, optional
        Columns Z that may confound attribute and outcome. By default the graph decides: causes of the outcome
        that the attribute does not influence.
    model : {"auto", "linear"}, default="auto"
        Regression of the outcome in each group: logistic for a binary outcome unless "linear".
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    For a group x1 and the reference group x0, the disparity P(y | x1) - P(y | x0) is
    SE(x0, x1) + IE(x0, x1 | x1) - DE(x1, x0 | x1), with the counterfactual effects of the paper among the people of
    group x1. From their observed rate P(y | x1) one arrives at that of the reference group in three steps:

    - ``direct`` = -DE = P(y | x1) - P(y(x0, W(x1)) | x1): treated as group x0, with their own mediators;
    - ``indirect`` = IE = P(y(x0, W(x1)) | x1) - P(y(x0) | x1): then with the mediators of group x0, too;
    - ``spurious`` = SE = P(y(x0) | x1) - P(y | x0): what is left, because x1 and x0 differ in Z.

    In the model in which Z confounds and W mediates, P(y(x0, W(x1)) | x1) is the mean, over the rows of group x1, of
    E[Y | x0, w, z], and P(y(x0) | x1) that of E[Y | x0, z]; both are regressions in group x0. The three
    parts add up exactly. ``identified`` is false if the graph leaves attribute, mediators or outcome confounded.
    ``outside_support`` is the share of the rows of group x1 outside the range of group x0, to which its
    regression is extrapolated. Sample weights are used.

    References
    ----------
    J. Zhang and E. Bareinboim (2018), "Fairness in decision-making: The causal explanation formula", AAAI.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import CausalExplanationFormula
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(3_000), Roles(**bank_roles()))
    >>> graph = CausalGraph.from_mapping(bank_graph())
    >>> print(CausalExplanationFormula().analyze(data, graph).result["text"])
    Clearest of 4 disparities: Black against White -0.182, of which -0.043 [-0.103, +0.017] is direct, -0.137 indirect and -0.002 spurious.
    """

    metadata = TechniqueMetadata(
        technique_id=60,
        slug="causal-explanation-formula",
        name="Direct, indirect and spurious decomposition of a disparity",
        family="effects",
        summary="Splits an observed disparity exactly into direct effects, indirect effects and spurious association.",
        citation="zhang2018fairness",
        addresses=("outcome-disparity", "base-rate-difference", "biased-mediator"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "regression"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 3),
        use_when="An observed gap must be accounted for in full: what is direct, what runs through mediators, and what is only association.",
        avoid_when="Only the effect of changing the attribute is of interest, or it is unclear which columns are confounders and which mediators.",
        questions=(
            "How much of the observed gap is direct discrimination, how much indirect, and how much mere correlation?",
            "Can the raw difference in rates be decomposed so that the parts add up exactly?",
            "Is the disparity spurious, because the groups differ in age and region?",
            "What part of demographic disparity is causal at all?",
            "Which mechanism explains the gap: disparate treatment, disparate impact or common causes?",
            "How would this group fare if it were treated like the reference group but kept its own features?",
        ),
        alternatives=(55, 54, 66),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mediators": [list, tuple, None],
        "covariates": [list, tuple, None],
        "model": [StrOptions({"auto", "linear"})],
        "reference": [dict, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Real, 2, None, closed="left")],
    }

    def __init__(
        self,
        mediators: list[str] | tuple[str, ...] | None = None,
        covariates: list[str] | tuple[str, ...] | None = None,
        model: str = "auto",
        reference: Mapping[str, str] | None = None,
        alpha: float = 0.05,
        min_support: int = 30,
    ) -> None:
        self.mediators = mediators
        self.covariates = covariates
        self.model = model
        self.reference = reference
        self.alpha = alpha
        self.min_support = min_support

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        graph = fitted_graph(standard_graph(data) if graph is None else graph, data)
        found = []
        for attribute in data.roles.protected:
            Z = chosen_covariates(data, attribute, graph, self.covariates)
            W, notes = chosen_mediators(data, attribute, graph, self.mediators, Z.names)
            known = is_identified(graph, attribute, data.roles.outcome, W, Z.names)
            context = {**Z.to_json(), "mediators": W, "identified": known, "notes": {**Z.notes, **notes}}
            found += [contrast | context for contrast in self._of(data, attribute, Z, W)]
        return {"contrasts": found, "text": summary(found)}

    def _of(self, data: Dataset, attribute: str, Z: Covariates, W: list[str]) -> list[dict[str, Any]]:
        """Return the parts of the disparity of each group of an attribute."""
        y, weights = data.y.astype(float), row_weights(data)
        rows, base = rows_by_group(data, attribute, self.reference)
        frame, _ = regressors(data.frame, [*Z.names, *W])
        of_z, of_wz = Design.of(frame, Z.names), Design.of(frame, [*Z.names, *W])

        @cache
        def under_reference(design_of_w: bool) -> Regression:
            """Return E[Y | x0, w, z] or E[Y | x0, z]."""
            design = of_wz if design_of_w else of_z
            return Regression.fit(design, y, rows[base], weights, link_for(data, self.model))

        def parts(group: str) -> dict[str, Any]:
            x1, x0 = rows[group], rows[base]
            observed, other = group_mean(y, x1, weights), group_mean(y, x0, weights)
            untreated = mean_outcome(under_reference(False), x1, weights)
            own_mediators = mean_outcome(under_reference(True), x1, weights) if W else untreated
            steps = (observed - other, observed - own_mediators, own_mediators - untreated, untreated - other)
            figures = {
                name: step.figures(self.alpha, data.units) for name, step in zip(PARTS, steps, strict=True)
            }
            return {**figures, "outside_support": of_wz.outside(x1, x0)}

        return contrasts(attribute, rows, base, self.min_support, (*PARTS, "outside_support"), parts)


def summary(found: list[dict[str, Any]]) -> str:
    """Return a sentence about the disparity that is farthest from 0."""
    shown = clearest(found, lambda contrast: contrast["total"])
    if shown is None:
        return f"None of {len(found)} contrasts has enough rows for a decomposition."
    total, direct, indirect, spurious = (shown[name]["estimate"] for name in PARTS)
    low, high = shown["direct"]["interval"]
    doubt = "" if shown["identified"] else "; the graph does not identify the parts"
    return (
        f"Clearest of {len(found)} disparities: {shown['group']} against {shown['reference']} {total:+.3f}, of which "
        f"{direct:+.3f} [{low:+.3f}, {high:+.3f}] is direct, {indirect:+.3f} indirect and {spurious:+.3f} spurious{doubt}{extrapolation(shown['outside_support'])}."
    )
