"""Techniques that train a model to be fair."""

from fairmend.base import hookimpl
from fairmend.plugins.inprocessing._adversarial_debiasing import AdversarialDebiasing
from fairmend.plugins.inprocessing._fair_regression_reductions import FairRegressionReductions
from fairmend.plugins.inprocessing._fairness_constrained_lr import FairnessConstrainedLR
from fairmend.plugins.inprocessing._prejudice_remover import PrejudiceRemover
from fairmend.plugins.inprocessing._reductions_exponentiated_gradient import ReductionsExponentiatedGradient

__all__ = [
    "AdversarialDebiasing",
    "FairRegressionReductions",
    "FairnessConstrainedLR",
    "PrejudiceRemover",
    "ReductionsExponentiatedGradient",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
