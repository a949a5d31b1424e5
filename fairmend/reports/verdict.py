"""The verdict table: baseline against final rule on the test data, each metric with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmend.core.metrics import Comparison, Estimate, Measurement
from fairmend.core.serialization import to_plain
from fairmend.core.text.escaping import one_line
from fairmend.pipeline.spec import PipelineSpec, Step

if TYPE_CHECKING:
    from rich.table import Table

    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.run.utility_outcome import UtilityOutcome

OVERALL = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "demographic_parity_ratio": "Demographic parity ratio",
    "demographic_parity_difference": "Demographic parity difference",
    "equalized_odds_difference": "Equalized-odds gap",
    "equal_opportunity_difference": "Equal-opportunity gap",
    "expected_calibration_error": "Calibration error (ECE)",
}
HIGH_IS_GOOD = {"accuracy", "balanced_accuracy", "auc", "demographic_parity_ratio"}
BY_GROUP = {"expected_calibration_error": "ECE", "selection_rate": "Selection rate"}


@dataclass(frozen=True)
class Row:
    """One metric before and after.

    Attributes
    ----------
    name : str
        Title of the metric.
    before, after : Estimate
        Estimates for the baseline and the final rule, on the same rows.
    p_value : float or None
        P-value of the paired permutation test of no change; None if there is none.
    of_group : bool
        Whether the metric is for a single group.
    high_is_good : bool
        Whether higher is better; not meaningful for the rates of a single group.
    """

    name: str
    before: Estimate
    after: Estimate
    p_value: float | None = None
    of_group: bool = False
    high_is_good: bool = False

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Name, both estimates with intervals, p-value and support, as text."""
        support = f"{self.after.support:,}" + ("" if self.after.enough else " (too few)")
        return self.name, figure_text(self.before), figure_text(self.after), p_text(self.p_value), support


def rule_text(record: RunRecord) -> str:
    """Return the final rule on one line: its steps in order, with their parameters."""
    ran = {step.slug: step for step in record.steps if step.status == "ran"}
    steps = []
    for slug in record.deployed_steps():
        parameters = ran[slug].parameters if slug in ran else {}
        told = ", ".join(f"{name}={one_line(str(value), limit=60)}" for name, value in parameters.items())
        steps.append(f"{slug} ({told})" if told else slug)
    return " -> ".join(steps) or "the baseline, unchanged"


def final_rule(record: RunRecord) -> PipelineSpec:
    """Return the final rule as a pipeline: its steps with the parameters that they ended with, each acting always."""
    ran = {step.slug: step for step in record.steps if step.status == "ran"}
    steps = tuple(
        Step.model_validate(
            {
                "technique": ran[slug].technique_id,
                "slug": slug,
                "stage": ran[slug].stage,
                "parameters": to_plain(ran[slug].parameters),
                "reason": f"part of the final rule of {record.run_id}",
            }
        )
        for slug in record.deployed_steps()
        if slug in ran
    )
    name = f"final rule of {record.run_id}"
    return record.spec.model_copy(update={"name": name, "steps": steps, "simplify": False})


def verdict_rows(
    before: Measurement, after: Measurement, tests: Comparison, utility: UtilityOutcome | None = None
) -> list[Row]:
    """Return the rows of the verdict table: overall metrics, then those of each group.

    A utility that is none of the overall metrics comes first.
    """
    has_scores = before.scores is not None and after.scores is not None
    lacking = {"expected_calibration_error"} if not has_scores else set()
    if before.area is None or after.area is None:
        lacking.add("auc")
    rows = [
        Row(
            title, before.figure(name), after.figure(name), _p(tests, name), high_is_good=name in HIGH_IS_GOOD
        )
        for name, title in OVERALL.items()
        if name not in lacking
    ]
    if utility is not None and utility.utility.name not in OVERALL:
        title = utility.utility.text[0].upper() + utility.utility.text[1:]
        rows.insert(0, Row(title, utility.baseline, utility.final, high_is_good=True))
    for name, title in BY_GROUP.items():
        if name not in lacking:
            rows += [
                Row(f"{title}: {group}", before.figure(name, group), after.figure(name, group), of_group=True)
                for group in after.groups
            ]
    return rows


def worse(rows: list[Row], level: float = 0.05) -> list[str]:
    """Return the metrics that became significantly worse, with their values: the price of the change.

    Parameters
    ----------
    rows : list of Row
        Of the verdict table.
    level : float
        Significance level.
    """
    found = []
    for row in rows:
        change = row.after.value - row.before.value
        harm = -change if row.high_is_good else change
        if row.p_value is not None and row.p_value < level and harm > 0:
            found.append(
                f"{row.name} {row.before.value:.3f} to {row.after.value:.3f} (p {_equals(row.p_value)})"
            )
    return found


def verdict_table(
    before: Measurement, after: Measurement, tests: Comparison, utility: UtilityOutcome | None = None
) -> Table:
    """Return the verdict as a table for a terminal.

    Parameters
    ----------
    before, after : Measurement
        Baseline and final rule on the same rows.
    tests : Comparison
        The paired comparison of both.
    utility : UtilityOutcome, optional
        What both are worth.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    level = f"{after.level:.0%}"
    table = Table(
        title=f"Baseline against final on {tests.table.n_rows:,} test rows, with {level} intervals",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("", overflow="fold")
    for title in ("baseline", "final", "p of change", "rows"):
        table.add_column(title, justify="right", no_wrap=True)
    was_of_group = False
    for row in verdict_rows(before, after, tests, utility):
        if row.of_group and not was_of_group:
            table.add_section()
        was_of_group = row.of_group
        table.add_row(*(Text(one_line(cell)) for cell in row.cells))
    return table


def figure_text(figure: Estimate) -> str:
    """Format an estimate with its interval, or as "not defined".

    Examples
    --------
    >>> figure_text(Estimate(0.8031, (0.709, 0.907), 6513, True))
    '0.803 [0.709, 0.907]'
    """
    if figure.value != figure.value:
        return "not defined"
    if figure.interval is None:
        return f"{figure.value:.3f}"
    low, high = figure.interval
    return f"{figure.value:.3f} [{low:.3f}, {high:.3f}]"


def p_text(p_value: float | None) -> str:
    """Format a p-value for people.

    Examples
    --------
    >>> p_text(0.0001), p_text(0.0321), p_text(None)
    ('< 0.001', '0.032', '')
    """
    if p_value is None or p_value != p_value:
        return ""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _equals(p_value: float) -> str:
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"


def _p(tests: Comparison, name: str) -> float | None:
    return tests.changes[name].p_value if name in tests.changes else None
