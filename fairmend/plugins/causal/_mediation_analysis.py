"""Natural direct and indirect effects of a protected attribute, Pearl 2001."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Covariates,
    Dataset,
    TechniqueMetadata,
    chosen_covariates,
    fitted_graph,
    plural,
    regressors,
    standard_graph,
)
from fairmend.plugins.causal._outcome_means import (
    Design,
    Mean,
    Regression,
    clearest,
    contrasts,
    extrapolation,
    link_for,
    mean_outcome,
    nested_mean,
    row_weights,
    rows_by_group,
)
from fairmend.plugins.causal._paths import chosen_mediators, is_identified

EFFECTS = ("total", "direct", "indirect", "pure_indirect", "interaction")


class MediationAnalysis(CausalAnalysis):
    """Split the effect of a protected attribute into a direct part and a part through mediators.

    Parameters
    ----------
    mediators : sequence of str, optional
        Columns whose joint influence is the indirect effect; by default all columns on a directed path of the
        graph from the attribute to the outcome.
    covariates : sequence of str, optional
        Columns to adjust for. By default the graph decides: causes of the outcome that the attribute does not
        influence.
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
    Y(g, M(r)) is the outcome in group g with the mediators of group r. For a group g and the reference
    group r, ``total`` = E[Y(g, M(g)) - Y(r, M(r))], ``direct`` = E[Y(g, M(r)) - Y(r, M(r))] (the natural direct
    effect) and ``indirect`` = E[Y(g, M(g)) - Y(g, M(r))] (the total natural indirect effect), so that total =
    direct + indirect. ``pure_indirect`` = E[Y(r, M(g)) - Y(r, M(r))] and ``interaction`` = indirect -
    pure_indirect. The means are those of the mediation formula, sum of E[Y | g, m, c] P(m | r, c) P(c),
    estimated by a regression on mediators and covariates in group g and a second one, of its predictions on
    the covariates, in group r.

    Mediators are taken together: the indirect effects of single mediators do not add up. ``identified`` is
    false if the graph leaves attribute, mediators or outcome confounded, for instance by a column that the
    attribute influences and that is no mediator. Changing an attribute such as race means changing everything that it
    influences, which the graph alone does not define. ``outside_support`` is the share of the reference group's
    rows whose mediators or covariates lie outside the range of the group, to which its regression is
    extrapolated. Sample weights are used.

    References
    ----------
    J. Pearl (2001), "Direct and indirect effects", UAI.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import MediationAnalysis
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(3_000), Roles(**bank_roles()))
    >>> graph = CausalGraph.from_mapping(bank_graph())
    >>> print(MediationAnalysis().analyze(data, graph).result["text"])
    Clearest of 4 effects: Black against White -0.176 in all, -0.175 through 5 mediators and -0.000 [-0.048, +0.047] directly.
    """

    metadata = TechniqueMetadata(
        technique_id=55,
        slug="mediation-analysis",
        name="Natural direct and indirect effects",
        family="effects",
        summary="Splits the effect of a protected attribute into a direct effect and an indirect effect through mediators.",
        citation="pearl2001direct",
        addresses=("biased-mediator", "outcome-disparity", "proxy-variable"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "regression"),
        minimum_rows=200,
        complexity="medium",
        duration_weeks=(1, 2),
        use_when="Some columns carry the influence of a protected attribute to the outcome, and their share of the effect decides where to intervene.",
        avoid_when="Mediators and outcome have an unmeasured common cause, or each path needs its own number.",
        questions=(
            "How much of the effect of race on approval runs through income and credit score?",
            "Is the gap direct, or does it come from the features in between?",
            "What would remain of the disparity if both groups had the same distribution of the mediators?",
            "What share of the total effect of sex is mediated?",
            "Should we repair the features or the decision itself?",
            "How do I estimate the natural direct effect and its confidence interval?",
        ),
        alternatives=(60, 66),
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
            covariates = chosen_covariates(data, attribute, graph, self.covariates)
            mediators, notes = chosen_mediators(data, attribute, graph, self.mediators, covariates.names)
            joint = self._of(data, attribute, covariates, mediators)
            context = covariates.to_json() | {
                "mediators": mediators,
                "identified": is_identified(
                    graph, attribute, data.roles.outcome, mediators, covariates.names
                ),
            }
            context["notes"] = {**context["notes"], **notes}
            found += [contrast | context for contrast in joint]
        return {"contrasts": found, "text": summary(found)}

    def _of(
        self, data: Dataset, attribute: str, covariates: Covariates, mediators: list[str]
    ) -> list[dict[str, Any]]:
        """Return the effects of an attribute, through the mediators and past them."""
        y, weights = data.y.astype(float), row_weights(data)
        everybody = np.ones(len(data), dtype=bool)
        rows, base = rows_by_group(data, attribute, self.reference)
        frame, _ = regressors(data.frame, [*covariates.names, *mediators])
        within, joint = Design.of(frame, covariates.names), Design.of(frame, list(frame.columns))

        @cache
        def regression(group: str) -> Regression:
            return Regression.fit(joint, y, rows[group], weights, link_for(data, self.model))

        @cache
        def mean(group: str, mediated: str) -> Mean:
            """Return E[Y(group, M(mediated))]."""
            if not mediators:
                return mean_outcome(regression(group), everybody, weights)
            return nested_mean(regression(group), within, rows[mediated], everybody, weights)

        def effects(g: str) -> dict[str, Any]:
            r = base
            total, direct = mean(g, g) - mean(r, r), mean(g, r) - mean(r, r)
            indirect, pure = mean(g, g) - mean(g, r), mean(r, g) - mean(r, r)
            values = dict(zip(EFFECTS, (total, direct, indirect, pure, indirect - pure), strict=True))
            figures: dict[str, Any] = {
                name: value.figures(self.alpha, data.units) for name, value in values.items()
            }
            low, high = figures["total"]["interval"]
            figures["mediated_share"] = indirect.value / total.value if low > 0 or high < 0 else None
            figures["outside_support"] = joint.outside(rows[r], rows[g])
            return figures

        return contrasts(
            attribute, rows, base, self.min_support, (*EFFECTS, "mediated_share", "outside_support"), effects
        )


def summary(found: list[dict[str, Any]]) -> str:
    """Return a sentence about the total effect that is farthest from 0."""
    shown = clearest(found, lambda contrast: contrast["total"])
    if shown is None:
        return f"None of {len(found)} contrasts has enough rows for direct and indirect effects."
    low, high = shown["direct"]["interval"]
    doubt = "" if shown["identified"] else ", which the graph does not identify"
    return (
        f"Clearest of {len(found)} effects: {shown['group']} against {shown['reference']} {shown['total']['estimate']:+.3f} "
        f"in all, {shown['indirect']['estimate']:+.3f} through {plural(len(shown['mediators']), 'mediator')} and "
        f"{shown['direct']['estimate']:+.3f} [{low:+.3f}, {high:+.3f}] directly{doubt}{extrapolation(shown['outside_support'])}."
    )
