"""Which combinations of techniques a sweep tries, and why techniques are left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.findings import Audit
from fairmend.core.metadata import TechniqueMetadata
from fairmend.index.answer import Excluded
from fairmend.index.recommend import reason_against
from fairmend.pipeline.compose.slots import ACTING, CALIBRATION, DECISION, SLOTS, Chooser, Slot, slot_of
from fairmend.pipeline.spec import Step

Steps = tuple[Step, ...]
DEEPEST = 3


def combinations(
    chooser: Chooser,
    audit: Audit,
    *,
    constraints: Constraints,
    depth: int = 2,
    without: Iterable[int | str] = (),
) -> tuple[list[Steps], list[Excluded]]:
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

    Returns
    -------
    list of tuple of Step
        Each technique alone, then combinations of at most one technique a slot in the order of the
        slots: pre-processing, in-processing, calibration, decision. Calibration is combined only with
        the rule of decision behind it: it serves that rule, and moves no target itself.
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
    filled: dict[Slot, list[Step]] = {slot: [] for slot in SLOTS}
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
            filled[slot].append(_step(chooser, card.metadata, slot))
        else:
            reason = reason or f"does not target {chooser.notion}"
            excluded.append(Excluded.of(card.metadata, reason))
    if not any(filled.values()):
        raise UsageError(f"no technique that targets {chooser.notion} satisfies the constraints; relax one")
    slots = [[None, *filled[slot]] for slot in SLOTS]
    found = [tuple(step for step in row if step) for row in itertools.product(*slots) if _sensible(row)]
    return sorted((steps for steps in found if len(steps) <= depth), key=len), excluded


def _step(chooser: Chooser, metadata: TechniqueMetadata, slot: Slot) -> Step:
    return Step(**chooser.choice(metadata).model_dump(exclude={"reason"}), stage=slot.stage)


def _sensible(row: tuple[Step | None, ...]) -> bool:
    """Whether calibration, where there is any, stands alone or before a rule of decision."""
    calibrates = row[SLOTS.index(CALIBRATION)] is not None
    decides = row[SLOTS.index(DECISION)] is not None
    return not calibrates or decides or sum(step is not None for step in row) == 1
