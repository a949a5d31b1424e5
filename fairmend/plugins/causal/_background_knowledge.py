"""Background knowledge about the directions in a causal graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairmend.base import CausalGraph, UsageError, unknown

Arrow = tuple[str, str]


@dataclass(frozen=True)
class Knowledge:
    """Background knowledge about directions.

    Attributes
    ----------
    required : frozenset of (cause, effect)
        Direct effects that exist.
    forbidden : frozenset of (cause, effect)
        Impossible direct effects. A dependent pair that is forbidden in both directions has a common cause
        that is not in the data.
    """

    required: frozenset[Arrow] = frozenset()
    forbidden: frozenset[Arrow] = frozenset()

    def allows(self, cause: str, effect: str) -> bool:
        """Return whether one column may cause another."""
        if (cause, effect) in self.required:
            return True
        return (cause, effect) not in self.forbidden and (effect, cause) not in self.required


def background_knowledge(
    nodes: Sequence[str],
    *,
    required: Sequence[Any],
    forbidden: Sequence[Any],
    tiers: Sequence[Any],
    first: Sequence[str],
    last: Sequence[str],
) -> Knowledge:
    """Return the background knowledge given by parameters and roles.

    Parameters
    ----------
    nodes : sequence of str
        The columns.
    required, forbidden : sequence of (cause, effect)
        Direct effects that exist, or are impossible.
    tiers : sequence of sequences of str
        Columns in temporal order.
    first, last : sequence of str
        Columns that nothing causes, and columns that cause nothing.

    Raises
    ------
    UnknownNameError
        A name is not a column.
    UsageError
        The parts contradict each other.
    """
    needed, banned = _arrows(required, "required"), set(_arrows(forbidden, "forbidden"))
    levels = [[tier] if isinstance(tier, str) else list(tier) for tier in tiers]
    listed = [name for level in levels for name in level]
    for name in (*listed, *(end for arrow in (*needed, *banned) for end in arrow)):
        if name not in nodes:
            raise unknown("column of the causal discovery", name, nodes)
    for name in listed:
        if listed.count(name) > 1:
            raise UsageError(f"each column must be in one tier; got {name!r} twice")
    for place, later in enumerate(levels):
        banned |= {(c, e) for c in later for earlier in levels[:place] for e in earlier}
    banned |= {(cause, effect) for cause in nodes for effect in first}
    banned |= {(cause, effect) for cause in last for effect in nodes}
    CausalGraph.from_edges(dict.fromkeys(needed))  # refuses a cycle
    for cause, effect in needed:
        if (cause, effect) in banned:
            raise UsageError(
                f"{cause} -> {effect} is required and also forbidden, directly, by tiers or by the roles; drop one of the two"
            )
    return Knowledge(frozenset(needed), frozenset(banned))


def _arrows(pairs: Sequence[Any], what: str) -> list[Arrow]:
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise UsageError(f"{what} must be a list of pairs [cause, effect]; got {pair!r}")
    return [(str(cause), str(effect)) for cause, effect in pairs]
