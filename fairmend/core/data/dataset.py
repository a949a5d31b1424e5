"""Data with roles: reading, all checks of input, and the seeded split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.data.copies import copies_of, unit_places
from fairmend.core.data.group_names import check_values, protected_groups
from fairmend.core.data.groups import Groups
from fairmend.core.data.outcome import LARGEST_NUMBER, read_outcome
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import check_names, exact_columns, read_table
from fairmend.core.errors import (
    DataError,
    InsufficientDataError,
    MissingColumnError,
    UsageError,
    unknown,
)
from fairmend.core.vocabulary import Task

if TYPE_CHECKING:
    from fairmend.core.stages.data_change import DataChange

MINIMUM_ROWS = 100
WEIGHT_RANGE = (1e-50, 1e50)
PARTS: Mapping[str, float] = {"train": 0.45, "calibration": 0.2, "validation": 0.15, "test": 0.2}


@dataclass(frozen=True)
class Dataset:
    """Features, label, protected attributes and weights of some people, with their roles.

    Attributes
    ----------
    X : DataFrame, shape (n, p)
        What a model may read.
    y : ndarray, shape (n,)
        1 where the outcome is the favorable one, else 0; codes of the classes of a multiclass outcome; the
        values themselves of a regression or a ranking.
    sensitive : DataFrame of str, shape (n, k)
        The protected attributes as group names; missing values are the group ``"missing"``.
    roles : Roles
        What each column is for, with the favorable value and the cut points filled in.
    weights : ndarray of float, shape (n,), or None
        Sample weights.
    key : ndarray, shape (n,), or None
        What identifies each row.
    notes : tuple of str
        What was decided while reading, for the report.
    own_weights : ndarray of float, shape (n,), or None
        Where a step has put other weights on the rows for training: those of the data themselves.
    units : ndarray of int, shape (n,), or None
        Where rows are copies of others (:mod:`.copies`): which belong together. They stay in one
        part of a split, and are one unit where figures are measured. The queries of a ranking do, too.
    task : {"binary", "multiclass", "regression", "ranking"}
        What kind of outcome it is; see :mod:`.outcome`.
    classes : tuple of str
        Classes of a multiclass outcome, in the order of their codes.
    query : ndarray of int, shape (n,), or None
        Which rows are ranked together; None where all of them are.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    sensitive: pd.DataFrame
    roles: Roles
    weights: NDArray[np.float64] | None = None
    key: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    own_weights: NDArray[np.float64] | None = None
    units: NDArray[np.int64] | None = None
    task: Task = "binary"
    classes: tuple[str, ...] = ()
    query: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def read(cls, path: str | Path, roles: Roles) -> Dataset:
        """Read a file and give its columns their roles."""
        return cls.from_frame(read_table(path, exact_columns(dict(roles))), roles)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, roles: Roles) -> Dataset:
        """Give the columns of a frame their roles, and check all of it.

        Raises
        ------
        MissingColumnError
            A column that the roles name is not there.
        InsufficientDataError
            One class, one group, or an attribute without a single value.
        DataError
            Missing outcomes, infinite numbers, negative weights, repeated columns or keys.
        """
        _check_columns(frame, roles)
        frame = frame.reset_index(drop=True)
        outcome = read_outcome(frame[roles.outcome], roles)
        sensitive, cuts, notes = protected_groups(frame, roles.protected, roles.cuts)
        roles = roles.model_copy(update={"favorable": outcome.favorable, "task": outcome.task, "cuts": cuts})
        X = frame[[c for c in frame.columns if c not in roles.not_features()]]
        if X.shape[1] == 0:
            raise DataError("no feature columns remain after removing outcome, protected and ignored columns")
        X, dropped = _usable_features(X)
        weights = None if roles.weights is None else _weights(frame[roles.weights])
        key = None if roles.key is None else _key(frame[roles.key])
        query = None if roles.query is None else _query(frame[roles.query])
        copies = None if query is not None else copies_of(X, sensitive, pd.factorize(outcome.y)[0])
        units, said = (query, ()) if copies is None else (copies.units, (copies.note,))
        return cls(
            X, outcome.y, sensitive, roles, weights, key, (*outcome.notes, *notes, *dropped, *said),
            units=units, task=outcome.task, classes=outcome.classes, query=query,
        )  # fmt: skip

    @cached_property
    def groups(self) -> Groups:
        """The groups: all protected attributes crossed."""
        return Groups.of(self.sensitive)

    @property
    def frame(self) -> pd.DataFrame:
        """Features, protected attributes and the outcome (as 1 and 0) in one frame."""
        parts = self.X.assign(**{c: self.sensitive[c] for c in self.sensitive.columns})
        return parts.assign(**{self.roles.outcome: self.y})

    def attribute(self, name: str) -> pd.Series[Any]:
        """Return one protected attribute."""
        if name not in self.sensitive.columns:
            raise unknown("protected attribute", name, [str(c) for c in self.sensitive.columns])
        return self.sensitive[name]

    @property
    def population_weights(self) -> NDArray[np.float64] | None:
        """Weights by which the rows stand for people, whatever a step made of them for training."""
        return self.weights if self.own_weights is None else self.own_weights

    def reweighted(self, weights: NDArray[np.float64]) -> Dataset:
        """Return the data with other weights for training."""
        own = self.population_weights
        return replace(self, weights=weights, own_weights=np.ones(len(self)) if own is None else own)

    def changed(self, change: DataChange) -> Dataset:
        """Return training data after a change; the data's own weights are kept along with new ones."""
        if change.origin is not None:
            return replace(
                self,
                X=pd.DataFrame(change.X),
                y=np.asarray(change.y),
                sensitive=pd.DataFrame(change.sensitive_features),
                weights=None if self.weights is None else change.sample_weight,
                key=None,
                own_weights=None,
                units=None,
            )
        out = self
        if change.X is not None:
            out = replace(out, X=change.X)
        if change.y is not None:
            out = replace(out, y=np.asarray(change.y))
        return out if change.sample_weight is None else out.reweighted(np.asarray(change.sample_weight))

    def take(self, rows: NDArray[Any]) -> Dataset:
        """Return the rows at these places, in this order."""
        return replace(
            self,
            X=self.X.iloc[rows].reset_index(drop=True),
            y=self.y[rows],
            sensitive=self.sensitive.iloc[rows].reset_index(drop=True),
            weights=None if self.weights is None else self.weights[rows],
            own_weights=None if self.own_weights is None else self.own_weights[rows],
            key=None if self.key is None else self.key[rows],
            units=None if self.units is None else self.units[rows],
            query=None if self.query is None else self.query[rows],
        )

    def followed_by(self, other: Dataset) -> Dataset:
        """Return these rows and then others of the same data, with the features that both have."""

        def both(name: str) -> Any:
            ours, theirs = getattr(self, name), getattr(other, name)
            return None if ours is None or theirs is None else np.concatenate([ours, theirs])

        arrays = {name: both(name) for name in ("y", "weights", "own_weights", "key", "units", "query")}
        frames = {
            name: pd.concat([getattr(self, name), getattr(other, name)], ignore_index=True, join="inner")
            for name in ("X", "sensitive")
        }
        return replace(self, **arrays, **frames)

    def without(self, features: Sequence[str]) -> Dataset:
        """Return the data with these features left out of what a model reads."""
        return replace(self, X=self.X.drop(columns=list(features)))

    def fingerprint(self) -> str:
        """Return a SHA-256 over content, names and order of rows."""
        digest = hashlib.sha256()
        for part in (self.X, self.sensitive):
            digest.update("\x1f".join(map(str, part.columns)).encode())
            digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
        digest.update(
            self.y.astype(np.int8 if self.task in ("binary", "multiclass") else np.float64).tobytes()
        )
        if self.weights is not None:
            digest.update(self.weights.tobytes())
        return digest.hexdigest()

    def strata(self) -> NDArray[np.int64]:
        """Return group and outcome of each row as one number, shape (n,), for splits with the same mix of both.

        A real value counts by the fifth of all values that it lies in.
        """
        level = self.y
        if self.task in ("regression", "ranking"):
            level = np.searchsorted(np.quantile(self.y, [0.2, 0.4, 0.6, 0.8]), self.y)
        return np.asarray(self.groups.codes * (int(level.max()) + 1) + level, dtype=np.int64)

    def split(self, parts: Mapping[str, float] | None = None, *, seed: int = 0) -> dict[str, Dataset]:
        """Split at random, with the same mix of label and group in every part.

        A group of so few rows that chance would leave it out of a part is in the first ones, so that no
        part holds a group that an earlier one lacks. Duplicate rows are all in one part.

        Parameters
        ----------
        parts : mapping of str to float
            Share of the rows of each part; the default is ``PARTS``.
        seed : int
            Seed of the shuffle.

        Raises
        ------
        InsufficientDataError
            Fewer than 100 rows, or a part that would lack a class.
        """
        shares = dict(PARTS if parts is None else parts)
        if any(s <= 0 for s in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
            raise UsageError(f"the shares of the split must be positive and sum to 1, got {shares}")
        if len(self) < MINIMUM_ROWS:
            raise InsufficientDataError(
                f"the data has {len(self)} rows; a split into {', '.join(shares)} needs at least {MINIMUM_ROWS}"
            )
        groups = self.groups
        place = places(self.strata(), self.units, np.random.default_rng(seed))
        bounds = np.cumsum(list(shares.values()))[:-1]
        part_of = np.searchsorted(bounds, place, side="right")
        held = np.zeros((groups.n_groups, len(shares)), dtype=bool)
        held[groups.codes, part_of] = True
        for g in np.flatnonzero(~held.all(axis=1)):
            rows = np.flatnonzero(groups.codes == g)
            rows = rows[np.argsort(place[rows], kind="stable")]
            if self.units is None:
                few = rows[: len(shares)]
                part_of[few] = np.arange(len(few))
                continue
            together = list(dict.fromkeys(self.units[rows]))[: len(shares)]
            for number, unit in enumerate(together):
                part_of[self.units == unit] = number
        out = {name: self.take(np.flatnonzero(part_of == i)) for i, name in enumerate(shares)}
        for name, part in out.items():
            if len(np.unique(part.y)) < max(len(self.classes), 2):
                raise InsufficientDataError(
                    f"the {name} part would lack an outcome value ({len(part)} rows, {len(np.unique(part.y))} distinct); "
                    "more rows of the rarer outcome are required"
                )
        return out


def places(
    strata: NDArray[Any], units: NDArray[np.int64] | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a place in (0, 1) for each row, spread evenly within strata; one for all rows of a unit."""
    if units is None:
        return stratified_places(strata, rng)
    return unit_places(strata, np.unique(units, return_inverse=True)[1], rng)


def stratified_places(strata: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a place in (0, 1) for each row, spread evenly within each stratum in random order.

    Cutting these places at fixed points splits every stratum in the same proportions; the random
    offset a stratum makes the rounding of small strata unbiased.
    """
    n = len(strata)
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    _, start, size = np.unique(strata[order], return_index=True, return_counts=True)
    within = np.arange(n) - np.repeat(start, size)
    offset = np.repeat(rng.random(len(size)), size)
    place = np.empty(n)
    place[order] = (within + offset) / np.repeat(size, size)
    return place


def _check_columns(frame: pd.DataFrame, roles: Roles) -> None:
    check_names([str(name) for name in frame.columns], "the data")
    if len(frame) == 0:
        raise DataError("the data has no rows")
    named: Sequence[str | None] = (
        roles.outcome, *roles.protected, *roles.mediators, *roles.resolving, *roles.proxies,
        roles.weights, roles.key, roles.query, *roles.ignored, *roles.allowed_features,
    )  # fmt: skip
    for column in named:
        if column is not None and column not in frame.columns:
            raise MissingColumnError(str(unknown("column", column, [str(c) for c in frame.columns])))


def _usable_features(X: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    for name in X.columns:
        check_values(X[name])
    for name in X.select_dtypes("number").columns:
        size = float(
            np.abs(X[name].to_numpy(dtype=float, na_value=np.nan)).max(
                initial=0, where=~X[name].isna().to_numpy()
            )
        )
        if np.isinf(size):
            raise DataError(f"feature {str(name)!r} holds infinite values; replace or remove them")
        if size > LARGEST_NUMBER:
            raise DataError(
                f"feature {str(name)!r} holds a value of size {size:g}, at most {LARGEST_NUMBER:g} can be computed "
                "with; correct it, or change the unit of the column"
            )
    empty = [str(c) for c in X.columns[X.isna().all()]]
    if len(empty) == X.shape[1]:
        raise DataError(
            f"all feature columns are empty ({', '.join(empty[:5])}); at least one non-empty feature is required"
        )
    if empty:
        return X.drop(columns=empty), [f"excluded because all values are missing: {', '.join(empty)}"]
    return X, []


def _weights(column: pd.Series[Any]) -> NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column):
        raise DataError(f"the weights {column.name!r} are not numbers")
    weights = column.to_numpy(dtype=float)
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise DataError(f"the weights {column.name!r} must be finite, not negative, and not all zero")
    low, high = WEIGHT_RANGE
    if (weights > high).any() or ((weights > 0) & (weights < low)).any():
        raise DataError(
            f"the weights {column.name!r} must be 0 or lie between {low:g} and {high:g}; divide them by their mean"
        )
    return weights


def _key(column: pd.Series[Any]) -> NDArray[Any]:
    check_values(column)
    if column.isna().any() or column.duplicated().any():
        raise DataError(f"the key {column.name!r} must identify each row: it has missing or repeated values")
    return column.to_numpy()


def _query(column: pd.Series[Any]) -> NDArray[np.int64]:
    if column.isna().any():
        raise DataError(
            f"the query {column.name!r} is missing in {int(column.isna().sum())} rows; every row must have one"
        )
    return pd.factorize(column)[0].astype(np.int64)
