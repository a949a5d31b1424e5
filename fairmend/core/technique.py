"""The base of all techniques: a scikit-learn estimator with metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

from fairmend.core.case import Case, Effect
from fairmend.core.data.groups import GroupEncoder, Groups, Unseen
from fairmend.core.errors import DataError, InsufficientDataError, ParameterError, PluginError, unknown
from fairmend.core.injection import Phase, Reads, Verb, arguments, named_in, read_signature
from fairmend.core.metadata import Adjustment, TechniqueMetadata
from fairmend.core.safety.containment import described
from fairmend.core.text.words import plural
from fairmend.core.vocabulary import Stage, Task

__all__ = ["Adjustment", "Technique", "TechniqueMetadata"]


class Technique(BaseEstimator):
    """A technique: metadata, parameters, and the method by which a pipeline runs it.

    Subclass the base of a stage, not this class. A technique has ``metadata``, a constructor that
    only assigns, ``_parameter_constraints`` in the form of scikit-learn, and private methods of its
    stage (``verbs``); the base class of the stage validates and calls them with what they name.
    """

    stage: ClassVar[Stage]
    verbs: ClassVar[tuple[Verb, ...]] = ()
    metadata: ClassVar[TechniqueMetadata]
    exemptions: ClassVar[dict[str, str]] = {}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}
    _reads: ClassVar[Mapping[str, Reads]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._reads = {
            verb.name: read_signature(cls.__qualname__, method, verb)
            for verb in cls.verbs
            if (method := getattr(cls, verb.name, None)) is not None
        }
        metadata = cls.__dict__.get("metadata")
        if metadata is None:
            return
        if not isinstance(metadata, TechniqueMetadata):
            raise PluginError(
                f"{cls.__qualname__}.metadata must be a TechniqueMetadata, got {type(metadata).__name__}"
            )
        try:
            cls.metadata = metadata.derived(cls._derived())
        except ValueError as error:
            raise PluginError(f"{cls.__qualname__}.metadata: {error}") from error

    @classmethod
    def reads(cls, name: str, phase: Phase | None = None, *, needed: bool = False) -> bool:
        """Return whether a private method has a parameter.

        Parameters
        ----------
        name : str
            Name of the parameter, e.g. ``"groups"``.
        phase : {"fit", "prediction"}, optional
            Only methods of this phase.
        needed : bool
            Only parameters without a default.
        """
        return named_in(cls._reads.values(), name, phase, needed=needed)

    @classmethod
    def _derived(cls) -> dict[str, Any]:
        """Return the facts of the metadata that follow from the stage and the signatures."""
        at_prediction = cls.reads("groups", "prediction", needed=True)
        return {
            "stage": cls.stage,
            "needs_labels": any(cls.reads(n, "fit", needed=True) for n in ("y", "y_true", "data")),
            "needs_scores": cls.reads("scores") or cls.reads("y_score", needed=True),
            "needs_features": cls.reads("X", needed=True),
            "needs_learner": cls.reads("learner"),
            "needs_model": cls.reads("model", needed=True),
            "needs_graph": cls.reads("graph", needed=True),
            "needs_protected_at_fit": at_prediction
            or any(cls.reads(n, "fit", needed=True) for n in ("groups", "data")),
            "needs_protected_at_prediction": at_prediction,
            "needs_retraining": cls.stage in {"pre-processing", "in-processing"},
        }

    def _call(self, verb: str, **available: Any) -> Any:
        """Call a private method with the available values that it names."""
        return getattr(self, verb)(**arguments(self._reads[verb], available, self.metadata.name))

    @classmethod
    def with_parameters(cls, **parameters: Any) -> Self:
        """Return an instance with these parameters, checked.

        Raises
        ------
        ParameterError
            An unknown parameter (with similar names), or a value out of its range.
        PluginError
            The constructor raises.
        """
        known = cls._get_param_names()
        for name in parameters:
            if name not in known:
                raise ParameterError(str(unknown(f"parameter of {cls.metadata.slug}", name, known)))
        try:
            technique = cls(**parameters)
        except Exception as error:
            raise PluginError(
                f"the constructor of {cls.metadata.slug} must assign and do nothing else; it raised {described(error)}"
            ) from error
        technique.check_parameters()
        return technique

    def check_parameters(self) -> None:
        """Check the parameters against their constraints, before any data is touched."""
        try:
            self._validate_params()
        except InvalidParameterError as error:
            raise ParameterError(str(error)) from error

    def run(self, case: Case) -> tuple[Case, Effect]:
        """Apply the technique to a case and return the new case with the effect; implemented once per stage."""
        raise NotImplementedError(f"{type(self).__qualname__} must subclass the base class of a stage")


def as_frame(X: Any, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Return features as a frame; the columns of an array are called x0, x1, ...

    Raises
    ------
    DataError
        If X is not two-dimensional, is empty, or lacks columns seen in fit.
    """
    if isinstance(X, pd.DataFrame):
        frame = X
    else:
        array = np.asarray(X)
        if array.ndim != 2:
            raise DataError(f"X must have two dimensions (rows, features), got {array.ndim}")
        frame = pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
    if len(frame) == 0:
        raise DataError("X has no rows")
    if columns is not None:
        absent = [c for c in columns if c not in frame.columns]
        if absent:
            raise DataError(f"X lacks {', '.join(map(str, absent[:5]))}, which was there at fit")
        if tuple(frame.columns) != columns:
            frame = frame[list(columns)]
    return frame


def numeric_columns(X: pd.DataFrame, wanted: Any = None) -> list[str]:
    """Return the numeric features, all or the requested ones, checked.

    Raises
    ------
    DataError
        A requested feature is missing or contains text, with an example; or no feature is numeric.
    """
    if wanted is None:
        found = [c for c in X.columns if _is_number(X[c])]
        if not found:
            raise DataError("no feature is numeric; name numeric features, or use another technique")
        return found
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in X.columns:
            raise DataError(str(unknown("feature", name, [str(c) for c in X.columns])))
        if not _is_number(X[name]):
            text = X[name].dropna()
            bad = text[pd.to_numeric(text, errors="coerce").isna()] if len(text) else text
            example = f"; {plural(len(bad), 'row')} such as {bad.iloc[0]!r}" if len(bad) else ""
            raise DataError(f"feature {name!r} must be numeric, but contains text{example}")
    return names


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column)) and not bool(pd.api.types.is_bool_dtype(column))


def binary_labels(y: Any, n_rows: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return labels as 0 and 1 (1 is the larger class) with the two classes.

    Raises
    ------
    DataError
        A different length, missing labels, or more than two classes.
    InsufficientDataError
        One class only.
    """
    codes, classes = class_labels(y, n_rows)
    if len(classes) > 2:
        raise DataError(f"y has {len(classes)} classes; this method supports exactly two")
    return codes, classes


def sample_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return weights as floats, ones if none were given."""
    if sample_weight is None:
        return np.ones(n_rows)
    weights = np.asarray(sample_weight, dtype=float)
    if weights.shape != (n_rows,):
        raise DataError(f"sample_weight must have one value per row ({n_rows}), got shape {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise DataError("sample_weight must be finite, not negative, and not all zero")
    return weights


def class_labels(y: Any, n_rows: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return labels as codes of the sorted classes, with the classes.

    Raises
    ------
    DataError
        A different length, or missing labels.
    InsufficientDataError
        One class only.
    """
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != n_rows:
        raise DataError(f"y must have one value per row ({n_rows}), got shape {labels.shape}")
    if pd.isna(labels).any():
        raise DataError(f"y is missing in {int(pd.isna(labels).sum())} rows")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InsufficientDataError(f"y has one class only ({classes[0]!r}); two are needed")
    return codes.astype(np.int64), classes


def real_values(values: Any, n_rows: int, what: str) -> NDArray[np.float64]:
    """Return real values, one per row, checked for finiteness."""
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be numbers, got {np.asarray(values).dtype}") from error
    if found.shape != (n_rows,):
        raise DataError(f"{what} must have one value per row ({n_rows}), got shape {found.shape}")
    if not np.isfinite(found).all():
        raise DataError(f"{what} must be finite; {int((~np.isfinite(found)).sum())} of {n_rows} rows are not")
    return found


def scores_of(scores: Any, tasks: Sequence[Task]) -> NDArray[np.float64]:
    """Return scores, checked against the tasks that a technique supports.

    For binary outcomes probabilities of the favorable outcome, shape (n,); for several classes probabilities
    of each, shape (n, k); for regression and ranking any real values, shape (n,).

    Raises
    ------
    DataError
        The scores are of another kind.
    """
    if set(tasks) & {"regression", "ranking"}:
        values = np.asarray(scores)
        return real_values(values, len(values) if values.ndim else 0, "scores")
    values = np.asarray(scores, dtype=float)
    if "multiclass" in tasks and values.ndim == 2 and values.shape[1] > 2:
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise DataError("scores of several classes must be probabilities in [0, 1]")
        if not np.allclose(values.sum(axis=1), 1, atol=1e-3):
            raise DataError("scores of several classes must sum to 1 in each row")
        return values
    return probabilities(values)


def task_of(scores: Any, y: Any, tasks: Sequence[Task]) -> Task:
    """Return which task of a technique matches these scores and labels.

    More than two columns mean several classes; probabilities with at most two labels mean a binary outcome,
    if the technique supports it; anything else is a real value.
    """
    values = np.asarray(scores)
    if len(tasks) == 1 or not set(tasks) & {"regression", "ranking"}:
        return "multiclass" if "multiclass" in tasks and _n_classes(values) > 2 else tasks[0]
    real: Task = "regression" if "regression" in tasks else "ranking"
    if "multiclass" in tasks and _n_classes(values) > 2:
        return "multiclass"
    within = values.dtype.kind in "biuf" and values.size > 0 and values.min() >= 0 and values.max() <= 1
    two = y is None or len(pd.unique(np.asarray(y).ravel())) <= 2
    return "binary" if "binary" in tasks and within and two else real


def _n_classes(scores: NDArray[Any]) -> int:
    return scores.shape[1] if scores.ndim == 2 else 2


def labels_of(y: Any, n_rows: int, scores: NDArray[np.float64], tasks: Sequence[Task]) -> NDArray[Any]:
    """Return labels, checked against the tasks that a technique supports: class codes, or real values.

    Codes from 0 refer to the columns of the scores; otherwise there must be as many labels as columns.
    """
    if set(tasks) & {"regression", "ranking"}:
        return real_values(y, n_rows, "y")
    if scores.ndim == 2:
        codes, classes = class_labels(y, n_rows)
        k = scores.shape[1]
        if np.issubdtype(classes.dtype, np.integer) and classes.min() >= 0 and classes.max() < k:
            return np.asarray(y).astype(np.int64)
        if len(classes) != k:
            raise DataError(
                f"y has {len(classes)} classes and scores have {k} columns; one column per class is needed"
            )
        return codes
    return binary_labels(y, n_rows)[0]


def training_labels(y: Any, n_rows: int, tasks: Sequence[Task]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return training labels, checked against the tasks that a technique supports, and their classes.

    Two values become codes 0 and 1; more become class codes if the technique supports them, otherwise real
    values (which have no classes).

    Raises
    ------
    DataError
        The labels match no task that it supports.
    """
    if "binary" in tasks and (len(set(tasks)) == 1 or len(np.unique(np.asarray(y))) <= 2):
        return binary_labels(y, n_rows)
    if "multiclass" in tasks and not np.issubdtype(np.asarray(y).dtype, np.floating):
        return class_labels(y, n_rows)
    return real_values(y, n_rows, "y"), np.empty(0)


def probabilities(scores: Any) -> NDArray[np.float64]:
    """Return scores checked to be probabilities of the favorable outcome."""
    values = np.asarray(scores, dtype=float)
    if values.ndim == 2 and values.shape[1] == 2:
        values = values[:, 1]
    if values.ndim != 1:
        raise DataError(f"scores must have one dimension, got shape {values.shape}")
    if len(values) == 0:
        raise DataError("there are no scores")
    if np.isnan(values).any():
        raise DataError(f"scores are missing in {int(np.isnan(values).sum())} rows")
    if values.min() < 0 or values.max() > 1:
        raise DataError(
            f"scores must be probabilities in [0, 1], got values from {values.min():g} to {values.max():g}"
        )
    return values


class GroupAware:
    """Store the groups seen in fit and match them at prediction."""

    metadata: ClassVar[TechniqueMetadata]
    reads: ClassVar[Any]

    def _fit_groups(self, sensitive_features: Any, n_rows: int) -> Groups | None:
        if not self.metadata.needs_protected_at_fit and not (
            self.reads("groups", "fit") and sensitive_features is not None
        ):
            return None
        self.group_encoder_ = GroupEncoder()
        groups = self.group_encoder_.fit_transform(sensitive_features, n_rows)
        if groups.n_groups < 2:
            raise InsufficientDataError(
                f"{self.metadata.name} compares groups, but all {n_rows} rows are of the group {groups.labels[0]!r}"
            )
        if groups.n_groups > 2 and set(self.metadata.arity) == {"binary"}:
            raise DataError(
                f"{self.metadata.name} supports exactly two groups, got {groups.n_groups} ({', '.join(groups.labels[:5])})"
            )
        return groups

    def _find_groups(self, sensitive_features: Any, n_rows: int) -> Groups | None:
        if not self.metadata.needs_protected_at_prediction and not (
            self.reads("groups", "prediction") and sensitive_features is not None
        ):
            return None
        unseen: Unseen = getattr(self, "unseen", "error")
        return self.group_encoder_.transform(sensitive_features, n_rows, unseen=unseen)
