"""The base class of each stage: the public verbs, all validation, and the run hook.

A technique writes the private verbs only. Each private verb receives what the metadata declares and
nothing else: ``None`` stands where a need was not declared, so that a technique cannot read it.
"""

from fairmend.core.stages.causal import CausalAnalysis
from fairmend.core.stages.evaluation import EvaluationInputs, Evaluator
from fairmend.core.stages.inprocessing import Inprocessor
from fairmend.core.stages.operations import Operation
from fairmend.core.stages.postprocessing import Postprocessor
from fairmend.core.stages.preprocessing import Preprocessor, Resampled

__all__ = [
    "CausalAnalysis",
    "EvaluationInputs",
    "Evaluator",
    "Inprocessor",
    "Operation",
    "Postprocessor",
    "Preprocessor",
    "Resampled",
]
