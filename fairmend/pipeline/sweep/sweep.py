"""Sweep: every applicable technique and sensible combinations, measured alike, and their frontier."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import cache
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
from fairmend.core.errors import UsageError
from fairmend.core.findings import Audit
from fairmend.core.metrics import InferenceSettings
from fairmend.core.metrics.utility import rate_of
from fairmend.core.models.learners import make_learner
from fairmend.core.text.validation import check_seed
from fairmend.core.utility import UTILITIES, Utility
from fairmend.core.vocabulary import Notion
from fairmend.pipeline.compose.slots import DECISION, SLOTS, Chooser, biased_numbers
from fairmend.pipeline.cross_fitting import Division, divide
from fairmend.pipeline.gates.gate_context import FAIRNESS_COMPARED
from fairmend.pipeline.gates.plugin_checks import gate_functions
from fairmend.pipeline.run.notes import versions
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.sweep.alternatives.candidates import LdaSettings, without_the_group
from fairmend.pipeline.sweep.alternatives.search import LdaPlan
from fairmend.pipeline.sweep.combinations import Combination, combinations
from fairmend.pipeline.sweep.selection import choose, notes_on, place
from fairmend.pipeline.sweep.sweep_record import ExcludedTechnique, Sweep, Target
from fairmend.pipeline.sweep.trial_cache import TrialCache, digest, identities
from fairmend.pipeline.sweep.trials import Bench
from fairmend.pipeline.sweep.workers import classes, computed, units


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
    lda: LdaSettings | None = None,
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
    lda : LdaSettings, optional
        Search a less discriminatory alternative to the plain model: variants of it in addition to the techniques
        that read no protected attribute for a decision.

    Returns
    -------
    Sweep
        All figures are those of rows that no trial was fitted on. The best of many candidates looks better
        than it is, so the verdict is left to a run of the chosen pipeline, on test data; of a search for
        alternatives, to one comparison of the chosen one with the plain model on them.

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
    worth = utility or Utility()
    judged_by = load_policy(policy, registry)
    target = _target(judged_by, notion)
    settings = InferenceSettings(
        n_boot, min_support=judged_by.minimum_support, seed=seed, groups=data.groups.labels
    )
    tell: Observer = observer or (lambda event: None)
    limits = constraints or Constraints()
    if lda is not None:
        limits = without_the_group(limits)
    if audit is not None:
        check_audit(audit, data.roles)
    basis = {
        **_basis(data, registry),
        **({} if lda is None else {"alternatives": True}),
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
        candidates, excluded = combinations(
            chooser,
            found,
            constraints=limits,
            depth=depth,
            without=without,
            varied=(DECISION,) if lda is None else SLOTS,
        )
        plan = None if lda is None else LdaPlan(_development(data, seed), learner, lda, worth)
        if plan is not None:
            candidates = plan.candidates(candidates, registry, seed)
        names = identities(candidates, registry)
        trials = kept.trials(candidates, names, len(division.held_out))
        missing = [one for one, trial in zip(candidates, trials, strict=True) if trial is None]
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

        @cache
        def start() -> tuple[Case, ...]:
            return _start(division, found, make_learner(learner, seed=seed), notion, seed)

        def bench(tried: Sequence[Combination]) -> Bench:
            return Bench(
                division.without_test(),
                start(),
                classes(tried, registry),
                judged_by,
                gate_functions(registry),
                settings,
                worth,
                lda is not None,
            )

        places = {one.trace: at for at, one in enumerate(candidates)}
        for trial in (
            computed(bench(missing), units(missing, registry), jobs, target, tell) if missing else ()
        ):
            at = places[trial.trace]
            trials[at] = trial
            kept.put(names[at], trial)
        done = [trial for trial in trials if trial is not None]
        placed, drawn = place(done, division.held_out, target, worth, settings)
        integrity.verify(registry)
        search = None
        if plan is None:
            chosen, reason = choose(placed, drawn, target, worth)
        else:
            placed, chosen, reason, search = plan.conclude(
                placed, drawn, target, division.test, bench, kept, names
            )
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
        target=Target.of(target),
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
        notes=(*data.notes, *notes_on(placed, lda is not None)),
        lda=search,
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
    return run_audit(
        _development(data, seed),
        learner=learner,
        seed=seed,
        kinds=contributed_kinds(registry),
        progress=lambda text: tell({"event": "audit", "text": text}),
    )


def _development(data: Dataset, seed: int) -> Dataset:
    """Return the rows that are not of the test part."""
    *others, _ = np.cumsum(list(PARTS.values()))
    return data.split({"seen": others[-1], "test": 1 - others[-1]}, seed=seed)["seen"]


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
    """Return what all figures depend on: the data, the split and the code that measures."""
    gates = {name for name, given in registry.numbers().items() if given.get("fairmend_gate_checks")}
    modules = {plugin.module for plugin in registry.plugins if plugin.name in gates}
    return {
        "data": data.fingerprint(),
        "key": None if data.key is None else digest(data.key.tolist()),
        "roles": data.roles.model_dump(mode="json"),
        "split": dict(PARTS),
        "versions": versions(),
        "code": {
            name: fingerprint(name) for name in sorted({"fairmend.core", "fairmend.pipeline.sweep", *modules})
        },
    }


def _start(division: Division, found: Audit, learner: Any, notion: Notion, seed: int) -> tuple[Case, ...]:
    """Return the case of each fold with the plain model."""
    start = division.cases(learner=learner, findings=found.findings, notion=notion, seed=seed)
    with joblib.parallel_config(backend="sequential"):
        return tuple(case.retrained() for case in start)
