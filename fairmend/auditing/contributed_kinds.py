"""Finding kinds with their own detector and measure: called in containment, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.auditing.severity_thresholds import Thresholds, thresholds
from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.errors import FairmendError, PluginError
from fairmend.core.findings import Detection, Finding, FindingKind
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.injection import arguments
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.metrics.inference.bootstrap import generators, percentile_interval
from fairmend.core.safety.containment import contained
from fairmend.core.types import Floats, Ints

REPLICATES = 500
"""Maximum number of resamples of the rows: each of them is a call of the measure."""


@dataclass(frozen=True)
class ContributedKind:
    """A finding kind with a detector and a measure.

    Attributes
    ----------
    plugin : str
        The plugin that contributes it.
    kind : FindingKind
        The kind.
    ours : bool
        Whether it comes with fairmend, and runs in this process.
    """

    plugin: str
    kind: FindingKind
    ours: bool = False

    def call(self, function: Callable[[], Any], what: str) -> Any:
        """Return what a function of the kind gives, as plain values; in a process of its own if a third party's.

        Raises
        ------
        PluginError
            It raises, ends its process, or exceeds a limit.
        """
        if self.ours:
            return function()
        name = f"{what} of {self.kind.kind}"
        return json.loads(contained(lambda: json.dumps(function()).encode(), plugin=self.plugin, what=name))


@dataclass(frozen=True)
class RuledRows:
    """Rows, and what a rule decides on them, as a detector and a measure may read them.

    Attributes
    ----------
    X : DataFrame, shape (n, p)
        Features.
    y_true, y_pred : ndarray of shape (n,)
        Outcomes, and decisions or predicted values.
    y_score : ndarray or None
        Scores, where there are any.
    groups : Groups
        Groups of one attribute, or of the intersection.
    sample_weight, query, units : ndarray of shape (n,) or None
        As in the data.
    """

    X: pd.DataFrame
    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    y_score: NDArray[Any] | None
    groups: Groups
    sample_weight: Floats | None = None
    query: Ints | None = None
    units: Ints | None = None

    @classmethod
    def of(
        cls, data: Dataset, groups: Groups, y_pred: NDArray[Any], y_score: NDArray[Any] | None
    ) -> RuledRows:
        """Return the rows of a data set under some decisions."""
        return cls(data.X, data.y, y_pred, y_score, groups, data.population_weights, data.query, data.units)

    def take(self, rows: Ints) -> RuledRows:
        """Return the rows at these places, in this order."""
        taken = {f.name: _taken(getattr(self, f.name), rows) for f in fields(self) if f.name != "units"}
        return replace(self, units=None, **taken)

    def draws(self, n: int, rng: np.random.Generator) -> Iterator[Ints]:
        """Yield the places of resampled rows, or of resampled units where rows belong together."""
        size = len(self.y_true)
        if self.units is None:
            for _ in range(n):
                yield rng.integers(size, size=size)
            return
        order = np.argsort(self.units, kind="stable")
        _, start, rows = np.unique(self.units[order], return_index=True, return_counts=True)
        for _ in range(n):
            drawn = rng.integers(len(start), size=len(start))
            yield np.concatenate([order[start[u] : start[u] + rows[u]] for u in drawn])

    def offers(self, attribute: str) -> dict[str, Any]:
        """Return what a detector and a measure may name."""
        rows = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "units"}
        return {**rows, "attribute": attribute}


def contributed_kinds(registry: Registry) -> tuple[ContributedKind, ...]:
    """Return the finding kinds of a registry that bring a detector and a measure."""
    ours = {plugin.name for plugin in registry.plugins if plugin.source == PROJECT}
    return tuple(
        ContributedKind(plugin, kind, plugin in ours)
        for plugin, kinds in registry.collect("fairmend_finding_kinds")
        for kind in kinds
        if kind.detect is not None
    )


def thresholds_with(kinds: Sequence[ContributedKind]) -> Thresholds:
    """Return the thresholds of an audit, and the levels that contributed kinds bring for their measures."""
    rules = thresholds()
    theirs = {one.kind.metric: one.kind.levels for one in kinds if one.kind.levels is not None}
    return rules.model_copy(update={"measures": {**theirs, **rules.measures}}) if theirs else rules


def detected(
    kinds: Sequence[ContributedKind],
    data: Dataset,
    decisions: NDArray[Any],
    scores: NDArray[Any] | None,
    *,
    n_boot: int,
    seed: int,
) -> tuple[list[CandidateFinding], list[str]]:
    """Return what contributed kinds find in data and decisions, and a note on each that failed.

    Parameters
    ----------
    kinds : sequence of ContributedKind
        The kinds; those of other tasks than that of the data are skipped.
    data : Dataset
        The audited data.
    decisions, scores : ndarray
        The audited decisions or predicted values, and scores if there are any.
    n_boot, seed : int
        Replicates of the intervals, at most 500, and seed.
    """
    found: list[CandidateFinding] = []
    notes: list[str] = []
    for one in kinds:
        if data.task not in one.kind.tasks:
            continue
        try:
            for attribute, groups in views(data.groups).items():
                rows = RuledRows.of(data, groups, decisions, scores)
                found += _found(one, attribute, rows, min(n_boot, REPLICATES), seed)
        except FairmendError as error:
            notes.append(f"Findings of the kind {one.kind.kind} were not looked for: {error}.")
    return found, notes


def size_of(one: ContributedKind, finding: Detection | Finding, attribute: str, rows: RuledRows) -> float:
    """Return how large a finding is on some rows; called where the kind's code may run."""
    offers = {**rows.offers(attribute), "finding": finding}
    value = one.kind.measure(**arguments(one.kind.reads["measure"], offers, one.kind.kind))  # type: ignore[misc]
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise PluginError(f"the measure of {one.kind.kind} must return a number, got {type(value).__name__}")
    return float(value)


def _found(
    one: ContributedKind, attribute: str, rows: RuledRows, n_boot: int, seed: int
) -> Iterable[CandidateFinding]:
    def measured() -> list[dict[str, Any]]:
        named = arguments(one.kind.reads["detect"], rows.offers(attribute), one.kind.kind)
        detections = list(one.kind.detect(**named))  # type: ignore[misc]
        return [_sized(one, _checked(one, found), attribute, rows, n_boot, seed) for found in detections]

    for raw in one.call(measured, "the detector"):
        value, interval, detection = raw["value"], raw["interval"], Detection(**raw["detection"])
        yield CandidateFinding(
            kind=one.kind.kind,
            text=f"{detection.text} ({attribute})",
            readings=(Reading(one.kind.metric, value, None if interval is None else tuple(interval)),),
            support=detection.support,
            attribute=attribute,
            group=detection.group,
            reference=detection.reference,
            column=detection.column,
            optional=True,
        )


def _sized(
    one: ContributedKind, detection: Detection, attribute: str, rows: RuledRows, n_boot: int, seed: int
) -> dict[str, Any]:
    """Return a detection with its size and interval, as plain values."""
    value = size_of(one, detection, attribute, rows)
    (rng,) = generators(seed, 1)
    interval = None
    if math.isfinite(value):
        drawn = [size_of(one, detection, attribute, rows.take(draw)) for draw in rows.draws(n_boot, rng)]
        interval = percentile_interval(np.array(drawn))
    return {"value": value, "interval": interval, "detection": asdict(detection)}


def _checked(one: ContributedKind, found: Any) -> Detection:
    if not isinstance(found, Detection):
        raise PluginError(
            f"the detector of {one.kind.kind} must return Detections, got {type(found).__name__}"
        )
    texts = (found.text, *(t for t in (found.group, found.reference, found.column) if t is not None))
    if not all(isinstance(text, str) for text in texts):
        raise PluginError(f"the detector of {one.kind.kind} must return texts, got {found!r}")
    return replace(found, support=int(found.support))


def _taken(values: Any, rows: Ints) -> Any:
    if values is None:
        return None
    if isinstance(values, Groups):
        return Groups(values.codes[rows], values.labels, values.frame.iloc[rows].reset_index(drop=True))
    return values.iloc[rows].reset_index(drop=True) if isinstance(values, pd.DataFrame) else values[rows]
