"""The effect of a step on the training data, or on the uncertainty that a model states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.case import Effect
from fairmend.core.data.dataset import Dataset

if TYPE_CHECKING:
    from fairmend.core.models.decision_rule import FairModel
    from fairmend.core.stages.data_change import DataChange


def change_effect(train: Dataset, change: DataChange) -> Effect:
    """Say what a change of the training data did; of several changes at once, each in a sentence."""
    if change.origin is not None:
        return row_effect(train, change)
    parts = []
    if change.X is not None:
        parts.append(feature_effect(train.X, change.X))
    if change.y is not None:
        parts.append(label_effect(train, change.y))
    if change.sample_weight is not None:
        parts.append(weight_effect(train, change.sample_weight))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Effect("none", 0.0, "Changed nothing.")
    return Effect(
        " and ".join(e.kind for e in parts),
        max(e.share for e in parts),
        " ".join(e.text for e in parts),
        None,
        {e.kind: dict(e.detail) for e in parts},
    )


def feature_effect(before: pd.DataFrame, after: pd.DataFrame) -> Effect:
    """Say which features changed, in how many rows, and by how many standard deviations."""
    rows = np.zeros(len(before), dtype=bool)
    detail: dict[str, Any] = {}
    for name in before.columns.intersection(after.columns, sort=False):
        old, new = before[name], after[name]
        moved = ((old != new) & ~(old.isna() & new.isna())).to_numpy()
        if moved.any():
            size = None
            if pd.api.types.is_numeric_dtype(old) and pd.api.types.is_numeric_dtype(new):
                spread = float(old.std())
                size = float(np.nanmean(np.abs(new - old))) / spread if spread > 0 else None
            detail[str(name)] = {"share": float(moved.mean()), "change_sd": size}
            rows |= moved
    added = [str(c) for c in after.columns if c not in before.columns]
    for name in added:
        detail[name] = {"share": 1.0, "change_sd": None}
        rows[:] = True
    sizes = [d["change_sd"] for d in detail.values() if d["change_sd"] is not None]
    parts = [f"Changed {', '.join(detail)} in {rows.mean():.1%} of the rows."] if detail else []
    removed = [str(c) for c in before.columns if c not in after.columns]
    if removed:
        parts.append(f"Removed {', '.join(removed)}.")
        detail |= {name: {"share": 1.0, "change_sd": None} for name in removed}
        rows[:] = True
    text = " ".join(parts) or "Changed no feature."
    return Effect(
        "features", float(rows.mean()), text, float(np.mean(sizes)) if sizes else None, {"features": detail}
    )


def weight_effect(train: Dataset, weights: NDArray[np.float64]) -> Effect:
    """Say how many weights changed, their range, and how many rows they count as (Kish)."""
    before = np.ones(len(train)) if train.weights is None else train.weights
    share = float(np.mean(~np.isclose(weights, before, rtol=1e-9)))
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    text = (
        f"Weights from {weights.min():.3g} to {weights.max():.3g}; {len(train)} rows have the effective size {effective:.0f}."
        if share
        else "Changed no weight."
    )
    detail = {"minimum": float(weights.min()), "maximum": float(weights.max()), "effective_rows": effective}
    return Effect("weights", share, text, float(np.abs(weights - before).mean()), detail)


def row_effect(train: Dataset, rows: DataChange) -> Effect:
    """Say how many rows were made up, repeated and removed."""
    origin = np.asarray(rows.origin)
    kept = np.bincount(origin[origin >= 0], minlength=len(train))
    synthetic = int((origin < 0).sum())
    repeated = int(np.maximum(kept - 1, 0).sum())
    removed = int((kept == 0).sum())
    touched = synthetic + repeated + removed
    detail = {
        "before": len(train),
        "after": len(origin),
        "synthetic": synthetic,
        "repeated": repeated,
        "removed": removed,
    }
    text = f"{len(train)} rows became {len(origin)}: {synthetic} synthetic, {repeated} repeated, {removed} removed."
    return Effect("rows", touched / len(train), text, None, detail)


def label_effect(train: Dataset, labels: NDArray[Any]) -> Effect:
    """Say how many labels changed, in which direction."""
    up = int(((labels == 1) & (train.y == 0)).sum())
    down = int(((labels == 0) & (train.y == 1)).sum())
    text = f"{up} labels became favorable and {down} unfavorable, of {len(train)}."
    return Effect(
        "labels", (up + down) / len(train), text, None, {"to_favorable": up, "to_unfavorable": down}
    )


def ranking_effect(
    data: Dataset, scores: NDArray[np.float64], place: NDArray[np.int64], detail: Mapping[str, Any]
) -> Effect:
    """Return how many rows another ranking places otherwise than the scores do, and how far on average."""
    from fairmend.core.metrics.tasks.ranking import places  # measuring is loaded when a step is run

    moves = np.abs(place - places(scores, data.query))
    share, size = float(np.mean(moves > 0)), float(moves.mean())
    text = f"Moved {share:.1%} of the validation rows to another place, all of them by {size:.1f} places on average."
    return Effect("ranking", share, text, size, detail)


def uncertainty_effect(data: Dataset, model: FairModel, detail: Mapping[str, Any]) -> Effect:
    """Say which share of the rows is left undecided, or what sets and intervals hold, and how large they are.

    The share of rows touched is that of which something else is said than one decision.
    """
    # Measuring is loaded when a step is run, so that a technique costs no more than it uses.
    from fairmend.core.metrics import compare_uncertainty

    scores, decisions = model.scores(data.X, data.sensitive), model.predict(data.X, data.sensitive, data.key)
    said = model.uncertainty(data.X, data.sensitive)
    figures = compare_uncertainty(
        data.y, decisions, said, y_score=scores, sensitive_features=data.sensitive, sample_weight=data.weights
    )
    shares: dict[str, float] = {}
    parts: list[str] = []
    for what, (before, after) in figures.items():
        if what == "abstention":
            shares[what] = float(np.mean(said[what]))
            parts.append(
                f"Left {shares[what]:.1%} of the validation rows undecided; errors went from "
                f"{before.figure('selective_error').value:.1%} to {after.figure('selective_error').value:.1%}."
            )
        elif what == "prediction sets":
            shares[what] = float(np.mean(said[what].sum(axis=1) != 1))
            parts.append(
                f"Sets contain the label in {after.figure('coverage').value:.1%} of the validation rows, "
                f"with {after.figure('mean_size').value:.2f} classes on average."
            )
        else:
            shares[what] = float(np.mean(said[what][:, 1] > said[what][:, 0]))
            parts.append(
                f"Intervals contain the label in {after.figure('coverage').value:.1%} of the validation rows, "
                f"with a width of {after.figure('mean_width').value:.3g} on average."
            )
    measured = {what: {"before": b.to_json(), "after": a.to_json()} for what, (b, a) in figures.items()}
    kind = max(shares, key=lambda what: shares[what])
    return Effect(kind, shares[kind], " ".join(parts), None, {**detail, **measured})
