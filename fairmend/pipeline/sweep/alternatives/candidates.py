"""What a search for a less discriminatory alternative tries, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import get_args

import numpy as np

from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.pipeline.compose.slots import REPAIRS
from fairmend.pipeline.sweep.combinations import Combination, Steps
from fairmend.pipeline.sweep.model_variants import ModelSpace, ModelVariant, Sign, VariantKind

TECHNIQUES = "techniques"
ON_VARIANTS = "techniques on a variant"
KINDS = (*get_args(VariantKind), TECHNIQUES, ON_VARIANTS)
"""Kinds of candidates, in the order in which they take turns."""
MOST_CANDIDATES = 10_000


@dataclass(frozen=True)
class LdaSettings:
    """How a less discriminatory alternative is searched, and what counts as one.

    Attributes
    ----------
    candidates : int
        Number of candidates besides the plain model.
    margin : float
        Loss of performance that counts as none.
    monotone : mapping of str to {1, -1}
        Signs of monotone constraints; other features take that of their association with the outcome.
    """

    candidates: int = 100
    margin: float = 0.01
    monotone: Mapping[str, Sign] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise UsageError(
                f"candidates must be a number from 1 to {MOST_CANDIDATES:,}, got {self.candidates}"
            )
        if not 0 <= self.margin < 0.5:
            raise UsageError(f"margin must be a loss of performance from 0 to 0.5, got {self.margin:g}")


def without_the_group(constraints: Constraints) -> Constraints:
    """Return constraints under which no decision reads the protected attributes.

    Raises
    ------
    UsageError
        They say that decisions may read them, or that nothing may be retrained.
    """
    if constraints.protected_at_prediction:
        raise UsageError(
            "an alternative must not read the protected attributes for a decision, and the constraints have "
            "protected_at_prediction=true; leave that out"
        )
    if constraints.retraining is False:
        raise UsageError(
            "a search for alternatives trains variants of the model, and the constraints have retraining=false; "
            "leave that out, or sweep without --lda"
        )
    return constraints.model_copy(update={"protected_at_prediction": False})


def kind_of(one: Combination) -> str:
    """Return the kind of a candidate."""
    if one.variant is None:
        return TECHNIQUES
    return ON_VARIANTS if one.steps else one.variant.kind


def lda_candidates(
    space: ModelSpace,
    techniques: Sequence[Combination],
    registry: Registry,
    *,
    count: int,
    seed: int,
) -> list[Combination]:
    """Return the plain model and so many candidates, of each kind in turn.

    A larger count gives the same candidates and more, so that results can be reused. Kinds that
    are exhausted leave their turns to the others; variants in several ways, and techniques on variants,
    are drawn at random.

    Parameters
    ----------
    space : ModelSpace
        What may be varied in the model.
    techniques : sequence of Combination
        Techniques and combinations that the constraints allow; the plain model is ignored.
    registry : Registry
        Where techniques come from.
    count : int
        Number of candidates besides the plain model.
    seed : int
        Seed of what is drawn.
    """
    alone = [one for one in techniques if one.steps]
    drawing = np.random.default_rng(seed).spawn(2)
    turns: dict[str, Iterator[Combination]] = {
        kind: (Combination(variant=variant) for variant in space.of(kind))
        for kind in get_args(VariantKind)
        if kind != "combined"
    }
    turns["combined"] = (Combination(variant=variant) for variant in space.combined(drawing[0]))
    turns[TECHNIQUES] = iter(alone)
    turns[ON_VARIANTS] = _on_variants(space, alone, registry, drawing[1])
    return [Combination(), *islice(_different(_in_turn([turns[kind] for kind in KINDS])), count)]


def _in_turn(sources: Iterable[Iterator[Combination]]) -> Iterator[Combination]:
    open_ = list(sources)
    while open_:
        for source in tuple(open_):
            one = next(source, None)
            if one is None:
                open_.remove(source)
            else:
                yield one


def _different(found: Iterable[Combination]) -> Iterator[Combination]:
    seen = set()
    for one in found:
        if one.trace not in seen:
            seen.add(one.trace)
            yield one


def _on_variants(
    space: ModelSpace, techniques: Sequence[Combination], registry: Registry, rng: np.random.Generator
) -> Iterator[Combination]:
    """Yield techniques behind variants of the model, drawn at random."""
    variants = [variant for kind in get_args(VariantKind) for variant in space.of(kind)]
    for _ in range(100 * len(techniques) if variants else 0):
        one = techniques[int(rng.integers(len(techniques)))]
        variant = variants[int(rng.integers(len(variants)))]
        steps = _adapted(one.steps, variant, registry)
        if steps is not None:
            yield replace(one, steps=steps, variant=variant)


def _adapted(steps: Steps, variant: ModelVariant, registry: Registry) -> Steps | None:
    """Return the steps as they act behind a variant, or None where the variant would not matter.

    A classifier of its own has no use for settings of the learner, and a constraint is on features as they came.
    """
    for step in steps:
        metadata = registry.card(step.technique).metadata
        own = step.stage == "in-processing" and not metadata.needs_learner
        if (own and not variant.without) or ("features" in metadata.modifies and variant.monotone):
            return None
    adapted = []
    for step in steps:
        columns = step.parameters.get(REPAIRS)
        if isinstance(columns, list):
            kept = [c for c in columns if c not in variant.without]
            if not kept:
                return None
            step = step.model_copy(update={"parameters": {**step.parameters, REPAIRS: kept}})
        adapted.append(step)
    return tuple(adapted)
