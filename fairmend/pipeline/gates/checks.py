"""What gates measure: pure functions of a view, each giving a value with its interval and support."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fairmend.core.hooks.markers import hookimpl
from fairmend.core.metrics import Estimate
from fairmend.core.metrics.evaluation_tables import chance_level
from fairmend.core.metrics.leveling_down import leveling_down
from fairmend.pipeline.gates.feature_checks import (
    new_missing_values,
    outlier_rate_change,
    undeclared_feature_shift,
)
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.utility import relative_loss, retained_skill
from fairmend.pipeline.gates.value import CheckFunction, Value

__all__ = ["CHECKS", "CheckFunction", "Value", "fairmend_gate_checks"]


NULL_DRAWS = 400  # draws of what right scores, or equal rates, would show by chance


def _figure(name: str) -> CheckFunction:
    return lambda view: Value.of(view.current.measurement.figure(name))


def accuracy_loss(view: GateContext) -> Value:
    """Loss of accuracy relative to the baseline."""
    change = view.comparison["accuracy"]
    if change.before == 0:
        told = "the baseline decides every row wrongly, so that a loss relative to it is not defined"
        return Value(None, None, change.support, False, told)
    ends = change.interval
    interval = None if ends is None else (-ends[1] / change.before, -ends[0] / change.before)
    points = f"{change.before:.4f} to {change.after:.4f}, {-change.change * 100:.2f} points"
    return Value(-change.change / change.before, interval, change.support, change.enough, points)


def precision_recall_drop(view: GateContext) -> Value:
    """Greater relative drop of precision and recall against the baseline."""
    drops = []
    for name in ("precision", "recall"):
        change = view.comparison[name]
        if change.before > 0 and np.isfinite(change.change):
            drops.append((-change.change / change.before, name, change))
    if not drops:
        return Value(None, None, 0, False, "precision and recall are undefined")
    drop, name, change = max(drops, key=lambda d: d[0])
    ends = change.interval
    interval = None if ends is None else (-ends[1] / change.before, -ends[0] / change.before)
    return Value(drop, interval, change.support, change.enough, name)


def fairness_improvement(view: GateContext) -> Value:
    """Improvement of the target's figure relative to the baseline."""
    name, upward = view.measure_of_target, view.target_upward
    change = view.comparison[name]
    if not np.isfinite(change.change) or change.before == 0:
        return Value(None, None, change.support, False, f"{name} is undefined in the baseline")
    sign = 1 if upward else -1
    ends = change.interval
    interval = None
    if ends is not None:
        low, high = (sign * e / change.before for e in ends)
        interval = (min(low, high), max(low, high))
    text = f"{name} {change.before:.3f} to {change.after:.3f}"
    if change.lacking:
        text += f"; too few rows in {', '.join(change.lacking[:4])}"
    return Value(sign * change.change / change.before, interval, change.support, change.enough, text)


RATES_OF = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}


def rates_of(notion: str) -> tuple[str, ...]:
    """Return the rates that a notion of fairness compares."""
    return RATES_OF.get(notion, ("selection_rate",))


def intersectional_deviation(view: GateContext) -> Value:
    """Maximum deviation of an intersection's rate from the overall rate, minus its expected value under equal rates.

    The greatest of several distances lies above 0 even where all rates are equal; how far is drawn
    from binomials with the rate of all rows and the sizes of the groups.
    """
    if view.current.data.sensitive.shape[1] < 2:
        return Value.not_applicable(
            "one protected attribute has no intersections; the target compares its groups"
        )
    measurement = view.current.measurement
    rng = np.random.default_rng(view.current.settings.seed)
    lacking: dict[str, None] = {}
    found: list[Value] = []
    for name in rates_of(view.notion):
        whole = measurement.figure(name).value
        figures = measurement.contrast(name, "to_overall")
        lacking |= dict.fromkeys(g for g, f in figures.items() if not f.enough or not np.isfinite(f.value))
        known = {g: f for g, f in figures.items() if g not in lacking}
        if not known:
            continue
        group = max(known, key=lambda g: abs(known[g].value))
        figure = known[group]
        sizes = np.asarray([f.support for f in known.values()])
        drawn = rng.binomial(sizes, whole, size=(NULL_DRAWS, len(sizes))) / sizes
        by_chance = float(np.abs(drawn - whole).max(axis=1).mean())
        interval = _absolute(figure.interval)
        if interval is not None:
            interval = (max(0.0, interval[0] - by_chance), max(0.0, interval[1] - by_chance))
        told = f"{group}: {name} {whole + figure.value:.3f}, all {whole:.3f}, {by_chance:.3f} by chance"
        found.append(Value(max(0.0, abs(figure.value) - by_chance), interval, figure.support, True, told))
    few = f"too few rows in {', '.join(list(lacking)[:4])}"
    if not found:
        return Value(None, None, 0, False, few)
    worst = max(found, key=lambda v: v.value or 0.0)
    return replace(worst, enough=False, measured=True, text=f"{worst.text}; {few}") if lacking else worst


def _absolute(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    if interval is None:
        return None
    low, high = interval
    if low <= 0 <= high:
        return (0.0, max(-low, high))
    return (min(abs(low), abs(high)), max(abs(low), abs(high)))


def new_intersectional_disparity(view: GateContext) -> Value:
    """Growth of the range of rates over all intersections, relative to the baseline."""
    growth: list[tuple[float, str]] = []
    enough, support = True, 0
    lacking: tuple[str, ...] = ()
    for name in rates_of(view.notion):
        now = view.current.measurement.figure(f"{name}_difference")
        then = view.baseline.measurement.figure(f"{name}_difference")
        enough = enough and now.enough and then.enough
        lacking = lacking or now.lacking
        support = now.support
        if np.isfinite(now.value) and np.isfinite(then.value):
            growth.append((now.value - then.value, f"range of {name} {then.value:.3f} to {now.value:.3f}"))
    if not growth:
        return Value(None, None, support, False, "the rates are undefined")
    size, text = max(growth)
    if lacking:
        text += f"; too few rows in {', '.join(lacking[:4])}"
    return Value(size, None, support, enough, text)


def worst_to_best_shortfall(view: GateContext) -> Value:
    """How much lower the rate of the worst-off group is than that of the best-off one, relative."""
    worst: Value | None = None
    for name in rates_of(view.notion):
        figure = view.current.measurement.figure(f"{name}_ratio")
        value = Value.of(figure, name)
        if value.value is None:
            return value
        interval = None if value.interval is None else (1 - value.interval[1], 1 - value.interval[0])
        short = Value(1 - value.value, interval, value.support, value.enough, value.text)
        if worst is None or (short.value or 0) > (worst.value or 0):
            worst = short
    return worst if worst is not None else Value(None, None, 0, False, "no rate")


def calibration_error(view: GateContext) -> Value:
    """Expected calibration error of all rows, less what right scores would show by chance."""
    figure = view.current.measurement.figure("expected_calibration_error")
    by_chance = _by_chance(view, pooled=True)[0]
    return _beyond_chance(figure, by_chance, "")


def group_calibration_error(view: GateContext, minimum_support: int = 30) -> Value:
    """Expected calibration error of the group where it is greatest, less what right scores would show by chance."""
    figures = view.current.measurement.by_group("expected_calibration_error")
    chance = dict(zip(figures, _by_chance(view, pooled=False), strict=True))
    small = [g for g, f in figures.items() if f.support < minimum_support]
    large = {g: f for g, f in figures.items() if g not in small and np.isfinite(f.value)}
    if not large:
        return Value(None, None, 0, False, f"every group has fewer than {minimum_support} rows")
    group = max(large, key=lambda g: large[g].value - chance[g])
    value = _beyond_chance(large[group], chance[group], group)
    if not small:
        return value
    told = f"{group}; fewer than {minimum_support} rows in {', '.join(small[:4])}"
    return replace(value, enough=False, measured=value.enough, text=told)


def _beyond_chance(figure: Estimate, by_chance: float, text: str) -> Value:
    interval = None
    if figure.interval is not None:
        interval = (max(0.0, figure.interval[0] - by_chance), max(0.0, figure.interval[1] - by_chance))
    told = f"{figure.value:.3f} measured, {by_chance:.3f} by chance"
    value = max(0.0, float(figure.value) - by_chance)
    return Value(value, interval, figure.support, figure.enough, f"{text}: {told}" if text else told)


def _by_chance(view: GateContext, pooled: bool) -> list[float]:
    """Return the calibration error that right scores of this size would show; weighted rows get no correction."""
    table = view.current.measurement.scores
    if table is None or table.moments is not None:
        return [0.0] * (1 if table is None or pooled else len(table.groups))
    if pooled:
        rows, scores = table.rows.sum(axis=0, keepdims=True), table.scores.sum(axis=1, keepdims=True)
        table = replace(table, groups=("all",), rows=rows, scores=scores, clusters=None)
    mean, _ = chance_level(table, NULL_DRAWS, np.random.default_rng(view.current.settings.seed))
    return [float(m) for m in mean]


def worst_off_gain(view: GateContext) -> Value:
    """By how much the rate of the group that is worst off in the baseline rises; what falls is leveling down."""
    found = leveling_down(view.comparison.table, rates_of(view.notion)[0], view.current.settings)
    if found.worst_off is None:
        return Value(None, None, 0, False, f"too few rows in {', '.join(found.lacking[:4])}")
    return Value(found.gain, found.interval, found.support, True, found.text)


def protected_attribute_in_model(view: GateContext) -> Value:
    """Number of protected attributes among the features that the trained model reads."""
    read = [a for a in view.case.train.sensitive.columns if a in view.case.fitted().features]
    return Value(
        float(len(read)), None, len(view.case.train), True, ", ".join(map(str, read)) or "none is read"
    )


def _of_largest_contrast(key: str) -> CheckFunction:
    """Return a check that reads a figure of the contrast with the largest gap, as sensitivity analyses give it."""

    def check(view: GateContext) -> Value:
        for result in view.case.results.values():
            contrasts = [c for c in result.get("contrasts", ()) if c.get(key) is not None]
            if contrasts:
                largest = max(contrasts, key=lambda c: abs(c["estimate"]))
                text = f"{largest['group']} against {largest['reference']}"
                return Value(float(largest[key]), None, int(largest["support"]), True, text)
        return Value(None, None, 0, False, "no analysis of the pipeline gives it")

    return check


def _diagnostics(view: GateContext) -> dict[str, Any]:
    model = view.case.fitted()
    out: dict[str, Any] = {}
    for part in model.parts:
        out.update(getattr(part, "diagnostics_", {}))
    return out


def converged(view: GateContext) -> Value:
    """1 where every trained part says that it converged; nothing to say passes."""
    said = _diagnostics(view).get("converged")
    if said is None:
        return Value.not_applicable("the technique reports no convergence")
    return Value(float(bool(said)), None, len(view.case.train), True)


def gradient_norm(view: GateContext) -> Value:
    """Norm of the gradient at the end of training, where the technique has one."""
    norm = _diagnostics(view).get("gradient_norm")
    if norm is None:
        return Value.not_applicable("the technique has no gradient")
    return Value(float(norm), None, len(view.case.train), True)


def finite(view: GateContext) -> Value:
    """1 where every score on the gate's data is a finite number."""
    return Value(float(np.isfinite(view.current.scores).all()), None, len(view.current.scores), True)


def _thresholds(view: GateContext) -> dict[str, float]:
    found = _diagnostics(view).get("thresholds") or {}
    return {str(g): float(t) for g, t in found.items() if t is not None and np.isfinite(t)}


def _of_thresholds(pick: Callable[[list[float]], float]) -> CheckFunction:
    def check(view: GateContext) -> Value:
        thresholds = _thresholds(view)
        if not thresholds:
            return Value.not_applicable("there are no group thresholds")
        listed = ", ".join(f"{g} {t:.2f}" for g, t in sorted(thresholds.items())[:6])
        return Value(pick(list(thresholds.values())), None, len(view.case.calibration), True, listed)

    return check


CHECKS: dict[str, CheckFunction] = {
    "demographic_parity_ratio": _figure("demographic_parity_ratio"),
    "demographic_parity_difference": _figure("demographic_parity_difference"),
    "equalized_odds_difference": _figure("equalized_odds_difference"),
    "equal_opportunity_difference": _figure("equal_opportunity_difference"),
    "predictive_parity_difference": _figure("predictive_parity_difference"),
    "accuracy": _figure("accuracy"),
    "balanced_accuracy": _figure("balanced_accuracy"),
    "f1": _figure("f1"),
    "expected_calibration_error": calibration_error,
    "group_calibration_error": group_calibration_error,
    "accuracy_loss": accuracy_loss,
    "utility_loss": lambda view: relative_loss(view.utility, view.baseline, view.current),
    "retained_skill": lambda view: retained_skill(view.utility, view.baseline, view.current),
    "precision_recall_drop": precision_recall_drop,
    "fairness_improvement": fairness_improvement,
    "intersectional_deviation": intersectional_deviation,
    "new_intersectional_disparity": new_intersectional_disparity,
    "worst_to_best_shortfall": worst_to_best_shortfall,
    "worst_off_gain": worst_off_gain,
    "protected_attribute_in_model": protected_attribute_in_model,
    "e_value": _of_largest_contrast("e_value"),
    "e_value_limit": _of_largest_contrast("e_value_limit"),
    "undeclared_feature_shift": undeclared_feature_shift,
    "new_missing_values": new_missing_values,
    "outlier_rate_change": outlier_rate_change,
    "converged": converged,
    "gradient_norm": gradient_norm,
    "finite": finite,
    "threshold_lowest": _of_thresholds(min),
    "threshold_highest": _of_thresholds(max),
    "threshold_spread": _of_thresholds(lambda t: max(t) - min(t)),
}


@hookimpl
def fairmend_gate_checks() -> Mapping[str, CheckFunction]:
    """Return the checks above, contributed like anyone's."""
    return CHECKS
