"""The fitted rule of a stored run, and its scores and decisions for new rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fairmend.catalog.registry import Registry
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import exact_columns, read_table
from fairmend.core.errors import RunError, UsageError
from fairmend.core.fair_pipeline import FairPipeline
from fairmend.pipeline.run.run_status import ACCEPTED, DEPLOYABLE, current_status, next_step, rule_of
from fairmend.pipeline.run.third_party import decided
from fairmend.pipeline.storage.checkpoints import Checkpoint
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.stored_run import StoredRun


def load_deployed(store: RunStore, run_id: str, registry: Registry, *, even_so: bool = False) -> FairPipeline:
    """Return the fitted rule of a run.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run.
    registry : Registry
        What is installed.
    even_so : bool
        Return the rule even if the run is not deployable.

    Raises
    ------
    RunError
        The run has not ended or is not deployable, or its record was changed.
    """
    return _deployed(store.verified(run_id), store, registry, even_so)


def _deployed(stored: StoredRun, store: RunStore, registry: Registry, even_so: bool) -> FairPipeline:
    """Return the fitted rule of a verified run."""
    status, reason = current_status(store, stored)
    rule = rule_of(store, stored)
    if rule is None:
        raise RunError(f"{stored.run_id} has no rule yet ({status}); {next_step(status, stored.run_id)}")
    if status not in DEPLOYABLE | ACCEPTED and not even_so:
        raise RunError(
            f"{stored.run_id} is not deployable, it is {status}{f' ({reason})' if reason else ''}; "
            f"{next_step(status, stored.run_id)}, or apply its rule anyway with --even-so"
        )
    return Checkpoint(store, stored.run_id, registry.plugin_modules()).get_model(rule)


def predict(
    store: RunStore,
    run_id: str,
    data: str | Path | pd.DataFrame,
    registry: Registry,
    *,
    even_so: bool = False,
) -> pd.DataFrame:
    """Return the score and decision per row of new data.

    Parameters
    ----------
    store : RunStore
        Where the run is stored.
    run_id : str
        The run.
    data : path or DataFrame
        The features, the protected attributes if the rule reads them, and the row id if there is one.
    registry : Registry
        What is installed.
    even_so : bool
        Apply the rule even if the run is not deployable; the result then has its status in each row.

    Returns
    -------
    DataFrame
        ``score``, the probability of the favorable outcome, and ``decision``, 1 if favorable;
        ``run_status`` if the run is not deployable.

    Raises
    ------
    RunError
        As for :func:`load_deployed`.
    DataError
        The columns differ from those of the training data.
    """
    stored = store.verified(run_id)
    rule = _deployed(stored, store, registry, even_so)
    roles = stored.request["data"]["roles"]
    frame = data if isinstance(data, pd.DataFrame) else read_table(data, exact_columns(roles))
    found = decide(rule, Roles(**roles), frame)
    status, _ = current_status(store, stored)
    return found if status in DEPLOYABLE | ACCEPTED else found.assign(run_status=status)


def decide(rule: FairPipeline, roles: Roles, frame: pd.DataFrame) -> pd.DataFrame:
    """Return score and decision of a fitted rule for new rows, as :func:`predict` does."""
    sensitive = None
    if rule.reads_protected:
        absent = [a for a in roles.protected if a not in frame.columns]
        if absent:
            raise UsageError(
                f"the rule reads {', '.join(absent)} for every decision, but the data has no such column"
            )
        sensitive = frame[list(roles.protected)]
    key = frame[roles.key].to_numpy() if roles.key is not None and roles.key in frame.columns else None
    scores, decisions = decided(
        rule.model_,
        lambda: rule.score_and_decide(frame, sensitive_features=sensitive, key=key),
        len(frame),
    )
    out = pd.DataFrame({"score": scores, "decision": decisions.astype(np.int64)}, index=frame.index)
    if key is not None:
        out.insert(0, str(roles.key), key)
    return out
