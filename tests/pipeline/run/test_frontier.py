"""The choice among measured alternatives: only what passes, nothing that is dominated beyond noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fairmend.pipeline.run.frontier import MOST_OPTIONS, Edge, on_the_frontier, pick
from fairmend.pipeline.run.measured import Variant

NOISE = 0.01  # half the width of every interval


def variant(name: str, utility: float, fairness: float = 0.9, steps: int = 1, **more: Any) -> Variant:
    given = {
        "passes": True, "utility": utility, "utility_interval": None, "probability": 0.95,
        "reads_protected": False, "randomized": False, "failing": (), **more,
    }  # fmt: skip
    return Variant(name, ("s",) * steps, utility, fairness, None, None, {}, {}, **given)


def chosen(*found: Variant, wanted: float = 0.9, at_most: float = 0.05) -> str | None:
    variants = {v.name: v for v in found}

    def over(one: str, other: str) -> Edge:
        a, b = variants[one], variants[other]
        gain, fairer = a.utility - b.utility, a.fairness - b.fairness
        return Edge(gain, fairer, (gain - NOISE, gain + NOISE), (fairer - 0.05, fairer + 0.05))

    return pick(variants, over, wanted, at_most)


CASES: dict[str, tuple[list[Variant], str | None]] = {
    "fewer steps within noise": ([variant("full", 0.86, steps=3), variant("alone", 0.855)], "alone"),
    "fewer steps and worse": ([variant("full", 0.86, steps=3), variant("alone", 0.82)], "full"),
    "fewer steps but fails": ([variant("full", 0.86, steps=3), variant("alone", 0.86, passes=False)], "full"),
    "nothing passes": ([variant("full", 0.86, passes=False)], None),
    "does not read the group, with more steps": (
        [variant("reads", 0.86, reads_protected=True), variant("blind", 0.855, steps=2)],
        "blind",
    ),
    "does not read the group, at a cost": (
        [variant("reads", 0.86, reads_protected=True), variant("blind", 0.83)],
        "reads",
    ),
    "randomized": ([variant("drawn", 0.861, randomized=True), variant("fixed", 0.86)], "fixed"),
    "equal in all but utility": ([variant("a", 0.861), variant("b", 0.862)], "b"),
    "dominated in fairness": ([variant("short", 0.86, 0.82), variant("long", 0.86, 0.95, steps=3)], "long"),
    "less fair but not beyond noise": ([variant("short", 0.86, 0.9), variant("long", 0.86, 0.93, steps=3)], "short"),
    "fairer at a cost does not dominate": ([variant("a", 0.86, 0.82), variant("b", 0.84, 0.99)], "a"),
    "too unlikely to hold": ([variant("bold", 0.86, probability=0.6), variant("sure", 0.845)], "sure"),
    "surer, but for more than may be spent": ([variant("bold", 0.86, probability=0.6), variant("sure", 0.80)], "bold"),
    "none is sure: the surest": (
        [variant("bold", 0.86, probability=0.5), variant("surer", 0.85, probability=0.8)],
        "surer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_chosen(case: str) -> None:
    found, expected = CASES[case]
    assert chosen(*found) == expected
    assert chosen(*reversed(found)) == expected


def test_whatever_is_measured_nothing_dominates_the_choice() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        found = [
            variant(
                f"v{i}", *rng.uniform((0.8, 0.7), (0.86, 1.0)), int(rng.integers(0, 4)),
                passes=bool(rng.random() < 0.7), reads_protected=bool(rng.random() < 0.5),
            )
            for i in range(8)
        ]  # fmt: skip
        name = chosen(*found)
        by_name = {v.name: v for v in found}
        assert (name is None) == (not any(v.passes for v in found))
        if name is None:
            continue
        one = by_name[name]
        assert one.passes
        for other in (v for v in found if v.passes):
            gain, fairer = other.utility - one.utility, other.fairness - one.fairness
            assert not (gain >= 0 and fairer >= 0 and (gain > NOISE or fairer > 0.05))


def test_the_options_are_the_frontier_and_at_most_five() -> None:
    line = {f"p{i}": variant(f"p{i}", 0.8 + i / 100, 0.99 - i / 50) for i in range(9)}
    below = {"worse": variant("worse", 0.805, 0.9), "undefined": variant("undefined", 0.9, float("nan"))}
    found = on_the_frontier({**line, **below}, upward=True)
    assert len(found) == MOST_OPTIONS
    assert (found[0], found[-1]) == ("p8", "p0")
    assert on_the_frontier({"a": line["p1"], "same": line["p1"]}, upward=True) == ["a"]
    assert on_the_frontier(
        {"gap": variant("gap", 0.8, 0.05), "wide": variant("wide", 0.8, 0.2)}, upward=False
    ) == ["gap"]
