"""The base class of each stage: the public methods, all validation, and the run hook.

A technique writes private methods only. Each of them receives what it names and nothing else, so that
what a technique needs can be read off its signatures.
"""

from fairmend.core.stages.causal import CausalAnalysis, CausalResult
from fairmend.core.stages.data_change import DataChange
from fairmend.core.stages.evaluation import Evaluator
from fairmend.core.stages.inprocessing import Inprocessor
from fairmend.core.stages.operations import Operation, OperationResult
from fairmend.core.stages.postprocessing import Postprocessor
from fairmend.core.stages.preprocessing import Preprocessor

__all__ = [
    "CausalAnalysis",
    "CausalResult",
    "DataChange",
    "Evaluator",
    "Inprocessor",
    "Operation",
    "OperationResult",
    "Postprocessor",
    "Preprocessor",
]
