"""A causal graph learned from data: the tests behind it, how stable its edges are, and what is reported of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairmend.base import CausalGraph, Independence, IndependenceTester, row_hash, uniform_by_row
from fairmend.plugins.causal._background_knowledge import Arrow
from fairmend.plugins.causal._cpdag import Skeleton


class ConditionalTests:
    """P-values of conditional independence in a table.

    Parameters
    ----------
    frame : DataFrame
        The columns, as numbers or categories without missing values.
    min_effect : float
        Strength of dependence below which two columns count as independent.

    Attributes
    ----------
    untestable : set of (str, str)
        Pairs for which some test was not possible, since one column is a function of the others.
    """

    def __init__(self, frame: pd.DataFrame, min_effect: float) -> None:
        self.tester = IndependenceTester(frame, tuple(frame.columns))
        self.min_effect = min_effect
        self.untestable: set[Arrow] = set()

    def __call__(self, x: str, y: str, given: tuple[str, ...]) -> float:
        """Return the p-value of the independence of x and y given other columns, NaN where it cannot be tested."""
        test = self.tester.test(Independence(x, y, given))
        if np.isnan(test.p_value):
            self.untestable.add((x, y))
        return 1.0 if test.effect < self.min_effect else test.p_value


@dataclass(frozen=True)
class LearnedGraph:
    """A graph with what led to it.

    Attributes
    ----------
    graph : CausalGraph
        The graph.
    skeleton : Skeleton
        Which columns are adjacent, and what separates the others.
    contradicted : list of (str, str, str)
        Colliders that were overruled.
    untestable : set of (str, str)
        Pairs for which some test was not possible.
    """

    graph: CausalGraph
    skeleton: Skeleton
    contradicted: list[tuple[str, str, str]]
    untestable: set[Arrow]

    def report(self, halves: Sequence[CausalGraph]) -> dict[str, Any]:
        """Return what to report, with the frequency of each edge in graphs learned from half-samples."""
        graph, adjacent = self.graph, self.skeleton.adjacent
        undirected = f"{len(graph.undirected)} undirected"
        if graph.undirected:
            undirected += f" ({', '.join(f'{a} -- {b}' for a, b in graph.undirected[:6])})"
        return {
            "edges": edge_table(graph, halves),
            "tests": self.skeleton.n_tests,
            "contradicted": [f"{a} -> {b} <- {c}" for a, b, c in self.contradicted],
            "untestable": [
                f"{x} -- {y}" for x, y in sorted(self.untestable) if frozenset((x, y)) in adjacent
            ],
            "text": (
                f"{len(graph.nodes)} columns, {len(adjacent)} edges after {self.skeleton.n_tests} tests: "
                f"{len(graph.edges)} directed, {len(graph.hidden)} by a hidden common cause, {undirected}; "
                f"{len(self.contradicted)} colliders were overruled."
            ),
        }


def edge_table(graph: CausalGraph, halves: Sequence[CausalGraph]) -> list[dict[str, Any]]:
    """Return the edges, and the shares of half-samples that have them, and have them in this direction."""

    def kinds(of: CausalGraph) -> dict[Arrow, str]:
        known = {(edge.cause, edge.effect): "directed" for edge in of.edges}
        return (
            known
            | dict.fromkeys(of.hidden, "hidden common cause")
            | dict.fromkeys(of.undirected, "undirected")
        )

    others = [kinds(half) for half in halves]
    out = []
    for (a, b), kind in kinds(graph).items():
        row: dict[str, Any] = {"from": a, "to": b, "kind": kind}
        if halves:
            row["adjacent_in"] = sum((a, b) in other or (b, a) in other for other in others) / len(others)
            row["same_in"] = sum(other.get((a, b)) == kind for other in others) / len(others)
        out.append(row)
    return out


def half_samples(frame: pd.DataFrame, n: int, random_state: int) -> Iterator[pd.DataFrame]:
    """Draw n random half-samples, independent of the row order."""
    hashes = pd.Series(row_hash(frame))
    copies = row_hash(hashes.groupby(hashes).cumcount())
    for place in range(n):
        drawn = uniform_by_row(hashes.to_numpy() ^ copies, 2 * n * random_state + place) < 0.5
        yield frame[drawn].reset_index(drop=True)
