"""Human-readable results of a run: the verdict, the validation report and its plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fairmend.reports.findings import findings_table, rest_of
from fairmend.reports.lda import VERDICT
from fairmend.reports.sweep import sweep_header, sweep_rows, write_sweep
from fairmend.reports.tasks import task_audit_table, task_comparison_table
from fairmend.reports.verdict import rule_text, verdict_rows, verdict_table, worse

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import RunRecord

__all__ = [
    "VERDICT",
    "findings_table",
    "rest_of",
    "rule_text",
    "sweep_header",
    "sweep_rows",
    "task_audit_table",
    "task_comparison_table",
    "verdict_rows",
    "verdict_table",
    "worse",
    "write_report",
    "write_sweep",
]


def write_report(record: RunRecord, folder: str | Path) -> Path:
    """Write the validation report of a run; see :func:`fairmend.reports.report.write_report`."""
    # Matplotlib is loaded only where something is drawn.
    from fairmend.reports.report import write_report as write

    return write(record, folder)
