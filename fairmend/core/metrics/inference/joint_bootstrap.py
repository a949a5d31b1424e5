"""Many sets of decisions on the same rows, resampled together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from fairmend.core.metrics.inference.bootstrap import chunks
from fairmend.core.metrics.rates import Metric, metric
from fairmend.core.metrics.tables import input_validation
from fairmend.core.types import Floats


def joint_replicates(
    y_true: ArrayLike,
    decisions: ArrayLike,
    groups: Any,
    metrics: Sequence[str | Metric],
    *,
    n_boot: int,
    rng: Generator,
    sample_weight: ArrayLike | None = None,
) -> Floats:
    """Return metrics of several sets of decisions, all from the same resamples of the rows.

    Two sets that differ in few rows then differ little in every replicate, as they should when they
    are compared with each other.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels, 1 the favorable outcome.
    decisions : array-like of shape (n, m)
        Sets of decisions, 0 or 1.
    groups : Groups, array, Series, DataFrame or mapping, n rows
        The protected attributes.
    metrics : sequence of str or Metric
        Metrics, or names that :func:`.rates.metric` knows, k of them.
    n_boot : int
        Number of replicates B.
    rng : Generator
        Source of randomness.
    sample_weight : array-like of shape (n,), optional
        Weights; a row stays one draw.

    Returns
    -------
    ndarray of shape (B, m, k)
        NaN where a metric is undefined.

    Raises
    ------
    DataError
        Labels that are not binary, or lengths that differ.

    Notes
    -----
    Rows with the same group, label, weight and decisions are one atom, and a resample is a multinomial
    draw of the atoms; the tables of all m sets then come from one matrix product a cell.

    Examples
    --------
    >>> drawn = joint_replicates(
    ...     [1, 0, 1, 0], [[1, 1], [0, 0], [1, 1], [0, 0]], ["a", "a", "b", "b"], ["accuracy"],
    ...     n_boot=3, rng=np.random.default_rng(0))
    >>> drawn.shape, bool((drawn == 1).all())
    ((3, 2, 1), True)
    """
    label = input_validation.binary(y_true, "y_true")
    codes, names = input_validation.groups(groups)
    decided = np.asarray(decisions, dtype=np.uint8)
    weight = input_validation.weights(sample_weight)
    input_validation.same_length(
        y_true=label, sensitive_features=codes, decisions=decided, sample_weight=weight
    )
    cell, chosen, value, size = _atoms(codes * 2 + label, decided, weight)
    found = [metric(one) if isinstance(one, str) else one for one in metrics]
    out = np.empty((n_boot, decided.shape[1], len(found)))
    cells = len(names) * 2
    for part in chunks(n_boot, len(size) + decided.shape[1] * cells * 2):
        drawn = rng.multinomial(len(label), size / size.sum(), size=part.stop - part.start) * value
        counts = np.empty((len(drawn), decided.shape[1], cells, 2))
        for place in range(cells):
            here = cell == place
            counts[:, :, place, 0] = drawn[:, here] @ (1 - chosen[here])
            counts[:, :, place, 1] = drawn[:, here] @ chosen[here]
        tables = counts.reshape(len(drawn), decided.shape[1], len(names), 2, 2)
        out[part] = np.stack([one.of(tables) for one in found], axis=-1)
    return out


def _atoms(
    cell: NDArray[Any], decided: NDArray[np.uint8], weight: Floats | None
) -> tuple[NDArray[Any], Floats, Floats, Floats]:
    """Return cell, decisions, weight and number of rows of each kind of row."""
    value = np.ones(len(cell)) if weight is None else np.asarray(weight, dtype=float)
    packed = np.packbits(decided, axis=1)
    kind = np.column_stack(
        [cell.astype(np.int64)[:, None].view(np.uint8), value[:, None].view(np.uint8), packed]
    )
    _, first, size = np.unique(kind, axis=0, return_index=True, return_counts=True)
    return cell[first], decided[first].astype(float), value[first], size.astype(float)
