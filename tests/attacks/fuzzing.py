"""Files that nobody meant to write, for every reader: what is drawn, and who has to read it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from hypothesis import strategies as st

from fairmend import api
from fairmend.catalog.policy import load_policy
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.pipeline.model_reading import read_model
from fairmend.pipeline.spec import load_spec
from fairmend.pipeline.sweep.sweep_record import load_sweep

ROLES = Roles(outcome="y", favorable="yes", protected=("sex",), weights="w", key="id")


@dataclass(frozen=True)
class Target:
    """A reader, the ending of its files, and how these are drawn."""

    suffix: str
    content: Callable[[], st.SearchStrategy[bytes]]
    read: Callable[[Path], Any]


# -- values and documents --------------------------------------------------------------------------

STRANGE = [
    "", " ", "NA", "nan", "null", "-inf", "1e308", "1e400", "01", "1.0", "TRUE", "9" * 400, "0x10", "=1+1", "\x00",
    "\u200b", "e\u0301", "\u202e", "a & b", "\x1b[31m", "a,b", '"', '""', "'", ";", "\t", "\r", "\n", "yes ", "Yes",
    "{}", "[]", "!!python/object/apply:os.system [x]", "*a", "&a", "<<: 1", "../..", "x" * 600, "\ud7ff", "𝔽", "-0",
]  # fmt: skip
scalars = st.one_of(
    st.sampled_from(STRANGE),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(STRANGE), inner, max_size=4)
    ),
    max_leaves=8,
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value of a document."""
    found = [path]
    if isinstance(document, dict):
        for key, value in document.items():
            found += _places(value, (*path, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            found += _places(value, (*path, place))
    return found


@st.composite
def altered(draw: st.DrawFn, document: Any) -> Any:
    """A document with some of its values replaced, removed, repeated or given another name."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(_places(document)))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return draw(values)
            continue
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        act = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "rename"]))
        if act == "remove":
            del holder[path[-1]]
        elif act == "repeat" and isinstance(holder, list):
            holder.insert(0, holder[path[-1]])
        elif act == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(STRANGE))] = holder.pop(path[-1])
        else:
            holder[path[-1]] = draw(values)
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes, most: int = 4) -> bytes:
    """Bytes with some of them changed, cut off, left out or added."""
    data = bytearray(content)
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        act = draw(st.sampled_from(["change", "change", "cut", "leave out", "add"]))
        if act == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif act == "cut":
            del data[at:]
        elif act == "leave out":
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=20))
    return bytes(data)


def _then_damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return whole | whole.flatmap(lambda content: damaged(content))


def as_yaml(document: Any) -> bytes:
    """Write a document as YAML, and as text where YAML cannot hold it."""
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


def as_json(document: Any) -> bytes:
    """Write a document as JSON."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


# -- tables ----------------------------------------------------------------------------------------


@cache
def table() -> pd.DataFrame:
    """A small table with every role."""
    rng = np.random.default_rng(0)
    n = 120
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "sex": rng.choice(["F", "M", "X"], n),
            "w": rng.integers(1, 4, n),
            "pay": rng.normal(size=n).round(2),
            "job": rng.choice(["a", "b", "c"], n),
            "y": rng.choice(["yes", "no"], n),
        }
    )


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Lines of fields: a sound table with strange cells, names and lengths of lines."""
    rows = [list(map(str, table().columns)), *table().astype(str).to_numpy().tolist()]
    for _ in range(draw(st.integers(0, 5))):
        row = draw(st.integers(0, len(rows) - 1))
        if not rows[row]:
            continue
        at = draw(st.integers(0, len(rows[row]) - 1))
        act = draw(st.sampled_from(["cell", "cell", "column", "longer", "shorter"]))
        text = str(draw(st.sampled_from(STRANGE) | st.text(max_size=8)))
        if act == "cell":
            rows[row][at] = text
        elif act == "column":
            for other in rows[1:]:
                if len(other) > at:
                    other[at] = text
        elif act == "longer":
            rows[row].append(text)
        else:
            rows[row].pop()
    return rows


def _csv_content() -> st.SearchStrategy[bytes]:
    whole = tables().map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    )
    return _then_damaged(whole)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A Parquet file with columns of strange types."""
    frame = table().copy()
    n = len(frame)
    strange = draw(
        st.sampled_from(
            [
                frame["pay"],
                pd.Series([[1, 2]] * n),
                pd.Series([b"x"] * n),
                pd.Series([{"a": 1}] * n),
                pd.Series(pd.date_range("2020", periods=n)),
                pd.Series(pd.to_timedelta(np.arange(n), "h")),
                pd.Series(pd.Categorical(["a", "b"] * (n // 2))),
                pd.Series([None] * n),
                pd.Series([True, None] * (n // 2), dtype="boolean"),
                pd.Series([1e308] * n),
                pd.Series([1, None] * (n // 2), dtype="Int64"),
            ]
        )
    )
    frame[draw(st.sampled_from([*frame.columns, "more"]))] = strange.to_numpy()
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


# -- pipelines, policies, audits, sweeps, models ---------------------------------------------------


@cache
def pipeline() -> dict[str, Any]:
    """A sound pipeline as a document."""
    return {
        "fairmend": 1,
        "name": "light",
        "learner": "logistic_regression",
        "roles": {"outcome": "y", "favorable": "yes", "protected": ["sex"], "cuts": {"sex": [1.0, 2.0]}},
        "constraints": {"retraining": True},
        "split": {"train": 0.45, "calibration": 0.2, "validation": 0.15, "test": 0.2},
        "seed": 3,
        "steps": [
            {
                "technique": 31,
                "slug": "instance-weighting",
                "stage": "pre-processing",
                "parameters": {"a": [1]},
            }
        ],
        "evaluations": [{"technique": 45, "slug": "expected-calibration-error"}],
    }


@cache
def policy() -> dict[str, Any]:
    """The policy that is built in, as a document."""
    from importlib import resources

    file = resources.files("fairmend.catalog").joinpath("policies", "playbook.yaml")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@cache
def audit() -> dict[str, Any]:
    """An audit as a document."""
    found = api.audit(
        table().drop(columns=["id"]),
        outcome="y",
        favorable="yes",
        protected="sex",
        learner="logistic_regression",
    )
    return json.loads(json.dumps(found.to_json(), default=str))


@cache
def sweep() -> dict[str, Any]:
    """A sweep as a document, of techniques that train nothing."""
    found = api.sweep(
        api.load_dataset("bank", rows=1000),
        learner="logistic_regression",
        constraints={"retraining": False},
        depth=1,
        jobs=1,
        store=False,
    )
    return json.loads(json.dumps(found.to_json(), default=str))


@cache
def model() -> bytes:
    """A fitted model as skops writes it."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(table()[["pay"]], table()["y"])
    return skops.io.dumps(fitted)


@st.composite
def models(draw: st.DrawFn) -> bytes:
    """A file of skops whose schema says something else."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model())) as sound, zipfile.ZipFile(out, "w") as changed:
        for name in sound.namelist():
            content = sound.read(name)
            if name == "schema.json":
                content = as_json(draw(altered(json.loads(content))))
            changed.writestr(name, content)
    return out.getvalue()


def _graph(path: Path) -> CausalGraph:
    from fairmend.core.causal.graph_io import read_graph

    return read_graph(path)


GRAPH = {"graph": {"nodes": ["sex", "pay", "y"], "edges": [["sex", "pay"], ["pay", "y"]]}}
DOT = b'digraph { sex -> pay; pay -> y [label="x"]; sex -- age; subgraph a { sex; } }'

TARGETS: dict[str, Target] = {
    "csv": Target(".csv", _csv_content, lambda path: Dataset.read(path, ROLES)),
    "parquet": Target(".parquet", lambda: _then_damaged(frames()), lambda path: Dataset.read(path, ROLES)),
    "pipeline": Target(".yaml", lambda: _then_damaged(altered(pipeline()).map(as_yaml)), load_spec),
    "policy": Target(
        ".yaml", lambda: _then_damaged(altered(policy()).map(as_yaml)), lambda path: load_policy(str(path))
    ),
    "graph": Target(".yaml", lambda: _then_damaged(altered(GRAPH).map(as_yaml)), _graph),
    "dot": Target(".dot", lambda: damaged(DOT, 8), _graph),
    "audit": Target(".json", lambda: _then_damaged(altered(audit()).map(as_json)), api.load_audit),
    "sweep": Target(".json", lambda: _then_damaged(altered(sweep()).map(as_json)), load_sweep),
    "model": Target(".skops", lambda: _then_damaged(models()), read_model),
}
"""Every reader of files from outside."""
