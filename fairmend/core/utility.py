"""What decisions are worth, as the user says it."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.validation import ClosedModel

UtilityMetric = Literal["accuracy", "balanced_accuracy", "f1", "auc", "cost"]
UTILITIES: tuple[UtilityMetric, ...] = get_args(UtilityMetric)


class Utility(ClosedModel):
    """What decisions are worth, greater is better, and 1 for a rule without mistakes.

    ``cost`` is 1 less the mean cost of the mistakes, on a scale on which the two costs have the mean 1: with
    equal costs it is the accuracy.

    Examples
    --------
    >>> Utility().name, Utility(cost_fn=5.0).text
    ('accuracy', 'utility at the costs 1 (false positive) and 5 (false negative)')
    """

    metric: UtilityMetric = "cost"
    cost_fp: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="cost of a false positive")
    cost_fn: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="cost of a false negative")

    @model_validator(mode="after")
    def _costs_of_cost(self) -> Self:
        if self.metric != "cost" and (self.cost_fp, self.cost_fn) != (1.0, 1.0):
            raise ValueError(
                f"cost_fp and cost_fn belong to the utility 'cost', got the utility {self.metric!r}; leave them out, "
                "or take 'cost'"
            )
        return self

    @classmethod
    def parse(
        cls, given: Utility | str | None, cost_fp: float | None = None, cost_fn: float | None = None
    ) -> Utility | None:
        """Return the utility that is named, None where nothing is said; costs alone name ``cost``.

        Raises
        ------
        UsageError
            An unknown utility, costs that are not positive, or costs beside another utility.
        """
        costs = {
            name: value for name, value in (("cost_fp", cost_fp), ("cost_fn", cost_fn)) if value is not None
        }
        if given is None and not costs:
            return None
        if isinstance(given, Utility) and not costs:
            return given
        name = given.metric if isinstance(given, Utility) else given or "cost"
        if name not in UTILITIES:
            raise UsageError(str(unknown("utility", name, UTILITIES)))
        if costs and name != "cost":
            raise UsageError(
                f"{' and '.join(costs)} belong to the utility 'cost', got the utility {name!r}; leave the costs out, or "
                "take 'cost'"
            )
        if not costs:
            if name == "cost":
                raise UsageError(
                    "the utility 'cost' needs cost_fp, cost_fn or both; where both mistakes cost the same, take 'accuracy'"
                )
            return cls(metric=name)
        for cost, value in costs.items():
            if not 0 < value < float("inf"):
                raise UsageError(f"{cost} must be a positive number, got {value:g}")
        return cls(metric=name, **costs)

    @classmethod
    def at_threshold(cls, threshold: float) -> Utility:
        """Return the expected cost that a threshold on probabilities minimizes: the costs are in the ratio t / (1 - t).

        At one half that is accuracy, and so it is at 0 and 1, which no costs explain.

        Examples
        --------
        >>> Utility.at_threshold(0.2)
        Utility(metric='cost', cost_fp=0.25, cost_fn=1.0)
        """
        return cls(cost_fp=threshold / (1 - threshold)) if 0 < threshold < 1 else cls()

    @property
    def name(self) -> str:
        """Its name; that of accuracy where both mistakes cost the same."""
        return "accuracy" if self.metric == "cost" and self.cost_fp == self.cost_fn else self.metric

    @property
    def text(self) -> str:
        """Its name for people."""
        words = {"auc": "AUC", "f1": "F1"}
        if self.name == "cost":
            return f"utility at the costs {self.cost_fp:g} (false positive) and {self.cost_fn:g} (false negative)"
        return words.get(self.name, self.name.replace("_", " "))
