"""Checks of the inputs of a run or sweep: supported outcomes, scores in place of a model, the audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import list_techniques
from fairmend.api.data import audit
from fairmend.core.errors import UsageError
from fairmend.core.vocabulary import Task

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.core.data.dataset import Dataset
    from fairmend.core.findings import Audit
    from fairmend.core.models.decision_rule import FairModel


def binary(table: Dataset) -> Dataset:
    """Return the data, where pipelines support their kind of outcome."""
    if table.task != "binary":
        import numpy as np

        example = f"=={table.classes[0]}" if table.classes else f">={float(np.median(table.y)):g}"
        raise not_served(table.task, table.roles.outcome, f", as by --favorable '{example}'")
    return table


def not_served(task: Task, outcome: str, example: str = " (--favorable)") -> UsageError:
    """Return the error that pipelines do not support a kind of outcome, with what can be run on its own."""
    from fairmend.pipeline.compose.slots import ACTING

    acting = [one for one in list_techniques(task=task) if one["stage"] in ACTING]
    of_two = {one["slug"] for one in list_techniques(task="binary")}
    # Those for this kind of outcome alone come first, and last those that change only the data.
    acting.sort(key=lambda one: (one["slug"] in of_two, one["stage"] == "pre-processing"))
    found = [f"{one['technique_id']} ({one['slug']})" for one in acting]
    alone = (
        f"run one technique with fairmend technique run, such as {found[0]}; fairmend technique list --task {task} lists them"
        if found
        else "no technique supports it yet"
    )
    return UsageError(
        f"pipelines, with their gates and policies, support only binary outcomes so far, and {outcome!r} was read as {task}; "
        f"{alone}; or make it binary{example}"
    )


def scored(
    data: str | Path | pd.DataFrame | Dataset, scores: str, threshold: float, roles: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Return data with the scores as a feature, the model that reads them, and matching roles."""
    from fairmend.core.data.dataset import Dataset
    from fairmend.core.data.table_reading import exact_columns, read_table
    from fairmend.core.models.external_inputs import with_scores
    from fairmend.core.models.external_model import PrecomputedScores

    if not 0 <= threshold <= 1:
        raise UsageError(f"scores_threshold must be between 0 and 1, got {threshold:g}")
    column = scores
    if not isinstance(data, Dataset):
        frame, column = with_scores(
            read_table(data, exact_columns(roles)) if isinstance(data, (str, Path)) else data, scores
        )
        if column != scores:
            data = frame
    ignored = roles.get("ignored") or ()
    ignored = (ignored,) if isinstance(ignored, str) else ignored
    kept = tuple(c for c in ignored if c != column)
    return data, PrecomputedScores(column, threshold), {**roles, "ignored": kept}


def audited(table: Dataset, model: FairModel | None, **options: Any) -> Audit:
    """Return the audit that a run starts with; external scores are audited as decisions and not used as a feature."""
    from fairmend.core.models.external_model import PrecomputedScores

    if model is None or not isinstance(model.estimator, PrecomputedScores):
        return audit(table, model=model, **options)
    decisions, given = model.predict(table.X), model.scores(table.X)
    return audit(table.without([model.estimator.column]), predictions=decisions, scores=given, **options)
