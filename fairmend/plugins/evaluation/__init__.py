"""Techniques that measure predictions."""

from fairmend.core.markers import hookimpl
from fairmend.plugins.evaluation._error_rate_audit import ErrorRateAudit
from fairmend.plugins.evaluation._expected_calibration_error import ExpectedCalibrationError
from fairmend.plugins.evaluation._intersectional_bias_audit import IntersectionalBiasAudit
from fairmend.plugins.evaluation._intersectional_evaluation import IntersectionalEvaluation
from fairmend.plugins.evaluation._pareto_frontier import ParetoFrontier
from fairmend.plugins.evaluation._predictive_parity_audit import PredictiveParityAudit
from fairmend.plugins.evaluation._selection_rate_audit import SelectionRateAudit

__all__ = [
    "ErrorRateAudit",
    "ExpectedCalibrationError",
    "IntersectionalBiasAudit",
    "IntersectionalEvaluation",
    "ParetoFrontier",
    "PredictiveParityAudit",
    "SelectionRateAudit",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
