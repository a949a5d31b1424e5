"""Pre-processing techniques and causal analyses on their own; a third party's runs in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import PluginError
from fairmend.core.safety.containment import contained
from fairmend.core.stages import CausalResult, DataChange
from fairmend.pipeline.run.third_party import package_of, strangers
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.parts import array_bytes, array_of, json_bytes, unzipped, zipped

FRAMES = ("X", "sensitive_features")
ARRAYS = ("y", "sample_weight", "origin")


def transformed(
    technique: Any, X: pd.DataFrame, y: Any, sensitive: pd.DataFrame, known: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the features as a technique changes them, and its diagnostics; see :func:`changed`."""

    def call() -> DataChange:
        return DataChange(X=technique.fit_transform(X, y, sensitive_features=sensitive, **known))

    change, diagnostics = _answer(technique, call, X)
    assert change.X is not None  # noqa: S101 - the call names it
    return change.X, diagnostics


def changed(technique: Any, data: Dataset, known: Mapping[str, Any]) -> tuple[DataChange, dict[str, Any]]:
    """Return the training data as a technique changes them, and its diagnostics.

    Raises
    ------
    FairmendError
        Errors of this type raised by the technique.
    PluginError
        A third party's technique raises anything else, ends its process, exceeds a limit, or modifies its
        input in place.
    """

    def call() -> DataChange:
        found: DataChange = technique.change(
            data.X, data.y, sensitive_features=data.sensitive, sample_weight=data.weights, **known
        )
        return found

    return _answer(technique, call, data.X)


def analyzed(technique: Any, data: Dataset, graph: CausalGraph | None) -> CausalResult:
    """Return what a causal analysis finds; raises as :func:`changed`."""
    if not strangers(technique):
        found: CausalResult = technique.analyze(data, graph)
        return found

    def packed() -> bytes:
        found = technique.analyze(data, graph)
        made = None if found.graph is None else found.graph.to_mapping()
        return json_bytes({"result": dict(found.result), "graph": made})

    raw = json.loads(_contained(technique, packed))
    return CausalResult(
        raw["result"], None if raw["graph"] is None else CausalGraph.from_mapping(raw["graph"])
    )


def _answer(
    technique: Any, call: Callable[[], DataChange], X: pd.DataFrame
) -> tuple[DataChange, dict[str, Any]]:
    if not strangers(technique):
        return call(), getattr(technique, "diagnostics_", {})

    def packed() -> bytes:
        before = X.copy()
        change = call()
        if not X.equals(before):
            raise PluginError(
                f"{technique.metadata.slug} changed the data in place; it must return a changed copy"
            )
        parts = {"diagnostics": json_bytes(getattr(technique, "diagnostics_", {}))}
        for names, dump in ((FRAMES, _frame_bytes), (ARRAYS, array_bytes)):
            parts |= {n: dump(getattr(change, n)) for n in names if getattr(change, n) is not None}
        return zipped(parts)

    parts = unzipped(_contained(technique, packed))
    diagnostics = json.loads(parts.pop("diagnostics"))
    found: dict[str, Any] = {n: (load_frame if n in FRAMES else array_of)(part) for n, part in parts.items()}
    if "origin" not in found and "X" in found:
        found["X"] = found["X"].set_axis(X.index)
    return DataChange(**found), diagnostics


def _frame_bytes(frame: pd.DataFrame) -> bytes:
    return dump_frame(frame.reset_index(drop=True))


def _contained(technique: Any, packed: Callable[[], bytes]) -> bytes:
    return contained(packed, plugin=package_of(technique), what=str(technique.metadata.slug))
