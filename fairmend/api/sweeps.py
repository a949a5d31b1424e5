"""Sweeps: many pipelines on the same split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import Limits, Observer, registry
from fairmend.api.data import dataset, load_audit
from fairmend.api.run_inputs import binary
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.utility import Utility
from fairmend.core.vocabulary import Notion

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.catalog.policy import Policy
    from fairmend.core.data.dataset import Dataset
    from fairmend.core.findings import Audit
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.sweep.alternatives.candidates import LdaSettings
    from fairmend.pipeline.sweep.sweep_record import Sweep


def load_sweep(source: str | Path | Mapping[str, Any] | Sweep) -> Sweep:
    """Return a sweep from the JSON file (or mapping) that a sweep wrote.

    Raises
    ------
    UsageError
        The file is missing or is not a sweep.
    """
    from fairmend.pipeline.sweep.sweep_record import load_sweep as load

    return load(source)


def sweep(
    data: str | Path | pd.DataFrame | Dataset,
    *,
    findings: str | Path | Mapping[str, Any] | Audit | None = None,
    constraints: Limits = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    utility: Utility | str | None = None,
    cost_fp: float | None = None,
    cost_fn: float | None = None,
    depth: int = 2,
    without: Iterable[int | str] = (),
    jobs: int | None = None,
    dask: str | None = None,
    store: RunStore | bool = True,
    fresh: bool = False,
    observer: Observer | None = None,
    lda: bool = False,
    candidates: int | None = None,
    margin: float | None = None,
    monotone: Iterable[str] = (),
    **roles: Any,
) -> Sweep:
    """Try every applicable technique and sensible combinations, and return the Pareto-optimal ones.

    Parameters
    ----------
    data, **roles
        As in :func:`dataset`.
    findings : Audit, mapping or path, optional
        An audit, which determines parameters such as the features to repair; by default all rows outside
        the test part are audited.
    constraints : as in :func:`query`
        Hard limits.
    notion, policy, learner, seed, depth, without, jobs, fresh, observer
        As in :func:`fairmend.pipeline.sweep.sweep.sweep`.
    utility, cost_fp, cost_fn
        As in :func:`compose`; a sweep compares decisions, so ``auc`` is refused.
    dask : str, optional
        Address of the scheduler of a Dask cluster to compute on; ``jobs`` defaults to its number of
        threads.
    store : RunStore or bool
        Where results are stored, so that a repeated call computes only what is missing; True means
        the folder of :func:`fairmend.pipeline.storage.run_store.store_folder`.
    lda : bool
        Search a less discriminatory alternative to the plain model: also vary what a modeler varies
        (features, settings of the learner, monotone constraints, seeds), choose among the candidates that
        are no worse, and compare the chosen one with the plain model on the test rows, once.
    candidates : int, optional
        Number of candidates of that search; 100 by default.
    margin : float, optional
        Loss of utility, and of AUC, that counts as none in that search; 0.01 by default.
    monotone : iterable of str
        Signs of its monotone constraints, as ``"COLUMN=+"`` or ``"COLUMN=-"``; other numeric features take
        the sign of their association with the outcome.

    Raises
    ------
    FairmendError
        The request is invalid, or the data do not allow it.
    """
    from contextlib import nullcontext

    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.sweep.sweep import sweep as run_sweep
    from fairmend.pipeline.sweep.workers import on_dask

    search = _lda_settings(lda, candidates, margin, monotone)

    worth = Utility.parse(utility, cost_fp, cost_fn)
    table = binary(dataset(data, **roles))
    with nullcontext() if dask is None else on_dask(dask):
        return run_sweep(
            table,
            registry=registry(),
            audit=None if findings is None else load_audit(findings),
            constraints=Constraints.parse(constraints),
            notion=notion,
            policy=policy,
            learner=learner,
            seed=seed,
            utility=worth,
            depth=depth,
            without=without,
            jobs=jobs,
            store=RunStore() if store is True else store or None,
            fresh=fresh,
            observer=observer,
            lda=search,
        )


def _lda_settings(
    lda: bool, candidates: int | None, margin: float | None, monotone: Iterable[str]
) -> LdaSettings | None:
    """Return the settings of a search for alternatives, None without one."""
    from fairmend.pipeline.sweep.alternatives.candidates import LdaSettings
    from fairmend.pipeline.sweep.model_variants import parse_monotone

    signs = parse_monotone(tuple(monotone))
    given = {"candidates": candidates, "margin": margin, "monotone": signs or None}
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not lda and named:
        raise UsageError(f"{', '.join(named)} are settings of a search for alternatives; add lda (--lda)")
    return LdaSettings(**named) if lda else None
