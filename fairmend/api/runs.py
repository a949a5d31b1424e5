"""Stored runs: status, resume, approve, verify, report, predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.api.catalog import Observer, registry

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.pipeline.run.record import RunRecord
    from fairmend.pipeline.storage.keys import Keyring
    from fairmend.pipeline.storage.run_store import RunStore
    from fairmend.pipeline.storage.stored_run import StoredRun
    from fairmend.pipeline.storage.verification import Verified
    from fairmend.pipeline.sweep.sweep_record import Sweep


def run_store(folder: str | Path | None = None) -> RunStore:
    """Return the store of runs in a folder; by default FAIRMEND_HOME, else ``.fairmend``."""
    from fairmend.pipeline.storage.run_store import RunStore

    return RunStore(None if folder is None else Path(folder))


def keyring() -> Keyring:
    """Return the key that signs records, and the keys of others that are trusted."""
    from fairmend.pipeline.storage.keys import Keyring

    return Keyring()


def status(run_id: str | None = None, *, store: RunStore | None = None) -> list[dict[str, Any]]:
    """Return the status of the stored runs with its reason, the latest first; of one run, the commands that answer it.

    Parameters
    ----------
    run_id : str, optional
        A single run, or ``"latest"``; its files are verified, too.
    store : RunStore, optional
        Where the runs are stored; by default :func:`run_store`.

    Raises
    ------
    RunError
        The record of the named run was changed.
    """
    from fairmend.pipeline.run.run_status import commands, current_status, listed

    kept = store or run_store()
    if run_id is None:
        found = listed(kept)
    else:
        one = kept.verified(run_id)
        found = [(one, *current_status(kept, one))]
    return [
        {
            "run_id": run.run_id,
            "created": run.created,
            "status": how,
            "reason": why,
            "next": [] if run_id is None else commands(kept, run),
        }
        for run, how, why in found
    ]


def resume(
    run_id: str = "latest",
    *,
    graph: Any = None,
    store: RunStore | None = None,
    observer: Observer | None = None,
) -> RunRecord:
    """Resume an interrupted, waiting or rejected run, and return its record; finished steps are read, not computed.

    Parameters
    ----------
    run_id : str
        The run.
    graph : CausalGraph, mapping, sequence of edges, or path, optional
        A revised causal graph, for a run that waits, was escalated or was rejected.
    store : RunStore, optional
        Where it is stored.
    observer : callable, optional
        Called with every event as it occurs.

    Raises
    ------
    RunError
        The record or the data changed since the run started, or a stored result is missing.
    """
    from fairmend.pipeline.stored_runs import resume as resume_run

    return resume_run(run_id, store=store or run_store(), registry=registry(), graph=graph, observer=observer)


def load_run(run_id: str = "latest", *, store: RunStore | None = None) -> RunRecord | None:
    """Return the record of a run that has ended, with what people decided since; None where it has not ended.

    Raises
    ------
    RunError
        The record was changed.
    """
    from fairmend.pipeline.stored_runs import current_record

    kept = store or run_store()
    return current_record(kept, kept.verified(run_id), registry())


def approve(
    run_id: str,
    *,
    gate: str,
    role: str,
    by: str,
    approved: bool = True,
    note: str = "",
    answer: str = "",
    concern: str = "",
    store: RunStore | None = None,
) -> StoredRun:
    """Record a person's decision on a gate of a run; :func:`resume` then goes on, and answers a rejection.

    Parameters
    ----------
    run_id, gate, role, by, approved, note, answer, concern
        As in :func:`fairmend.pipeline.run.run_status.approve`.
    store : RunStore, optional
        Where the run is stored.

    Raises
    ------
    UsageError
        There is no such gate or role, or the decision cannot be recorded.
    RunError
        The record was changed.
    """
    from fairmend.pipeline.run.run_status import approve as approve_run

    return approve_run(
        store or run_store(),
        run_id,
        gate=gate,
        role=role,
        by=by,
        approved=approved,
        note=note,
        answer=answer,
        concern=concern,
    )


def choose(
    run_id: str,
    option: str,
    *,
    role: str,
    by: str,
    note: str = "",
    concern: str = "",
    answer: str = "",
    store: RunStore | None = None,
) -> StoredRun:
    """Record the decision of an executive on an escalated run.

    Parameters
    ----------
    run_id, option, role, by, note, concern, answer
        As in :func:`fairmend.pipeline.run.executive.choose`.
    store : RunStore, optional
        Where the run is stored.

    Raises
    ------
    UsageError
        The run was not escalated, there is no such option or role, or the decision cannot be recorded.
    RunError
        The record was changed.
    """
    from fairmend.pipeline.run.executive import choose as choose_option

    kept = store or run_store()
    return choose_option(kept, run_id, option, role=role, by=by, note=note, concern=concern, answer=answer)


def verify(run_id: str = "latest", *, keys: tuple[str, ...] = (), store: RunStore | None = None) -> Verified:
    """Check the signed log of a run, its record and its files.

    Parameters
    ----------
    run_id : str
        The run.
    keys : tuple of str
        Public keys (digits, file, or name of a trusted key) that are trusted, and no others.
    store : RunStore, optional
        Where it is stored.

    Raises
    ------
    RunError
        Something was changed, or signed by a key that is not trusted.
    """
    from fairmend.pipeline.storage.verification import verify as verify_run

    return verify_run(store or run_store(), run_id, keys)


def report(
    run: str | RunRecord | Sweep,
    folder: str | Path,
    *,
    store: RunStore | None = None,
    observer: Observer | None = None,
) -> Path:
    """Write the validation report of a run with its plots and record, or the table and plot of a sweep.

    Parameters
    ----------
    run : str, RunRecord or Sweep
        The run, or the sweep; a run that was interrupted is brought to its end first.
    folder : path
        Where to write.
    store : RunStore, optional
        Where the run is stored.
    observer : callable, optional
        Called with every event, if the run is resumed.

    Returns
    -------
    Path
        The report.
    """
    from fairmend.pipeline.sweep.sweep_record import Sweep
    from fairmend.reports import write_report, write_sweep

    if isinstance(run, Sweep):
        return write_sweep(run, folder)
    if isinstance(run, str):
        run = load_run(run, store=store) or resume(run, store=store, observer=observer)
    return write_report(run, folder)


def predict(
    run_id: str,
    data: str | Path | pd.DataFrame,
    *,
    output: str | Path | None = None,
    even_so: bool = False,
    store: RunStore | None = None,
) -> pd.DataFrame:
    """Return the score and decision per row of new data.

    Parameters
    ----------
    run_id, data, even_so
        As in :func:`fairmend.pipeline.stored_runs.predict`.
    output : path, optional
        Where to write the table, too (CSV or Parquet).
    store : RunStore, optional
        Where the run is stored.

    Raises
    ------
    RunError
        The run has not ended or is not deployable, or its record was changed.
    DataError
        The columns differ from those of the training data.
    """
    from fairmend.core.data.files import check_table_name, write_table
    from fairmend.pipeline.stored_runs import predict as predict_rows

    if output is not None:
        check_table_name(output)
    found = predict_rows(store or run_store(), run_id, data, registry(), even_so=even_so)
    if output is not None:
        write_table(output, found)
    return found
