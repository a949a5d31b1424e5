"""Techniques that measure predictions."""

from fairmend.base import hookimpl
from fairmend.plugins.evaluation._bias_scan import BiasScan
from fairmend.plugins.evaluation._bootstrap_intervals import BootstrapIntervals
from fairmend.plugins.evaluation._corrected_cross_validation import CorrectedCrossValidation
from fairmend.plugins.evaluation._error_rate_audit import ErrorRateAudit
from fairmend.plugins.evaluation._expected_calibration_error import ExpectedCalibrationError
from fairmend.plugins.evaluation._generalized_entropy_index import GeneralizedEntropyIndex
from fairmend.plugins.evaluation._individual_consistency import IndividualConsistency
from fairmend.plugins.evaluation._intersectional_bias_audit import IntersectionalBiasAudit
from fairmend.plugins.evaluation._intersectional_evaluation import IntersectionalEvaluation
from fairmend.plugins.evaluation._missing_group_bounds import MissingGroupBounds
from fairmend.plugins.evaluation._pareto_frontier import ParetoFrontier
from fairmend.plugins.evaluation._permutation_test import PermutationTest
from fairmend.plugins.evaluation._predictive_parity_audit import PredictiveParityAudit
from fairmend.plugins.evaluation._selection_rate_audit import SelectionRateAudit
from fairmend.plugins.evaluation._verified_calibration_error import VerifiedCalibrationError

__all__ = [
    "BiasScan",
    "BootstrapIntervals",
    "CorrectedCrossValidation",
    "ErrorRateAudit",
    "ExpectedCalibrationError",
    "GeneralizedEntropyIndex",
    "IndividualConsistency",
    "IntersectionalBiasAudit",
    "IntersectionalEvaluation",
    "MissingGroupBounds",
    "ParetoFrontier",
    "PermutationTest",
    "PredictiveParityAudit",
    "SelectionRateAudit",
    "VerifiedCalibrationError",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
