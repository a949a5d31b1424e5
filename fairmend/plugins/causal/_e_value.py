"""E-values for unmeasured confounding, VanderWeele & Ding 2017."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Dataset,
    ParameterError,
    TechniqueMetadata,
    attribute_contrasts,
    e_value,
    e_value_of_interval,
    fitted_graph,
    regressors,
    risk_ratio_of_difference,
    standard_graph,
)
from fairmend.plugins.causal._measured_confounders import benchmarks
from fairmend.plugins.causal._outcome_means import rows_by_group

FIGURES = (
    "attribute", "group", "reference", "estimate", "risk_ratio", "risk_ratio_interval",
    "e_value", "e_value_limit", "support", "status", "covariates", "identified", "notes",
)  # fmt: skip


def e_values(ratio: float, interval: list[float], to_ratio: float) -> dict[str, Any]:
    """Return the E-values of a risk ratio and of the limit of its interval closer to ``to_ratio``."""
    low, high = (limit / to_ratio for limit in interval)
    return {
        "risk_ratio": ratio,
        "risk_ratio_interval": interval,
        "e_value": float(e_value(ratio / to_ratio)),
        "e_value_limit": float(e_value_of_interval(low, high)),
    }


class EValue(CausalAnalysis):
    """Compute the risk ratio an unmeasured confounder would need to explain away a group's disadvantage.

    Parameters
    ----------
    covariates : sequence of str, optional
        Columns to adjust for. By default the graph decides, as in technique 56.
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    to_ratio : float, default=1.0
        Risk ratio that confounding is to move the estimate to: 1 explains it away, 0.8 moves it to the
        four-fifths rule.
    published : sequence of three floats, optional
        A risk ratio from elsewhere with the limits of its interval, to be rated beside the data.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=30
        Groups with fewer rows are insufficient evidence.

    Notes
    -----
    E = RR + sqrt(RR (RR - 1)) of a risk ratio RR of at least 1, and of 1 / RR otherwise; of an interval that
    contains ``to_ratio`` it is 1. A confounder that has a weaker association with group *or* outcome than E, beyond the
    covariates adjusted for, cannot explain the estimate alone. It is a strength, not a probability that
    confounding exists. The risk ratio of a numeric outcome is approximate: exp(0.91 d), with d the adjusted
    difference in standard deviations.

    ``benchmarks`` compare: each measured covariate is split in two (a number at its median, a text at each of its
    levels, the strongest counts), and ``bias_factor`` is the largest risk ratio that an unmeasured
    confounder of the same strength could produce. Sample weights are ignored.

    References
    ----------
    T. VanderWeele and P. Ding (2017), "Sensitivity analysis in observational research: Introducing the
    E-value", Annals of Internal Medicine. P. Ding and T. VanderWeele (2016), "Sensitivity analysis without
    assumptions", Epidemiology, for the bias factor.

    Examples
    --------
    >>> from fairmend.base import Dataset, Roles
    >>> from fairmend.plugins.causal import EValue
    >>> from fairmend.plugins.datasets import bank, bank_roles
    >>> data = Dataset.from_frame(bank(2_000), Roles(**bank_roles()))
    >>> found = EValue(published=(3.9, 1.8, 8.7)).analyze(data).result
    >>> {name: round(found["published"][name], 2) for name in ("e_value", "e_value_limit")}
    {'e_value': 7.26, 'e_value_limit': 3.0}
    >>> print(found["text"])
    Easiest to explain away of 4 contrasts: Female against Male with risk ratio 1.01 [0.97, 1.06] and E-value 1.13, of the confidence limit 1.00.
    """

    metadata = TechniqueMetadata(
        technique_id=62,
        slug="e-value",
        name="E-value for unmeasured confounding",
        family="sensitivity",
        summary="Computes the minimum risk ratio that an unmeasured confounder must have with group and outcome to explain away an adjusted disparity.",
        citation="vanderweele2017sensitivity",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "regression"),
        minimum_rows=100,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="An adjusted risk ratio is reported as an effect, and one number on the same scale should say how robust it is to unmeasured confounding.",
        avoid_when="Results of linear models are compared by explained variance, or no causal claim is made.",
        questions=(
            "Which risk ratio would a trait that nobody recorded need to have to explain our adjusted risk ratio?",
            "A reviewer says that an unrecorded variable could be behind the ratio and its confidence interval; what do we answer?",
            "Is the confidence limit of our risk ratio still robust to an omitted common cause?",
            "How strong must unmeasured confounding be before the ratio would meet the four-fifths rule?",
            "Is a confounder as strong as age enough to explain the disparity?",
            "How is the VanderWeele and Ding sensitivity measure computed from approval rates?",
        ),
        alternatives=(56,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "covariates": [list, tuple, None],
        "reference": [dict, None],
        "to_ratio": [Interval(Real, 0, None, closed="neither")],
        "published": [list, tuple, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Real, 2, None, closed="left")],
    }

    def __init__(
        self,
        covariates: list[str] | tuple[str, ...] | None = None,
        reference: Mapping[str, str] | None = None,
        to_ratio: float = 1.0,
        published: list[float] | tuple[float, ...] | None = None,
        alpha: float = 0.05,
        min_support: int = 30,
    ) -> None:
        self.covariates = covariates
        self.reference = reference
        self.to_ratio = to_ratio
        self.published = published
        self.alpha = alpha
        self.min_support = min_support

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        result: dict[str, Any] = {}
        if self.published is not None:
            if len(self.published) != 3:
                raise ParameterError(
                    f"published must be a risk ratio and its two limits; got {self.published}"
                )
            ratio, *limits = map(float, self.published)
            result["published"] = e_values(ratio, limits, self.to_ratio)
        graph = fitted_graph(standard_graph(data) if graph is None else graph, data)
        found = [
            self._rated(contrast, data)
            for attribute in data.roles.protected
            for contrast in attribute_contrasts(
                data, attribute, graph, covariates=self.covariates, min_support=self.min_support,
                reference=(self.reference or {}).get(attribute), alpha=self.alpha, multiples=(),
            )
        ]  # fmt: skip
        return {"contrasts": found, "to_ratio": self.to_ratio, **result, "text": summary(found)}

    def _rated(self, contrast: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
        """Return a contrast with its E-values and benchmarks; None where there is no ratio."""
        rated: dict[str, Any] = {name: contrast[name] for name in FIGURES} | {"benchmarks": []}
        if contrast["estimate"] is None:
            return rated
        if data.task == "regression":
            sd = float(np.std(data.y, ddof=1))
            ratio = risk_ratio_of_difference(
                contrast["estimate"] / sd, contrast["se"] / sd, confidence=1 - self.alpha
            )
            return rated | e_values(ratio.value, [ratio.lower, ratio.upper], self.to_ratio)
        if contrast["risk_ratio"] is None:
            return rated
        rated |= e_values(contrast["risk_ratio"], contrast["risk_ratio_interval"], self.to_ratio)
        against, _ = rows_by_group(data, contrast["attribute"], self.reference)
        group, base = against[contrast["group"]], against[contrast["reference"]]
        lowered = contrast["risk_ratio"] < self.to_ratio
        frame, _ = regressors(data.frame, contrast["covariates"])
        found = benchmarks(frame, data.y, group, base, lowered=lowered, min_support=self.min_support)
        return rated | {"benchmarks": found}


def summary(found: list[dict[str, Any]]) -> str:
    """Return a sentence about the contrast that is easiest to explain away."""
    rated = [contrast for contrast in found if contrast["e_value"] is not None]
    if not rated:
        return f"None of {len(found)} contrasts has enough rows for an E-value."
    weakest = min(rated, key=lambda contrast: (contrast["e_value_limit"], contrast["e_value"]))
    low, high = weakest["risk_ratio_interval"]
    return (
        f"Easiest to explain away of {len(rated)} contrasts: {weakest['group']} against {weakest['reference']} with risk ratio "
        f"{weakest['risk_ratio']:.2f} [{low:.2f}, {high:.2f}] and E-value {weakest['e_value']:.2f}, "
        f"of the confidence limit {weakest['e_value_limit']:.2f}."
    )
