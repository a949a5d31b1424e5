"""Techniques that measure predictions."""

from fairmend.core.markers import hookimpl
from fairmend.plugins.evaluation._expected_calibration_error import ExpectedCalibrationError
from fairmend.plugins.evaluation._intersectional_bias_audit import IntersectionalBiasAudit
from fairmend.plugins.evaluation._intersectional_evaluation import IntersectionalEvaluation
from fairmend.plugins.evaluation._pareto_frontier import ParetoFrontier

__all__ = [
    "ExpectedCalibrationError",
    "IntersectionalBiasAudit",
    "IntersectionalEvaluation",
    "ParetoFrontier",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
