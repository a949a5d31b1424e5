"""Double machine learning of a protected attribute's effect, Chernozhukov et al. 2018."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from fairmend.base import (
    CausalAnalysis,
    CausalGraph,
    Covariates,
    Dataset,
    Floats,
    TechniqueMetadata,
    chosen_covariates,
    fitted_graph,
    standard_graph,
)
from fairmend.plugins.causal._cross_fitting import cross_fitted, fold_of_rows, learner_of
from fairmend.plugins.causal._outcome_means import (
    Mean,
    Rows,
    adjusted_summary,
    contrasts,
    group_mean,
    row_weights,
    rows_by_group,
)

FIGURES = ("estimate", "se", "interval", "unadjusted", "trimmed_share")


def interactive_mean(y: Floats, group: Rows, g: Floats, m: Floats, weights: Floats) -> Mean:
    """Return E[Y | do(group)] from predictions g of the outcome in the group and m of the group, both given X."""
    share = weights / weights.sum()
    score = g + group * (y - g) / m
    value = float(share @ score)
    return Mean(value, share * (score - value))


def partially_linear_effects(U: Floats, V: Floats, weights: Floats) -> list[Mean]:
    """Return the coefficients of the regression of U = Y - E[Y | X] on V = D - E[D | X], shape (n, k)."""
    bread = np.linalg.pinv((V * weights[:, None]).T @ V)
    theta = bread @ (V.T @ (weights * U))
    influence = (V * (weights * (U - V @ theta))[:, None]) @ bread
    return [Mean(float(value), column) for value, column in zip(theta, influence.T, strict=True)]


class DoubleMLEffect(CausalAnalysis):
    """Estimate a group's adjusted difference with any learner, and an interval that stays valid.

    Parameters
    ----------
    covariates : sequence of str, optional
        Columns X to adjust for. By default the graph decides: causes of the outcome that the attribute does not
        influence, if they block all backdoor paths, otherwise the smallest set that does.
    model : {"interactive", "partially_linear"}, default="interactive"
        Effects that may differ by X, averaged over all rows, or one effect for all X.
    outcome_learner, group_learner : str or estimator, optional
        Learners of the outcome and of the group (a classifier): scikit-learn estimators, or names such as
        "logistic_regression", "gradient_boosting", and "linear_regression" for a number. By default shallow
        boosted trees, since overfitted probabilities of a group make wide intervals.
    n_folds : int, default=5
        Folds of cross-fitting.
    trimming : float in (0, 0.5), default=0.01
        Predicted probabilities of a group below this are raised to it.
    reference : mapping of str to str, optional
        Attribute to its reference group; by default the largest group.
    alpha : float, default=0.05
        Intervals cover 1 - alpha.
    min_support : int, default=50
        Groups with fewer rows are insufficient evidence, and left out.
    random_state : int, default=0
        Seed of folds and named learners.

    Notes
    -----
    Every prediction for a row comes from learners that were not trained on its fold. The interactive model has
    the score g(X) + 1{group} (Y - g(X)) / m(X), with g the outcome predicted in the group and m the probability of
    the group; its mean over all rows estimates the rate had everybody been in the group. The partially linear
    model regresses Y - E[Y | X] on the residuals of the group indicators. Both scores are orthogonal: small
    errors of the learners hardly matter. Folds depend on the content of rows, not on their order.

    ``trimmed_share`` says how many rows have hardly anyone of a group like them: a large share means that the
    groups do not overlap. Sample weights are used; a learner must then accept them.

    References
    ----------
    V. Chernozhukov, D. Chetverikov, M. Demirer, E. Duflo, C. Hansen, W. Newey and J. Robins (2018),
    "Double/debiased machine learning for treatment and structural parameters", The Econometrics Journal.

    Examples
    --------
    >>> from fairmend.base import CausalGraph, Dataset, Roles
    >>> from fairmend.plugins.causal import DoubleMLEffect
    >>> from fairmend.plugins.datasets import bank, bank_graph, bank_roles
    >>> data = Dataset.from_frame(bank(2_000), Roles(**bank_roles()))
    >>> graph = CausalGraph.from_mapping(bank_graph())
    >>> learners = {"outcome_learner": "logistic_regression", "group_learner": "logistic_regression"}
    >>> print(DoubleMLEffect(**learners).analyze(data, graph).result["text"])
    Clearest of 4 adjusted differences: Black against White -0.184 [-0.236, -0.132]; unadjusted -0.197.
    """

    metadata = TechniqueMetadata(
        technique_id=63,
        slug="double-ml-effect",
        name="Double machine-learning effect estimate",
        family="effects",
        summary="Estimates the adjusted effect of a protected attribute with machine-learning models of outcome and group, with valid intervals.",
        citation="chernozhukov2018double",
        addresses=("outcome-disparity", "base-rate-difference"),
        targets=("counterfactual_fairness", "demographic_parity"),
        tasks=("binary", "regression"),
        minimum_rows=500,
        complexity="medium",
        duration_weeks=(1, 3),
        compute="medium",
        use_when="Many covariates act on the outcome in unknown, non-linear ways, and the adjusted gap needs a valid confidence interval.",
        avoid_when="There are few rows, groups hardly overlap in the covariates, or a simple regression is known to fit.",
        questions=(
            "Can I use gradient boosting to adjust the gap and still get a confidence interval?",
            "How do I avoid the bias of a misspecified regression when controlling for many covariates?",
            "What is the doubly robust estimate of the disparity?",
            "How does cross-fitting keep overfitted models from biasing an effect?",
            "Do the groups overlap enough in their covariates to compare them?",
            "Does the adjusted difference survive when flexible models replace the linear one?",
        ),
        alternatives=(54, 56),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "covariates": [list, tuple, None],
        "model": [StrOptions({"interactive", "partially_linear"})],
        "outcome_learner": [str, HasMethods(["fit", "predict"]), None],
        "group_learner": [str, HasMethods(["fit", "predict_proba"]), None],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "trimming": [Interval(Real, 0, 0.5, closed="neither")],
        "reference": [dict, None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "min_support": [Interval(Real, 2, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        covariates: list[str] | tuple[str, ...] | None = None,
        model: str = "interactive",
        outcome_learner: Any = None,
        group_learner: Any = None,
        n_folds: int = 5,
        trimming: float = 0.01,
        reference: Mapping[str, str] | None = None,
        alpha: float = 0.05,
        min_support: int = 50,
        random_state: int = 0,
    ) -> None:
        self.covariates = covariates
        self.model = model
        self.outcome_learner = outcome_learner
        self.group_learner = group_learner
        self.n_folds = n_folds
        self.trimming = trimming
        self.reference = reference
        self.alpha = alpha
        self.min_support = min_support
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_folds": 2}

    def _analyze(self, data: Dataset, graph: CausalGraph | None = None) -> Mapping[str, Any]:
        graph = fitted_graph(standard_graph(data) if graph is None else graph, data)
        found = []
        for attribute in data.roles.protected:
            chosen = chosen_covariates(data, attribute, graph, self.covariates)
            found += [contrast | chosen.to_json() for contrast in self._of(data, attribute, chosen)]
        return {"contrasts": found, "model": self.model, "text": adjusted_summary(found)}

    def _of(self, data: Dataset, attribute: str, chosen: Covariates) -> list[dict[str, Any]]:
        """Return the effects of an attribute."""
        rows, base = rows_by_group(data, attribute, self.reference)
        kept = [group for group in rows if rows[group].sum() >= self.min_support]
        comparable = base in kept and len(kept) > 1
        X, y, weights = chosen.frame[list(chosen.names)], data.y.astype(float), row_weights(data)
        effects = self._effects(data, X, {group: rows[group] for group in kept}, base) if comparable else {}

        def figures(group: str) -> dict[str, Any]:
            effect, trimmed_share = effects[group]
            crude = group_mean(y, rows[group], weights) - group_mean(y, rows[base], weights)
            found = effect.figures(self.alpha, data.units)
            return {
                **found,
                "unadjusted": crude.figures(self.alpha, data.units),
                "trimmed_share": trimmed_share,
            }

        return contrasts(attribute, rows, base, self.min_support, FIGURES, figures)

    def _effects(
        self, data: Dataset, X: pd.DataFrame, rows: Mapping[str, Rows], base: str
    ) -> dict[str, tuple[Mean, float]]:
        """Return the effect of each group but the reference, and the share of rows where one of both is rare."""
        y, used = data.y.astype(float), np.any(list(rows.values()), axis=0)
        weights, given = row_weights(data) * used, data.population_weights
        folds = fold_of_rows(X, y, data.units, self.n_folds, self.random_state)
        outcome = learner_of(self.outcome_learner, data.task, self.random_state)
        membership = learner_of(self.group_learner, "binary", self.random_state)
        # The probabilities of two groups sum to 1, so that one of them is learned.
        learned = [group for group in rows if group != base] if len(rows) == 2 else list(rows)
        m = {g: cross_fitted(membership, X, rows[g].astype(int), given, folds, used) for g in learned}
        if base not in m:
            m[base] = 1 - m[learned[0]]
        others = [group for group in rows if group != base]
        rare = {g: used & ((m[g] < self.trimming) | (m[base] < self.trimming)) for g in others}
        shares = [float(rare[g][used].mean()) for g in others]
        if self.model == "partially_linear":
            U = y - cross_fitted(outcome, X, y, given, folds, used)
            V = np.column_stack([rows[g] - m[g] for g in others])
            return dict(
                zip(others, zip(partially_linear_effects(U, V, weights), shares, strict=True), strict=True)
            )
        rates = {
            g: interactive_mean(
                y,
                rows[g],
                cross_fitted(outcome, X, y, given, folds, rows[g]),
                np.maximum(m[g], self.trimming),
                weights,
            )
            for g in rows
        }
        return {g: (rates[g] - rates[base], share) for g, share in zip(others, shares, strict=True)}
