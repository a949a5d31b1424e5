"""Techniques that change the data a model is trained on."""

from fairmend.base import hookimpl
from fairmend.plugins.preprocessing._causal_database_repair import CausalDatabaseRepair
from fairmend.plugins.preprocessing._causal_feature_selection import CausalFeatureSelection
from fairmend.plugins.preprocessing._correlation_remover import CorrelationRemover
from fairmend.plugins.preprocessing._disparate_impact_remover import DisparateImpactRemover
from fairmend.plugins.preprocessing._distribution_alignment import DistributionAlignment
from fairmend.plugins.preprocessing._fair_balance import FairBalance
from fairmend.plugins.preprocessing._fair_class_balancing import FairClassBalancing
from fairmend.plugins.preprocessing._fair_pca import FairPCA
from fairmend.plugins.preprocessing._fair_smote import FairSmote
from fairmend.plugins.preprocessing._fairadapt import FairAdapt
from fairmend.plugins.preprocessing._geometric_repair import GeometricRepair
from fairmend.plugins.preprocessing._ifair import IFair
from fairmend.plugins.preprocessing._instance_weighting import InstanceWeighting
from fairmend.plugins.preprocessing._label_bias_reweighting import LabelBiasReweighting
from fairmend.plugins.preprocessing._leace import Leace
from fairmend.plugins.preprocessing._learning_fair_representations import LearningFairRepresentations
from fairmend.plugins.preprocessing._massaging import Massaging
from fairmend.plugins.preprocessing._optimized_preprocessing import OptimizedPreprocessing
from fairmend.plugins.preprocessing._pairwise_fair_representations import PairwiseFairRepresentations
from fairmend.plugins.preprocessing._path_specific_counterfactual import PathSpecificCounterfactual
from fairmend.plugins.preprocessing._preferential_sampling import PreferentialSampling
from fairmend.plugins.preprocessing._selection_bias_weighting import SelectionBiasWeighting
from fairmend.plugins.preprocessing._situation_testing import SituationTesting
from fairmend.plugins.preprocessing._smote import Smote
from fairmend.plugins.preprocessing._suppression import Suppression
from fairmend.plugins.preprocessing._variational_fair_autoencoder import VariationalFairAutoencoder

__all__ = [
    "CausalDatabaseRepair",
    "CausalFeatureSelection",
    "CorrelationRemover",
    "DisparateImpactRemover",
    "DistributionAlignment",
    "FairAdapt",
    "FairBalance",
    "FairClassBalancing",
    "FairPCA",
    "FairSmote",
    "GeometricRepair",
    "IFair",
    "InstanceWeighting",
    "LabelBiasReweighting",
    "Leace",
    "LearningFairRepresentations",
    "Massaging",
    "OptimizedPreprocessing",
    "PairwiseFairRepresentations",
    "PathSpecificCounterfactual",
    "PreferentialSampling",
    "SelectionBiasWeighting",
    "SituationTesting",
    "Smote",
    "Suppression",
    "VariationalFairAutoencoder",
]


@hookimpl
def fairmend_techniques() -> list[type]:
    """Return the techniques of this stage."""
    return [globals()[name] for name in __all__]
