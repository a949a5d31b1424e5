"""Assess the causes of disparities."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import registry
from fairmend.api.data import audit, dataset, loaded

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.core.data.dataset import Dataset
    from fairmend.pipeline.causal_assessment import CausalAssessment

HALVES = {"train": 0.5, "assessed": 0.5}
ENDINGS = (".dot", ".json", ".png", ".svg", ".pdf")


def causes(
    data: str | Path | pd.DataFrame | Dataset,
    *,
    graph: Any = None,
    require: Iterable[tuple[str, str]] = (),
    forbid: Iterable[tuple[str, str]] = (),
    model: Any = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    **roles: Any,
) -> CausalAssessment:
    """Assess how disparities come about, how robust that is, and where to intervene.

    Parameters
    ----------
    data, **roles
        As in :func:`dataset`; the outcome is binary.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        An expert's causal graph; without one it is assumed from roles, audit and data.
    require, forbid : iterable of (str, str)
        Effects, each as cause and effect, that experts know to be there, or not to be there.
    model : fitted classifier or path, optional
        An existing model to audit; without one a model is trained on half of the rows.
    learner : str
        Learner of that model.
    seed : int
        Random seed.

    Returns
    -------
    CausalAssessment
        With a model of its own, over the rows that did not train it.

    Raises
    ------
    UsageError
        The outcome is not binary, an effect is both required and forbidden, or the graph gets a cycle.
    DataError
        A column of the graph is missing, or there are too few rows.
    """
    from fairmend.core.case import Case
    from fairmend.core.causal.graph_io import expert_graph
    from fairmend.core.errors import UsageError
    from fairmend.core.models.external_inputs import given_model
    from fairmend.core.models.learners import make_learner
    from fairmend.pipeline.causal_assessment import assess_causes

    table = dataset(data, **roles)
    if table.task != "binary":
        raise UsageError(
            f"causes are assessed for a binary outcome, got a {table.task} one; name --favorable"
        )
    found = audit(table, model=model, learner=learner, seed=seed)
    rows = table
    if model is None:
        parts = table.split(HALVES, seed=seed)
        train, rows = parts["train"], parts["assessed"]
        fitted = Case(train, train, rows, learner=make_learner(learner, seed=seed)).retrained().fitted()
    else:
        fitted = given_model(loaded(model), table)
    return assess_causes(
        rows,
        registry(),
        fitted,
        graph=None if graph is None else expert_graph(graph, table),
        findings=found.findings,
        require=require,
        forbid=forbid,
    )


def save_causes(found: CausalAssessment, path: str | Path) -> Path:
    """Write an assessment: its graph (.dot), its drawing (.png, .svg, .pdf) or all of it (.json).

    Parameters
    ----------
    found : CausalAssessment
        What :func:`causes` returned.
    path : path
        Where to write; the ending says what.

    Raises
    ------
    UsageError
        Another ending, or the file cannot be written.
    """
    from fairmend.core.data.files import write_text
    from fairmend.core.text.escaping import json_text
    from fairmend.reports.causes import write_paths

    target = Path(path)
    check_causes_name(target)
    if target.suffix == ".dot":
        write_text(target, found.graph.to_dot())
    elif target.suffix == ".json":
        write_text(target, json_text(found.to_json()) + "\n")
    else:
        write_paths(found, target)
    return target


def check_causes_name(path: str | Path) -> None:
    """Raise UsageError if an assessment cannot be written to a file of this name."""
    from fairmend.core.errors import UsageError

    if Path(path).suffix not in ENDINGS:
        raise UsageError(f"an assessment of causes is written to {', '.join(ENDINGS)}, got {path}")
