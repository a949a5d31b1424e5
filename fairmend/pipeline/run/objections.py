"""What is done about a rejection when the run is resumed: its concern says what must change.

Only the parts that are objected to change. Where nothing can be changed, the response says why, and the rejection
stands: people decide.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairmend import index
from fairmend.catalog.policy import Policy
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.findings import Audit
from fairmend.core.text.words import plural
from fairmend.core.vocabulary import STAGES
from fairmend.pipeline.compose.composer import compose
from fairmend.pipeline.compose.slots import DECISION, slot_of
from fairmend.pipeline.run.approvals import ESCALATION, Approval
from fairmend.pipeline.run.executive import SEND_BACK
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.storage.stored_run import StoredRun

MORE_REPLICATES = 5
FOLDS = "5x2"
"""Cross-validation that is added where the evidence is doubted."""


@dataclass(frozen=True)
class Response:
    """A response to a rejection.

    Attributes
    ----------
    text : str
        What is done, or why nothing can be.
    changes : dict
        What changes in the request of the run, and of its pipeline; empty if nothing does.
    """

    text: str
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Objections:
    """Answers the rejections of a run.

    Attributes
    ----------
    request : mapping
        The request of the run, with the changes so far.
    record : RunRecord
        What was rejected.
    policy : Policy
        By what it was judged.
    registry : Registry
        Where techniques come from.
    """

    request: Mapping[str, Any]
    record: RunRecord
    policy: Policy
    registry: Registry

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline, with the changes so far."""
        return PipelineSpec(**self.request["pipeline"])

    def respond(self, objection: Approval) -> Response:
        """Return the response to a rejection."""
        if objection.concern == "protected-attribute":
            return self._without_protected()
        if objection.concern == "accuracy":
            return self._more_accurate() or self._weaker()
        if objection.concern == "evidence":
            return self._more_evidence()
        if objection.concern == "causal-assumption":
            return Response(
                "the causal gate fails until a revised graph is given (fairmend resume RUN --graph FILE)"
            )
        return Response("the objection names no concern that a change of the pipeline could meet")

    # -- the protected attribute ------------------------------------------------------------------

    def _without_protected(self) -> Response:
        """Replan the steps that read the protected attribute for a decision, and leave the others as they are."""
        spec = self.spec
        readers = [step for step in spec.steps if self._reads(step)]
        if not readers:
            return Response("no step of the pipeline reads the protected attribute for a decision")
        try:
            given = spec.constraints.model_dump(exclude_none=True)
            limits = Constraints.parse({**given, "protected_at_prediction": False})
        except UsageError as error:
            return Response(str(error))
        spare = self._recomposed(limits)
        steps: list[Step] = []
        done = ["decisions no longer read the protected attribute"]
        for step in spec.steps:
            kept = [c for c in step.alternatives if not self._reads(c)]
            if not self._reads(step):
                steps.append(step.model_copy(update={"alternatives": tuple(kept)}))
                continue
            found = self._replacement(step, kept, spare)
            done.append(
                f"{step.slug} is replaced by {found.slug}"
                if found
                else f"{step.slug} is left out: nothing else serves its purpose"
            )
            steps += [found] if found else []
        if any(self._slot(step) is DECISION for step in readers) and not spec.of_stage("in-processing"):
            # A rule that must infer the attribute reaches less; training under a constraint can make up for it.
            added = [s for s in spare if s.stage == "in-processing"]
            done += [f"{step.slug} is added" for step in added]
            steps = sorted([*steps, *added], key=lambda s: STAGES.index(s.stage))
        changes = {"steps": [s.model_dump(mode="json") for s in steps], "constraints": limits.model_dump()}
        return Response("; ".join(done), {"pipeline": changes})

    def _reads(self, choice: Choice) -> bool:
        return self.registry.card(choice.technique).metadata.needs_protected_at_prediction

    def _replacement(self, step: Step, kept: Sequence[Choice], spare: Sequence[Step]) -> Step | None:
        """Return a step without the attribute: its own next alternative, else what would be composed today."""
        if kept:
            first, *rest = kept
            return step.model_copy(update={**first.model_dump(), "alternatives": tuple(rest)})
        slot = self._slot(step)
        return next((s for s in spare if slot is not None and self._slot(s) is slot), None)

    def _slot(self, step: Step) -> Any:
        return slot_of(self.registry.card(step.technique).metadata, self.spec.notion)

    def _recomposed(self, limits: Constraints) -> tuple[Step, ...]:
        """Return the steps that the same findings call for under other constraints."""
        spec = self.spec
        about = self.record.data
        audit = Audit(
            rows=about["rows"],
            roles=spec.roles,
            groups=about["groups"],
            subject=spec.learner,
            fingerprint=about["sha256"],
            seed=spec.seed,
            measures={},
            findings=spec.findings,
        )
        ranked = index.recommend(audit, registry=self.registry, constraints=limits, notion=spec.notion)
        try:
            return compose(ranked, registry=self.registry, policy=self.policy, learner=spec.learner).steps
        except UsageError:
            return ()

    # -- accuracy -----------------------------------------------------------------------------------

    def _more_accurate(self) -> Response | None:
        """Take the next measured alternative that passes every required check at a higher accuracy, if any."""
        variants = self.record.variants
        now = next((v for v in variants if v.name == self.record.selected), None)
        if now is None:
            return None
        better = [v for v in variants if v.passes and v.steps and v.accuracy > now.accuracy]
        for variant in sorted(better, key=lambda v: v.accuracy):
            steps = [
                step if step.stage == "causal" else _leading(step, choice)
                for step in self.spec.steps
                for choice in [_choice_among(step, variant.steps)]
                if choice is not None or step.stage == "causal"
            ]
            if {s.slug for s in steps if s.stage != "causal"} != set(variant.steps):
                continue  # it has a step that the pipeline does not
            if tuple(steps) != self.spec.steps:
                told = f"{variant.name} passed every required check at accuracy {variant.accuracy:.4f}, {now.name} at {now.accuracy:.4f}"
                return Response(told, {"pipeline": {"steps": [s.model_dump(mode="json") for s in steps]}})
        return None

    def _weaker(self) -> Response:
        """Move each step of the rejected rule to its next weaker setting."""
        rule = {s.slug: s.parameters for s in self.record.steps if s.status == "ran"}
        rule = {slug: rule[slug] for slug in self.record.deployed_steps() if slug in rule}
        steps: list[Step] = []
        done: list[str] = []
        for step in self.spec.steps:
            choice = _choice_among(step, rule)
            if choice is None or step.stage == "causal":
                steps.append(step)
                continue
            parameters, moved = self._moved(choice, rule[choice.slug])
            done += moved
            steps.append(_leading(step, choice).model_copy(update={"parameters": parameters}))
        if not done:
            return Response("no step of the rule has a weaker setting left")
        return Response("; ".join(done), {"pipeline": {"steps": [s.model_dump(mode="json") for s in steps]}})

    def _moved(self, choice: Choice, parameters: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the parameters of a step with the first that can be moved one step weaker, and what was moved."""
        technique = self.registry.technique(choice.technique).with_parameters(**parameters)
        present = technique.get_params(deep=False)
        for adjustment in technique.metadata.adjustments:
            now = present.get(adjustment.parameter)
            target = None if now is None else adjustment.moved(float(now), "weaker")
            if now is not None and target is not None:
                told = f"{adjustment.parameter} of {choice.slug} goes from {now:g} to {target:g}"
                return {**parameters, adjustment.parameter: target}, [told]
        return parameters, []

    # -- evidence -----------------------------------------------------------------------------------

    def _more_evidence(self) -> Response:
        """Refine the intervals, and refit the pipeline on folds; once that was done, only more rows help."""
        if self.request.get("cv") is not None:
            return Response(self._needed_rows())
        replicates = MORE_REPLICATES * self.request["n_boot"]
        return Response(
            f"{self._needed_rows()}; the intervals are computed from {replicates:,} bootstrap replicates, and the "
            f"pipeline is refitted on folds ({FOLDS})",
            {"n_boot": replicates, "cv": FOLDS},
        )

    def _needed_rows(self) -> str:
        """Return how many rows would let the interval of the target clear its bound, and which cells are small."""
        target = self.policy.target(self.spec.notion)
        figure = self.record.final.figure(target.metric)
        said = [
            f"{g.id} has {plural(g.support, 'row')} in its smallest cell, {self.policy.minimum_support} are needed"
            for g in self.record.gates
            if g.verdict == "insufficient evidence"
        ]
        bound, held = target.threshold, figure.interval
        if held is None or bound is None:
            return "; ".join(said) or f"{target.metric} has no interval"
        gap = abs(figure.value - bound)
        if target.holds(figure.value) and not held[0] <= bound <= held[1]:
            said.append(f"the interval of {target.metric} clears {target.bound_text()}")
        elif gap > 0:
            reach = held[1] - figure.value if figure.value < bound else figure.value - held[0]
            rows = math.ceil(round(self.record.data["rows"] * (reach / gap) ** 2, 6))
            said.append(
                f"the interval of {target.metric}, {held[0]:.3f} to {held[1]:.3f}, holds the bound {bound:g}; about "
                f"{rows:,} rows would be needed to clear it, there are {self.record.data['rows']:,}"
            )
        return "; ".join(dict.fromkeys(said)) or f"{target.metric} is at its bound"


def answer_rejections(store: RunStore, stored: StoredRun, record: RunRecord, registry: Registry) -> None:
    """Record what is done about the rejections in force that nothing was done about yet.

    Parameters
    ----------
    store, stored
        The store, and the run in it.
    record : RunRecord
        What was rejected, with the decisions so far.
    registry : Registry
        Where techniques come from.
    """
    policy = Policy(**stored.request["policy"])
    limit = policy.rollback(policy.gate("post-processing").on_fail).iterations
    standing = [
        (place, a) for place, a in enumerate(record.approvals) if a.state == "holds" and not a.approved
    ]
    for place, objection in standing:
        if objection.response:
            continue
        if store.revisions(stored.run_id) >= limit:
            response = Response(f"iteration limit ({limit}) reached")
        else:
            request = store.changed_request(stored)
            response = Objections(request, record, policy, registry).respond(objection)
        store.respond(stored.run_id, place, response.text, response.changes)
        if objection.option != SEND_BACK or not response.changes:
            continue
        # The escalation is decided: whoever had objected to the former rule is asked about the changed one.
        for other, former in standing:
            if former.gate != ESCALATION and not former.met:
                store.respond(stored.run_id, other, f"the run was {objection}", {}, met=True)


def _choice_among(step: Step, slugs: Collection[str]) -> Choice | None:
    """Return the technique of a step, or its first alternative, that is among these."""
    return next((c for c in (step, *step.alternatives) if c.slug in slugs), None)


def _leading(step: Step, choice: Choice | None) -> Step:
    """Return a step that starts with one of its choices; the others are its alternatives."""
    if choice is None or choice is step:
        return step
    others = tuple(_plain(c) for c in (step, *step.alternatives) if c is not choice)
    return step.model_copy(update={**_plain(choice).model_dump(), "alternatives": others})


def _plain(choice: Choice) -> Choice:
    """Return a step as a choice, without its place in the pipeline."""
    return Choice(**choice.model_dump(include=set(Choice.model_fields)))
