"""What is presented to people: the rule at each gate by its fingerprint, and the approvals that it needs.

An approval is asked for only where the rule has what the gate is about: without a step of in-processing there is
no trade-off of the training to approve, and without a causal claim no causal picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fairmend.catalog.policy import GATED_STAGES, Gate, GatedStage, Policy
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.serialization import to_plain
from fairmend.pipeline.gates.gates import CheckResult, approval_result
from fairmend.pipeline.run.approvals import ESCALATION, Approval, in_force, rejections, settle
from fairmend.pipeline.spec import Choice, PipelineSpec

DIGITS = 12


@dataclass(frozen=True)
class Presentation:
    """A rule as people see it.

    Attributes
    ----------
    rules : dict of str to str
        By gate, the fingerprint of what it approves; the escalation has that of the whole rule.
    needless : dict of str to str
        The gates whose approvals the rule does not need, with the reason.
    """

    rules: dict[str, str]
    needless: dict[str, str]

    def reached(self, policy: Policy, stages: Iterable[GatedStage]) -> dict[str, str]:
        """Return the fingerprints at the gates of these stages: nobody approves what was not shown."""
        gates = {policy.gate(stage).id for stage in stages}
        return {gate: rule for gate, rule in self.rules.items() if gate in gates}

    def with_options(self, options: Iterable[str]) -> dict[str, str]:
        """Return the fingerprints where people choose among options: a choice holds for the options as they were."""
        given = [self.rules[ESCALATION], *options]
        return {**self.rules, ESCALATION: _fingerprint(given)} if len(given) > 1 else self.rules

    def decisions(self, given: Iterable[Approval], policy: Policy) -> list[Approval]:
        """Return the decisions of people, each with its state as regards this rule."""
        return settle(given, distinct=policy.distinct_approvers, rules=self.rules)

    def approvals(self, gate: Gate, decisions: Iterable[Approval]) -> list[CheckResult]:
        """Return the verdict of each approval of a gate, from settled decisions.

        An objection to a causal assumption fails the causal gate, wherever it was raised.
        """
        decisions = list(decisions)
        held = in_force(decisions)
        needless = self.needless.get(gate.id, "")
        found = [approval_result(c, gate.id, held, needless) for c in gate.checks if c.metric == "approval"]
        doubts = [a for a in rejections(decisions) if a.concern == "causal-assumption" and a.gate != gate.id]
        if gate.stage != "causal" or not doubts:
            return found
        reason = "; ".join(f"{a.gate} was {a}" for a in doubts)
        return [replace(check, verdict="failed", reason=reason) for check in found]


def present(
    spec: PipelineSpec,
    policy: Policy,
    registry: Registry,
    choices: Sequence[Choice],
    root: Case,
    case: Case,
    *,
    causal_claim: bool,
) -> Presentation:
    """Return the presentation of a rule.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    policy : Policy
        Its gates.
    registry : Registry
        Where techniques come from.
    choices : sequence of Choice
        The steps of the rule, in order.
    root, case : Case
        The case before them and after them.
    causal_claim : bool
        Whether the sensitivity analysis lets the report call the disparity causal.
    """
    steps = [(choice, registry.card(choice.technique).metadata) for choice in choices]
    model = [spec.learner, spec.seed, *sorted(map(str, root.train.X.columns))]
    rules = {
        gate: _fingerprint([gate, model, *_parts(stage, steps, case)])
        for gate, stage in (
            *((g.id, g.stage) for g in policy.gates),
            (ESCALATION, GATED_STAGES[-1]),
        )
    }
    needless = {gate.id: _needless(gate.stage, steps, case, causal_claim) for gate in policy.gates}
    return Presentation(rules, {gate: why for gate, why in needless.items() if why})


def claims_cause(checks: Iterable[CheckResult]) -> bool:
    """Whether the checks of the causal gate leave the causal claim standing; without a check of it, it stands."""
    measured = [c for c in checks if c.measure in {"e_value", "e_value_limit"}]
    return all(c.verdict == "passed" and not c.not_applicable for c in measured)


def with_approvals(
    standing: Mapping[GatedStage, Sequence[CheckResult]], asked: Mapping[GatedStage, Sequence[CheckResult]]
) -> dict[GatedStage, list[CheckResult]]:
    """Return the checks of the last pass through each gate, with the approvals of the final rule."""
    return {
        stage: [*(c for c in checks if c.measure != "approval"), *asked.get(stage, ())]
        for stage, checks in standing.items()
    }


def _parts(
    stage: GatedStage, steps: Sequence[tuple[Choice, TechniqueMetadata]], case: Case
) -> tuple[object, object]:
    """Return what a gate approves: the steps up to its stage, and the causal picture if it or they rest on it."""
    upto = GATED_STAGES[1 : GATED_STAGES.index(stage) + 1]
    inside = [(c, m) for c, m in steps if m.stage in upto]
    acts = [[c.technique, c.parameters] for c, _ in inside]
    if stage != "causal" and not any(_reads_picture(m) for _, m in inside):
        return acts, None
    graph = None if case.graph is None else case.graph.to_mapping()
    return acts, [graph, list(case.repair), list(case.leave_out)]


def _reads_picture(metadata: TechniqueMetadata) -> bool:
    """Whether a technique may follow the causal picture: by its graph, or by the features that it repairs."""
    return metadata.needs_graph or "features" in metadata.modifies


def _needless(
    stage: GatedStage, steps: Sequence[tuple[Choice, TechniqueMetadata]], case: Case, causal: bool
) -> str:
    """Return why the rule needs no approval of a stage; empty if it does."""
    if stage == "post-processing":
        return ""
    if stage != "causal":
        present = any(m.stage == stage for _, m in steps)
        return "" if present else f"the rule has no step of {stage}"
    if case.graph is None:
        return "no causal graph was built"
    if causal or any(_reads_picture(m) for _, m in steps):
        return ""
    return "the report makes no causal claim, and no step of the rule reads the causal graph"


def _fingerprint(basis: object) -> str:
    text = json.dumps(to_plain(basis), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
