"""Training data changed by a step as bytes, restored together with the data before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fairmend.core.data.dataset import Dataset
from fairmend.pipeline.storage.frames import dump_frame, load_frame

LABEL, WEIGHT, OWN_WEIGHT, ATTRIBUTE = "\x00label", "\x00weight", "\x00own weight", "\x00attribute "


def dump_data(data: Dataset) -> bytes:
    """Return features, labels, weights and protected attributes as bytes."""
    extra: dict[str, Any] = {LABEL: data.y}
    if data.weights is not None:
        extra[WEIGHT] = data.weights
    if data.own_weights is not None:
        extra[OWN_WEIGHT] = data.own_weights
    attributes = {f"{ATTRIBUTE}{name}": data.sensitive[name].to_numpy() for name in data.sensitive.columns}
    return dump_frame(data.X.reset_index(drop=True).assign(**extra, **attributes))


def load_data(content: bytes, like: Dataset) -> Dataset:
    """Return the training data of a step; roles and notes come from the data before it."""
    frame = load_frame(content)
    attributes = [c for c in frame.columns if str(c).startswith(ATTRIBUTE)]
    sensitive = frame[attributes].rename(columns=lambda c: str(c).removeprefix(ATTRIBUTE)).astype(object)
    features = [c for c in frame.columns if c not in {LABEL, WEIGHT, OWN_WEIGHT, *attributes}]
    weights, own = (
        frame[c].to_numpy(dtype=float) if c in frame.columns else None for c in (WEIGHT, OWN_WEIGHT)
    )
    key, units = (like.key, like.units) if len(frame) == len(like) else (None, None)
    return replace(
        like,
        X=frame[features],
        y=frame[LABEL].to_numpy(dtype=np.int64),
        sensitive=sensitive,
        weights=weights,
        key=key,
        own_weights=own,
        units=units,
    )
