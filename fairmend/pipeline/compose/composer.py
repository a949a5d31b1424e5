"""Compose: from what an audit found and what is allowed to a pipeline with reasons and alternatives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairmend.catalog.policy import Policy, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.vocabulary import Stage
from fairmend.pipeline.compose.slots import ACTING, CALIBRATION, SLOTS, Chooser, Slot, biased_numbers, slot_of
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
    sweep: Sweep | None = None,
) -> PipelineSpec:
    """Turn recommendations into a pipeline that a person can read and edit.

    Parameters
    ----------
    recommendation : Recommendation
        The techniques that fit, ranked, with the audit, constraints and notion behind them, from
        :func:`fairmend.index.recommend`.
    registry : Registry
        Where techniques come from.
    policy : str or Policy
        By what the run is judged.
    learner : str
        Learner of the baseline and of steps that retrain.
    seed : int
        Seed of everything random.
    name : str
        What to call the pipeline.
    sweep : Sweep, optional
        What was measured: its chosen candidate becomes the acting steps, and what else is on its
        frontier their alternatives; its learner and seed hold.

    Raises
    ------
    UsageError
        The policy has no target for the notion, or no technique is left that could reach it; or the
        sweep is about something else, or found nothing that meets the target.
    """
    named = policy.policy if isinstance(policy, Policy) else str(policy)
    policy = load_policy(policy, registry)
    audit, allowed, notion = recommendation.audit, recommendation.constraints, recommendation.notion
    target = policy.target(notion)
    ranked = [_ranked(registry, r.technique_id) for r in recommendation.results]
    why = {r.technique_id: "; ".join(r.why[:1]) for r in recommendation.results}
    composer = _Composer(Chooser(registry, notion, target, biased_numbers(audit.findings), why), allowed)
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
        raise UsageError(
            f"no technique is left that works towards {notion} under these constraints; relax one of "
            + ", ".join(f"{k}={v}" for k, v in allowed.model_dump(exclude_none=True).items())
        )
    evaluations = tuple(composer.chooser.choice(m) for m in composer.planned(policy.plan.evaluation))
    return PipelineSpec(
        name=name,
        audited=_audited(recommendation, sweep),
        roles=audit.roles,
        notion=notion,
        policy=named,
        learner=learner,
        constraints=allowed,
        seed=seed,
        steps=tuple(steps),
        evaluations=evaluations,
        findings=audit.findings,
    )


def _audited(recommendation: Recommendation, sweep: Sweep | None) -> AuditedData:
    """Return the data behind a pipeline; the audit of a sweep leaves the test part out."""
    audit = recommendation.audit
    if sweep is not None and sweep.audit == audit:
        return AuditedData(sha256=sweep.data["sha256"], rows=sweep.data["rows"])
    return AuditedData(sha256=audit.fingerprint, rows=audit.rows)


def _check_sweep(sweep: Sweep, recommendation: Recommendation, policy: Policy) -> None:
    """Check that a sweep measured what the pipeline is for."""
    audit = recommendation.audit
    for what, swept, wanted in (
        ("outcome", sweep.roles.outcome, audit.roles.outcome),
        ("protected attributes", sweep.roles.protected, audit.roles.protected),
        ("notion", sweep.notion, recommendation.notion),
        ("policy", (sweep.policy["name"], sweep.policy["sha256"]), (policy.policy, policy.digest())),
    ):
        if swept != wanted:
            raise UsageError(
                f"the sweep is about something else: its {what} is {swept!r}, the pipeline's is {wanted!r}; "
                "sweep anew, or compose without it"
            )


def _ranked(registry: Registry, technique_id: int | str) -> TechniqueMetadata:
    return registry.card(technique_id).metadata


class _Composer:
    """Makes steps with alternatives by one set of rules."""

    def __init__(self, chooser: Chooser, allowed: Constraints) -> None:
        self.chooser = chooser
        self.allowed = allowed

    def planned(self, ids: Iterable[int | str]) -> list[TechniqueMetadata]:
        """Return the techniques that the policy holds in any case, where the constraints allow them."""
        found = [_ranked(self.chooser.registry, i) for i in ids]
        limits = self.allowed.model_copy(update={"stage": None, "notion": None})
        return [m for m in found if limits.reason(m) is None]

    def staged(self, ranked: list[TechniqueMetadata], slot: Slot) -> list[Step]:
        """Return the step at a slot: the best technique with its alternatives, or none.

        Rules that are certain come before rules that draw: they are easier to explain to the people
        they decide on.
        """
        notion = self.chooser.notion
        fit = sorted((m for m in ranked if slot.fits(m, notion)), key=lambda m: m.randomized)
        if not fit:
            return []
        best, rest = fit[0], fit[1:]
        named = [m for key in best.alternatives for m in rest if m.technique_id == key]
        others = [m for m in rest if m not in named]
        return [self.step(best, slot.stage, slot.when, (*named, *others)[:MOST_ALTERNATIVES])]

    def swept(self, ranked: list[TechniqueMetadata], sweep: Sweep) -> list[Step]:
        """Return the steps of the chosen candidate of a sweep.

        A calibrator that it lacks is held ready as in any pipeline, for the case that a gate asks for it.
        """
        pick = sweep.pick
        if pick is None:
            raise UsageError(
                f"the sweep has nothing to begin with: {sweep.reason}; relax a constraint, sweep deeper, or "
                "compose without it"
            )
        chosen = {self._slot(step): step for step in pick.steps}
        plain = next((c for c in sweep.measured if not c.steps), pick)
        reason = (
            f"chosen from {len(sweep.candidates)} candidates: {_measured(pick, sweep)}, where the plain model has "
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
        """Return what else stands at a slot on the frontier: what meets the target first, then by accuracy."""
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
    figures = (("accuracy", candidate.accuracy, 4), (sweep.target.measure, candidate.fairness, 3))
    return ", ".join(f"{name} {figure.text(digits)}" for name, figure, digits in figures if figure)
