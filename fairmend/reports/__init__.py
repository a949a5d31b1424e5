"""What a run leaves for people: the verdict, the validation report and its plots."""

from fairmend.reports.verdict import verdict_rows, verdict_table

__all__ = ["verdict_rows", "verdict_table"]
