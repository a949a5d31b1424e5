"""Techniques that measure predictions."""

from fairmend.core.markers import hookimpl
from fairmend.plugins.evaluation._expected_calibration_error import ExpectedCalibrationError

__all__ = ["ExpectedCalibrationError"]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
