"""Compose a pipeline, with reasons and alternatives, from the findings of an audit and constraints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import Stage
from fairmend.pipeline.compose.slots import (
    ACTING,
    CALIBRATION,
    DECISION,
    SLOTS,
    Chooser,
    Slot,
    biased_numbers,
    slot_of,
)
from fairmend.pipeline.spec import AuditedData, Choice, PipelineSpec, Step, When

if TYPE_CHECKING:
    from fairmend.index import Recommendation
    from fairmend.pipeline.sweep.sweep_record import Sweep, SweepCandidate

MOST_ALTERNATIVES = 4


def compose(
    recommendation: Recommendation,
    *,
    registry: Registry,
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    name: str = "pipeline",
    utility: Utility | None = None,
    sweep: Sweep | None = None,
) -> PipelineSpec:
    """Turn recommendations into a pipeline that a person can review and edit.

    Parameters
    ----------
    recommendation : Recommendation
        The techniques that fit, ranked, with the audit, constraints and notion behind them, from
        :func:`fairmend.index.recommend`.
    registry : Registry
        Where techniques come from.
    policy : str or Policy
        Policy that the run is evaluated against.
    learner : str
        Learner of the baseline and of steps that retrain.
    seed : int
        Random seed.
    name : str
        Name of the pipeline.
    utility : Utility, optional
        What decisions are worth; by default the expected cost at the baseline's own threshold.
    sweep : Sweep, optional
        Its selected candidate becomes the acting steps, the rest of its frontier their alternatives;
        its learner, seed and utility are used.

    Raises
    ------
    UsageError
        The policy has no target for the notion, or no remaining technique targets it; or the sweep
        has other data or settings, or found no candidate that meets the target.
    """
    named = policy.policy if isinstance(policy, Policy) else str(policy)
    policy = load_policy(policy, registry)
    audit, allowed, notion = recommendation.audit, recommendation.constraints, recommendation.notion
    target = policy.target(notion)
    ranked = [_ranked(registry, r.technique_id) for r in recommendation.results]
    why = {r.technique_id: "; ".join(r.why[:1]) for r in recommendation.results}
    composer = _Composer(
        Chooser(registry, notion, target, biased_numbers(audit.findings), why, utility), allowed
    )
    steps: list[Step] = [
        composer.step(m, "causal", "always", ()) for m in composer.planned(policy.plan.causal)
    ]
    if sweep is not None:
        _check_sweep(sweep, recommendation, policy)
        learner, seed = sweep.learner, sweep.seed
        steps += composer.swept(ranked, sweep)
    else:
        steps += [step for slot in SLOTS for step in composer.staged(ranked, slot)]
    if sweep is None and not any(s.stage in ACTING for s in steps):
        limits = ", ".join(f"{k}={v}" for k, v in allowed.model_dump(exclude_none=True).items())
        raise UsageError(
            f"no technique that targets {notion} satisfies the constraints{f'; relax one of {limits}' if limits else ''}"
        )
    evaluations = tuple(composer.chooser.choice(m) for m in composer.planned(policy.plan.evaluation))
    return PipelineSpec(
        name=name,
        audited=_audited(recommendation, sweep),
        roles=audit.roles,
        notion=notion,
        utility=utility,
        policy=named,
        learner=learner,
        constraints=allowed,
        seed=seed,
        steps=tuple(steps),
        evaluations=evaluations,
        findings=audit.findings,
    )


def _audited(recommendation: Recommendation, sweep: Sweep | None) -> AuditedData:
    """Return the data behind a pipeline; the audit of a sweep excludes the test part."""
    audit = recommendation.audit
    if sweep is not None and sweep.audit == audit:
        return AuditedData(sha256=sweep.data["sha256"], rows=sweep.data["rows"])
    return AuditedData(sha256=audit.fingerprint, rows=audit.rows)


def _check_sweep(sweep: Sweep, recommendation: Recommendation, policy: Policy) -> None:
    """Check that a sweep matches the pipeline."""
    audit = recommendation.audit
    for what, swept, wanted in (
        ("outcome", sweep.roles.outcome, audit.roles.outcome),
        ("protected attributes", sweep.roles.protected, audit.roles.protected),
        ("notion", sweep.notion, recommendation.notion),
        ("policy", (sweep.policy["name"], sweep.policy["sha256"]), (policy.policy, policy.digest())),
    ):
        if swept != wanted:
            raise UsageError(
                f"the sweep does not match the pipeline: its {what} is {swept!r}, expected {wanted!r}; "
                "run a new sweep, or compose without it"
            )


def _reserve(metadata: TechniqueMetadata, slot: Slot) -> tuple[bool, bool, bool]:
    """Return by what a technique stands behind others that are ranked lower.

    What trains a model many times comes last, then randomized rules. Where decisions may read the protected attribute, a rule that reads it reaches
    a target at less cost than one that must infer it; where they may not, only the latter are ranked.
    """
    costly = metadata.compute == "high"  # it trains a model many times, in every fold
    return costly, metadata.randomized, slot is DECISION and not metadata.needs_protected_at_prediction


def _ranked(registry: Registry, technique_id: int | str) -> TechniqueMetadata:
    return registry.card(technique_id).metadata


class _Composer:
    """Creates steps with alternatives."""

    def __init__(self, chooser: Chooser, allowed: Constraints) -> None:
        self.chooser = chooser
        self.allowed = allowed

    def planned(self, ids: Iterable[int | str]) -> list[TechniqueMetadata]:
        """Return the techniques that the policy always includes, if the constraints allow them."""
        found = [_ranked(self.chooser.registry, i) for i in ids]
        limits = self.allowed.model_copy(update={"stage": None, "notion": None})
        return [m for m in found if limits.reason(m) is None]

    def staged(self, ranked: list[TechniqueMetadata], slot: Slot) -> list[Step]:
        """Return the step at a slot: the best technique with its alternatives, or none.

        Deterministic rules come before randomized ones: they are easier to explain to the people
        affected.
        """
        notion = self.chooser.notion
        fit = sorted((m for m in ranked if slot.fits(m, notion)), key=lambda m: _reserve(m, slot))
        if not fit:
            return []
        best, rest = fit[0], fit[1:]
        named = [m for key in best.alternatives for m in rest if m.technique_id == key]
        others = [m for m in rest if m not in named]
        when = self.chooser.when(best, slot)
        return [self.step(best, slot.stage, when, (*named, *others)[:MOST_ALTERNATIVES])]

    def swept(self, ranked: list[TechniqueMetadata], sweep: Sweep) -> list[Step]:
        """Return the steps of the selected candidate of a sweep.

        If it has no calibrator, one is added as in any pipeline, in case a gate requires it.
        """
        pick = sweep.pick
        if pick is None:
            raise UsageError(
                f"the sweep selected no candidate: {sweep.reason}; relax a constraint, increase --depth, or "
                "compose without it"
            )
        if pick.variant is not None:
            raise UsageError(
                f"{pick.name!r} takes the place of the model, which a pipeline cannot say; train that model, and start "
                "from it with fairmend run --model"
            )
        chosen = {self._slot(step): step for step in pick.steps}
        plain = next((c for c in sweep.measured if not c.steps), pick)
        reason = (
            f"selected from {len(sweep.candidates)} candidates: {_measured(pick, sweep)}, compared with the plain model: "
            f"{_measured(plain, sweep)}"
        )
        steps: list[Step] = []
        for slot in SLOTS:
            if slot in chosen:
                alternatives = self._alternatives(slot, chosen[slot], sweep)
                steps.append(chosen[slot].model_copy(update={"reason": reason, "alternatives": alternatives}))
            elif slot is CALIBRATION:
                steps += self.staged(ranked, slot)
        return steps

    def _slot(self, step: Step) -> Slot | None:
        return slot_of(_ranked(self.chooser.registry, step.technique), self.chooser.notion)

    def _alternatives(self, slot: Slot, chosen: Step, sweep: Sweep) -> tuple[Choice, ...]:
        """Return the other frontier techniques of a slot: those that meet the target first, then by accuracy."""
        found: dict[int | str, Choice] = {}
        for candidate in sorted(sweep.frontier, key=lambda c: not c.meets_target):
            for step in candidate.steps:
                if self._slot(step) is slot and step.technique != chosen.technique:
                    told = f"on the frontier of the sweep in {candidate.name}: {_measured(candidate, sweep)}"
                    choice = Choice(
                        technique=step.technique, slug=step.slug, parameters=step.parameters, reason=told
                    )
                    found.setdefault(step.technique, choice)
        return tuple(found.values())[:MOST_ALTERNATIVES]

    def step(
        self, metadata: TechniqueMetadata, stage: Stage, when: When, alternatives: Iterable[TechniqueMetadata]
    ) -> Step:
        """Return a step with its alternatives."""
        choice = self.chooser.choice(metadata)
        return Step(
            **choice.model_dump(),
            stage=stage,
            when=when,
            alternatives=tuple(self.chooser.choice(m) for m in alternatives),
        )


def _measured(candidate: SweepCandidate, sweep: Sweep) -> str:
    figures = ((sweep.worth, candidate.worth, 4), (sweep.target.measure, candidate.fairness, 3))
    return ", ".join(f"{name} {figure.text(digits)}" for name, figure, digits in figures if figure)
