"""Compute the candidates of a sweep: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib

from fairmend.catalog.policy import PolicyCheck
from fairmend.catalog.registry import Registry
from fairmend.core.errors import MissingExtraError, RunError, UsageError
from fairmend.core.vocabulary import LEVELS
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.storage.step_cache import Trace
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.trials import Bench, Trial, try_together


def classes(candidates: Iterable[Combination], registry: Registry) -> dict[int | str, Any]:
    """Return the classes of the techniques in use, by id."""
    used = {step.technique for one in candidates for step in one.steps}
    return {technique: registry.technique(technique) for technique in used}


def units(candidates: Iterable[Combination], registry: Registry) -> list[list[Combination]]:
    """Return the units of work: candidates that share their training steps, the heaviest units first.

    What follows training is fitted in moments, so a unit trains once and then tries all that may follow.
    """
    found: dict[Trace, list[Combination]] = {}
    for one in candidates:
        found.setdefault(one.training, []).append(one)

    def weight(unit: list[Combination]) -> tuple[int, int]:
        steps = [step for step in unit[0].steps if step.stage != "post-processing"]
        cards = [registry.card(step.technique).metadata for step in steps]
        return sum(1 + LEVELS.index(card.compute) for card in cards), len(unit)

    return sorted(found.values(), key=weight, reverse=True)


def computed(
    bench: Bench, work: list[list[Combination]], jobs: int | None, target: PolicyCheck, tell: Observer
) -> Iterator[Trial]:
    """Yield trials as their units are done, in the processes that joblib is set to."""
    began, done, total = time.perf_counter(), 0, sum(map(len, work))
    try:
        pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        for trials in pool(joblib.delayed(try_together)(bench, unit) for unit in work):
            for trial in trials:
                yield trial
                done += 1
                elapsed = time.perf_counter() - began
                tell(
                    {
                        **_told(trial, target),
                        "done": done,
                        "of": total,
                        "left": elapsed / done * (total - done),
                    }
                )
    except _lost_workers() as error:
        raise RunError(
            "a worker process died, perhaps for lack of memory; what was finished is kept: call again, with fewer jobs"
        ) from error


def _lost_workers() -> tuple[type[Exception], ...]:
    """Return the errors by which joblib and Dask say that a worker process died."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if "distributed" not in sys.modules:
        return (TerminatedWorkerError,)
    from distributed.scheduler import KilledWorker

    return TerminatedWorkerError, KilledWorker


def _told(trial: Trial, target: PolicyCheck) -> dict[str, Any]:
    c = trial.candidate
    return {
        "event": "trial",
        "name": c.name,
        "status": c.status,
        "reason": c.reason,
        "accuracy": None if c.accuracy is None else c.accuracy.to_json()["value"],
        "fairness": None if c.fairness is None else c.fairness.to_json()["value"],
        "measure": target.metric,
    }


@contextmanager
def on_dask(address: str, seconds: float = 10.0) -> Iterator[None]:
    """Let joblib, and so a sweep, compute on the Dask cluster of this scheduler.

    Parameters
    ----------
    address : str
        Address of the scheduler, e.g. ``tcp://10.0.0.5:8786``.
    seconds : float
        How long to wait for it.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    UsageError
        No scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            "computing on a Dask cluster needs dask and distributed: pip install 'fairmend[dask]'"
        ) from error
    try:
        client = Client(address, timeout=seconds, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {address}: {' '.join(str(error).split())[:160]}"
        ) from error
    with client.as_current(), joblib.parallel_config(backend="dask", client=client):
        try:
            yield
        finally:
            client.close()
