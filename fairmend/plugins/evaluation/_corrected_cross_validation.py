"""Cross-validated comparison with a corrected test, Nadeau & Bengio 2003."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    INFERENCE_CONSTRAINTS,
    DataError,
    Evaluator,
    TechniqueMetadata,
    corrected_resampled_ttest,
    holm,
    unknown,
)


class CorrectedCrossValidation(Evaluator):
    """Compare models over repeated splits with a test that accounts for overlapping training sets.

    Parameters
    ----------
    baseline : str, optional
        Model that the others are compared with; the first candidate by default.
    n_train, n_test : float, optional
        Number of rows in the two parts of a split; by default the means of the columns with these names.
    level : float, default=0.95
        Coverage of the intervals.

    Notes
    -----
    ``candidates`` is a table with one row per model and split: columns ``model`` and ``split``, one column
    per metric, and ``n_train`` and ``n_test`` unless given as parameters. Each difference from the baseline
    is tested with t = mean / sqrt((1/J + n_test/n_train) s^2) with J - 1 degrees of freedom, over the J
    splits in which both are known. The second term corrects for overlapping training sets, which the standard
    t test assumes to be independent. Holm's correction covers all models and metrics.

    References
    ----------
    C. Nadeau and Y. Bengio (2003), "Inference for the generalization error", Machine Learning, section 3.

    Examples
    --------
    >>> from fairmend.plugins.evaluation import CorrectedCrossValidation
    >>> splits = {
    ...     "model": ["plain", "fair"] * 4,
    ...     "split": [0, 0, 1, 1, 2, 2, 3, 3],
    ...     "accuracy": [0.86, 0.80, 0.87, 0.81, 0.86, 0.80, 0.87, 0.80],
    ... }
    >>> found = CorrectedCrossValidation(baseline="plain", n_train=80, n_test=20).evaluate(candidates=splits)
    >>> print(found["text"])
    1 of 1 differences to plain are significant after both corrections.
    """

    metadata = TechniqueMetadata(
        technique_id=120,
        slug="corrected-cross-validation",
        name="Cross-validated comparison with a corrected test",
        family="inference",
        summary="Compares models over repeated splits with a t test that corrects for shared training rows.",
        citation="nadeau2003inference",
        targets=("demographic_parity", "equalized_odds", "equal_opportunity"),
        tasks=("binary", "multiclass", "regression", "ranking"),
        arity=("binary", "many groups", "several attributes", "continuous"),
        minimum_rows=1,
        complexity="low",
        duration_weeks=(0.5, 1),
        use_when="Two training methods are compared over many random splits, in accuracy or in a fairness metric.",
        avoid_when="Two fitted models are compared on one test set; use a paired bootstrap or permutation test instead.",
        questions=(
            "Is the fair learner really better than the plain one, or is it just the luck of the split?",
            "How do I test the difference of two algorithms with cross-validation results?",
            "Why does a paired t test over folds claim too many differences?",
            "Did the intervention change the metric once retraining noise is counted?",
        ),
        alternatives=(114, 115),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "baseline": [str, None],
        "n_train": [Interval(Real, 0, None, closed="neither"), None],
        "n_test": [Interval(Real, 0, None, closed="left"), None],
        "level": INFERENCE_CONSTRAINTS["level"],
    }

    def __init__(
        self,
        baseline: str | None = None,
        n_train: float | None = None,
        n_test: float | None = None,
        level: float = 0.95,
    ) -> None:
        self.baseline = baseline
        self.n_train = n_train
        self.n_test = n_test
        self.level = level

    @classmethod
    def test_candidates(cls) -> dict[str, list[Any]]:
        """Return a small table to compare, for the conformance suite."""
        return {
            "model": ["fair", "plain"] * 4,
            "split": [0, 0, 1, 1, 2, 2, 3, 3],
            "accuracy": [0.80, 0.84, 0.81, 0.83, 0.79, 0.85, 0.80, 0.83],
            "n_train": [80] * 8,
            "n_test": [20] * 8,
        }

    def _evaluate(self, candidates: pd.DataFrame) -> Mapping[str, Any]:
        frame = candidates
        sizes: dict[str, float] = {}
        for name, given in (("n_train", self.n_train), ("n_test", self.n_test)):
            if given is None and name not in frame.columns:
                raise DataError(
                    f"the candidates lack the column {name}; add it, or give {name} as a parameter"
                )
            sizes[name] = float(frame[name].mean()) if given is None else float(given)
        for name in ("model", "split"):
            if name not in frame.columns:
                raise DataError(
                    f"the candidates lack the column {name!r}; expected one row per model and split"
                )
        if frame.duplicated(["model", "split"]).any():
            raise DataError("a model occurs twice in a split; expected one row per model and split")
        models = [str(model) for model in frame["model"].unique()]
        baseline = models[0] if self.baseline is None else self.baseline
        if baseline not in models:
            raise unknown("model", baseline, models)
        measures = [c for c in frame.columns if c not in ("model", "split", "n_train", "n_test")]
        tests: list[dict[str, Any]] = []
        for measure in measures:
            wide = frame.assign(model=frame["model"].astype(str)).pivot_table(
                measure, "split", "model", dropna=False
            )
            for model in models:
                if model == baseline:
                    continue
                differences = (wide[model] - wide[baseline]).dropna()
                found = corrected_resampled_ttest(differences, **sizes, level=self.level)
                tests.append({"model": model, "measure": str(measure), "difference": found.mean,
                              "interval": found.interval, "t": found.statistic, "p_value": found.p_value,
                              "splits": found.n_splits})  # fmt: skip
        for test, p in zip(tests, holm([test["p_value"] for test in tests]), strict=True):
            test["p_holm"] = p
        shown = sum(test["p_holm"] <= 1 - self.level for test in tests)
        text = f"{shown} of {len(tests)} differences to {baseline} are significant after both corrections."
        return {"baseline": baseline, "tests": tests, **sizes, "text": text}
