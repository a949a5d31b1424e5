"""The result of a single technique."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.metrics import Comparison, Estimate, Measurement, TaskMeasurement
from fairmend.core.serialization import to_plain
from fairmend.core.text.display import Displayed, figure_record


@dataclass(frozen=True, repr=False)
class TechniqueResult(Displayed):
    """The result of a single technique.

    Attributes
    ----------
    technique_id, slug
        The technique.
    text : str
        What it did, in a sentence.
    figures : dict
        Its results, for JSON.
    table : DataFrame or None
        The changed data, or scores and decisions of the held-out rows.
    before, after, tests : Measurement, Measurement, Comparison; or None
        For a technique that makes decisions: the metrics without and with it on these rows.
    graph : CausalGraph or None
        The causal graph that an analysis made.
    task_before, task_after : TaskMeasurement or None
        The same where the outcome is not binary.
    changes : mapping
        By how much each of these figures changed.
    documents : mapping of str to str
        Contents of the files that an operation made, by name.
    """

    technique_id: int | str
    slug: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    before: Measurement | None = None
    after: Measurement | None = None
    tests: Comparison | None = None
    graph: CausalGraph | None = None
    task_before: TaskMeasurement | None = None
    task_after: TaskMeasurement | None = None
    changes: Mapping[str, Estimate] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Return the technique and what it did."""
        table = (
            {}
            if self.table is None
            else {"table": f"{len(self.table):,} rows, {self.table.shape[1]} columns"}
        )
        return {"technique": f"{self.slug} ({self.technique_id})", "text": self.text, **table}

    def records(self) -> list[dict[str, Any]]:
        """Return the figures without and with the technique, else what it found, one row per name."""
        if self.before is None or self.after is None:
            return [{"name": name, "value": value} for name, value in to_plain(self.figures).items()]
        return [
            {"model": model, **figure_record(name, figure)}
            for model, measured in (("baseline", self.before), ("final", self.after))
            for name, figure in measured.to_json().items()
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return the changed data, or scores and decisions; where there are none, the figures."""
        return super().to_frame() if self.table is None else self.table

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON, without table and documents."""
        compared = {}
        if self.before is not None and self.after is not None and self.tests is not None:
            compared = {
                "baseline": self.before.to_json(),
                "final": self.after.to_json(),
                "tests": self.tests.to_json(),
            }
        if self.task_before is not None and self.task_after is not None:
            compared = {
                "baseline": self.task_before.to_json(),
                "final": self.task_after.to_json(),
                "changes": {name: change.to_json() for name, change in self.changes.items()},
            }
        return {
            "schema_version": 1,
            "technique_id": self.technique_id,
            "slug": self.slug,
            "text": self.text,
            **to_plain(self.figures),
            **compared,
        }


def told(technique: Any, found: Mapping[str, Any]) -> TechniqueResult:
    """Return what a technique found; its entry ``text`` is the sentence."""
    about = technique.metadata
    figures = dict(found)
    text = str(figures.pop("text", f"{about.name}: done."))
    return TechniqueResult(about.technique_id, about.slug, text, to_plain(figures))
