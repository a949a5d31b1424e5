"""Everything that the author of a technique imports from fairmend.

The contract (base classes, metadata, groups, errors) is imported eagerly; metrics, quantile and calibration
maps and causal helpers are imported on first use, so that a technique loads only what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups, Unseen
from fairmend.core.data.roles import Roles
from fairmend.core.data.row_random import row_hash, uniform_by_row
from fairmend.core.errors import (
    DataError,
    FairmendError,
    InsufficientDataError,
    MissingExtraError,
    NotFeasibleError,
    ParameterError,
    UsageError,
    unknown,
)
from fairmend.core.findings import Detection, Finding, FindingKind, Levels
from fairmend.core.hooks.markers import hookimpl
from fairmend.core.metadata import Adjustment, TechniqueMetadata
from fairmend.core.models.learners import (
    TableEncoder,
    fit_weighted,
    fitted_parts,
    make_learner,
    split_learner,
)
from fairmend.core.serialization import to_plain
from fairmend.core.stages import (
    CausalAnalysis,
    CausalResult,
    DataChange,
    Evaluator,
    Inprocessor,
    Operation,
    OperationResult,
    Postprocessor,
    Preprocessor,
)
from fairmend.core.technique import Technique, numeric_columns
from fairmend.core.types import Floats, Ints
from fairmend.core.vocabulary import Task, Verdict

if TYPE_CHECKING:
    from fairmend.core.algorithms.calibration_maps import (
        best_temperature,
        group_chances,
        group_platt_fit,
        inside,
        logit,
        loss_change,
        margin,
        platt_fit,
        rising_fit,
    )
    from fairmend.core.algorithms.least_squares import design_matrix
    from fairmend.core.algorithms.quantile_maps import (
        EmpiricalDistribution,
        barycenter,
        group_distributions,
        group_ranks,
        numbers,
        transport,
    )
    from fairmend.core.causal.adjusted_contrasts import attribute_contrasts
    from fairmend.core.causal.assumed_graph import Dependence, assumed_graph, dependences
    from fairmend.core.causal.column_roles import UNFAIR, column_roles
    from fairmend.core.causal.contradictions import contradictions
    from fairmend.core.causal.covariates import (
        Covariates,
        chosen_covariates,
        groups_and_reference,
        regressors,
        unshared,
    )
    from fairmend.core.causal.e_values import (
        bias_factor,
        e_value,
        e_value_of_interval,
        risk_ratio_of_difference,
    )
    from fairmend.core.causal.graph import Edge, Independence
    from fairmend.core.causal.graph_io import fitted_graph, read_graph, standard_graph
    from fairmend.core.causal.independence import IndependenceTester
    from fairmend.core.causal.interventions import failed_claims, intervention_points
    from fairmend.core.causal.orientation import closed_under_meek, leads
    from fairmend.core.causal.structural_equations import StructuralEquations
    from fairmend.core.data.synthetic_table import decoded, encoded, numeric_mask
    from fairmend.core.data.table_reading import read_table
    from fairmend.core.metrics import (
        Estimate,
        InferenceSettings,
        Measurement,
        PairedTable,
        ScoreTable,
        calibration,
        compare,
        corrected_resampled_ttest,
        differential,
        evaluation_tables,
        generalized_entropy_index,
        holm,
        measure,
        metric,
        pareto,
        permutation_test,
    )
    from fairmend.core.metrics.calibration import debiased_calibration_error
    from fairmend.core.metrics.differential import epsilon, log_probabilities
    from fairmend.core.metrics.inequality import between_group_entropy, within_group_entropy
    from fairmend.core.metrics.inference import bootstrap
    from fairmend.core.metrics.inference.settings import INFERENCE_CONSTRAINTS, InferenceParameters
    from fairmend.core.metrics.measurement import SCORE_STATISTICS
    from fairmend.core.metrics.rates import Rate
    from fairmend.core.metrics.tables import intersections
    from fairmend.core.metrics.tasks.cells import task_cells
    from fairmend.core.metrics.tasks.ranking import adjusted_alpha, minimum_protected
    from fairmend.core.models.task_learner import learner_for
    from fairmend.core.models.torch_training import minimize_by_batches, train_against_adversary
    from fairmend.core.stages.resampling import ResamplingEvaluator
    from fairmend.core.text.escaping import Markdown, markdown, one_line
    from fairmend.core.text.words import plural

_ON_REQUEST = {
    "Covariates": "fairmend.core.causal.covariates",
    "Dependence": "fairmend.core.causal.assumed_graph",
    "Edge": "fairmend.core.causal.graph",
    "EmpiricalDistribution": "fairmend.core.algorithms.quantile_maps",
    "Estimate": "fairmend.core.metrics",
    "INFERENCE_CONSTRAINTS": "fairmend.core.metrics.inference.settings",
    "Independence": "fairmend.core.causal.graph",
    "IndependenceTester": "fairmend.core.causal.independence",
    "InferenceParameters": "fairmend.core.metrics.inference.settings",
    "InferenceSettings": "fairmend.core.metrics",
    "Markdown": "fairmend.core.text.escaping",
    "Measurement": "fairmend.core.metrics",
    "PairedTable": "fairmend.core.metrics",
    "Rate": "fairmend.core.metrics.rates",
    "ResamplingEvaluator": "fairmend.core.stages.resampling",
    "SCORE_STATISTICS": "fairmend.core.metrics.measurement",
    "ScoreTable": "fairmend.core.metrics",
    "StructuralEquations": "fairmend.core.causal.structural_equations",
    "UNFAIR": "fairmend.core.causal.column_roles",
    "adjusted_alpha": "fairmend.core.metrics.tasks.ranking",
    "assumed_graph": "fairmend.core.causal.assumed_graph",
    "attribute_contrasts": "fairmend.core.causal.adjusted_contrasts",
    "barycenter": "fairmend.core.algorithms.quantile_maps",
    "best_temperature": "fairmend.core.algorithms.calibration_maps",
    "between_group_entropy": "fairmend.core.metrics.inequality",
    "bias_factor": "fairmend.core.causal.e_values",
    "bootstrap": "fairmend.core.metrics.inference",
    "calibration": "fairmend.core.metrics",
    "chosen_covariates": "fairmend.core.causal.covariates",
    "closed_under_meek": "fairmend.core.causal.orientation",
    "compare": "fairmend.core.metrics",
    "column_roles": "fairmend.core.causal.column_roles",
    "contradictions": "fairmend.core.causal.contradictions",
    "corrected_resampled_ttest": "fairmend.core.metrics",
    "debiased_calibration_error": "fairmend.core.metrics.calibration",
    "decoded": "fairmend.core.data.synthetic_table",
    "dependences": "fairmend.core.causal.assumed_graph",
    "design_matrix": "fairmend.core.algorithms.least_squares",
    "differential": "fairmend.core.metrics",
    "e_value": "fairmend.core.causal.e_values",
    "e_value_of_interval": "fairmend.core.causal.e_values",
    "encoded": "fairmend.core.data.synthetic_table",
    "epsilon": "fairmend.core.metrics.differential",
    "evaluation_tables": "fairmend.core.metrics",
    "failed_claims": "fairmend.core.causal.interventions",
    "fitted_graph": "fairmend.core.causal.graph_io",
    "generalized_entropy_index": "fairmend.core.metrics",
    "group_chances": "fairmend.core.algorithms.calibration_maps",
    "group_distributions": "fairmend.core.algorithms.quantile_maps",
    "group_platt_fit": "fairmend.core.algorithms.calibration_maps",
    "group_ranks": "fairmend.core.algorithms.quantile_maps",
    "groups_and_reference": "fairmend.core.causal.covariates",
    "holm": "fairmend.core.metrics",
    "inside": "fairmend.core.algorithms.calibration_maps",
    "intersections": "fairmend.core.metrics.tables",
    "intervention_points": "fairmend.core.causal.interventions",
    "leads": "fairmend.core.causal.orientation",
    "learner_for": "fairmend.core.models.task_learner",
    "log_probabilities": "fairmend.core.metrics.differential",
    "logit": "fairmend.core.algorithms.calibration_maps",
    "loss_change": "fairmend.core.algorithms.calibration_maps",
    "margin": "fairmend.core.algorithms.calibration_maps",
    "markdown": "fairmend.core.text.escaping",
    "measure": "fairmend.core.metrics",
    "metric": "fairmend.core.metrics",
    "minimize_by_batches": "fairmend.core.models.torch_training",
    "minimum_protected": "fairmend.core.metrics.tasks.ranking",
    "numbers": "fairmend.core.algorithms.quantile_maps",
    "numeric_mask": "fairmend.core.data.synthetic_table",
    "one_line": "fairmend.core.text.escaping",
    "pareto": "fairmend.core.metrics",
    "permutation_test": "fairmend.core.metrics",
    "platt_fit": "fairmend.core.algorithms.calibration_maps",
    "plural": "fairmend.core.text.words",
    "read_graph": "fairmend.core.causal.graph_io",
    "read_table": "fairmend.core.data.table_reading",
    "regressors": "fairmend.core.causal.covariates",
    "rising_fit": "fairmend.core.algorithms.calibration_maps",
    "risk_ratio_of_difference": "fairmend.core.causal.e_values",
    "standard_graph": "fairmend.core.causal.graph_io",
    "task_cells": "fairmend.core.metrics.tasks.cells",
    "train_against_adversary": "fairmend.core.models.torch_training",
    "transport": "fairmend.core.algorithms.quantile_maps",
    "unshared": "fairmend.core.causal.covariates",
    "within_group_entropy": "fairmend.core.metrics.inequality",
}

__all__ = [
    "INFERENCE_CONSTRAINTS",
    "SCORE_STATISTICS",
    "UNFAIR",
    "Adjustment",
    "CausalAnalysis",
    "CausalGraph",
    "CausalResult",
    "Covariates",
    "DataChange",
    "DataError",
    "Dataset",
    "Dependence",
    "Detection",
    "Edge",
    "EmpiricalDistribution",
    "Estimate",
    "Evaluator",
    "FairmendError",
    "Finding",
    "FindingKind",
    "Floats",
    "Groups",
    "Independence",
    "IndependenceTester",
    "InferenceParameters",
    "InferenceSettings",
    "Inprocessor",
    "InsufficientDataError",
    "Ints",
    "Levels",
    "Markdown",
    "Measurement",
    "MissingExtraError",
    "NotFeasibleError",
    "Operation",
    "OperationResult",
    "PairedTable",
    "ParameterError",
    "Postprocessor",
    "Preprocessor",
    "Rate",
    "ResamplingEvaluator",
    "Roles",
    "ScoreTable",
    "StructuralEquations",
    "TableEncoder",
    "Task",
    "Technique",
    "TechniqueMetadata",
    "Unseen",
    "UsageError",
    "Verdict",
    "adjusted_alpha",
    "assumed_graph",
    "attribute_contrasts",
    "barycenter",
    "best_temperature",
    "between_group_entropy",
    "bias_factor",
    "bootstrap",
    "calibration",
    "chosen_covariates",
    "closed_under_meek",
    "column_roles",
    "compare",
    "contradictions",
    "corrected_resampled_ttest",
    "debiased_calibration_error",
    "decoded",
    "dependences",
    "design_matrix",
    "differential",
    "e_value",
    "e_value_of_interval",
    "encoded",
    "epsilon",
    "evaluation_tables",
    "failed_claims",
    "fit_weighted",
    "fitted_graph",
    "fitted_parts",
    "generalized_entropy_index",
    "group_chances",
    "group_distributions",
    "group_platt_fit",
    "group_ranks",
    "groups_and_reference",
    "holm",
    "hookimpl",
    "inside",
    "intersections",
    "intervention_points",
    "leads",
    "learner_for",
    "log_probabilities",
    "logit",
    "loss_change",
    "make_learner",
    "margin",
    "markdown",
    "measure",
    "metric",
    "minimize_by_batches",
    "minimum_protected",
    "numbers",
    "numeric_columns",
    "numeric_mask",
    "one_line",
    "pareto",
    "permutation_test",
    "platt_fit",
    "plural",
    "read_graph",
    "read_table",
    "regressors",
    "rising_fit",
    "risk_ratio_of_difference",
    "row_hash",
    "split_learner",
    "standard_graph",
    "task_cells",
    "to_plain",
    "train_against_adversary",
    "transport",
    "uniform_by_row",
    "unknown",
    "unshared",
    "within_group_entropy",
]


def __getattr__(name: str) -> Any:
    home = _ON_REQUEST.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    parent = import_module(home)
    return getattr(parent, name) if hasattr(parent, name) else import_module(f"{home}.{name}")
