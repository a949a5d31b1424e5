"""What an audit finds: the kinds with their detectors and measures, a finding, and the record of an audit."""

from fairmend.core.findings.kinds import Detection, FindingKind, Levels
from fairmend.core.findings.records import Audit, Finding

__all__ = ["Audit", "Detection", "Finding", "FindingKind", "Levels"]
