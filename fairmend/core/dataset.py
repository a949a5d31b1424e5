"""Data with roles: reading, all checks of input, and the seeded split."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.errors import (
    DataError,
    InsufficientDataError,
    MissingColumnError,
    MissingExtraError,
    UsageError,
    unknown,
)
from fairmend.core.groups import MISSING, Groups, label_of
from fairmend.core.roles import Roles

MINIMUM_ROWS = 100
MOST_GROUPS_OF_A_NUMBER = 10
PARTS: Mapping[str, float] = {"train": 0.45, "calibration": 0.2, "validation": 0.15, "test": 0.2}


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV (also compressed) or Parquet file.

    Raises
    ------
    DataError
        The file is missing, empty, or not a table in one of these formats.
    MissingExtraError
        A Parquet file, and pyarrow is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no file {path}; give a CSV (also .csv.gz) or Parquet file")
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a CSV (also .csv.gz) or Parquet file")
    try:
        if path.suffix in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, skipinitialspace=True, low_memory=False)
    except ImportError as error:
        raise MissingExtraError(
            f"reading {path.name} needs pyarrow: pip install 'fairmend[parquet]'"
        ) from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty") from error
    except (UnicodeDecodeError, pd.errors.ParserError, OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} is not a readable table (CSV, .csv.gz or Parquet): {_one_line(error)}"
        ) from error
    if frame.empty:
        raise DataError(f"{path} holds a header and no rows")
    if any("\x00" in str(name) for name in frame.columns):
        raise DataError(f"{path} is not a readable table: its header holds binary data")
    return frame


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


@dataclass(frozen=True)
class Dataset:
    """Features, label, protected attributes and weights of some people, with their roles.

    Attributes
    ----------
    X : DataFrame, shape (n, p)
        What a model may read.
    y : ndarray of int, shape (n,)
        1 where the outcome is the favourable one, else 0.
    sensitive : DataFrame of str, shape (n, k)
        The protected attributes as group names; missing values are the group ``"missing"``.
    roles : Roles
        What each column is for, with the favourable value and the cut points filled in.
    weights : ndarray of float, shape (n,), or None
        Sample weights.
    key : ndarray, shape (n,), or None
        What identifies each row.
    notes : tuple of str
        What was decided while reading, for the report.
    own_weights : ndarray of float, shape (n,), or None
        Where a step has put other weights on the rows for training: those of the data themselves.
    """

    X: pd.DataFrame
    y: NDArray[np.int64]
    sensitive: pd.DataFrame
    roles: Roles
    weights: NDArray[np.float64] | None = None
    key: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    own_weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def read(cls, path: str | Path, roles: Roles) -> Dataset:
        """Read a file and give its columns their roles."""
        return cls.from_frame(read_table(path), roles)

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
        y, favorable = _outcome(frame[roles.outcome], roles)
        sensitive, cuts, notes = protected_groups(frame, roles.protected, roles.cuts)
        roles = roles.model_copy(update={"favorable": favorable, "cuts": cuts})
        X = frame[[c for c in frame.columns if c not in roles.not_features()]]
        if X.shape[1] == 0:
            raise DataError(
                "no column is left for the model once outcome, protected and ignored ones are taken out"
            )
        X, dropped = _usable_features(X)
        weights = None if roles.weights is None else _weights(frame[roles.weights])
        key = None if roles.key is None else _key(frame[roles.key])
        return cls(X, y, sensitive, roles, weights, key, (*notes, *dropped))

    @property
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
        )

    def without(self, features: Sequence[str]) -> Dataset:
        """Return the data with these features left out of what a model reads."""
        return replace(self, X=self.X.drop(columns=list(features)))

    def fingerprint(self) -> str:
        """Return a SHA-256 over content, names and order of rows."""
        digest = hashlib.sha256()
        for part in (self.X, self.sensitive):
            digest.update("\x1f".join(map(str, part.columns)).encode())
            digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
        digest.update(self.y.astype(np.int8).tobytes())
        if self.weights is not None:
            digest.update(self.weights.tobytes())
        return digest.hexdigest()

    def split(self, parts: Mapping[str, float] | None = None, *, seed: int = 0) -> dict[str, Dataset]:
        """Split at random, with the same mix of label and group in every part.

        A group of so few rows that chance would leave it out of a part is in the first ones, so that no
        part holds a group that an earlier one lacks.

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
        place = stratified_places(groups.codes * 2 + self.y, np.random.default_rng(seed))
        bounds = np.cumsum(list(shares.values()))[:-1]
        part_of = np.searchsorted(bounds, place, side="right")
        held = np.zeros((groups.n_groups, len(shares)), dtype=bool)
        held[groups.codes, part_of] = True
        for g in np.flatnonzero(~held.all(axis=1)):
            rows = np.flatnonzero(groups.codes == g)
            few = rows[np.argsort(place[rows], kind="stable")][: len(shares)]
            part_of[few] = np.arange(len(few))
        out = {name: self.take(np.flatnonzero(part_of == i)) for i, name in enumerate(shares)}
        for name, part in out.items():
            if len(np.unique(part.y)) < 2:
                raise InsufficientDataError(
                    f"the {name} part would hold one class only ({len(part)} rows, {int(part.y.sum())} favourable); "
                    "more rows of the rarer outcome are needed"
                )
        return out


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
    if frame.columns.has_duplicates:
        twice = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
        raise DataError(f"column names must be unique; repeated: {', '.join(twice)}")
    if len(frame) == 0:
        raise DataError("the data has no rows")
    named: Sequence[str | None] = (
        roles.outcome, *roles.protected, *roles.mediators, *roles.resolving, *roles.proxies,
        roles.weights, roles.key, *roles.ignored,
    )  # fmt: skip
    for column in named:
        if column is not None and column not in frame.columns:
            raise MissingColumnError(str(unknown("column", column, [str(c) for c in frame.columns])))


def _outcome(column: pd.Series[Any], roles: Roles) -> tuple[NDArray[np.int64], Any]:
    gaps = int(column.isna().sum())
    if gaps:
        raise DataError(
            f"the outcome {roles.outcome!r} is missing in {gaps} of {len(column)} rows; leave these rows out or label them"
        )
    values = sorted({label_of(v) for v in column.unique()})
    if len(values) < 2:
        raise InsufficientDataError(
            f"the outcome {roles.outcome!r} has one value only ({values[0]!r}); two classes are needed"
        )
    favorable = roles.favorable
    wanted: str | None
    if favorable is None:
        wanted = next((v for v in ("1", "True") if v in values and len(values) == 2), None)
        if wanted is None:
            raise UsageError(
                f"say which value of {roles.outcome!r} is the favourable one (--favorable): {', '.join(values[:8])}"
            )
    else:
        wanted = label_of(favorable)
        if wanted not in values:
            raise UsageError(
                f"the outcome {roles.outcome!r} never is {wanted!r}; its values are {', '.join(values[:8])}"
            )
    labels = column.map({v: label_of(v) for v in column.unique()})
    return (labels == wanted).to_numpy().astype(np.int64), wanted


def protected_groups(
    frame: pd.DataFrame, protected: Sequence[str], given_cuts: Mapping[str, tuple[float, ...]]
) -> tuple[pd.DataFrame, dict[str, tuple[float, ...]], list[str]]:
    """Return protected attributes as group names, the cut points of numeric ones, and what was decided.

    Raises
    ------
    InsufficientDataError
        An attribute without a single value, or with one group only.
    DataError
        Cut points for an attribute that is not a number.
    """
    out: dict[str, pd.Series[Any]] = {}
    cuts: dict[str, tuple[float, ...]] = {}
    notes: list[str] = []
    for name in protected:
        column = frame[name]
        if column.isna().all():
            raise InsufficientDataError(f"the protected attribute {name!r} has no value at all")
        edges = given_cuts.get(name)
        is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if edges is None and is_number and column.nunique() > MOST_GROUPS_OF_A_NUMBER:
            edges = tuple(float(q) for q in np.unique(column.quantile([0.25, 0.5, 0.75])))
            notes.append(
                f"{name} is a number with {column.nunique()} values; it was cut at its quartiles "
                f"({', '.join(f'{e:g}' for e in edges)}); give cut points of your own with --cut {name}=..."
            )
        if edges is not None:
            if not is_number:
                raise DataError(f"cut points are given for {name!r}, which is not a number")
            cuts[name] = tuple(sorted(edges))
            out[name] = cut(column, cuts[name])
        else:
            out[name] = (
                column.map({v: label_of(v) for v in column.dropna().unique()})
                .astype(object)
                .where(column.notna(), MISSING)
            )
        if out[name].nunique() < 2:
            raise InsufficientDataError(
                f"the protected attribute {name!r} has one group only ({out[name].iloc[0]!r}); two are needed to compare"
            )
    return pd.DataFrame(out), cuts, notes


def cut(column: pd.Series[Any], edges: Sequence[float]) -> pd.Series[Any]:
    """Return the groups of a number: up to and including each edge, and above the last one.

    Examples
    --------
    >>> cut(pd.Series([19, 25, 40, None]), [25]).tolist()
    ['<=25', '<=25', '>25', 'missing']
    """
    bounds = [f"{e:g}" for e in edges]
    names = [f"<={bounds[0]}"]
    names += [f">{low} to {high}" for low, high in itertools.pairwise(bounds)]
    names += [f">{bounds[-1]}"]
    place = np.searchsorted(np.asarray(edges, dtype=float), column.to_numpy(dtype=float), side="left")
    labels = np.asarray(names, dtype=object)[np.minimum(place, len(edges))]
    return pd.Series(
        np.where(column.isna(), MISSING, labels), index=column.index, name=column.name, dtype=object
    )


def _usable_features(X: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    numbers = X.select_dtypes("number")
    infinite = [str(c) for c in numbers.columns if np.isinf(numbers[c].to_numpy(dtype=float)).any()]
    if infinite:
        raise DataError(f"feature {infinite[0]!r} holds infinite values; replace or leave them out")
    empty = [str(c) for c in X.columns if X[c].isna().all()]
    if empty:
        return X.drop(columns=empty), [f"left out, because they have no value at all: {', '.join(empty)}"]
    return X, []


def _weights(column: pd.Series[Any]) -> NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column):
        raise DataError(f"the weights {column.name!r} are not numbers")
    weights = column.to_numpy(dtype=float)
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise DataError(f"the weights {column.name!r} must be finite, not negative, and not all zero")
    return weights


def _key(column: pd.Series[Any]) -> NDArray[Any]:
    if column.isna().any() or column.duplicated().any():
        raise DataError(f"the key {column.name!r} must identify each row: it has missing or repeated values")
    return column.to_numpy()
