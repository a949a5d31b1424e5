"""The JSON documents that other programs read, as schemas made from the records.

Each document has a ``schema_version``, which rises when a reader must change; ``docs/schemas`` holds the
schemas, written by ``make schemas``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from fairmend.catalog.policy import PolicyRecord
from fairmend.core.data.files import write_text
from fairmend.core.findings import Audit
from fairmend.core.metrics import Estimate
from fairmend.core.text.escaping import json_text
from fairmend.core.utility import UtilityMetric
from fairmend.core.vocabulary import Notion, Stage
from fairmend.index.answer import Excluded
from fairmend.pipeline.compose.explanation import Outcome
from fairmend.pipeline.finding_outcomes import FindingOutcome
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.aim import Aim
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.cv_results import Fold, FoldChange
from fairmend.pipeline.run.decision_zero import NeedRecord
from fairmend.pipeline.run.earlier_looks import TestLooks
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.measured import GateMeasurement, Variant
from fairmend.pipeline.run.option import Option
from fairmend.pipeline.run.record import Transition
from fairmend.pipeline.run.run_status import Status
from fairmend.pipeline.spec import PipelineSpec
from fairmend.pipeline.sweep.sweep_record import Sweep

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = Field(default=..., description="version of this format")
Interval = tuple[float | None, float | None]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


@dataclass(frozen=True)
class Figure(Estimate):
    """An estimate with that of each group."""

    by_group: dict[str, Estimate] = field(default_factory=dict)


class Change(_Document):
    """The change of a figure on the same rows, with its interval and the p-value of no change."""

    before: float | None
    after: float | None
    change: float | None
    p_value: float | None
    p_holm: float | None = Field(description="corrected for all figures that are compared")
    interval: Interval | None
    support: int
    enough: bool
    lacking: list[str]


class Changes(_Document):
    """The final rule against the baseline."""

    support: int = Field(description="rows compared")
    flipped: int = Field(description="rows whose decision differs")
    metrics: dict[str, Change]


class StepEffect(_Document):
    """What a step changed."""

    kind: str
    share: float = Field(description="share of the rows it touched")
    size: float | None
    changed_nothing: bool
    text: str
    detail: dict[str, Any] = {}


class StepDocument(_Document):
    """One step as it went."""

    stage: Stage
    technique_id: int | str
    slug: str
    parameters: dict[str, Any]
    iteration: int
    status: Literal["ran", "not needed", "failed", "taken back"]
    text: str
    effect: StepEffect | None
    seconds: float


class FoldTarget(_Document):
    """How often the target held over the folds."""

    measure: str
    bound: str
    held: int
    of: int


class CrossValidationDocument(_Document):
    """The pipeline refitted on other parts of the data."""

    repetitions: int
    folds: int
    completed: int
    of: int
    steps: list[str]
    refitted_baseline: bool
    target: FoldTarget
    measures: dict[str, FoldChange]
    by_fold: list[Fold]


class RetainedSkill(_Document):
    """The part of the baseline's skill that the final rule retains."""

    value: float | None
    interval: Interval | None
    text: str


class UtilityDocument(_Document):
    """What the decisions of baseline and final rule are worth, on the test data."""

    metric: UtilityMetric
    cost_fp: float
    cost_fn: float
    baseline: Estimate
    final: Estimate
    retained_skill: RetainedSkill


class GroupChangeDocument(_Document):
    """Favorable decisions that one group gained and lost."""

    group: str
    rows: int
    gained: int
    lost: int
    before: float | None = Field(description="its rate in the baseline")
    after: float | None


class LevelingDownDocument(_Document):
    """Who gains and who loses favorable decisions, on the test data."""

    rate: str = Field(description="by which groups are worse or better off")
    groups: list[GroupChangeDocument] = Field(description="the worst off in the baseline first")
    worst_off: str | None
    gain: float | None = Field(description="by how much the rate of the worst-off group rose")
    interval: Interval | None
    support: int
    lacking: list[str]
    text: str


class RunDocument(_Document):
    """A run: what was done, measured and decided, and why it ended where it did."""

    schema_version: Literal[1] = VERSION
    run_id: str
    status: Status
    reason: str
    notion: Notion
    policy: PolicyRecord
    data: dict[str, Any] = Field(description="rows, parts, roles and SHA-256 of the data")
    seed: int
    learner: str = Field(description="what the baseline and techniques that retrain train")
    baseline: dict[str, Figure] = Field(description="on the test data, which no step has seen")
    final: dict[str, Figure] = Field(description="on the same rows")
    tests: Changes
    utility: UtilityDocument
    leveling_down: LevelingDownDocument
    steps: list[StepDocument]
    gates: list[CheckResult]
    need: NeedRecord | None = Field(description="what decision 0 found; null where the policy asks for none")
    transitions: list[Transition]
    gate_measurements: list[GateMeasurement]
    ablation: list[Variant]
    selected: str = Field(description="name of the variant that is the final rule; full is all steps")
    aim: Aim | None = Field(description="how its last tuned step was tuned; null where none was")
    probability: float | None = Field(
        description="with which it meets the target on new data of the test's size"
    )
    options: list[Option] = Field(description="rules of which people can choose one, where they must decide")
    reference_models: dict[str, dict[str, Any]]
    findings: list[FindingOutcome]
    cross_validation: CrossValidationDocument | None
    approvals: list[Approval]
    presented_rules: dict[str, str] = Field(description="by gate, the fingerprint of what is approved there")
    escalated_to: list[str] = Field(description="on escalation, the roles that may decide")
    escalation_options: list[str]
    notes: list[str]
    guards: list[Guard]
    by_rows: dict[str, Any] | None
    test_looks: TestLooks | None
    plugins: list[str]
    technique_results: dict[str, Any]
    graph: dict[str, Any] | None = Field(
        description="the causal graph: nodes, edges, hidden_common_causes, undirected"
    )
    former_graphs: list[dict[str, Any]] = Field(
        description="graphs that it replaced in this run, oldest first"
    )
    seconds: dict[str, float]
    versions: dict[str, str]


class ResultDocument(_Document):
    """A technique that fits."""

    technique_id: int | str
    slug: str
    name: str
    stage: Stage
    score: float = Field(description="how well it fits, between 0 and 1")
    why: list[str]
    citation: str


class RankedDocument(ResultDocument):
    """A technique that an audit calls for."""

    findings: list[str] = Field(description="kinds of the findings it answers")


class QueryDocument(_Document):
    """The techniques that answer a question, best first, and those that a constraint leaves out."""

    schema_version: Literal[1] = VERSION
    query: str
    results: list[ResultDocument]
    excluded: list[Excluded]


class RecommendationDocument(_Document):
    """The techniques that an audit calls for, best first, and those that are left out."""

    schema_version: Literal[1] = VERSION
    query: str
    results: list[RankedDocument]
    excluded: list[Excluded]


class ExplanationDocument(_Document):
    """Why a technique is, or is not, in the pipeline of an audit."""

    schema_version: Literal[1] = VERSION
    technique_id: int | str
    slug: str
    outcome: Outcome
    reasons: list[str]
    ahead: list[str]


DOCUMENTS: dict[str, Any] = {
    "audit": Audit,
    "explanation": ExplanationDocument,
    "pipeline": PipelineSpec,
    "query": QueryDocument,
    "recommendation": RecommendationDocument,
    "run": RunDocument,
    "sweep": Sweep,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each document by its name."""
    return {name: _schema(name, document) for name, document in DOCUMENTS.items()}


def write_schemas(folder: str | Path) -> list[Path]:
    """Write the schemas to a folder, one file for each document."""
    written = []
    for name, schema in schemas().items():
        path = Path(folder) / f"{name}.json"
        write_text(path, json_text(schema) + "\n")
        written.append(path)
    return written


def _schema(name: str, document: Any) -> dict[str, Any]:
    made = TypeAdapter(document).json_schema()
    if document is Sweep:  # what it adds to its fields when it is written
        names = {"type": "array", "items": {"type": "string"}, "description": "names of the candidates on it"}
        made["properties"]["frontier"] = names
        made["$defs"]["SweepCandidate"]["properties"]["name"] = {"type": "string"}
    return {"$schema": DIALECT, **_closed(made), "title": f"fairmend {name}"}


def _closed(schema: Any) -> Any:
    """Return a schema in which no object has other properties than those it names."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    named = schema.get("type") == "object" and "properties" in schema
    return {**closed, "additionalProperties": False} if named else closed
