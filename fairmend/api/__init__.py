"""The functions for daily use, and the records that they return; the command line calls these and prints.

Each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairmend.api.catalog import (
        check_techniques,
        conformance_checks,
        constraint_keys,
        describe_technique,
        list_encoders,
        list_learners,
        list_techniques,
        new_plugin,
        plugins,
        query,
        registry,
        run_technique,
        technique,
    )
    from fairmend.api.causal import causes, check_causes_name, save_causes
    from fairmend.api.data import audit, dataset, list_datasets, load_audit, load_dataset
    from fairmend.api.pipelines import compose, draw, explain, recommend, run
    from fairmend.api.policies import compare_policies, identify_policy, load_policy, not_deployable
    from fairmend.api.runs import (
        approve,
        choose,
        keyring,
        load_run,
        predict,
        report,
        resume,
        run_store,
        status,
        verify,
    )
    from fairmend.api.sweeps import load_sweep, sweep
    from fairmend.catalog.policy import Policy, PolicyComparison, PolicyRecord, Weakness
    from fairmend.core.data.dataset import Dataset
    from fairmend.core.data.files import check_spared, formula_note
    from fairmend.core.fair_pipeline import FairPipeline
    from fairmend.core.findings import Audit, Finding
    from fairmend.index.answer import Answer, Recommendation
    from fairmend.pipeline.causal_assessment import CausalAssessment
    from fairmend.pipeline.compose.explanation import Explanation
    from fairmend.pipeline.run.approvals import Approval
    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.run_technique import TechniqueResult
    from fairmend.pipeline.spec import PipelineSpec
    from fairmend.pipeline.sweep.sweep_record import Sweep
    from fairmend.reports.drawing import check_drawing_name
    from fairmend.testing.suite import Conformance

_NAMES = {
    "fairmend.api.catalog": (
        *("check_techniques", "conformance_checks", "constraint_keys", "describe_technique", "list_encoders"),
        *(
            "list_learners",
            "list_techniques",
            "new_plugin",
            "plugins",
            "query",
            "registry",
            "run_technique",
            "technique",
        ),
    ),
    "fairmend.api.causal": ("causes", "check_causes_name", "save_causes"),
    "fairmend.api.data": ("audit", "dataset", "list_datasets", "load_audit", "load_dataset"),
    "fairmend.api.pipelines": ("compose", "draw", "explain", "recommend", "run"),
    "fairmend.api.policies": ("compare_policies", "identify_policy", "load_policy", "not_deployable"),
    "fairmend.api.runs": (
        *(
            "approve",
            "choose",
            "keyring",
            "load_run",
            "predict",
            "report",
            "resume",
            "run_store",
            "status",
            "verify",
        ),
    ),
    "fairmend.api.sweeps": ("load_sweep", "sweep"),
    "fairmend.catalog.policy": ("Policy", "PolicyComparison", "PolicyRecord", "Weakness"),
    "fairmend.core.data.dataset": ("Dataset",),
    "fairmend.core.data.files": ("check_spared", "formula_note"),
    "fairmend.core.fair_pipeline": ("FairPipeline",),
    "fairmend.core.findings": ("Audit", "Finding"),
    "fairmend.index.answer": ("Answer", "Recommendation"),
    "fairmend.pipeline.causal_assessment": ("CausalAssessment",),
    "fairmend.pipeline.compose.explanation": ("Explanation",),
    "fairmend.pipeline.run.approvals": ("Approval",),
    "fairmend.pipeline.run.record": ("RunRecord",),
    "fairmend.pipeline.run_technique": ("TechniqueResult",),
    "fairmend.pipeline.spec": ("PipelineSpec",),
    "fairmend.pipeline.sweep.sweep_record": ("Sweep",),
    "fairmend.reports.drawing": ("check_drawing_name",),
    "fairmend.testing.suite": ("Conformance",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [  # noqa: RUF022 - functions in the order of the work, then what they return
    "query",
    "audit",
    "load_audit",
    "causes",
    "save_causes",
    "check_causes_name",
    "recommend",
    "explain",
    "compose",
    "draw",
    "sweep",
    "load_sweep",
    "run",
    "status",
    "load_run",
    "resume",
    "approve",
    "choose",
    "verify",
    "report",
    "predict",
    "run_store",
    "keyring",
    "load_policy",
    "identify_policy",
    "compare_policies",
    "not_deployable",
    "technique",
    "list_techniques",
    "describe_technique",
    "run_technique",
    "list_learners",
    "list_encoders",
    "dataset",
    "list_datasets",
    "load_dataset",
    "registry",
    "plugins",
    "new_plugin",
    "check_techniques",
    "conformance_checks",
    "constraint_keys",
    "check_drawing_name",
    "CausalAssessment",
    "check_spared",
    "formula_note",
    "Answer",
    "Approval",
    "Audit",
    "Conformance",
    "Dataset",
    "Explanation",
    "FairPipeline",
    "Finding",
    "PipelineSpec",
    "Policy",
    "PolicyComparison",
    "PolicyRecord",
    "Recommendation",
    "RunRecord",
    "Sweep",
    "TechniqueResult",
    "Weakness",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fairmend.api' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
