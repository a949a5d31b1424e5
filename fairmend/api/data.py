"""Data with roles, and audits of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import Observer, registry
from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.core.data.dataset import Dataset
    from fairmend.core.findings import Audit


MOST_ROWS = 5_000_000
"""Maximum number of rows of a generated example, so that it fits into memory."""


def list_datasets() -> list[dict[str, str]]:
    """Return the example data sets by name, with the plugin that contributes each."""
    return [
        {"name": name, "plugin": plugin}
        for plugin, names in registry().names("fairmend_datasets").items()
        for name in names
    ]


def load_dataset(name: str, *, rows: int = 20_000, seed: int = 0) -> Dataset:
    """Return an example data set with its roles.

    Parameters
    ----------
    name : str
        One of :func:`list_datasets`, such as ``"bank"``.
    rows : int
        Number of rows to generate.
    seed : int
        Random seed.

    Raises
    ------
    UnknownNameError
        No data set has this name.
    """
    from fairmend.core.errors import unknown
    from fairmend.core.text.validation import check_seed
    from fairmend.pipeline.run.third_party import drawn

    check_seed(seed)
    if rows > MOST_ROWS:
        raise UsageError(f"rows must be at most {MOST_ROWS:,}, got {rows:,}")
    answers = registry().collect("fairmend_datasets")
    loaders = {known: (plugin, load) for plugin, answer in answers for known, load in answer.items()}
    if name not in loaders:
        raise unknown("example data set", name, loaders)
    plugin, load = loaders[name]
    frame, roles = drawn(plugin, name, load, rows, seed)
    return dataset(frame, **roles)


def dataset(data: str | Path | pd.DataFrame | Dataset, **roles: Any) -> Dataset:
    """Return data with the roles of its columns.

    Parameters
    ----------
    data : path, DataFrame or Dataset
        A CSV (also .csv.gz) or Parquet file, or a frame.
    **roles
        As in :class:`fairmend.core.data.roles.Roles`: outcome, favorable, protected, mediators, resolving,
        proxies, weights, key, ignored, allowed_features, protected_in_model, cuts. A single column may replace a list.
    """
    import pandas as pd

    from fairmend.core.data.dataset import Dataset
    from fairmend.core.data.roles import Roles
    from fairmend.core.text.validation import validated

    if isinstance(data, Dataset):
        return data
    several = ("protected", "mediators", "resolving", "proxies", "ignored", "allowed_features")
    given = {k: (v,) if k in several and isinstance(v, str) else v for k, v in roles.items() if v is not None}
    parsed = validated(Roles, given, "the roles of the columns")
    return Dataset.from_frame(data, parsed) if isinstance(data, pd.DataFrame) else Dataset.read(data, parsed)


def audit(
    data: str | Path | pd.DataFrame | Dataset,
    *,
    predictions: Any = None,
    scores: Any = None,
    model: Any = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    graph: Any = None,
    observer: Observer | None = None,
    **roles: Any,
) -> Audit:
    """Audit data or decisions for differences between groups, with intervals and support.

    Parameters
    ----------
    data, **roles
        As in :func:`dataset`.
    predictions, scores : array or str, optional
        Decisions and probabilities of an existing model; a string names a column of the data, or
        ``FILE:COLUMN`` of a file with the same rows.
    model : fitted classifier or path, optional
        An existing model; a string is the path of a file written by ``skops.io.dump``. Without any of
        these three, a reference model is trained.
    learner : str
        Learner of that reference model.
    seed : int
        Random seed.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        An expert's causal graph (a path: .dot, .gv, .json or .yaml), which says what is a mediator or proxy.
    observer : callable, optional
        Called with every event as it occurs.
    """
    from fairmend.auditing import audit as run_audit
    from fairmend.auditing.contributed_kinds import contributed_kinds
    from fairmend.core.causal.graph_io import expert_graph
    from fairmend.core.data.dataset import Dataset

    if isinstance(predictions, str) or isinstance(scores, str):
        if isinstance(data, Dataset):
            raise UsageError(
                "predictions and scores given by column name require the data as a file or DataFrame"
            )
        data, predictions, scores, roles = _with_given(data, predictions, scores, roles)
    table = dataset(data, **roles)
    return run_audit(
        table,
        predictions=predictions,
        scores=scores,
        model=loaded(model),
        learner=learner,
        seed=seed,
        graph=None if graph is None else expert_graph(graph, table),
        kinds=contributed_kinds(registry()),
        progress=None if observer is None else lambda text: observer({"event": "audit", "text": text}),
    )


def _with_given(
    data: str | Path | pd.DataFrame, predictions: Any, scores: Any, roles: dict[str, Any]
) -> tuple[pd.DataFrame, Any, Any, dict[str, Any]]:
    """Return the data as a DataFrame, decisions and scores as columns, and roles that hide them from the model."""
    import pandas as pd

    from fairmend.core.data.table_reading import exact_columns, read_table
    from fairmend.core.models.external_inputs import given_columns

    frame = data if isinstance(data, pd.DataFrame) else read_table(data, exact_columns(roles))
    by_name = [source if isinstance(source, str) else None for source in (predictions, scores)]
    found, taken = given_columns(frame, *by_name)
    predictions, scores = (
        given if column is None else column
        for given, column in zip((predictions, scores), found, strict=True)
    )
    ignored = roles.get("ignored") or ()
    ignored = (ignored,) if isinstance(ignored, str) else tuple(ignored)
    return frame, predictions, scores, {**roles, "ignored": tuple(dict.fromkeys((*ignored, *taken)))}


def loaded(model: Any) -> Any:
    """Return a model, loaded from its file if it is a path."""
    from fairmend.pipeline.model_reading import read_model

    return read_model(model, registry().plugin_modules()) if isinstance(model, (str, Path)) else model


def load_audit(source: str | Path | Mapping[str, Any] | Audit) -> Audit:
    """Return an audit from the JSON file (or mapping) that it was saved as.

    Raises
    ------
    UsageError
        The file is missing or is not an audit.
    """
    from fairmend.core.findings import Audit
    from fairmend.core.text.documents import load_document

    return load_document(Audit, source, "audit", "fairmend audit ... --json")
