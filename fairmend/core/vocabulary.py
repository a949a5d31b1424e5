"""The controlled vocabulary: stages, fairness notions, tasks, arities, what is modified, levels."""

from __future__ import annotations

from typing import Literal, get_args

LEARNERS = {
    "gradient_boosting": "gradient-boosted trees on raw columns (scikit-learn's histogram variant)",
    "logistic_regression": "logistic regression on standardized numbers and one-hot encoded categories",
    "decision_tree": "one decision tree with at least 50 rows in each leaf, categories as codes",
}
LARGEST_SEED = 2**32 - 1
"""The largest seed that all random generators in use accept."""

Stage = Literal["causal", "pre-processing", "in-processing", "post-processing", "evaluation", "operations"]
STAGES: tuple[Stage, ...] = get_args(Stage)

Notion = Literal[
    "demographic_parity",
    "conditional_statistical_parity",
    "equalized_odds",
    "equal_opportunity",
    "predictive_parity",
    "calibration",
    "individual_fairness",
    "counterfactual_fairness",
    "minimax",
    "exposure",
]
NOTIONS: tuple[Notion, ...] = get_args(Notion)

Task = Literal["binary", "multiclass", "regression", "ranking"]
TASKS: tuple[Task, ...] = get_args(Task)

Arity = Literal["binary", "many groups", "several attributes", "continuous"]
Modifies = Literal[
    "features", "weights", "rows", "labels", "model",
    "scores", "decisions", "ranking", "prediction sets", "intervals", "abstention",
]  # fmt: skip

Level = Literal["low", "medium", "high"]
LEVELS: tuple[Level, ...] = get_args(Level)

Severity = Literal["none", "low", "medium", "high", "insufficient evidence"]
Concern = Literal["protected-attribute", "accuracy", "evidence", "causal-assumption", "other"]
CONCERNS: tuple[Concern, ...] = get_args(Concern)

Verdict = Literal["passed", "failed", "insufficient evidence"]
