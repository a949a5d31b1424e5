"""Techniques of causal analysis."""

from fairmend.base import hookimpl
from fairmend.plugins.causal._backdoor_adjustment import BackdoorAdjustment
from fairmend.plugins.causal._causal_discovery_pc import CausalDiscoveryPC
from fairmend.plugins.causal._causal_explanation_formula import CausalExplanationFormula
from fairmend.plugins.causal._causal_graph_construction import CausalGraphConstruction
from fairmend.plugins.causal._counterfactual_fairness import CounterfactualFairness
from fairmend.plugins.causal._direct_lingam import DirectLiNGAM
from fairmend.plugins.causal._double_ml_effect import DoubleMLEffect
from fairmend.plugins.causal._e_value import EValue
from fairmend.plugins.causal._mediation_analysis import MediationAnalysis
from fairmend.plugins.causal._oaxaca_blinder import OaxacaBlinder
from fairmend.plugins.causal._path_specific_effects import PathSpecificEffects
from fairmend.plugins.causal._proxy_detection import ProxyDetection
from fairmend.plugins.causal._proxy_discrimination import ProxyDiscrimination
from fairmend.plugins.causal._sensitivity_analysis import SensitivityAnalysis

__all__ = [
    "BackdoorAdjustment",
    "CausalDiscoveryPC",
    "CausalExplanationFormula",
    "CausalGraphConstruction",
    "CounterfactualFairness",
    "DirectLiNGAM",
    "DoubleMLEffect",
    "EValue",
    "MediationAnalysis",
    "OaxacaBlinder",
    "PathSpecificEffects",
    "ProxyDetection",
    "ProxyDiscrimination",
    "SensitivityAnalysis",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
