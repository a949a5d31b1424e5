"""Techniques that change the scores or decisions of a trained model."""

from fairmend.base import hookimpl
from fairmend.plugins.postprocessing._beta_calibration import BetaCalibration
from fairmend.plugins.postprocessing._equal_opportunity_thresholds import EqualOpportunityThresholds
from fairmend.plugins.postprocessing._equalized_coverage import EqualizedCoverage
from fairmend.plugins.postprocessing._fa_ir import FaIr
from fairmend.plugins.postprocessing._fair_tree_relabelling import FairTreeRelabelling
from fairmend.plugins.postprocessing._group_platt_scaling import GroupPlattScaling
from fairmend.plugins.postprocessing._group_thresholds import GroupThresholds
from fairmend.plugins.postprocessing._isotonic_calibration import IsotonicCalibration
from fairmend.plugins.postprocessing._platt_scaling import PlattScaling
from fairmend.plugins.postprocessing._plugin_cost_sensitive import PluginCostSensitive
from fairmend.plugins.postprocessing._rank_preserving_score_repair import RankPreservingScoreRepair
from fairmend.plugins.postprocessing._relaxed_error_parity import RelaxedErrorParity
from fairmend.plugins.postprocessing._selective_classification import SelectiveClassification
from fairmend.plugins.postprocessing._temperature_scaling import TemperatureScaling
from fairmend.plugins.postprocessing._wasserstein_fair_regression import WassersteinFairRegression

__all__ = [
    "BetaCalibration",
    "EqualOpportunityThresholds",
    "EqualizedCoverage",
    "FaIr",
    "FairTreeRelabelling",
    "GroupPlattScaling",
    "GroupThresholds",
    "IsotonicCalibration",
    "PlattScaling",
    "PluginCostSensitive",
    "RankPreservingScoreRepair",
    "RelaxedErrorParity",
    "SelectiveClassification",
    "TemperatureScaling",
    "WassersteinFairRegression",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
