"""The record of a run: steps, measurements, decisions, final status and its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fairmend.catalog.policy import Policy, PolicyRecord
from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.metrics import Comparison, Measurement
from fairmend.core.metrics.leveling_down import LevelingDown
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.text.display import Displayed, figure_record
from fairmend.pipeline.finding_outcomes import FindingOutcome
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.aim import Aim
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.cv_results import CrossValidation
from fairmend.pipeline.run.decision_zero import NeedRecord
from fairmend.pipeline.run.earlier_looks import TestLooks
from fairmend.pipeline.run.executive import choosable
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.measured import GateMeasurement, Variant
from fairmend.pipeline.run.next_steps import next_commands
from fairmend.pipeline.run.option import Option
from fairmend.pipeline.run.run_status import EXIT_CODES, Status
from fairmend.pipeline.run.utility_outcome import UtilityOutcome
from fairmend.pipeline.spec import PipelineSpec


@dataclass(frozen=True)
class StepRecord:
    """One executed step.

    Attributes
    ----------
    stage, technique_id, slug, parameters
        Technique and parameters.
    iteration : int
        Number of earlier rollbacks.
    status : str
        ``ran``, ``not needed``, ``failed`` or ``taken back`` (with the reason in ``text``).
    text : str
        What it did, or why not.
    effect : Effect or None
        What it changed.
    seconds : float
        Duration.
    """

    stage: str
    technique_id: int | str
    slug: str
    parameters: dict[str, Any]
    iteration: int
    status: Literal["ran", "not needed", "failed", "taken back"]
    text: str
    effect: Effect | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON; results of analyses are stored separately."""
        effect = None if self.effect is None else self.effect.to_json()
        if effect is not None and effect["kind"] == "none":
            effect.pop("detail")
        return {
            "stage": self.stage,
            "technique_id": self.technique_id,
            "slug": self.slug,
            "parameters": self.parameters,
            "iteration": self.iteration,
            "status": self.status,
            "text": self.text,
            "effect": effect,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Transition:
    """A decision, rollback or choice: the next stage or what is deployed, and why.

    Attributes
    ----------
    kind : str
        ``decision``, ``rollback``, ``lookahead``, ``undo``, ``choice`` or ``escalation``.
    id : str
        Its id in the policy.
    to : str
        The next stage or end state.
    reason : str
        Why.
    iteration : int
        Number of earlier rollbacks.
    source : str
        Section of the policy's source.
    """

    kind: Literal["decision", "rollback", "lookahead", "undo", "choice", "escalation"]
    id: str
    to: str
    reason: str
    iteration: int
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return dict(self.__dict__)


@dataclass(repr=False)
class RunRecord(Displayed):
    """Everything that a run produces.

    Attributes
    ----------
    run_id : str
        Name of the run.
    status : str
        ``deployable``, ``no intervention needed``, ``undecided`` (the data do not show whether one is needed),
        ``passed its policy`` (which requires too little), ``waiting``, ``escalated`` or ``failed``; ``rejected``
        where a person rejected the run after it had ended; ``accepted as measured``, ``option chosen`` or
        ``stopped`` where people decided on an escalated run.
    reason : str
        Reason of the status.
    spec : PipelineSpec
        The pipeline.
    policy : PolicyRecord
        Which policy it was judged by, and where that requires less than the playbook.
    baseline, final : Measurement
        Metrics on the test data, which no step has used.
    tests : Comparison
        Final against baseline on the test data.
    utility : UtilityOutcome
        What both rules are worth, and the skill that the final one retains.
    leveling_down : LevelingDown
        Who gains and who loses favorable decisions.
    need : NeedRecord or None
        What decision 0 found; None where the policy asks for none.
    steps, gates, turns, attempts, variants, approvals
        What happened, in order; approvals are all decisions of people, each with its state.
    presented_rules : dict of str to str
        By gate, the fingerprint of what its approvals are about; the escalation has that of the final rule.
    escalated_to : list of str
        On escalation: the roles that may decide; see :mod:`fairmend.pipeline.run.executive`.
    aim : Aim or None
        How the last tuned step of the final rule was tuned; None where none was.
    probability : float or None
        With which the final rule meets the target on new data of the size of the test part, as estimated
        without the test data; None where the target compares no groups.
    options : list of Option
        Measured rules of which people can choose one, where they must decide.
    option_models : dict of str to FairModel
        The rule of each option; empty if the record was read from the store.
    escalation_options : list of str
        On escalation: the options, with their measured costs.
    notes : list of str
        Notes for the reader.
    technique_results : dict
        Results of analyses and evaluations, by slug.
    findings : list of FindingOutcome
        Audit findings re-measured on the test data.
    cross_validation : CrossValidation or None
        The pipeline refitted on folds, if requested.
    guards : list of Guard
        Tripped guards, which no policy can override.
    by_rows : dict or None
        For weighted data: unweighted next to weighted metrics of the final rule.
    test_looks : TestLooks or None
        Number of earlier looks at the test part, and the target corrected for them.
    plugins : list of str
        Loaded third-party plugins with their versions.
    seconds : dict of str to float
        Durations by phase.
    model : FairModel
        The final model.
    case : Case or None
        The final case; None if the record was read from the store.
    graph : CausalGraph or None
        The causal graph, if one was built.
    former_graphs : list of dict
        The graphs that it has replaced in this run, oldest first.
    rules : Policy or None
        The policy, for the drawing of the pipeline.
    head : str or None
        Hash of the last entry of its log, if the run is stored; an anchor of the whole record.
    """

    run_id: str
    status: Status
    reason: str
    spec: PipelineSpec
    policy: PolicyRecord
    data: dict[str, Any]
    baseline: Measurement
    final: Measurement
    tests: Comparison
    utility: UtilityOutcome
    leveling_down: LevelingDown
    model: FairModel
    case: Case | None = None
    graph: CausalGraph | None = None
    former_graphs: list[dict[str, Any]] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    gates: list[CheckResult] = field(default_factory=list)
    need: NeedRecord | None = None
    transitions: list[Transition] = field(default_factory=list)
    gate_measurements: list[GateMeasurement] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    selected: str = "full"
    aim: Aim | None = None
    probability: float | None = None
    options: list[Option] = field(default_factory=list)
    option_models: dict[str, FairModel] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    presented_rules: dict[str, str] = field(default_factory=dict)
    escalated_to: list[str] = field(default_factory=list)
    escalation_options: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    technique_results: dict[str, Any] = field(default_factory=dict)
    reference_models: dict[str, Any] = field(default_factory=dict)
    findings: list[FindingOutcome] = field(default_factory=list)
    cross_validation: CrossValidation | None = None
    guards: list[Guard] = field(default_factory=list)
    by_rows: dict[str, Any] | None = None
    test_looks: TestLooks | None = None
    plugins: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rules: Policy | None = None
    head: str | None = None

    def next_commands(self) -> list[str]:
        """Return the commands that answer the run, if it is stored and waits for people."""
        if self.head is None or self.rules is None:
            return []
        return next_commands(
            self.status,
            self.run_id,
            policy=self.rules,
            waiting=[g.id for g in self.gates if g.verdict == "waiting"],
            decisions=self.approvals,
            deciders=self.escalated_to,
            options=choosable(self.to_json()),
        )

    def facts(self) -> dict[str, object]:
        """Return the verdict, the rule it is about, and how it compares with the baseline."""
        name = "accuracy", "demographic_parity_ratio"
        before, after = ({n: m.figure(n).value for n in name} for m in (self.baseline, self.final))
        return {
            "status": f"{self.status} ({self.run_id})",
            "reason": self.reason,
            "steps": " -> ".join(self.deployed_steps()) or "none",
            **{n.replace("_", " "): f"{before[n]:.3f} -> {after[n]:.3f}" for n in name},
        }

    def deployed_steps(self) -> tuple[str, ...]:
        """Return the slugs of the steps of the final rule, which may have fewer than were run."""
        ran = tuple(dict.fromkeys(step.slug for step in self.steps if step.status == "ran"))
        return next((variant.steps for variant in self.variants if variant.name == self.selected), ran)

    def records(self) -> list[dict[str, Any]]:
        """Return the figures of baseline and final rule on the test data, with intervals, over all and by group."""
        return [
            {"model": model, "group": group, **figure_record(name, figure)}
            for model, measured in (("baseline", self.baseline), ("final", self.final))
            for name, over_all in measured.to_json().items()
            for group, figure in ((None, over_all), *over_all.get("by_group", {}).items())
        ]

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 deployable or nothing needed, 3 waiting, 5 accepted by people all the same, 4 otherwise."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "schema_version": 1,
            "run_id": self.run_id,
            "status": self.status,
            "reason": self.reason,
            "notion": self.spec.notion,
            "learner": self.spec.learner,
            "policy": self.policy.to_json(),
            "data": self.data,
            "seed": self.spec.seed,
            "baseline": self.baseline.to_json(),
            "final": self.final.to_json(),
            "tests": self.tests.to_json(),
            "utility": self.utility.to_json(),
            "leveling_down": self.leveling_down.to_json(),
            "steps": [s.to_json() for s in self.steps],
            "gates": [g.to_json() for g in self.gates],
            "need": None if self.need is None else self.need.to_json(),
            "transitions": [t.to_json() for t in self.transitions],
            "gate_measurements": [a.to_json() for a in self.gate_measurements],
            "ablation": [v.to_json() for v in self.variants],
            "selected": self.selected,
            "aim": None if self.aim is None else self.aim.to_json(),
            "probability": self.probability,
            "options": [o.to_json() for o in self.options],
            "reference_models": self.reference_models,
            "findings": [f.to_json() for f in self.findings],
            "cross_validation": None if self.cross_validation is None else self.cross_validation.to_json(),
            "approvals": [a.to_json() for a in self.approvals],
            "presented_rules": self.presented_rules,
            "escalated_to": self.escalated_to,
            "escalation_options": self.escalation_options,
            "notes": self.notes,
            "guards": [g.to_json() for g in self.guards],
            "by_rows": self.by_rows,
            "test_looks": None if self.test_looks is None else self.test_looks.to_json(),
            "plugins": self.plugins,
            "technique_results": self.technique_results,
            "graph": None if self.graph is None else self.graph.to_mapping(),
            "former_graphs": self.former_graphs,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            "versions": self.versions,
        }
