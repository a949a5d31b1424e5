"""External inputs: the user's own model, or decisions and scores in a column or another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import label_of
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import read_table
from fairmend.core.errors import DataError, FairmendError, MissingColumnError, UsageError, unknown
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_model import ExternalModel, FittedModel


def given_columns(frame: pd.DataFrame, *sources: str | None) -> tuple[list[Any], tuple[str, ...]]:
    """Return the columns named by ``[FILE:]COLUMN``, and those of them that are in the frame.

    Parameters
    ----------
    frame : DataFrame, shape (n, p)
        The data.
    *sources : str or None
        A column of the data, or of a file with as many rows in the same order: ``scores.csv:p``.

    Returns
    -------
    values : list of Series or None
        One entry per source; None for None.
    taken : tuple of str
        Columns of the frame that hold decisions or scores, so that no model reads them.

    Raises
    ------
    MissingColumnError
        The column does not exist.
    DataError
        The other file has a different number of rows.
    """
    values: list[Any] = []
    taken: list[str] = []
    for source in sources:
        if source is None:
            values.append(None)
            continue
        file, _, column = source.rpartition(":")
        if source in frame.columns or not file:
            values.append(_column(frame, source))
            taken.append(source)
            continue
        other = read_table(Path(file))
        if len(other) != len(frame):
            raise DataError(
                f"{file} has {len(other)} rows, the data has {len(frame)}; both files must have equal length and order"
            )
        values.append(_column(other, column))
    return values, tuple(taken)


def with_scores(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, str]:
    """Return a frame with the scores named by ``[FILE:]COLUMN``, and the name of their column.

    Raises
    ------
    MissingColumnError
        The column does not exist.
    DataError
        The other file has a different number of rows, or the data already has a column of this name.
    """
    [scores], taken = given_columns(frame, source)
    if taken:
        return frame, taken[0]
    name = str(scores.name)
    if name in frame.columns:
        raise DataError(
            f"the data already has a column {name!r}; rename the scores in {source.rpartition(':')[0]}"
        )
    return frame.assign(**{name: scores.to_numpy()}), name


def given_model(model: Any, data: Dataset) -> FairModel:
    """Return a user's fitted model as the baseline of a run.

    Parameters
    ----------
    model : fitted classifier or FairModel
        Its classes are the values of the outcome, or 0 and 1 with 1 as the favorable one. It receives
        the columns it was fitted on by name, or all features if it was fitted on an array.
    data : Dataset
        The data to run on.

    Raises
    ------
    UsageError
        It has no ``predict_proba`` or is not fitted.
    DataError
        It does not have exactly two classes, or none of them is the favorable one.
    MissingColumnError
        It requires a column that is not among the features.
    """
    if isinstance(model, FairModel):
        return model
    classes = check_given(model, "predict", "predict_proba")
    if classes is None:
        raise DataError(f"the model ({type(model).__name__}) must be a binary classifier, it has no classes_")
    estimator = (
        model if isinstance(model, ExternalModel) else FittedModel(model, _favorable(classes, data.roles))
    )
    return FairModel(features_of(model, data), tuple(data.sensitive.columns), estimator)


def check_given(model: Any, *methods: str) -> tuple[Any, ...] | None:
    """Return the two classes of a user's fitted model, None if it has no ``classes_``.

    Parameters
    ----------
    model : fitted classifier
        The model.
    *methods : str
        Required methods.

    Raises
    ------
    UsageError
        A required method is missing, or the model is not fitted.
    DataError
        It does not have exactly two classes, or is inconsistent, as in a manipulated file.
    """
    name = type(model).__name__
    try:
        if not all(callable(getattr(model, method, None)) for method in methods):
            raise UsageError(
                f"a model must have {' and '.join(methods)}, {name} lacks one; wrap it in scikit-learn's "
                "CalibratedClassifierCV, or pass its decisions or scores instead"
            )
        if isinstance(model, BaseEstimator) and hasattr(model, "fit"):
            check_is_fitted(model)
        found = getattr(model, "classes_", None)
        classes = None if found is None else tuple(np.asarray(found).tolist())
    except NotFittedError as error:
        raise UsageError(f"the model ({name}) is not fitted; fit it before saving it") from error
    except FairmendError:
        raise
    except Exception as error:  # a manipulated model may raise anything
        said = " ".join(str(error).split())[:200]
        raise DataError(f"the model ({name}) is inconsistent: {type(error).__name__}: {said}") from error
    if classes is not None and (len(classes) != 2 or classes[0] == classes[1]):
        raise DataError(
            f"the model ({name}) must have two distinct classes, got {len(classes)} classes "
            f"({', '.join(map(str, classes[:5]))})"
        )
    return classes


def _favorable(classes: Any, roles: Roles) -> int:
    """Return the position of the favorable class."""
    labels, favorable = [label_of(c) for c in classes], label_of(roles.favorable)
    if favorable in labels:
        return labels.index(favorable)
    if labels in (["0", "1"], ["False", "True"]):
        return 1
    raise DataError(
        f"the classes of the model are {' and '.join(labels)}; one of them must be the favorable "
        f"{roles.outcome}, {favorable!r}, or they must be 0 and 1"
    )


def features_of(model: Any, data: Dataset) -> tuple[str, ...]:
    """Return the columns that a model requires, all of which must be features.

    Raises
    ------
    DataError
        It was fitted on an array with a different number of columns.
    MissingColumnError
        It requires a column that is not among the features.
    """
    known = [str(c) for c in data.X.columns]
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        expected = getattr(model, "n_features_in_", len(known))
        if expected != len(known):
            raise DataError(
                f"the model was fitted on an array of {expected} columns, got {len(known)} features; "
                "fit it on a DataFrame, or exclude the other columns (--ignore)"
            )
        return tuple(known)
    absent = [str(c) for c in names if str(c) not in known]
    if not absent:
        return tuple(map(str, names))
    roles = data.roles
    barred = [c for c in absent if c in roles.protected]
    if barred:
        raise MissingColumnError(
            f"the model reads the protected attribute {barred[0]!r}, which models may not read by default; allow it "
            "(--protected-in-model), or pass a model that does not read it"
        )
    kept = [c for c in absent if c in roles.not_features()]
    if kept:
        raise MissingColumnError(
            f"the model reads {', '.join(kept[:5])}, which has a role that models may not read; change the roles of the columns"
        )
    raise MissingColumnError(
        f"the model reads {', '.join(absent[:5])}, which is missing or empty in the data"
    )


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise MissingColumnError(str(unknown("column", name, [str(c) for c in frame.columns])))
    return frame[name]
