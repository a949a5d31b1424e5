"""The whole record of a run as a file, from which reports can be written without the data.

The file is a ZIP archive of ``record.json`` and of the arrays it names. Only the classes listed here are
instantiated when it is read.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_array

from fairmend.catalog.policy import Policy, PolicyRecord, Weakness
from fairmend.core.case import Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.errors import RunError
from fairmend.core.metrics import Comparison, Estimate, Measurement, MetricChange
from fairmend.core.metrics.leveling_down import GroupChange, LevelingDown
from fairmend.core.metrics.tables.contingency import GroupTable, PairedTable, ScoreTable
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.utility import Utility
from fairmend.pipeline.finding_outcomes import FindingOutcome
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.aim import Aim
from fairmend.pipeline.run.approvals import Approval
from fairmend.pipeline.run.cv_results import CrossValidation, Fold, FoldChange, Repeats
from fairmend.pipeline.run.decision_zero import NeedRecord
from fairmend.pipeline.run.earlier_looks import TestLooks
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.measured import GateMeasurement, Variant
from fairmend.pipeline.run.option import Option
from fairmend.pipeline.run.record import RunRecord, StepRecord, Transition
from fairmend.pipeline.run.utility_outcome import UtilityOutcome
from fairmend.pipeline.spec import PipelineSpec

CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        *(
            Measurement,
            Estimate,
            LevelingDown,
            GroupChange,
            GroupTable,
            ScoreTable,
            PairedTable,
            Comparison,
            MetricChange,
            StepRecord,
            Effect,
            CheckResult,
        ),
        *(
            Transition,
            GateMeasurement,
            Variant,
            Approval,
            FindingOutcome,
            CrossValidation,
            Repeats,
            Fold,
            FoldChange,
        ),
        *(
            PipelineSpec,
            Policy,
            PolicyRecord,
            Weakness,
            Guard,
            TestLooks,
            Utility,
            UtilityOutcome,
            NeedRecord,
            Aim,
            Option,
        ),
    )
}
ELSEWHERE = {"model", "case", "option_models"}
"""Parts of a record that are stored separately, or not at all."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def dump_record(record: RunRecord) -> bytes:
    """Return a record as bytes, without its model and its case.

    Raises
    ------
    RunError
        A result in it is not plain data.
    """
    arrays: list[Any] = []
    parts = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in ELSEWHERE}
    text = json.dumps({name: _encoded(part, arrays) for name, part in parts.items()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for place, array in enumerate(arrays):
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{place}.npy", _EPOCH), content.getvalue(), zipfile.ZIP_DEFLATED
            )
        archive.writestr(zipfile.ZipInfo("record.json", _EPOCH), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def load_record(content: bytes, model: FairModel) -> RunRecord:
    """Return the dumped record, with the separately stored final model."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {
            name: _decoded(part, archive) for name, part in json.loads(archive.read("record.json")).items()
        }
    return RunRecord(**parts, model=model, case=None)


def _encoded(value: Any, arrays: list[Any]) -> Any:
    """Return a value as JSON; types that JSON lacks become a mapping with one key that names the type."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encoded(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, csr_array):
        parts = (value.data, value.indices, value.indptr)
        return {"sparse": [*(_encoded(part, arrays) for part in parts), list(value.shape)]}
    if isinstance(value, CausalGraph):
        return {"graph": value.to_mapping()}
    name = type(value).__name__
    if CLASSES.get(name) is type(value) and isinstance(value, BaseModel):
        return {"model": [name, value.model_dump(mode="json")]}
    if CLASSES.get(name) is type(value) and is_dataclass(value):
        return {"record": [name, {f.name: _encoded(getattr(value, f.name), arrays) for f in fields(value)}]}
    raise RunError(f"the record of a run cannot be stored with a {name} in it; a result must be plain data")


def _decoded(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, list):
        return [_decoded(item, archive) for item in value]
    if not isinstance(value, dict):
        return value
    [(kind, inside)] = value.items()
    if kind == "tuple":
        return tuple(_decoded(item, archive) for item in inside)
    if kind == "dict":
        return {_decoded(k, archive): _decoded(v, archive) for k, v in inside}
    if kind == "array":
        return np.load(io.BytesIO(archive.read(f"{inside}.npy")), allow_pickle=False)
    if kind == "sparse":
        *parts, shape = inside
        return csr_array(tuple(_decoded(part, archive) for part in parts), shape=tuple(shape))
    if kind == "graph":
        return CausalGraph.from_mapping(inside)
    name, parts = inside
    if kind == "model":
        return CLASSES[name](**parts)
    return CLASSES[name](**{part: _decoded(v, archive) for part, v in parts.items()})
