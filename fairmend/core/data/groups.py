"""The one contract for groups: several attributes, many values, missing ones, unseen ones.

Every stage turns protected attributes into groups here and nowhere else, so that a group has the
same name in an audit, in a technique, in a gate and in a report.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.errors import DataError, MissingColumnError, UnseenGroupError

MISSING = "missing"
JOIN = " & "
_JOINER = re.compile(r"(?<!\S)(\\*&)(?!\S)")  # what stands between names, within a name
_CHUNK = 4096  # rows of characters that fit into the cache
Unseen = Literal["error", "fallback"]


def label_of(value: object) -> str:
    """Return the name of one attribute value; ``1``, ``1.0`` and ``"1"`` are the same value.

    A column of integers with gaps is read as floats, so the decimal point says nothing. Spaces at the
    ends and the Unicode composition (NFC) of a text do not make another value; a blank text is missing.

    Examples
    --------
    >>> label_of(1.0), label_of("Female "), label_of(None), label_of(True)
    ('1', 'Female', 'missing', 'True')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return MISSING
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return unicodedata.normalize("NFC", str(value).strip()) or MISSING


def crossed(names: Iterable[str]) -> str:
    r"""Return the name of a crossing, another one for each choice of names.

    An ``&`` that stands alone in a name is written with a backslash where several are crossed.

    Examples
    --------
    >>> crossed(["F", "B"]), crossed(["a & b", "c"]), crossed(["R&D"])
    ('F & B', 'a \\& b & c', 'R&D')
    """
    parts = list(names)
    return parts[0] if len(parts) == 1 else JOIN.join(_JOINER.sub(r"\\\1", name) for name in parts)


def sensitive_frame(sensitive: Any, n_rows: int | None = None) -> pd.DataFrame:
    """Return protected attributes as a frame with one column an attribute.

    Parameters
    ----------
    sensitive : Groups, Series, DataFrame, mapping or array of shape (n,) or (n, k)
        The attributes, one row a person.
    n_rows : int, optional
        How many rows are expected.

    Raises
    ------
    DataError
        When none were passed, or the number of rows differs.
    """
    if isinstance(sensitive, Groups):
        sensitive = sensitive.frame
    if sensitive is None:
        raise DataError("sensitive_features was not given, but this method reads the protected attribute")
    if isinstance(sensitive, pd.DataFrame):
        frame = sensitive
    elif isinstance(sensitive, pd.Series):
        frame = sensitive.to_frame(name=sensitive.name if sensitive.name is not None else "group")
    elif isinstance(sensitive, Mapping):
        frame = pd.DataFrame({k: categories(v) for k, v in sensitive.items()})
    else:
        array = np.asarray(sensitive, dtype=None)
        if array.ndim == 1:
            frame = pd.DataFrame({"group": categories(array)})
        elif array.ndim == 2:
            frame = pd.DataFrame({f"group{i}": categories(array[:, i]) for i in range(array.shape[1])})
        else:
            raise DataError(f"sensitive_features must have one or two dimensions, got {array.ndim}")
    if frame.shape[1] == 0:
        raise DataError("sensitive_features has no column; give at least one protected attribute")
    if n_rows is not None and len(frame) != n_rows:
        raise DataError(f"sensitive_features has {len(frame)} rows, the data has {n_rows}")
    return frame


def categories(values: Any) -> Any:
    """Return an array of texts of fixed width as a Categorical of its few values; anything else unchanged.

    Making an object of every text costs more than all else that is done with groups. So rows of
    characters are hashed, and every row is compared with the first one of its hash; where different
    texts share a hash, the array is returned unchanged.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind != "U" or values.ndim != 1 or not len(values):
        return values
    width = values.dtype.itemsize // 4
    texts = np.ascontiguousarray(values, dtype=f"<U{width + width % 2}")
    rows = texts.view(np.uint64).reshape(len(texts), -1)
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(rows), _CHUNK)]
    factors = np.random.default_rng(0).integers(2**62, 2**63, rows.shape[1], dtype=np.uint64) * 2 + 1
    for used in (_telling(rows[:_CHUNK], factors), list(range(rows.shape[1]))):
        hashes = np.zeros(len(rows), dtype=np.uint64)
        for chunk in chunks:
            for place in used:
                hashes[chunk] += rows[chunk, place] * factors[place]
        codes, distinct = pd.factorize(hashes)
        first = np.empty(len(distinct), dtype=np.intp)
        first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
        table = rows[first]
        if all(np.array_equal(rows[chunk], table[codes[chunk]]) for chunk in chunks):
            return pd.Categorical.from_codes(codes, categories=texts[first].tolist())
    return values


def _telling(rows: NDArray[np.uint64], factors: NDArray[np.uint64]) -> list[int]:
    """Return the first positions by which all of some texts can be distinguished."""
    used: list[int] = []
    hashes, distinct = np.zeros(len(rows), dtype=np.uint64), 1
    for place in range(rows.shape[1]):
        further = hashes + rows[:, place] * factors[place]
        if (found := len(pd.unique(further))) > distinct:
            used, hashes, distinct = [*used, place], further, found
    return used


def _column_codes(column: pd.Series[Any]) -> tuple[NDArray[np.intp], list[str]]:
    """Return codes into the sorted labels of one attribute."""
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    labels = [label_of(value) for value in uniques]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(labels), codes)
        labels.append(MISSING)
    names = sorted(set(labels))
    place = {name: i for i, name in enumerate(names)}
    return np.asarray([place[name] for name in labels], dtype=np.intp)[codes], names


def encode_groups(sensitive: Any) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return a code per row and the names of the groups that occur, in alphabetical order.

    Several attributes are crossed: the groups are the combinations that occur.

    Examples
    --------
    >>> codes, names = encode_groups({"sex": ["F", "M", "F"], "race": ["B", "W", None]})
    >>> names
    ('F & B', 'F & missing', 'M & W')
    >>> codes.tolist()
    [0, 2, 1]
    """
    frame = sensitive_frame(sensitive)
    if len(frame) == 0:
        return np.empty(0, dtype=np.intp), ()
    combined = np.zeros(len(frame), dtype=np.int64)
    parts: list[list[str]] = []
    for name in frame.columns:
        codes, names = _column_codes(frame[name])
        combined = combined * len(names) + codes
        parts.append(names)
    cells = math.prod(len(names) for names in parts)
    if cells <= 4 * len(frame):  # counting is many times faster than sorting the rows
        present = at = np.flatnonzero(np.bincount(combined, minlength=cells))
    else:
        present, combined = np.unique(combined, return_inverse=True)
        at = np.arange(len(present))
    labels = [_joined(int(cell), parts) for cell in present]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    place = np.empty(at[-1] + 1, dtype=np.intp)
    place[at[order]] = np.arange(len(order))
    return place[combined], tuple(labels[i] for i in order)


def _joined(cell: int, parts: list[list[str]]) -> str:
    names: list[str] = []
    for choices in reversed(parts):
        cell, which = divmod(cell, len(choices))
        names.append(choices[which])
    return crossed(reversed(names))


@dataclass(frozen=True)
class Groups:
    """The groups of some rows.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Place in ``labels``; -1 for a group that was not there at fit.
    labels : tuple of str
        Names of the groups, alphabetical.
    frame : DataFrame, shape (n, k)
        The attributes as passed.
    """

    codes: NDArray[np.intp]
    labels: tuple[str, ...]
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_groups(self) -> int:
        """Number of groups known at fit."""
        return len(self.labels)

    def counts(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the (weighted) number of rows of each group; unseen rows are not counted."""
        seen = self.codes >= 0
        use = None if weights is None else weights[seen]
        return np.bincount(self.codes[seen], weights=use, minlength=self.n_groups).astype(float)

    def take(self, rows: NDArray[Any]) -> Groups:
        """Return the groups of the rows at these places, in this order."""
        return Groups(self.codes[rows], self.labels, self.frame.iloc[rows])

    @classmethod
    def of(cls, sensitive: Any) -> Groups:
        """Return the groups that occur in the given attributes; existing groups are returned unchanged."""
        if isinstance(sensitive, Groups):
            return sensitive
        codes, labels = encode_groups(sensitive)
        return cls(codes, labels, sensitive_frame(sensitive))


class GroupEncoder:
    """Remember the groups of the fitting data and find them again later.

    Attributes
    ----------
    attributes_ : tuple of str
        Names of the protected attributes, in order.
    groups_ : tuple of str
        Names of the groups at fit, alphabetical.
    """

    attributes_: tuple[str, ...]
    groups_: tuple[str, ...]

    def fit(self, sensitive: Any, n_rows: int | None = None) -> GroupEncoder:
        """Remember the groups that occur."""
        self.fit_transform(sensitive, n_rows)
        return self

    def fit_transform(self, sensitive: Any, n_rows: int | None = None) -> Groups:
        """Remember the groups that occur, and return them."""
        frame = sensitive_frame(sensitive, n_rows)
        groups = Groups.of(sensitive if isinstance(sensitive, Groups) else frame)
        self.attributes_ = tuple(str(c) for c in frame.columns)
        self.groups_ = groups.labels
        return groups

    def transform(self, sensitive: Any, n_rows: int | None = None, unseen: Unseen = "error") -> Groups:
        """Return the groups of new rows in the code of the fitting data.

        Parameters
        ----------
        sensitive : see :func:`sensitive_frame`
            The attributes; a frame may hold them in any column order, and further columns.
        n_rows : int, optional
            How many rows are expected.
        unseen : {"error", "fallback"}
            What to do with a group that was not there at fit: raise, or give the code -1.

        Raises
        ------
        UnseenGroupError
            A group was not there at fit and ``unseen="error"``.
        MissingColumnError
            A frame lacks one of the attributes.
        """
        frame = sensitive_frame(sensitive, n_rows)
        if frame.shape[1] > 1 or isinstance(sensitive, pd.DataFrame):
            absent = [a for a in self.attributes_ if a not in frame.columns]
            if absent and frame.shape[1] != len(self.attributes_):
                raise MissingColumnError(
                    f"sensitive_features lacks {', '.join(absent)}; the method was fitted on "
                    f"{', '.join(self.attributes_)}"
                )
            if not absent:
                frame = frame[list(self.attributes_)]
        codes, labels = encode_groups(frame)
        place = {name: i for i, name in enumerate(self.groups_)}
        mapping = np.asarray([place.get(name, -1) for name in labels], dtype=np.intp)
        new = [name for name in labels if name not in place]
        if new and unseen == "error":
            rows = int(np.isin(codes, np.flatnonzero(mapping < 0)).sum())
            raise UnseenGroupError(
                f"{rows} rows belong to a group that was not seen at fit ({', '.join(new[:3])}); known groups are "
                f"{', '.join(self.groups_[:8])}; fit with these groups, or set unseen='fallback' where it is offered"
            )
        found = mapping[codes] if len(codes) else np.empty(0, dtype=np.intp)
        return Groups(found, self.groups_, frame)
