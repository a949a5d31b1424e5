"""Audits of outcomes other than binary ones, each by the measures of its task."""

from fairmend.auditing.tasks.audit import audit_task, task_replicates

__all__ = ["audit_task", "task_replicates"]
