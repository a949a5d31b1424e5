"""Sweep: every applicable technique and sensible combinations, measured alike, and their frontier."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np

from fairmend.auditing import audit as run_audit
from fairmend.auditing.contributed_kinds import contributed_kinds
from fairmend.catalog import code_integrity as integrity
from fairmend.catalog.card_cache import fingerprint
from fairmend.catalog.policy import Policy, PolicyCheck, load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.constraints import Constraints
from fairmend.core.data.dataset import PARTS, Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import MissingExtraError, RunError, UsageError
from fairmend.core.findings import Audit
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.utility import rate_of
from fairmend.core.models.learners import make_learner
from fairmend.core.text.validation import check_seed
from fairmend.core.utility import UTILITIES, Utility
from fairmend.core.vocabulary import LEVELS, Notion
from fairmend.pipeline.compose.slots import Chooser, biased_numbers
from fairmend.pipeline.cross_fitting import Division, divide
from fairmend.pipeline.gates.gate_context import FAIRNESS_COMPARED
from fairmend.pipeline.gates.plugin_checks import gate_functions
from fairmend.pipeline.run.notes import versions
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.sweep.combinations import Steps, combinations
from fairmend.pipeline.sweep.selection import choose, notes_on, place
from fairmend.pipeline.sweep.sweep_record import ExcludedTechnique, Sweep, Target
from fairmend.pipeline.sweep.trial_cache import TrialCache, digest, identities, trace_of
from fairmend.pipeline.sweep.trials import Bench, Trial, try_together


def sweep(
    data: Dataset,
    *,
    registry: Registry,
    audit: Audit | None = None,
    constraints: Constraints | None = None,
    notion: Notion = "demographic_parity",
    policy: str | Policy = "playbook",
    learner: str = "gradient_boosting",
    seed: int = 0,
    utility: Utility | None = None,
    depth: int = 2,
    without: Iterable[int | str] = (),
    jobs: int | None = None,
    store: RunStore | None = None,
    fresh: bool = False,
    observer: Observer | None = None,
    n_boot: int = 2000,
) -> Sweep:
    """Try techniques and combinations on the same split, and find those that no other beats.

    Parameters
    ----------
    data : Dataset
        The data; split as a run with the same seed splits them.
    registry : Registry
        Where techniques come from.
    audit : Audit, optional
        What was found in the data, which settles parameters such as the features to repair; without
        one, all rows but those of the test part are audited.
    constraints : Constraints, optional
        Hard limits; a technique that breaks one is listed with the reason.
    notion : str
        Notion of fairness of the target.
    policy : str or Policy
        Sets the target.
    learner : str
        Learner of the plain model and of steps that retrain.
    seed : int
        Random seed.
    utility : Utility, optional
        What decisions are worth; accuracy by default.
    depth : int
        Most steps of a combination, 1 to 3.
    without : iterable of int or str
        Techniques to leave out, by id or slug.
    jobs : int, optional
        Processes, -1 for one a core. Without it ``joblib.parallel_config`` decides, and else there is
        one. In loky processes, which are the default, and in Dask workers numeric libraries are held
        to their share of the cores by joblib and Dask.
    store : RunStore, optional
        Where results are stored, so that an interrupted sweep can be resumed, and one with more depth or
        other constraints computes only what is new.
    fresh : bool
        Discard stored results and recompute everything.
    observer : callable, optional
        Called with every event as it occurs.
    n_boot : int
        Replicates of intervals and of the frontier.

    Returns
    -------
    Sweep
        All figures are those of rows that no trial was fitted on. The best of many candidates looks better than it
        is, so the verdict is left to a run of the chosen pipeline, on test data.

    Raises
    ------
    UsageError
        The policy has no target for the notion, depth or jobs are out of range, no technique is left, or the
        utility is a figure of scores, where decisions are compared.
    DataError
        The data cannot be split, or the plain model cannot be trained.
    RunError
        A worker process died, or the store cannot be used.
    """
    began = time.perf_counter()
    check_seed(seed)
    if jobs is not None and (jobs < -1 or jobs == 0):
        raise UsageError(f"jobs must be a number of processes, or -1 for one a core, got {jobs}")
    if utility is not None and rate_of(utility) is None:
        decided = ", ".join(name for name in UTILITIES if name != utility.name)
        raise UsageError(
            f"a sweep compares decisions by one of {decided}; got the utility {utility.name!r}, a figure of scores"
        )
    judged_by = load_policy(policy, registry)
    target = _target(judged_by, notion)
    settings = InferenceSettings(
        n_boot, min_support=judged_by.minimum_support, seed=seed, groups=data.groups.labels
    )
    tell: Observer = observer or (lambda event: None)
    limits = constraints or Constraints()
    if audit is not None:
        check_audit(audit, data.roles)
    basis = {
        **_basis(data, registry),
        "seed": seed,
        "learner": learner,
        "notion": notion,
        "policy": judged_by.digest(),
        "utility": None if utility is None else utility.model_dump(),
        "audit": None if audit is None else digest(audit.to_json()),
        "n_boot": n_boot,
    }
    kept = TrialCache(store, basis, fresh)
    division = divide(data, PARTS, seed=seed)
    with kept.lock():
        with joblib.parallel_config(backend="sequential"):  # workers are for the units
            found = audit or kept.audit(lambda: _audit(data, registry, learner, seed, tell))
        chooser = Chooser(registry, notion, target, biased_numbers(found.findings), utility=utility)
        candidates, excluded = combinations(chooser, found, constraints=limits, depth=depth, without=without)
        names = identities(candidates, registry)
        trials = kept.trials(candidates, names, len(division.held_out))
        missing = [steps for steps, trial in zip(candidates, trials, strict=True) if trial is None]
        tell(
            {
                "event": "sweep",
                "candidates": len(candidates),
                "kept": len(candidates) - len(missing),
                "excluded": len(excluded),
                "rows": division.counts(),
                "text": division.text,
            }
        )
        if missing:
            start = _start(division, found, make_learner(learner, seed=seed), notion, seed)
            functions = gate_functions(registry)
            bench = Bench(
                division.without_test(),
                start,
                _classes(missing, registry),
                judged_by,
                functions,
                settings,
                utility or Utility(),
            )
            places = {trace_of(steps): at for at, steps in enumerate(candidates)}
            for trial in _computed(bench, _units(missing, registry), jobs, target, tell):
                at = places[trace_of(trial.candidate.steps)]
                trials[at] = trial
                kept.put(names[at], trial)
    done = [trial for trial in trials if trial is not None]
    placed, drawn = place(done, division.held_out, target, utility or Utility(), settings)
    integrity.verify(registry)
    chosen, reason = choose(placed, drawn, target, utility or Utility())
    return Sweep(
        sweep_id=kept.sweep_id,
        roles=data.roles,
        audit=found,
        data={
            "rows": len(data),
            "parts": division.counts(),
            "sha256": data.fingerprint(),
        },
        notion=notion,
        target=Target(
            measure=target.metric,
            bound=target.bound_text(),
            threshold=float(target.threshold or 0.0),
            upward=target.upward,
        ),
        policy={"name": judged_by.policy, "evidence": judged_by.evidence, "sha256": judged_by.digest()},
        constraints=limits,
        learner=learner,
        seed=seed,
        utility=utility,
        depth=depth,
        candidates=tuple(placed),
        excluded=tuple(ExcludedTechnique(**e.to_json()) for e in excluded),
        selected=chosen,
        reason=reason,
        notes=(*data.notes, *notes_on(placed)),
        computed=len(missing),
        seconds=round(time.perf_counter() - began, 3),
        versions=versions(),
    )


def _target(policy: Policy, notion: Notion) -> PolicyCheck:
    target = policy.target(notion)
    if target.metric not in FAIRNESS_COMPARED:
        raise UsageError(
            f"a sweep compares candidates by {', '.join(FAIRNESS_COMPARED)}; the policy {policy.policy} sets its target "
            f"for {notion} on {target.metric}"
        )
    return target


def _audit(data: Dataset, registry: Registry, learner: str, seed: int, tell: Observer) -> Audit:
    """Audit the rows that are not of the test part."""
    *others, _ = np.cumsum(list(PARTS.values()))
    seen = data.split({"seen": others[-1], "test": 1 - others[-1]}, seed=seed)["seen"]
    return run_audit(
        seen,
        learner=learner,
        seed=seed,
        kinds=contributed_kinds(registry),
        progress=lambda text: tell({"event": "audit", "text": text}),
    )


def check_audit(audit: Audit, roles: Roles) -> None:
    """Check that an audit is about the same outcome and attributes.

    Raises
    ------
    UsageError
        It is about others.
    """
    for name in ("outcome", "protected"):
        ours, theirs = getattr(roles, name), getattr(audit.roles, name)
        if ours != theirs:
            raise UsageError(f"the audit is about other data: its {name} is {theirs!r}, here it is {ours!r}")


def _basis(data: Dataset, registry: Registry) -> dict[str, Any]:
    """Return what figures depend on whatever is asked: the data, the split and the code that measures."""
    gates = {name for name, given in registry.numbers().items() if given.get("fairmend_gate_checks")}
    modules = {plugin.module for plugin in registry.plugins if plugin.name in gates}
    return {
        "data": data.fingerprint(),
        "key": None if data.key is None else digest(data.key.tolist()),
        "roles": data.roles.model_dump(mode="json"),
        "split": dict(PARTS),
        "versions": versions(),
        "code": {name: fingerprint(name) for name in sorted({"fairmend.core", *modules})},
    }


def _start(division: Division, found: Audit, learner: Any, notion: Notion, seed: int) -> tuple[Case, ...]:
    """Return the case of each fold with the plain model."""
    start = division.cases(learner=learner, findings=found.findings, notion=notion, seed=seed)
    with joblib.parallel_config(backend="sequential"):
        return tuple(case.retrained() for case in start)


# -- computing ------------------------------------------------------------------------------------


def _classes(candidates: Iterable[Steps], registry: Registry) -> dict[int | str, Any]:
    used = {step.technique for steps in candidates for step in steps}
    return {technique: registry.technique(technique) for technique in used}


def _units(candidates: Iterable[Steps], registry: Registry) -> list[list[Steps]]:
    """Return the units of work: candidates that share their training steps, the heaviest units first.

    What follows training is fitted in moments, so a unit trains once and then tries all that may follow.
    """
    units: dict[tuple[str, ...], list[Steps]] = {}
    for steps in candidates:
        units.setdefault(trace_of(_training(steps)), []).append(steps)

    def weight(unit: list[Steps]) -> tuple[int, int]:
        cards = [registry.card(step.technique).metadata for step in _training(unit[0])]
        return sum(1 + LEVELS.index(card.compute) for card in cards), len(unit)

    return sorted(units.values(), key=weight, reverse=True)


def _training(steps: Steps) -> Steps:
    return tuple(step for step in steps if step.stage != "post-processing")


def _computed(
    bench: Bench, units: list[list[Steps]], jobs: int | None, target: PolicyCheck, tell: Observer
) -> Iterator[Trial]:
    """Yield trials as their units are done, in the processes that joblib is set to."""
    began, done, total = time.perf_counter(), 0, sum(map(len, units))
    try:
        work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        for trials in work(joblib.delayed(try_together)(bench, unit) for unit in units):
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
        "accuracy": None if c.accuracy is None else c.accuracy.value,
        "fairness": None if c.fairness is None else c.fairness.value,
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
