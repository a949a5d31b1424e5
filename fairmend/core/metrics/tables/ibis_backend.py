"""Counting inside a query engine: the GROUP BY of an Ibis table, on one machine or on many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmend.core.data.groups import encode_groups
from fairmend.core.errors import DataError, InsufficientDataError, MissingExtraError, UsageError
from fairmend.core.metrics.tables.input_validation import sums_by
from fairmend.core.types import Floats, Ints

_BAD = 2  # the key of a row whose label or decision is neither 0 nor 1


@dataclass(frozen=True, eq=False)
class Counted:
    """The result of a GROUP BY as a table.

    Attributes
    ----------
    groups : tuple of str
        Labels of the groups.
    rows : ndarray of int64, shape (G, ...)
        Number of rows in each cell.
    moments : ndarray of shape (3, G, ...) or None
        Power sums of the weights.
    scores : ndarray of shape (3, G, ...)
        Weighted power sums of the scores; zeros where there are none.
    """

    groups: tuple[str, ...]
    rows: Ints
    moments: Floats | None
    scores: Floats


def is_expression(values: object) -> bool:
    """Whether something is an Ibis expression, without importing Ibis."""
    return type(values).__module__.partition(".")[0] == "ibis"


def count_decisions(decisions: Mapping[str, Any], groups: Any, sample_weight: Any, cluster: Any) -> Counted:
    """Count rows by group and by binary columns of one Ibis table.

    Raises
    ------
    DataError
        When a binary column holds anything but 0 and 1, or a weight is negative or missing.
    UsageError
        When columns come from different tables, or clusters are requested.
    """
    keys = {name: _binary_key(_column(values, name)) for name, values in decisions.items()}
    return _group_by(keys, [2] * len(keys), groups, sample_weight, cluster, None)


def count_scores(
    y_true: Any, y_score: Any, groups: Any, sample_weight: Any, cluster: Any, edges: Floats
) -> Counted:
    """Count rows by group, score bin and label of one Ibis table; see :func:`count_decisions`."""
    score = _column(y_score, "y_score").cast("float64")
    place = score.between(0, 1).cast("int8") * 0
    for edge in edges[1:-1]:
        place = place + (score >= float(edge)).cast("int8")
    keys = {"bin": place, "y_true": _binary_key(_column(y_true, "y_true"))}
    return _group_by(keys, [len(edges) - 1, 2], groups, sample_weight, cluster, score)


def _group_by(
    keys: dict[str, Any], sizes: list[int], groups: Any, sample_weight: Any, cluster: Any, score: Any
) -> Counted:
    """Run one GROUP BY and return its few rows as arrays."""
    if cluster is not None:
        raise UsageError("cluster= needs the rows in memory; collect the columns from the engine first")
    attributes = _attributes(groups)
    weight = None if sample_weight is None else _column(sample_weight, "sample_weight").cast("float64")
    used = [*keys.values(), *attributes.values(), *[c for c in (weight, score) if c is not None]]
    relations = {relation for column in used for relation in column.op().relations}
    if len(relations) != 1:
        raise UsageError(f"all columns must come from one Ibis table, got {len(relations)}; join them first")
    key_names = [f"key_{i}" for i in range(len(keys))]
    attribute_names = [f"group_{i}" for i in range(len(attributes))]
    selected = dict(zip(key_names, keys.values(), strict=True))
    selected |= dict(zip(attribute_names, attributes.values(), strict=True))
    selected |= (
        {} if sample_weight is None else {"w": _column(sample_weight, "sample_weight").cast("float64")}
    )
    selected |= {} if score is None else {"s": score}
    rows = relations.pop().to_expr().select(**selected)
    sums: dict[str, Any] = {"n": rows.count()}
    if weight is not None:
        sums |= _power_sums("w", rows.w, rows.w)
        sums["bad_weights"] = ((rows.w < 0) | rows.w.isnull() | rows.w.isnan()).sum()
    if score is not None:
        sums |= _power_sums("s", rows.s, rows.s if weight is None else rows.w * rows.s)
        sums["bad_scores"] = (~rows.s.between(0, 1) | rows.s.isnull() | rows.s.isnan()).sum()
    found = rows.group_by([*key_names, *attribute_names]).aggregate(**sums).to_pandas()
    if not len(found):
        raise InsufficientDataError("there are no rows to measure; pass at least one")
    for bad, what in (
        ("bad_weights", "sample_weight is negative or missing"),
        ("bad_scores", "y_score is not in [0, 1]"),
    ):
        if bad in found and found[bad].sum():
            raise DataError(
                f"{what} in {int(found[bad].sum())} rows; filter or correct them in the table first"
            )
    for key, name in zip(key_names, keys, strict=True):
        if name != "bin" and (found[key] == _BAD).any():
            bad_rows = int(found.loc[found[key] == _BAD, "n"].sum())
            raise DataError(
                f"{name} must hold 0 and 1 only, but {bad_rows} rows do not; encode the favorable outcome as 1"
            )
    codes, labels = encode_groups(found[attribute_names].set_axis(list(attributes), axis=1))
    shape = (len(labels), *sizes)
    place = np.ravel_multi_index([codes, *[found[key].to_numpy(np.intp) for key in key_names]], shape)
    n_cells = int(np.prod(shape))

    def laid_out(name: str) -> Floats:
        return sums_by(place, found[name].to_numpy(np.float64), n_cells).reshape(shape)

    moments = None if weight is None else np.stack([laid_out(f"w{p}") for p in (1, 2, 3)])
    scores = np.zeros((3, *shape)) if score is None else np.stack([laid_out(f"s{p}") for p in (1, 2, 3)])
    return Counted(labels, laid_out("n").astype(np.int64), moments, scores)


def _power_sums(name: str, value: Any, first: Any) -> dict[str, Any]:
    """Return the sums of a first term, and of it times the value once and twice: products, since powers are slow."""
    second = first * value
    return {f"{name}1": first.sum(), f"{name}2": second.sum(), f"{name}3": (second * value).sum()}


def _column(values: Any, name: str) -> Any:
    """Return an Ibis column, or say that it must be one."""
    if not is_expression(values) or not hasattr(values, "cast"):
        raise UsageError(f"{name} must be a column of the same Ibis table, got {type(values).__name__}")
    return values


def _binary_key(column: Any) -> Any:
    """Return the column as 0 or 1, and as 2 where it is neither."""
    import ibis

    number = column.cast("int8") if column.type().is_boolean() else column
    if not number.type().is_numeric():
        return ibis.literal(_BAD, type="int8") + column.isnull().cast("int8") * 0
    return ibis.cases((number == 1, 1), (number == 0, 0), else_=_BAD).cast("int8")


def _attributes(groups: Any) -> dict[str, Any]:
    """Return the protected attributes as named Ibis columns."""
    try:
        import ibis.expr.types as ir
    except ImportError:
        raise MissingExtraError("counting in a query engine needs Ibis; install fairmend[scale]") from None
    if isinstance(groups, ir.Table):
        columns = getattr(groups.op(), "values", None)
        if columns is None:
            return {name: groups[name] for name in groups.columns}
        return {name: value.to_expr() for name, value in columns.items()}
    if isinstance(groups, Mapping):
        return {str(name): _column(column, str(name)) for name, column in groups.items()}
    if isinstance(groups, (list, tuple)):
        return {f"{column.get_name()}": _column(column, "sensitive_features") for column in groups}
    return {"group": _column(groups, "sensitive_features")}
