"""The report of a sweep: legible however crowded, and the table in full."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairmend.core.constraints import Constraints
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Audit
from fairmend.core.metrics import Estimate
from fairmend.pipeline.spec import Step
from fairmend.pipeline.sweep.sweep_record import (
    ExcludedTechnique,
    Sweep,
    SweepCandidate,
    Target,
)
from fairmend.reports import sweep_rows, write_sweep
from fairmend.reports.frontier import MOST_NUMBERED, frontier

ROLES = Roles(outcome="y", protected=("g",))


def crowded(upward: bool = True, n: int = 40) -> Sweep:
    """Return a sweep whose candidates stand close together, half of them on a line that none beats."""
    rng = np.random.default_rng(0)
    candidates = []
    for i in range(n):
        on = i % 2 == 0
        accuracy = 0.8 + 0.001 * i
        better = 0.9 - 0.004 * i - (0 if on else rng.uniform(0.02, 0.1))
        fairness = better if upward else 1 - better
        steps = (Step(technique=i, slug=f"technique-{i}", stage="post-processing"),) if i else ()
        candidates.append(
            SweepCandidate(
                steps=steps,
                status="measured",
                accuracy=Estimate(accuracy, (accuracy - 0.01, accuracy + 0.01), 900, True),
                fairness=Estimate(fairness, (fairness - 0.1, fairness + 0.1), 900, True),
                meets_target=on,
                on_frontier=on,
                share_on_frontier=0.5 if on else 0.1,
                reads_protected=bool(i % 3),
            )
        )
    failed = SweepCandidate(
        steps=(Step(technique=99, slug="too-much", stage="in-processing"),),
        status="failed",
        reason="too-much: a | b",
    )
    audit = Audit(
        rows=900, roles=ROLES, groups={"a": 1}, subject="labels", fingerprint="", seed=0, measures={}, findings=()
    )  # fmt: skip
    return Sweep(
        sweep_id="sweep-1", roles=ROLES, audit=audit, data={}, notion="demographic_parity",
        target=Target(measure="demographic_parity_ratio" if upward else "equalized_odds_difference",
                      bound=">= 0.8" if upward else "< 0.2", threshold=0.8 if upward else 0.2, upward=upward),
        policy={"name": "playbook", "evidence": "point", "sha256": ""}, constraints=Constraints(),
        learner="logistic_regression", seed=0, depth=2, candidates=(*candidates, failed),
        excluded=(ExcludedTechnique(technique_id=7, slug="slow", reason="needs retraining"),),
        selected="technique-10", reason="because", notes=("A note.",),
    )  # fmt: skip


@pytest.mark.parametrize("upward", [True, False])
def test_numbers_do_not_hide_each_other(upward):
    drawing = frontier(crowded(upward))
    axes = drawing.axes[0]
    drawing.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(1, MOST_NUMBERED + 1)]
    for one, other in itertools.combinations(boxes, 2):
        shared = np.prod(np.maximum(0, np.minimum(one.max, other.max) - np.maximum(one.min, other.min)))
        assert shared < 0.25 * min(one.width * one.height, other.width * other.height)
    assert axes.yaxis_inverted() is not upward


def test_the_legend_names_what_is_numbered():
    axes = frontier(crowded()).axes[0]
    labels = [entry.get_text() for entry in axes.get_legend().get_texts()]
    assert labels[0].startswith("1  plain model")
    assert "selected" in labels[1]
    assert labels[1].startswith("2  technique-10")
    assert labels[-1] == "target >= 0.8"
    assert axes.lines[-1].get_ydata()[0] == 0.8 or any(line.get_ydata()[0] == 0.8 for line in axes.lines)


def test_the_report_holds_plot_table_and_record(tmp_path):
    found = crowded()
    text = write_sweep(found, tmp_path / "new" / "report").read_text()
    assert sorted(p.name for p in (tmp_path / "new" / "report").iterdir()) == [
        "frontier.png", "frontier.svg", "sweep.json", "sweep.md",
    ]  # fmt: skip
    assert (tmp_path / "new" / "report" / "frontier.png").read_bytes().startswith(b"\x89PNG")
    rows = sweep_rows(found)
    assert len(rows) == 40
    assert rows[0][0] == "technique-10 (selected)"
    assert all(f"| {row[0]} | {row[1]} | {row[2]} |" in text for row in rows)
    assert "| too-much | too-much: a \\| b |" in text
    assert "| slow (7) | needs retraining |" in text


def test_nothing_measured_draws_nothing_and_says_so(tmp_path):
    found = crowded()
    nothing = found.model_copy(update={"candidates": found.candidates[-1:], "selected": None})
    assert "## Failed" in write_sweep(nothing, tmp_path).read_text()
