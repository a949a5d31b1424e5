"""Which combinations of techniques a sweep tries, and why techniques are left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.findings import Audit
from fairmend.core.metadata import TechniqueMetadata
from fairmend.index.answer import Excluded
from fairmend.index.recommend import reason_against
from fairmend.pipeline.compose.slots import ACTING, CALIBRATION, DECISION, SLOTS, Chooser, Slot, slot_of
from fairmend.pipeline.spec import Step
from fairmend.pipeline.storage.step_cache import Trace, mark
from fairmend.pipeline.sweep.model_variants import ModelVariant

Steps = tuple[Step, ...]
DEEPEST = 3
AROUND = (("stronger", 2), ("weaker", 1))
"""Further settings of a step to try: how many in which direction."""


@dataclass(frozen=True)
class Combination:
    """What a sweep tries: steps after the plain model, or after a variant of it.

    Attributes
    ----------
    steps : tuple of Step
        The techniques, in order; empty for the model itself.
    settings : tuple of str
        Parameters of them that differ from those that target and findings set.
    variant : ModelVariant or None
        What takes the place of the plain model.
    """

    steps: Steps = ()
    settings: tuple[str, ...] = ()
    variant: ModelVariant | None = None

    @property
    def trace(self) -> Trace:
        """Its identity."""
        start = () if self.variant is None else (self.variant.mark,)
        return (*start, *(mark(step) for step in self.steps))

    @property
    def training(self) -> Trace:
        """Identity of the part of it that trains a model."""
        start = () if self.variant is None else (self.variant.mark,)
        return (*start, *(mark(step) for step in self.steps if step.stage != "post-processing"))


def combinations(
    chooser: Chooser,
    audit: Audit,
    *,
    constraints: Constraints,
    depth: int = 2,
    without: Iterable[int | str] = (),
    varied: Iterable[Slot] = (DECISION,),
) -> tuple[list[Combination], list[Excluded]]:
    """Return what a sweep tries, the plain model first, and which acting techniques it leaves out.

    Parameters
    ----------
    chooser : Chooser
        The techniques there are, the target, and how parameters are chosen.
    audit : Audit
        Of the data: number of rows, groups and attributes.
    constraints : Constraints
        Hard limits.
    depth : int
        Most steps of a combination, 1 to 3.
    without : iterable of int or str
        Techniques to leave out on request, by id or slug.
    varied : iterable of Slot
        Slots whose techniques are, on their own, tried at a few settings of the parameter that a rollback would
        adjust, so that the frontier has more than one point of each.

    Returns
    -------
    list of Combination
        Each technique on its own, then combinations of at most one technique per slot in the order of the
        slots: pre-processing, in-processing, calibration, decision. Calibration is combined only with
        the decision rule after it: it improves that rule's input, and moves no target itself.
    list of Excluded
        With the reason for each.

    Raises
    ------
    UsageError
        Another depth, or no technique is left.
    UnknownNameError
        ``without`` names a technique that is not there.
    """
    if not 1 <= depth <= DEEPEST:
        raise UsageError(f"depth must be 1, 2 or 3, got {depth}")
    taken_out = {chooser.registry.card(name).metadata.technique_id for name in without}
    varied = tuple(varied)
    filled: dict[Slot, list[tuple[Step, str]]] = {slot: [] for slot in SLOTS}
    excluded: list[Excluded] = []
    for card in chooser.registry.cards():
        if card.metadata.stage not in ACTING:
            continue
        slot = slot_of(card.metadata, chooser.notion)
        reason = "left out on request" if card.metadata.technique_id in taken_out else None
        reason = reason or reason_against(card.metadata, constraints, audit)
        if card.metadata.needs_graph:
            reason = reason or "needs a causal graph, which a sweep does not build"
        if reason is None and slot is not None:
            filled[slot] += _settings(chooser, card.metadata, slot, slot in varied)
        else:
            if chooser.notion in card.metadata.targets:
                reason = (
                    reason
                    or f"changes only {' and '.join(card.metadata.modifies)}, which no step of a sweep does"
                )
            reason = reason or f"does not target {chooser.notion}"
            excluded.append(Excluded.of(card.metadata, reason))
    if not any(filled.values()):
        raise UsageError(f"no technique that targets {chooser.notion} satisfies the constraints; relax one")
    slots = [[None, *filled[slot]] for slot in SLOTS]
    rows = [row for row in itertools.product(*slots) if _sensible(row) and sum(map(bool, row)) <= depth]
    return sorted(map(_combination, rows), key=lambda c: len(c.steps)), excluded


def _settings(
    chooser: Chooser, metadata: TechniqueMetadata, slot: Slot, varied: bool
) -> Iterator[tuple[Step, str]]:
    """Yield the step of a technique as it starts, and at other settings with a word on them."""
    choice = chooser.choice(metadata)
    start = Step(**choice.model_dump(exclude={"reason"}), stage=slot.stage)
    yield start, ""
    for adjustment in metadata.adjustments[:1] if varied else ():
        name = adjustment.parameter
        first = start.parameters.get(name, chooser.default(metadata, name))
        for direction, count in AROUND:
            value = first
            for _ in range(count if isinstance(first, (int, float)) else 0):
                value = adjustment.moved(value, direction)
                if value is None:
                    break
                moved = start.model_copy(update={"parameters": {**start.parameters, name: value}})
                yield moved, f"{name} {value:g}"


def _combination(row: tuple[tuple[Step, str] | None, ...]) -> Combination:
    taken = [one for one in row if one]
    return Combination(tuple(step for step, _ in taken), tuple(word for _, word in taken if word))


def _sensible(row: tuple[tuple[Step, str] | None, ...]) -> bool:
    """Whether a row is to be tried.

    Calibration is on its own or before a decision rule; a step at another setting than
    the first is on its own.
    """
    steps = [one for one in row if one is not None]
    calibrates = row[SLOTS.index(CALIBRATION)] is not None
    decides = row[SLOTS.index(DECISION)] is not None
    return len(steps) < 2 or ((not calibrates or decides) and not any(word for _, word in steps))
