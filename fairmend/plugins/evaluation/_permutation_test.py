"""Permutation test of a fairness difference, DiCiccio et al. 2020."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval

from fairmend.base import (
    INFERENCE_CONSTRAINTS,
    Evaluator,
    Floats,
    Groups,
    Ints,
    TechniqueMetadata,
    evaluation_tables,
    holm,
    metric,
    permutation_test,
)


class PermutationTest(Evaluator):
    """Test whether differences between groups, or between two models, are significant.

    Parameters
    ----------
    metrics : sequence of str, optional
        Comparisons of groups, such as ``"equal_opportunity_difference"``. By default the differences of
        demographic parity and, with labels, of equalized odds and predictive parity.
    studentize : bool, default=True
        Divide differences by their standard errors. The unstudentized test has the null hypothesis that rows
        are exchangeable between groups, which is stronger than equal rates; the studentized test is
        asymptotically valid for the hypothesis of equal rates. Ratios are never studentized.
    n_permutations : int, default=10000
        Number of permutations.
    alpha : float, default=0.05
        Level, after Holm's correction over attributes and metrics.
    random_state : int, default=0
        Seed.

    Notes
    -----
    p = (1 + permutations at least as extreme) / (1 + permutations), so it is never 0. Tables of counts are
    drawn instead of rows: the permuted table is multivariate hypergeometric. Error rates are permuted within
    labels and predictive values within decisions. With a ``baseline``, the two models' decisions are swapped
    at random within rows, which tests that the metric did not change.

    References
    ----------
    C. DiCiccio, S. Vasudevan, K. Basu, K. Kenthapadi and D. Agarwal (2020), "Evaluating fairness using
    permutation tests", KDD, sections 3 and 4.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairmend.plugins.evaluation import PermutationTest
    >>> sex = pd.Series((["men"] * 4 + ["women"] * 4) * 25, name="sex")
    >>> qualified, hired = [1, 1, 0, 0] * 50, [1, 1, 0, 0, 1, 0, 0, 0] * 25
    >>> found = PermutationTest(n_permutations=999).evaluate(qualified, hired, sensitive_features=sex)
    >>> print(found["text"])
    2 of 3 differences between groups are significant at 0.05 after Holm's correction.
    """

    metadata = TechniqueMetadata(
        technique_id=114,
        slug="permutation-test",
        name="Permutation test of a fairness difference",
        family="inference",
        summary="Tests whether a gap between groups, or a change between models, is statistically significant.",
        citation="diciccio2020evaluating",
        addresses=("outcome-disparity", "error-rate-disparity", "intersectional-disparity"),
        targets=("demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity"),
        tasks=("binary",),
        minimum_rows=20,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="A gap was measured, and it could be due to sampling variation.",
        avoid_when="The size of the gap is the question; a test only shows whether it differs from zero.",
        questions=(
            "Is the difference between the groups statistically significant?",
            "Could the improvement of the new model over the old one be luck?",
            "How do I get a p-value for a fairness metric without assuming a distribution?",
            "We compare many groups and metrics; how do we correct for that?",
        ),
        alternatives=(115,),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metrics": [list, tuple, None],
        "studentize": ["boolean"],
        "n_permutations": evaluation_tables.WHOLE,
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "random_state": INFERENCE_CONSTRAINTS["random_state"],
    }

    def __init__(
        self,
        metrics: list[str] | tuple[str, ...] | None = None,
        studentize: bool = True,
        n_permutations: int = 10_000,
        alpha: float = 0.05,
        random_state: int = 0,
    ) -> None:
        self.metrics = metrics
        self.studentize = studentize
        self.n_permutations = n_permutations
        self.alpha = alpha
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_permutations": 500}

    def _evaluate(
        self,
        y_pred: Ints,
        groups: Groups,
        sample_weight: Floats,
        y_true: Ints | None = None,
        baseline: Ints | None = None,
    ) -> Mapping[str, Any]:
        names = evaluation_tables.comparisons(self.metrics, y_true is not None)
        tests: list[dict[str, Any]] = []
        for attribute, view in evaluation_tables.views(groups).items():
            table = evaluation_tables.decision_table(y_true, y_pred, view, sample_weight)
            for name in names:
                studentized = self.studentize and metric(name).form == "difference"
                found = permutation_test(
                    table,
                    name,
                    n_permutations=self.n_permutations,
                    studentized=studentized,
                    seed=self.random_state,
                )
                value = metric(name).of(table.counts)
                tests.append({"attribute": attribute, "metric": name, "value": value, "statistic": found.statistic,
                              "studentized": studentized, "p_value": found.p_value, "support": table.n_rows})  # fmt: skip
        adjusted = holm([test["p_value"] for test in tests])
        for test, p in zip(tests, adjusted, strict=True):
            test |= {"p_holm": p, "significant": None if math.isnan(p) else bool(p <= self.alpha)}
        result: dict[str, Any] = {"tests": tests, "alpha": self.alpha, "n_permutations": self.n_permutations}
        if baseline is not None:
            result["change"] = evaluation_tables.changes(
                y_true, y_pred, baseline, groups, sample_weight, names,
                n_permutations=self.n_permutations, seed=self.random_state,
            )  # fmt: skip
        shown = sum(test["significant"] is True for test in tests)
        text = f"{shown} of {len(tests)} differences between groups are significant at {self.alpha:g} after Holm's correction."
        return result | {"text": text}
