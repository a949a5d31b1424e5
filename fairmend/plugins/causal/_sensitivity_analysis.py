"""Sensitivity analysis of group contrasts: robustness values (Cinelli & Hazlett 2020) and E-values."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Dataset,
    TechniqueMetadata,
    attribute_contrasts,
    fitted_graph,
    standard_graph,
)


class SensitivityAnalysis(CausalAnalysis):
    """Measure how strong a hidden confounder would have to be to explain away a group's disadvantage.

    Parameters
    ----------
    covariates : sequence of str, optional
        Columns to adjust for. By default the graph decides: causes of the outcome that the attribute does not
        influence, if they block all backdoor paths, otherwise the smallest set that does.
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    q : float, default=1.0
        Share of the estimate to explain away.
    alpha : float, default=0.05
        Level of the tests; intervals cover 1 - alpha.
    multiples : sequence of float, default=(1.0, 2.0, 3.0)
        Assumed strengths of a hidden confounder, as multiples of a measured covariate.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    The effect is that of a linear probability model with an indicator for each group. Two quantities on
    different scales are reported. The *robustness value* is the share of residual variance of both group and
    outcome that a confounder must explain to remove the estimate, or, with alpha, its significance. The
    *E-value* (VanderWeele and Ding) is the risk ratio that a confounder must have with both, for the estimate
    and for the confidence limit closer to 1. The overall ``e_value`` and ``e_value_limit`` are the smallest
    of all contrasts.

    "Effect of race" means the effect of changing everything that the attribute influences; a graph alone does
    not define this interpretation. Sample weights are ignored.

    References
    ----------
    C. Cinelli and C. Hazlett (2020), "Making sense of sensitivity: Extending omitted variable bias",
    JRSS B, sections 4.1 to 4.4. T. VanderWeele and P. Ding (2017), "Sensitivity analysis in
    observational research: Introducing the E-value", Annals of Internal Medicine.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import SensitivityAnalysis
    >>> from fairmend.plugins.datasets import bank
    >>> roles = Roles(outcome="approved", protected=("race",), mediators=("income", "credit_score"))
    >>> data = Dataset.from_frame(bank(2_000).drop(columns="application_id"), roles)
    >>> print(SensitivityAnalysis().analyze(data).result["text"])
    Least robust of 3 contrasts: Hispanic against White differ by -0.005 (robustness value 0.004, E-value 1.09, of the confidence limit 1.00).
    """

    metadata = TechniqueMetadata(
        technique_id=56,
        slug="sensitivity-analysis",
        name="Sensitivity analysis of a causal effect (robustness value)",
        family="sensitivity",
        summary="Computes how strong a hidden confounder must be to explain away a group's disadvantage.",
        citation="cinelli2020making",
        addresses=("outcome-disparity", "base-rate-difference", "biased-mediator"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary",),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A disparity is claimed to be an effect of a protected attribute, and an unmeasured confounder might explain it.",
        avoid_when="The question is only how large the disparity is, regardless of its cause, so no causal claim is made.",
        questions=(
            "Could something we did not measure explain why this group is approved less often?",
            "How robust is our causal claim against unobserved confounding?",
            "What is the E-value of the racial gap, and does it clear the gate?",
            "Would a confounder as strong as education eliminate the gender effect?",
            "How do I defend an adjusted estimate to a skeptical reviewer?",
        ),
        alternatives=(62,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "covariates": [list, tuple, None],
        "reference": [dict, None],
        "q": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "multiples": [list, tuple],
        "min_support": [Interval(Real, 2, None, closed="left")],
    }

    def __init__(
        self,
        covariates: list[str] | tuple[str, ...] | None = None,
        reference: Mapping[str, str] | None = None,
        q: float = 1.0,
        alpha: float = 0.05,
        multiples: list[float] | tuple[float, ...] = (1.0, 2.0, 3.0),
        min_support: int = 30,
    ) -> None:
        self.covariates = covariates
        self.reference = reference
        self.q = q
        self.alpha = alpha
        self.multiples = multiples
        self.min_support = min_support

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        graph = fitted_graph(standard_graph(data) if graph is None else graph, data)
        found = [
            contrast
            for attribute in data.roles.protected
            for contrast in attribute_contrasts(
                data, attribute, graph, covariates=self.covariates, min_support=self.min_support,
                reference=(self.reference or {}).get(attribute),
                q=self.q, alpha=self.alpha, multiples=self.multiples,
            )
        ]  # fmt: skip
        rated = [contrast for contrast in found if contrast["e_value"] is not None]
        if not rated:
            text = f"None of {len(found)} contrasts has enough rows for an E-value."
            return {"contrasts": found, "e_value": None, "e_value_limit": None, "text": text}
        weakest = min(rated, key=lambda contrast: (contrast["e_value_limit"], contrast["e_value"]))
        text = (
            f"Least robust of {len(rated)} contrasts: {weakest['group']} against {weakest['reference']} differ by "
            f"{weakest['estimate']:+.3f} (robustness value {weakest['robustness_value']:.3f}, E-value "
            f"{weakest['e_value']:.2f}, of the confidence limit {weakest['e_value_limit']:.2f})."
        )
        worst = {key: min(contrast[key] for contrast in rated) for key in ("e_value", "e_value_limit")}
        return {"contrasts": found, **worst, "text": text}
