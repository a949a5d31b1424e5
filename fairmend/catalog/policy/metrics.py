"""What the checks of a policy may measure: direction, range, and from where a bound says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from fairmend.catalog.policy.checks import PolicyCheck
from fairmend.core.vocabulary import Notion

Kind = Literal["fairness", "utility", "calibration", "data", "training", "causal", "thresholds"]


@dataclass(frozen=True)
class GateMetric:
    """A metric that gates can check.

    Attributes
    ----------
    kind : str
        What it is about.
    better : str
        ``"higher"`` or ``"lower"``.
    lowest, highest : float
        The range of its values.
    trivial : float or None
        A bound here or further towards the worse end is met by (almost) every rule; None: where the
        range ends.
    notions : tuple of str
        The notions of fairness that it measures.
    parameters : tuple of str
        The parameters that a check may set, whole numbers from 1.
    """

    kind: Kind
    better: Literal["higher", "lower"]
    lowest: float = 0.0
    highest: float = 1.0
    trivial: float | None = None
    notions: tuple[Notion, ...] = ()
    parameters: tuple[str, ...] = ()

    def is_trivial(self, check: PolicyCheck) -> bool:
        """Whether a bound says nothing: it points the wrong way, or (almost) every rule meets it."""
        bound = check.threshold
        if bound is None or check.upward != (self.better == "higher"):
            return True
        if self.better == "higher":
            return bound <= (self.lowest if self.trivial is None else self.trivial)
        return bound >= (self.highest if self.trivial is None else self.trivial)

    def range_text(self) -> str:
        """Return its range as people write it."""
        if self.lowest == -inf:
            return "any number" if self.highest == inf else f"at most {self.highest:g}"
        return f"at least {self.lowest:g}" if self.highest == inf else f"{self.lowest:g} to {self.highest:g}"


def _gap(*notions: Notion) -> GateMetric:
    return GateMetric("fairness", "lower", notions=notions)


# A loss of half the accuracy, and an accuracy of one half, are those of a coin toss.
METRICS: Mapping[str, GateMetric] = {
    "demographic_parity_ratio": GateMetric("fairness", "higher", notions=("demographic_parity",)),
    "demographic_parity_difference": _gap("demographic_parity"),
    "equalized_odds_difference": _gap("equalized_odds", "equal_opportunity"),
    "equal_opportunity_difference": _gap("equal_opportunity"),
    "predictive_parity_difference": _gap("predictive_parity"),
    "accuracy": GateMetric("utility", "higher", trivial=0.5),
    "balanced_accuracy": GateMetric("utility", "higher", trivial=0.5),
    "f1": GateMetric("utility", "higher"),
    "expected_calibration_error": GateMetric("calibration", "lower"),
    "group_calibration_error": GateMetric(
        "calibration", "lower", notions=("calibration",), parameters=("minimum_support",)
    ),
    "accuracy_loss": GateMetric("utility", "lower", lowest=-inf, trivial=0.5),
    "utility_loss": GateMetric("utility", "lower", lowest=-inf, trivial=0.5),
    "retained_skill": GateMetric("utility", "higher", lowest=-inf, highest=inf, trivial=0.0),
    "precision_recall_drop": GateMetric("utility", "lower", lowest=-inf, trivial=0.5),
    "fairness_improvement": GateMetric("fairness", "higher", lowest=-inf, highest=inf, trivial=0.0),
    "intersectional_deviation": _gap(),
    "new_intersectional_disparity": GateMetric("fairness", "lower", lowest=-1.0),
    "worst_to_best_shortfall": _gap(),
    "worst_off_gain": GateMetric("fairness", "higher", lowest=-1.0),
    "protected_attribute_in_model": GateMetric("causal", "lower", highest=inf),
    "e_value": GateMetric("causal", "higher", lowest=1.0, highest=inf),
    "e_value_limit": GateMetric("causal", "higher", lowest=1.0, highest=inf),
    "undeclared_feature_shift": GateMetric("data", "lower"),
    "new_missing_values": GateMetric("data", "lower", highest=inf),
    "outlier_rate_change": GateMetric("data", "lower"),
    "converged": GateMetric("training", "higher"),
    "gradient_norm": GateMetric("training", "lower", highest=inf),
    "finite": GateMetric("training", "higher"),
    "threshold_lowest": GateMetric("thresholds", "higher"),
    "threshold_highest": GateMetric("thresholds", "lower"),
    "threshold_spread": GateMetric("thresholds", "lower"),
}


def metrics_of(notion: str) -> list[str]:
    """Return the names of the metrics that measure a notion of fairness."""
    return [name for name, metric in METRICS.items() if notion in metric.notions]
