"""Sweep: every applicable technique and sensible combinations, measured alike, and their frontier."""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.policy import Check, Policy, load_policy
from fairmend.core.case import Case
from fairmend.core.constraints import Constraints
from fairmend.core.dataset import PARTS, Dataset
from fairmend.core.errors import MissingExtraError, RunError, UsageError
from fairmend.core.findings import Audit
from fairmend.core.learner import make_learner
from fairmend.core.measure import pareto
from fairmend.core.measure.bootstrap import percentile_interval
from fairmend.core.measure.columns import Float
from fairmend.core.measure.joint import joint_replicates
from fairmend.core.registry import Registry, fingerprint
from fairmend.core.roles import Roles
from fairmend.core.vocabulary import LEVELS, Notion
from fairmend.pipeline.audit import audit as run_audit
from fairmend.pipeline.candidates import Steps, combinations
from fairmend.pipeline.checks import CHECKS
from fairmend.pipeline.choices import Chooser, biased_numbers
from fairmend.pipeline.machine import Observer
from fairmend.pipeline.runner import versions
from fairmend.pipeline.store import RunStore
from fairmend.pipeline.swept import Candidate, LeftOut, Sweep, Target
from fairmend.pipeline.trace import mark
from fairmend.pipeline.trials import Bench, Trial, try_together
from fairmend.pipeline.view import COMPARED, Settings


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
        Seed of everything random.
    depth : int
        Most steps of a combination, 1 to 3.
    without : iterable of int or str
        Techniques to leave out, by id or slug.
    jobs : int, optional
        Processes, -1 for one a core. Without it ``joblib.parallel_config`` decides, and else there is
        one. In loky processes, which are the default, and in Dask workers numeric libraries are held
        to their share of the cores by joblib and Dask.
    store : RunStore, optional
        Where outcomes are kept, so that a sweep that was cut off goes on, and one with more depth or
        other constraints computes only what is new.
    fresh : bool
        Forget what is kept, and compute all anew.
    observer : callable, optional
        Told of every event, as it happens.
    n_boot : int
        Replicates of intervals and of the frontier.

    Returns
    -------
    Sweep
        All figures are those of the validation part. The best of many candidates looks better than it
        is, so the verdict is left to a run of the chosen pipeline, on test data.

    Raises
    ------
    UsageError
        The policy has no target for the notion, depth or jobs are out of range, or no technique is left.
    DataError
        The data cannot be split, or the plain model cannot be trained.
    RunError
        A worker process died, or the store cannot be used.
    """
    began = time.perf_counter()
    if jobs == 0:
        raise UsageError("jobs must be a number of processes, or -1 for one a core, got 0")
    judged_by = load_policy(policy)
    target = _target(judged_by, notion)
    settings = Settings(judged_by.minimum_support, n_boot, seed=seed, groups=data.groups.labels)
    tell: Observer = observer or (lambda event: None)
    limits = constraints or Constraints()
    if audit is not None:
        check_audit(audit, data.roles)
    basis = {
        "data": data.fingerprint(),
        "key": None
        if data.key is None
        else hashlib.sha256("\x1f".join(map(str, data.key)).encode()).hexdigest(),
        "roles": data.roles.model_dump(mode="json"),
        "split": dict(PARTS),
        "seed": seed,
        "learner": learner,
        "notion": notion,
        "policy": judged_by.digest(),
        "audit": None if audit is None else _hash(audit.to_json()),
        "n_boot": n_boot,
        "versions": versions(),
        "core": fingerprint("fairmend.core"),
    }
    kept = _Kept(store, f"sweep-{_hash(basis)[:16]}", basis, fresh)
    parts = data.split(PARTS, seed=seed)
    test = parts.pop("test")
    with kept.lock():
        with joblib.parallel_config(backend="sequential"):  # workers are for the units
            found = audit or kept.audit(lambda: _audit(data, learner, seed, tell))
        chooser = Chooser(registry, notion, target, biased_numbers(found.findings))
        candidates, left_out = combinations(chooser, found, constraints=limits, depth=depth, without=without)
        identities = _identities(candidates, registry)
        trials = kept.trials(candidates, identities, len(parts["validation"]))
        missing = [steps for steps, trial in zip(candidates, trials, strict=True) if trial is None]
        tell(
            {
                "event": "sweep",
                "candidates": len(candidates),
                "kept": len(candidates) - len(missing),
                "left_out": len(left_out),
                "rows": {**{k: len(v) for k, v in parts.items()}, "test": len(test)},
            }
        )
        if missing:
            start = Case(
                parts["train"],
                parts["calibration"],
                parts["validation"],
                learner=make_learner(learner, seed=seed),
                findings=found.findings,
                notion=notion,
                seed=seed,
            )
            with joblib.parallel_config(backend="sequential"):
                start = start.retrained()
            bench = Bench(
                start,
                _classes(missing, registry),
                judged_by,
                {**CHECKS, **registry.named("fairmend_gates")},
                settings,
            )
            places = {_trace(steps): place for place, steps in enumerate(candidates)}
            for trial in _computed(bench, _units(missing, registry), jobs, target, tell):
                place = places[_trace(trial.candidate.steps)]
                trials[place] = trial
                kept.put(identities[place], trial)
    done = [trial for trial in trials if trial is not None]
    placed, drawn = _frontier(done, parts["validation"], target, settings)
    chosen, reason = choose(placed, drawn, target)
    return Sweep(
        sweep_id=kept.sweep_id,
        roles=data.roles,
        audit=found,
        data={
            "rows": len(data),
            "parts": {**{k: len(v) for k, v in parts.items()}, "test": len(test)},
            "sha256": data.fingerprint(),
        },
        notion=notion,
        target=Target(
            measure=target.check,
            bound=target.bound_text(),
            threshold=float(target.threshold or 0.0),
            upward=target.upward,
        ),
        policy={"name": judged_by.policy, "evidence": judged_by.evidence, "sha256": judged_by.digest()},
        constraints=limits,
        learner=learner,
        seed=seed,
        depth=depth,
        candidates=tuple(placed),
        left_out=tuple(LeftOut(**e.to_json()) for e in left_out),
        chosen=chosen,
        reason=reason,
        notes=(*data.notes, *_notes(placed)),
        computed=len(missing),
        seconds=round(time.perf_counter() - began, 3),
        versions=versions(),
    )


def _target(policy: Policy, notion: Notion) -> Check:
    target = policy.target(notion)
    if target.check not in COMPARED:
        raise UsageError(
            f"a sweep compares candidates by {', '.join(COMPARED[4:])}; the policy {policy.policy} sets its target "
            f"for {notion} on {target.check}"
        )
    return target


def _audit(data: Dataset, learner: str, seed: int, tell: Observer) -> Audit:
    """Audit the rows that are not of the test part."""
    *others, _ = np.cumsum(list(PARTS.values()))
    seen = data.split({"seen": others[-1], "test": 1 - others[-1]}, seed=seed)["seen"]
    return run_audit(
        seen, learner=learner, seed=seed, progress=lambda text: tell({"event": "audit", "text": text})
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


# -- what is kept ---------------------------------------------------------------------------------


class _Kept:
    """What the store holds of a sweep; without a store, nothing."""

    def __init__(self, store: RunStore | None, sweep_id: str, basis: Mapping[str, Any], fresh: bool) -> None:
        self.store = store
        self.sweep_id = sweep_id
        self.basis = basis
        self.fresh = fresh

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the sweep to this process, and enter it in the store."""
        with nullcontext() if self.store is None else self.store.lock(self.sweep_id):
            if self.store is not None:
                if self.fresh:
                    self.store.forget_sweep(self.sweep_id)
                self.store.enter_sweep(self.sweep_id, dict(self.basis))
            yield

    def audit(self, make: Callable[[], Audit]) -> Audit:
        """Return the audit that is kept, or make it and keep it."""
        raw = None if self.store is None else self.store.get_trials(self.sweep_id).get("audit")
        if raw is not None:
            return Audit(**raw)
        found = make()
        if self.store is not None:
            self.store.put_trials(self.sweep_id, {"audit": found.to_json()})
        return found

    def trials(self, candidates: Sequence[Steps], identities: Sequence[str], rows: int) -> list[Trial | None]:
        """Return the trial of each candidate that is kept, None for the others."""
        raw = {} if self.store is None else self.store.get_trials(self.sweep_id)
        found: list[Trial | None] = []
        for steps, identity in zip(candidates, identities, strict=True):
            trial = Trial.from_json(raw[identity], rows) if identity in raw else None
            if trial is not None:
                trial = Trial(trial.candidate.model_copy(update={"steps": steps}), trial.decisions)
            found.append(trial)
        return found

    def put(self, identity: str, trial: Trial) -> None:
        """Keep a trial."""
        if self.store is not None and trial.lasting:
            self.store.put_trials(self.sweep_id, {identity: trial.to_json()})


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _trace(steps: Steps) -> tuple[str, ...]:
    return tuple(mark(step) for step in steps)


def _identities(candidates: Sequence[Steps], registry: Registry) -> list[str]:
    """Return what each candidate is kept under: its trace, and the source of its techniques."""
    modules = {plugin.name: plugin.module for plugin in registry.plugins}
    used = {step.technique: registry.card(step.technique).plugin for steps in candidates for step in steps}
    sources = {name: fingerprint(modules[name]) for name in set(used.values())}
    return [_hash([[mark(step), sources[used[step.technique]]] for step in steps]) for steps in candidates]


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
        units.setdefault(_trace(_training(steps)), []).append(steps)

    def weight(unit: list[Steps]) -> tuple[int, int]:
        cards = [registry.card(step.technique).metadata for step in _training(unit[0])]
        return sum(1 + LEVELS.index(card.compute) for card in cards), len(unit)

    return sorted(units.values(), key=weight, reverse=True)


def _training(steps: Steps) -> Steps:
    return tuple(step for step in steps if step.stage != "post-processing")


def _computed(
    bench: Bench, units: list[list[Steps]], jobs: int | None, target: Check, tell: Observer
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


def _told(trial: Trial, target: Check) -> dict[str, Any]:
    c = trial.candidate
    return {
        "event": "trial",
        "name": c.name,
        "status": c.status,
        "reason": c.reason,
        "accuracy": None if c.accuracy is None else c.accuracy.value,
        "fairness": None if c.fairness is None else c.fairness.value,
        "measure": target.check,
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


# -- the frontier ---------------------------------------------------------------------------------


def _frontier(
    trials: Sequence[Trial], data: Dataset, target: Check, settings: Settings
) -> tuple[list[Candidate], dict[str, Float]]:
    """Return the candidates with their place on the frontier, and resampled accuracies by name."""
    known = [
        place
        for place, trial in enumerate(trials)
        if trial.decisions is not None
        and trial.candidate.fairness is not None
        and trial.candidate.fairness.value is not None
    ]
    candidates = [trial.candidate for trial in trials]
    if not known:
        return candidates, {}
    length = np.array([len(candidates[i].steps) for i in known])
    sign = np.array([1.0, 1.0 if target.upward else -1.0])
    points = (
        np.array([[_value(candidates[i].accuracy), _value(candidates[i].fairness)] for i in known]) * sign
    )
    decisions: NDArray[Any] = np.column_stack([trials[i].decisions for i in known])  # type: ignore[misc]
    drawn = sign * joint_replicates(
        data.y,
        decisions,
        data.sensitive,
        ("accuracy", target.check),
        n_boot=settings.n_boot,
        rng=np.random.default_rng(settings.seed),
        sample_weight=data.weights,
    )
    drawn = np.nan_to_num(drawn, nan=-np.inf)  # an undefined replicate is the worst
    share = np.mean([pareto.non_dominated(one) for one in drawn], axis=0)
    front = pareto.non_dominated(points) & _shortest(points, length)
    for i, on, often in zip(known, front, share, strict=True):
        candidates[i] = candidates[i].model_copy(
            update={"on_frontier": bool(on), "share_on_frontier": round(float(often), 4)}
        )
    return candidates, {candidates[i].name: drawn[:, place, 0] for place, i in enumerate(known)}


def _shortest(points: Float, length: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which points are the shortest of those that are equal to them."""
    _, kind = np.unique(points, axis=0, return_inverse=True)
    least = np.full(len(points), length.max())
    np.minimum.at(least, kind.ravel(), length)
    return np.asarray(length == least[kind.ravel()])


def _value(measured: Any) -> float:
    return float(measured.value)


WORTH = (
    ("pass every required check of the last gate, with the target met by its whole interval", True, True),
    ("pass every required check of the last gate", True, False),
    ("meet the target with its whole interval", False, True),
    ("meet the target", False, False),
)


def choose(
    candidates: Sequence[Candidate], drawn: Mapping[str, Float], target: Check
) -> tuple[str | None, str]:
    """Return the name of the candidate to begin with, and why.

    Among those that meet the target in the soundest way any does, the most accurate sets the mark; of
    those within noise of it, by the paired bootstrap, the one with the fewest steps is taken, one that
    decides for certain before one that draws, then the more accurate.

    Parameters
    ----------
    candidates : sequence of Candidate
        What was tried.
    drawn : mapping of str to ndarray of shape (B,)
        Accuracy of each measured candidate in the same resamples, by name.
    target : Check
        What was demanded.
    """
    for words, passes, secure in WORTH:
        fit = [
            c
            for c in candidates
            if c.meets_target and c.name in drawn and (c.passes or not passes) and (c.secure or not secure)
        ]
        if not fit:
            continue
        best = max(fit, key=lambda c: _value(c.accuracy))
        near = [c for c in fit if _within_noise(drawn[c.name] - drawn[best.name])]
        pick = min(near, key=lambda c: (len(c.steps), c.randomised, -_value(c.accuracy)))
        simpler = (
            ""
            if pick is best
            else (
                f"; the most accurate of them, {best.name}, has {_value(best.accuracy):.4f}, which is within noise"
                if len(pick.steps) >= len(best.steps)
                else f"; {best.name} has {_value(best.accuracy):.4f} with more steps, which is within noise"
            )
        )
        return pick.name, (
            f"{len(fit)} of {len(candidates)} candidates {words}; of these {pick.name} is taken: accuracy "
            f"{_value(pick.accuracy):.4f}, {target.check} {_value(pick.fairness):.3f}{simpler}"
        )
    return None, f"no candidate meets the target, {target.check} {target.bound_text()}"


def _within_noise(difference: Float) -> bool:
    interval = percentile_interval(difference)
    return interval is None or interval[1] >= 0


def _notes(candidates: Sequence[Candidate]) -> list[str]:
    measured = [c for c in candidates if c.fairness is not None]
    lacking = dict.fromkeys(itertools.chain.from_iterable(c.fairness.lacking for c in measured if c.fairness))
    notes = (
        [
            f"Figures are of {measured[0].fairness.support:,} validation rows. The best of many candidates looks better than "
            "it is; a run of the pipeline gives the verdict, on test data."
        ]
        if measured and measured[0].fairness
        else []
    )
    if lacking:
        notes.append(
            f"Too few rows in {', '.join(list(lacking)[:4])}: what is said of fairness is insufficient evidence."
        )
    failed = sum(c.status == "failed" for c in candidates)
    if failed:
        notes.append(f"{failed} of {len(candidates)} candidates failed; each says why.")
    return notes
