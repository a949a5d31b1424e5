"""An in- or post-processing technique on its own, for regression, ranking or several classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.auditing.tasks.audit import measure_task
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.group_names import protected_groups
from fairmend.core.data.groups import Groups
from fairmend.core.errors import DataError, MissingColumnError, UsageError, unknown
from fairmend.core.metrics import (
    TaskMeasurement,
    compare_uncertainty,
    task_changes,
    uncertainty_columns,
)
from fairmend.core.metrics.tasks.ranking import places
from fairmend.core.models.task_learner import learner_for
from fairmend.core.text.words import plural
from fairmend.pipeline.run.third_party import isolated
from fairmend.pipeline.run_technique.held_out import row_numbers
from fairmend.pipeline.run_technique.result import TechniqueResult

REPLICATES = 1000
LEAST_ROWS = 30
Columns = dict[str, NDArray[Any]]


def run_on_task(
    technique: Any, data: Dataset, given: Any, learner: str, seed: int, graph: CausalGraph | None
) -> TechniqueResult:
    """Fit a technique on some rows of an outcome that is not binary, and predict others with and without it.

    Parameters
    ----------
    technique : Inprocessor or Postprocessor
        Unfitted; it must support the task of the data.
    data : Dataset
        The data, of a task other than binary.
    given : array of shape (n,) or None
        Predicted values of an existing model, for post-processing; without them a reference model is trained.
    learner : str
        Name of that reference model's learner.
    seed : int
        Seed of the split and of the model.
    graph : CausalGraph or None
        The causal graph, where the technique reads one.

    Raises
    ------
    DataError
        The predictions are not numbers, one per row.
    UsageError
        There are predictions for a technique that trains its own model, or those of several classes as one column.
    """
    if technique.stage == "in-processing":
        if given is not None:
            raise UsageError(
                f"{technique.metadata.name} trains its own model; --scores is only for post-processing and evaluation"
            )
        return _trained(technique, data, learner, seed, graph)
    return _adjusted(technique, data, given, learner, seed)


def _trained(
    technique: Any, data: Dataset, learner: str, seed: int, graph: CausalGraph | None
) -> TechniqueResult:
    """Train an in-processing technique and, for comparison, the plain learner."""
    places = row_numbers(data, {"train": 0.75, "test": 0.25}, seed)
    train, test = data.take(places["train"]), data.take(places["test"])
    plain = learner_for(data.task, learner, seed=seed).fit(train.X, train.y, sample_weight=train.weights)

    def act() -> tuple[Columns, Mapping[str, Any]]:
        technique.fit(
            train.X,
            train.y,
            sensitive_features=train.sensitive,
            sample_weight=train.weights,
            learner=learner_for(data.task, learner, seed=seed),
            graph=graph,
            proxies=train.roles.proxies or None,
        )
        predicted = technique.predict_proba if data.task == "multiclass" else technique.predict
        at = {"sensitive_features": test.sensitive} if technique.reads("groups", "prediction") else {}
        return {"after": predicted(test.X, **at)}, getattr(technique, "diagnostics_", {})

    found, figures = isolated(technique, act, len(test))
    text = f"Trained on {plural(len(train), 'row')} and applied to {len(test):,} others, beside a plain model ({learner})."
    before = _predicted(plain, test)
    return _compared(technique, test, places["test"], before, found["after"], text, figures, seed)


def _adjusted(technique: Any, data: Dataset, given: Any, learner: str, seed: int) -> TechniqueResult:
    """Fit a technique of post-processing on predictions of rows that did not train the model."""
    if given is None:
        shares = {"train": 0.5, "calibration": 0.25, "test": 0.25}
    else:
        shares = {"calibration": 0.5, "test": 0.5}
    places = row_numbers(data, shares, seed)
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

    def act() -> tuple[Columns, Mapping[str, Any]]:
        technique.fit(
            scores,
            known.y,
            sensitive_features=known.sensitive,
            sample_weight=known.weights,
            X=known.X if technique.reads("X") else None,
            model=model if technique.reads("model") else None,
            query=_queries(technique, known),
        )
        asked = {
            "sensitive_features": test.sensitive,
            "X": test.X if technique.reads("X", "prediction") else None,
            "model": model if technique.reads("model", "prediction") else None,
            "query": _queries(technique, test),
        }
        figures = getattr(technique, "diagnostics_", {})
        if said := technique.uncertainty(before, **asked):
            return said, figures
        verb = "rank" if "ranking" in technique.metadata.modifies else "adjust"
        return {verb: getattr(technique, verb)(before, **asked)}, figures

    found, figures = isolated(technique, act, len(test))
    if "rank" in found:
        after, extra = -found["rank"].astype(np.float64), {"place": found["rank"]}
        return _compared(technique, test, rows, before, after, text, figures, seed, extra)
    if "adjust" in found:
        return _compared(technique, test, rows, before, found["adjust"], text, figures, seed)
    columns = {**_columns("baseline_", test, before), **uncertainty_columns(found, test.classes)}
    told = {"rows": len(test), **figures, **_uncertain(test, before, found)}
    about = technique.metadata
    return TechniqueResult(about.technique_id, about.slug, text, told, _table(test, rows, columns))


def _compared(
    technique: Any,
    test: Dataset,
    rows: NDArray[np.int64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    text: str,
    figures: Mapping[str, Any],
    seed: int,
    ranked: Columns | None = None,
) -> TechniqueResult:
    """Return predictions without and with a technique, and the figures of both."""
    old, new = (_measured(test, values, seed) for values in (before, after))
    columns = _columns("baseline_", test, before) | (ranked or _columns("", test, after))
    about = technique.metadata
    return TechniqueResult(
        about.technique_id,
        about.slug,
        text,
        {"rows": len(test), **figures},
        _table(test, rows, columns),
        task_before=old,
        task_after=new,
        changes=task_changes(old, new),
    )


def _table(test: Dataset, rows: NDArray[np.int64], columns: Columns) -> pd.DataFrame:
    name = test.roles.key or "row"
    outcome = np.asarray(test.classes, dtype=object)[test.y] if test.classes else test.y
    key = rows if test.key is None else test.key
    return pd.DataFrame({name: key, **test.sensitive, test.roles.outcome: outcome, **columns})


def rank_unlabeled(
    technique: Any, frame: pd.DataFrame, roles: Mapping[str, Any], given: Any
) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """Rank all rows of a table by their scores; a technique that reads no labels needs no outcome and no split.

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
    before, groups = places(scores, query), Groups.of(sensitive)

    def act() -> tuple[Columns, Mapping[str, Any]]:
        technique.fit(scores, sensitive_features=sensitive, query=query)
        place = technique.rank(scores, sensitive_features=sensitive, query=query)
        return {"place": place}, getattr(technique, "diagnostics_", {})

    found, figures = isolated(technique, act, len(frame))
    after = found["place"]
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


def _uncertain(test: Dataset, predicted: NDArray[np.float64], said: Columns) -> dict[str, Any]:
    """Return the figures of sets, intervals and abstentions, and of the predictions without them."""
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


def _measured(test: Dataset, values: NDArray[np.float64], seed: int) -> TaskMeasurement:
    groups = test.groups
    if test.task == "multiclass":
        return measure_task(test, values.argmax(axis=1), groups, values, REPLICATES, LEAST_ROWS, seed)
    return measure_task(test, values, groups, None, REPLICATES, LEAST_ROWS, seed)
