"""A pipeline as data: YAML that a person can read, edit and review."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.graph_content import GraphContent
from fairmend.core.constraints import Constraints
from fairmend.core.data.dataset import PARTS
from fairmend.core.data.files import write_text
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Finding
from fairmend.core.text.display import Displayed
from fairmend.core.text.documents import load_document
from fairmend.core.text.strict_reading import read_yaml
from fairmend.core.text.validation import ClosedModel
from fairmend.core.text.yaml_text import yaml_text
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import LARGEST_SEED, Notion, Stage

When = Literal["always", "target not secure", "calibration poor"]


class Choice(ClosedModel):
    """A technique with its parameters, and why it was chosen."""

    technique: int | str = Field(description="id in the catalog, or namespace:name")
    slug: str = Field(description="its name, for people")
    parameters: dict[str, Any] = Field(default_factory=dict, description="what differs from its defaults")
    reason: str = Field(default="", description="reason for the choice")


class Step(Choice):
    """A choice at its place in the pipeline, with what to switch to."""

    stage: Stage
    when: When = Field(default="always", description="when the step acts")
    alternatives: tuple[Choice, ...] = Field(default=(), description="what to switch to, best first")


class AuditedData(ClosedModel):
    """The audited data that a pipeline was composed from."""

    sha256: str = Field(description="of the data, as the audit and the run record give it")
    rows: int = Field(description="number of rows")


class PipelineSpec(Displayed, ClosedModel):
    """A pipeline: steps with their reasons and alternatives, target, policy, data roles, split and seed."""

    fairmend: Literal[1] = Field(default=1, description="version of this format")
    name: str = Field(default="pipeline", description="name of the pipeline")
    audited: AuditedData | None = Field(
        default=None, description="the data it was composed from; a run on other data says so"
    )
    roles: Roles
    notion: Notion = Field(default="demographic_parity", description="fairness notion of the target")
    utility: Utility | None = Field(
        default=None,
        description="what decisions are worth; by default the expected cost at the baseline's own threshold",
    )
    policy: str = Field(default="playbook", description="name or file of the policy")
    learner: str = Field(
        default="gradient_boosting", description="learner of the baseline and of steps that retrain"
    )
    constraints: Constraints = Field(default_factory=Constraints)
    split: dict[str, float] = Field(default_factory=lambda: dict(PARTS), description="share of each part")
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    simplify: bool = Field(
        default=True, description="whether to remove steps at the end that do not improve the result"
    )
    graph: GraphContent = Field(
        default=None,
        description="an expert's causal graph, which says what may be repaired: nodes, edges, hidden_common_causes, "
        "undirected",
    )
    steps: tuple[Step, ...]
    evaluations: tuple[Choice, ...] = Field(default=(), description="what accompanies the gates")
    findings: tuple[Finding, ...] = Field(default=(), description="what the audit found")

    @property
    def causal_graph(self) -> CausalGraph | None:
        """The expert's graph, if there is one."""
        return None if self.graph is None else CausalGraph.from_mapping(self.graph)

    def of_stage(self, stage: str) -> tuple[Step, ...]:
        """Return the steps of a stage, in order."""
        return tuple(s for s in self.steps if s.stage == stage)

    def facts(self) -> dict[str, object]:
        """Return its target, policy and steps."""
        return {
            "name": self.name,
            "notion": self.notion,
            "policy": self.policy,
            "learner": self.learner,
            "steps": " -> ".join(step.slug for step in self.steps) or "none",
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the steps, in order."""
        return [
            {
                "stage": step.stage,
                "technique_id": step.technique,
                "slug": step.slug,
                "when": step.when,
                "parameters": step.parameters,
                "alternatives": ", ".join(choice.slug for choice in step.alternatives),
                "reason": step.reason,
            }
            for step in self.steps
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return self.model_dump(mode="json")

    def save(self, path: str | Path) -> None:
        """Write the pipeline to a file as YAML, to read, edit and run.

        Raises
        ------
        UsageError
            The file cannot be written.
        """
        write_text(path, self.to_yaml())

    def to_yaml(self) -> str:
        """Return the pipeline as YAML, without default values."""
        raw = self.model_dump(mode="json", exclude_defaults=True)
        head = {"fairmend": self.fairmend, "name": self.name}
        return yaml_text({**head, **raw})


def load_spec(source: str | Path | PipelineSpec) -> PipelineSpec:
    """Read a pipeline from a YAML file.

    Raises
    ------
    UsageError
        The file is missing, is not YAML, or breaks the schema; the message names the place.
    """
    return load_document(PipelineSpec, source, "pipeline", "fairmend compose", read_yaml)
