"""Why a technique is, or is not, in the pipeline that an audit calls for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fairmend.catalog.policy import Policy
from fairmend.catalog.registry import Registry
from fairmend.core.errors import UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.text.display import Displayed
from fairmend.core.vocabulary import Notion
from fairmend.pipeline.compose.composer import compose
from fairmend.pipeline.compose.slots import ACTING, Slot, slot_of

if TYPE_CHECKING:
    from fairmend.index import Recommendation

Outcome = Literal["chosen", "alternative", "ranked", "excluded", "required by the policy", "not composed"]


@dataclass(frozen=True, repr=False)
class Explanation(Displayed):
    """Why a technique is, or is not, part of a composed pipeline.

    Attributes
    ----------
    technique_id, slug
        The technique.
    outcome : str
        ``chosen`` as a step; an ``alternative`` to one; ``ranked`` but not used; ``excluded`` by a constraint
        or a property of the data; ``required by the policy``, as causal steps and evaluations are; ``not
        composed`` if composed pipelines have no step for it.
    reasons : tuple of str
        Reasons, in sentences.
    ahead : tuple of str
        Slugs of the techniques ranked above it for the same step.
    """

    technique_id: int | str
    slug: str
    outcome: Outcome
    reasons: tuple[str, ...]
    ahead: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """Return the outcome for the technique and the reasons."""
        return {
            "technique": f"{self.slug} ({self.technique_id})",
            "outcome": self.outcome,
            "reason": " ".join(self.reasons),
            "ahead": ", ".join(self.ahead) or "none",
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the reasons."""
        return [{"outcome": self.outcome, "reason": reason} for reason in self.reasons]

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "schema_version": 1,
            "technique_id": self.technique_id,
            "slug": self.slug,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "ahead": list(self.ahead),
        }


def explain(
    technique: int | str,
    recommendation: Recommendation,
    *,
    registry: Registry,
    policy: str | Policy = "playbook",
) -> Explanation:
    """Return why a technique is, or is not, in the pipeline that is composed from a recommendation.

    Parameters
    ----------
    technique : int or str
        Id or slug.
    recommendation : Recommendation
        What the audit calls for.
    registry : Registry
        Where techniques come from.
    policy : str or Policy
        By what the run would be judged.

    Raises
    ------
    UnknownNameError
        The technique is unknown.
    """
    card = registry.card(technique).metadata
    key = card.technique_id

    def told(outcome: Outcome, *reasons: str, ahead: tuple[str, ...] = ()) -> Explanation:
        return Explanation(key, card.slug, outcome, reasons, ahead)

    against = next((e.reason for e in recommendation.excluded if e.technique_id == key), None)
    if against is not None:
        return told("excluded", f"It is excluded: {against}.")
    try:
        spec = compose(recommendation, registry=registry, policy=policy)
    except UsageError as error:
        return told("ranked", f"No pipeline can be composed: {error}.")
    result = next(r for r in recommendation.results if r.technique_id == key)
    if any(step.technique == key for step in spec.steps if step.stage in ACTING):
        return told("chosen", *result.why)
    if key in {choice.technique for choice in (*spec.steps, *spec.evaluations)}:
        return told("required by the policy", "The policy always includes it.")
    slot = slot_of(card, recommendation.notion)
    if slot is None:
        return told("not composed", _why_no_slot(card, recommendation.notion))
    ahead = _ahead(card, slot, recommendation, registry)
    reason = f"{ahead[0]} was selected instead: {_compared(card, registry.card(ahead[0]).metadata, recommendation)}."
    step = next(s for s in spec.of_stage(slot.stage) if s.when == slot.when)
    if key in {choice.technique for choice in step.alternatives}:
        return told("alternative", reason, "A rollback may switch to it.", ahead=ahead)
    return told("ranked", reason, f"The step has only {len(step.alternatives)} alternatives.", ahead=ahead)


def _ahead(
    card: TechniqueMetadata, slot: Slot, recommendation: Recommendation, registry: Registry
) -> tuple[str, ...]:
    """Return the slugs of the techniques ranked above it for the same step, best first."""
    notion = recommendation.notion
    ranked = [registry.card(r.technique_id).metadata for r in recommendation.results]
    fit = sorted((m for m in ranked if slot.fits(m, notion)), key=lambda m: m.randomized)
    place = [m.technique_id for m in fit].index(card.technique_id)
    return tuple(m.slug for m in fit[:place])


def _compared(card: TechniqueMetadata, first: TechniqueMetadata, recommendation: Recommendation) -> str:
    """Return why another technique comes first."""
    if card.randomized and not first.randomized:
        return "its decisions are deterministic, those of this technique are randomized"
    score = {r.technique_id: r.score for r in recommendation.results}
    own, other = score[card.technique_id], score[first.technique_id]
    if own < other:
        return f"it addresses more of the findings (score {other:.2f} against {own:.2f})"
    return f"both score {own:.2f}, and its texts match the findings better"


def _why_no_slot(card: TechniqueMetadata, notion: Notion) -> str:
    if card.stage not in ACTING:
        return f"Techniques of the stage {card.stage} are included by the policy or run alone (fairmend technique run)."
    alone = "it can be named in a pipeline file, or run on its own (fairmend technique run)"
    if notion in card.targets:
        return f"A composed pipeline has no step for a technique that changes only {' and '.join(card.modifies)}; {alone}."
    return f"It does not target {notion}, the notion of the pipeline; {alone}."
