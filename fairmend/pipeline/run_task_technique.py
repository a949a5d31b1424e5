"""One technique of post-processing alone, on an outcome of regression, ranking or several classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.auditing.tasks.audit import measure_task
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.group_names import protected_groups
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, MissingColumnError, UsageError, unknown
from fairmend.core.metrics import (
    Estimate,
    TaskMeasurement,
    compare_uncertainty,
    task_changes,
    uncertainty_columns,
)
from fairmend.core.metrics.tasks.ranking import places
from fairmend.core.models.task_learner import learner_for
from fairmend.core.serialization import to_plain
from fairmend.core.text.words import plural

REPLICATES = 1000
LEAST_ROWS = 30
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TaskResult:
    """What a technique did to predictions of rows that trained nothing.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Places of these rows in the data.
    test : Dataset
        These rows.
    text : str
        How it was fitted and what it did.
    columns : dict of str to ndarray
        Predictions before and after.
    figures : mapping
        What the technique says of itself, ready for JSON.
    before, after : TaskMeasurement or None
        Figures on these rows; None where it makes sets or intervals, which have no such figures.
    changes : dict of str to Estimate
        By how much each figure changed on the same rows.
    """

    rows: NDArray[np.int64]
    test: Dataset
    text: str
    columns: Columns
    figures: Mapping[str, Any]
    before: TaskMeasurement | None = None
    after: TaskMeasurement | None = None
    changes: Mapping[str, Estimate] | None = None


def run_task_technique(technique: Any, data: Dataset, given: Any, learner: str, seed: int) -> TaskResult:
    """Fit a technique of post-processing on some rows and act on others.

    Parameters
    ----------
    technique : Postprocessor
        Unfitted; it must serve the task of the data.
    data : Dataset
        The data, of a task other than binary.
    given : array of shape (n,) or None
        Predicted values of an existing model; without them a reference model is trained.
    learner : str
        Name of that reference model's learner.
    seed : int
        Seed of the split and of the model.

    Raises
    ------
    DataError
        The predictions are not numbers, one per row.
    UsageError
        The technique is of another stage, or predictions of several classes were given as one column.
    """
    if technique.stage != "post-processing":
        raise UsageError(
            f"{technique.metadata.name} is of {technique.stage}, which does not run alone yet on a {data.task} outcome; "
            "run a technique of post-processing, or make the outcome binary (--favorable '>=10')"
        )
    if given is None:
        shares = {"train": 0.5, "calibration": 0.25, "test": 0.25}
    else:
        shares = {"calibration": 0.5, "test": 0.5}
    places = {
        name: np.asarray(part.key)
        for name, part in replace(data, key=np.arange(len(data))).split(shares, seed=seed).items()
    }
    fit, rows = places["calibration"], places["test"]
    known, test = data.take(fit), data.take(rows)
    model = None
    if given is None:
        train = data.take(places["train"])
        model = learner_for(data.task, learner, seed=seed).fit(train.X, train.y, sample_weight=train.weights)
        scores, before = (_predicted(model, part) for part in (known, test))
        text = f"Trained a reference model ({learner}) on {plural(len(train), 'row')}, fitted on {len(fit):,} others and applied to {len(rows):,}."
    else:
        every = _given(given, data)
        scores, before = every[fit], every[rows]
        text = f"Fitted on {plural(len(fit), 'row')} and applied to the other {len(rows):,}."
    technique.fit(
        scores,
        known.y,
        sensitive_features=known.sensitive,
        sample_weight=known.weights,
        X=known.X if technique.reads("X") else None,
        model=model if technique.reads("model") else None,
        query=_queries(technique, known),
    )
    columns, after, said = _acted(technique, test, before, model)
    figures = {"rows": len(test), **to_plain(getattr(technique, "diagnostics_", {}))}
    if after is None:
        return TaskResult(rows, test, text, columns, {**figures, **_uncertain(test, before, said)})
    groups = test.groups
    old, new = (_measured(test, values, groups, seed) for values in (before, after))
    return TaskResult(rows, test, text, columns, figures, old, new, task_changes(old, new))


def rank_unlabeled(
    technique: Any, frame: pd.DataFrame, roles: Mapping[str, Any], given: Any
) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """Rank all rows of a table by given scores; a technique that reads no labels needs no outcome and no split.

    Parameters
    ----------
    technique : Postprocessor
        Unfitted; it must make a ranking and read no labels.
    frame : DataFrame, shape (n, p)
        The rows to rank.
    roles : mapping
        ``protected``, and ``query`` where rows are ranked in several lists.
    given : array of shape (n,)
        Scores, higher first.

    Returns
    -------
    table : DataFrame, shape (n, p + 2)
        The rows with ``baseline_place`` by score and ``place``.
    text : str
        What was done.
    figures : dict
        What the technique says of itself, and the share of each group among the first places before and after.
    """
    sensitive, _, _ = protected_groups(frame, roles["protected"], roles.get("cuts", {}))
    column = roles.get("query")
    if column is not None and column not in frame.columns:
        raise MissingColumnError(str(unknown("column", column, [str(c) for c in frame.columns])))
    query = None if column is None else pd.factorize(frame[column])[0]
    if query is not None and (query < 0).any():
        raise DataError(
            f"the query {column!r} is missing in {int((query < 0).sum())} rows; name one for each row"
        )
    scores = _numbers(given, "ranking")
    technique.fit(scores, sensitive_features=sensitive, query=query)
    before = places(scores, query)
    after = technique.rank(scores, sensitive_features=sensitive, query=query)
    groups = Groups.of(sensitive)
    figures = to_plain(getattr(technique, "diagnostics_", {}))
    for top in (10, 100):
        figures[f"share_of_top_{top}"] = {
            label: {
                name: float(np.mean(groups.codes[place <= top] == code))
                for name, place in (("before", before), ("after", after))
            }
            for code, label in enumerate(groups.labels)
        }
    lists = plural(1 if query is None else int(query.max()) + 1, "list")
    text = f"Ranked {plural(len(frame), 'row')} in {lists}; {int((before != after).sum()):,} have another place than by score."
    return frame.assign(baseline_place=before, place=after), text, figures


def _given(given: Any, data: Dataset) -> NDArray[np.float64]:
    if data.task == "multiclass":
        raise UsageError(
            f"scores of a multiclass outcome are a probability of each of its {len(data.classes)} classes, which one "
            "column cannot hold; leave out --scores to have a reference model trained"
        )
    return _numbers(given, data.task)


def _numbers(given: Any, task: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"predictions of a {task} must be numbers, got text; name a numeric column"
        ) from error
    if not np.isfinite(values).all():
        raise DataError(
            f"predictions are missing or infinite in {int((~np.isfinite(values)).sum())} rows; leave these out"
        )
    return values


def _predicted(model: Any, data: Dataset) -> NDArray[np.float64]:
    return np.asarray(model.predict_proba(data.X) if data.task == "multiclass" else model.predict(data.X))


def _queries(technique: Any, data: Dataset) -> NDArray[np.int64] | None:
    """Return the query of each row, one for all where a technique needs it and none was named."""
    if not technique.reads("query"):
        return None
    return np.zeros(len(data), dtype=np.int64) if data.query is None else data.query


def _acted(
    technique: Any, test: Dataset, before: NDArray[np.float64], model: Any
) -> tuple[Columns, NDArray[np.float64] | None, Columns]:
    """Return columns for the table, predictions of the kind of the old ones, and what is said beside them."""
    asked = {
        "sensitive_features": test.sensitive,
        "X": test.X if technique.reads("X", "prediction") else None,
        "model": model if technique.reads("model", "prediction") else None,
        "query": _queries(technique, test),
    }
    columns = _columns("baseline_", test, before)
    modifies = technique.metadata.modifies
    if said := technique.uncertainty(before, **asked):
        return {**columns, **uncertainty_columns(said, test.classes)}, None, said
    if "ranking" in modifies:
        place = technique.rank(before, **asked)
        return {**columns, "place": place}, -place.astype(np.float64), {}
    after = technique.adjust(before, **asked)
    return {**columns, **_columns("", test, after)}, after, {}


def _uncertain(test: Dataset, predicted: NDArray[np.float64], said: Columns) -> dict[str, Any]:
    """Return the figures of sets, intervals and abstentions, and of the predictions alone."""
    decided = predicted.argmax(axis=1) if test.task == "multiclass" else predicted
    known = {"sensitive_features": test.sensitive, "sample_weight": test.weights}
    found = compare_uncertainty(test.y, decided, said, y_score=predicted, **known)
    return {
        name: {what: pair[i].to_json() for what, pair in found.items()}
        for i, name in enumerate(("baseline", "final"))
    }


def _columns(lead: str, test: Dataset, values: NDArray[np.float64]) -> Columns:
    if test.task != "multiclass":
        return {f"{lead}prediction": values}
    names = np.asarray(test.classes, dtype=object)
    return {
        f"{lead}prediction": names[values.argmax(axis=1)],
        **{f"{lead}score[{c}]": values[:, i] for i, c in enumerate(test.classes)},
    }


def _measured(test: Dataset, values: NDArray[np.float64], groups: Groups, seed: int) -> TaskMeasurement:
    if test.task == "multiclass":
        return measure_task(test, values.argmax(axis=1), groups, values, REPLICATES, LEAST_ROWS, seed)
    return measure_task(test, values, groups, None, REPLICATES, LEAST_ROWS, seed)
