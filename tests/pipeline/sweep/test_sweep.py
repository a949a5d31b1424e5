"""Sweeps: what is tried, what is measured on what, what is kept, where it is computed, what comes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairmend import api
from fairmend.catalog.policy import Policy, load_policy
from fairmend.core.constraints import Constraints
from fairmend.core.data.dataset import PARTS, Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, RunError, UnknownNameError, UnseenGroupError, UsageError
from fairmend.core.findings import Audit, Finding
from fairmend.core.metrics import Estimate
from fairmend.pipeline.compose.composer import compose
from fairmend.pipeline.compose.slots import Chooser
from fairmend.pipeline.compose.spec_validation import check_spec
from fairmend.pipeline.cross_fitting import divide
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Step, load_spec
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.sweep import sweep as module
from fairmend.pipeline.sweep import trial_cache
from fairmend.pipeline.sweep.combinations import combinations
from fairmend.pipeline.sweep.selection import choose
from fairmend.pipeline.sweep.sweep import sweep
from fairmend.pipeline.sweep.sweep_record import Sweep, SweepCandidate, load_sweep
from fairmend.pipeline.sweep.workers import on_dask
from fairmend.plugins.datasets import bank
from fairmend.plugins.postprocessing import GroupThresholds
from fairmend.plugins.preprocessing import InstanceWeighting

ROLES = {"outcome": "approved", "protected": "race", "ignored": ("application_id", "gender")}
SIMPLE = Constraints(max_complexity="low")
POST = Constraints(retraining=False)
FAST = {"learner": "logistic_regression", "n_boot": 200}
ROOT = Path(__file__).resolve().parents[2]


def people() -> Dataset:
    return api.dataset(bank(3000), **ROLES)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return people()


@pytest.fixture(scope="module")
def undisturbed(data, registry) -> Sweep:
    return sweep(data, registry=registry, constraints=SIMPLE, **FAST)


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "home")


def numbers(found: Sweep) -> str:
    """Return a sweep as text, apart from times and how much was computed."""
    raw = {k: v for k, v in found.to_json().items() if k not in {"seconds", "computed"}}
    raw["candidates"] = [{k: v for k, v in c.items() if k != "seconds"} for c in raw["candidates"]]
    return json.dumps(raw, sort_keys=True)


# -- what is tried --------------------------------------------------------------------------------


def record(rows: int = 3000, findings: tuple[Finding, ...] = (), groups: int = 4) -> Audit:
    return Audit(
        rows=rows, roles=Roles(**{**ROLES, "protected": ("race",)}), groups={str(g): 100 for g in range(groups)},
        subject="labels", fingerprint="", seed=0, measures={}, findings=findings,
    )  # fmt: skip


def tried(registry, notion="demographic_parity", limits=None, audit=None, **settings):
    audit = audit or record()
    chooser = Chooser(registry, notion, load_policy("playbook").target(notion))
    return combinations(chooser, audit, constraints=limits or Constraints(), **settings)


def slugs(candidates) -> list[tuple[str, ...]]:
    return [tuple(step.slug for step in one.steps) for one in candidates]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_combinations_are_sensible(registry, depth):
    candidates, _ = tried(registry, depth=depth)
    order = {"pre-processing": 0, "in-processing": 1, "post-processing": 2}
    calibrators = {
        card.metadata.technique_id
        for card in registry.cards()
        if "calibration" in card.metadata.targets and "scores" in card.metadata.modifies
    }
    assert candidates[0].steps == ()
    assert len({one.trace for one in candidates}) == len(candidates)
    assert max(len(one.steps) for one in candidates) == depth
    for steps in (one.steps for one in candidates):
        places = [order[step.stage] for step in steps]
        assert places == sorted(places)
        post = [step for step in steps if step.stage == "post-processing"]
        assert len(steps) - len(post) == len({p for p in places if p < 2})
        if len(post) == 2:
            assert [step.technique in calibrators for step in post] == [True, False]
        elif post and len(steps) > 1:
            assert post[0].technique not in calibrators


def test_decision_rules_are_tried_at_a_few_settings(registry):
    candidates, _ = tried(registry, depth=1)
    at = {
        one.settings: one.steps[0].parameters["min_ratio"]
        for one in candidates
        if slugs([one])[0] == ("group-thresholds",)
    }
    assert at == {(): 0.8, ("min_ratio 0.84",): 0.84, ("min_ratio 0.88",): 0.88, ("min_ratio 0.76",): 0.76}
    assert not any(
        one.settings for one in candidates if one.steps and one.steps[0].stage != "post-processing"
    )


def test_every_applicable_technique_is_tried_alone_and_the_others_say_why(registry):
    candidates, excluded = tried(registry, depth=1)
    acting = {
        card.metadata.slug
        for card in registry.cards()
        if card.metadata.stage in {"pre-processing", "in-processing", "post-processing"}
    }
    alone = {found[0] for found in slugs(candidates[1:])}
    assert alone | {e.slug for e in excluded} == acting
    assert alone.isdisjoint({e.slug for e in excluded})
    assert ("equal-opportunity-thresholds", "does not target demographic_parity") in {
        (e.slug, e.reason) for e in excluded
    }


@pytest.mark.parametrize(
    ("limits", "slug", "reason"),
    [
        ({"protected_at_prediction": False}, "group-thresholds", "reads the protected attribute for every decision"),
        ({"randomized": False}, "relaxed-error-parity", "draws decisions at random"),
        ({"retraining": False}, "instance-weighting", "needs retraining"),
        ({"max_complexity": "low"}, "prejudice-remover", "its complexity is medium"),
    ],
)  # fmt: skip
def test_constraints_leave_out_with_their_reason(registry, limits, slug, reason):
    candidates, excluded = tried(registry, limits=Constraints(**limits))
    assert (slug, reason) in {(e.slug, e.reason) for e in excluded}
    assert not any(slug in found for found in slugs(candidates))
    assert len(candidates) < len(tried(registry)[0])


def test_the_notion_settles_techniques_and_parameters(registry):
    candidates, excluded = tried(registry, "equal_opportunity")
    assert "group-thresholds" in {e.slug for e in excluded}
    assert ("equal-opportunity-thresholds",) in slugs(candidates)
    by_slug = {
        one.steps[0].slug: one.steps[0] for one in candidates if len(one.steps) == 1 and not one.settings
    }
    assert by_slug["relaxed-error-parity"].parameters["parity"] == "equal_opportunity"


def test_the_audit_settles_what_is_repaired_and_what_fits(registry, data):
    biased = Finding(
        kind="biased-mediator", severity="high", column="income", column_is="number", measure="x", value=1.0,
        support=100, text="Income differs.",
    )  # fmt: skip
    found = sweep(
        data, registry=registry, audit=record(findings=(biased,)), constraints=SIMPLE, depth=1, **FAST
    )
    repair = next(c for c in found.candidates if c.name == "disparate-impact-remover")
    assert repair.steps[0].parameters["features"] == ["income"]
    _, excluded = tried(registry, audit=record(rows=120))
    assert any(e.reason.startswith("needs at least") for e in excluded)


def test_techniques_are_excluded_on_request(registry):
    candidates, excluded = tried(registry, without=(9, "smote"))
    assert {e.slug for e in excluded if e.reason == "left out on request"} == {"group-thresholds", "smote"}
    assert not any({"smote", "group-thresholds"} & set(found) for found in slugs(candidates))
    with pytest.raises(UnknownNameError, match="did you mean smote"):
        tried(registry, without=("smoted",))


# -- what is measured -----------------------------------------------------------------------------


def test_figures_are_those_of_a_run_with_the_same_seed(data, registry, undisturbed):
    plain = undisturbed.candidates[0]
    right = []
    division = divide(data, PARTS, seed=0)
    for parts in division.parts:
        train, validation = parts["train"], parts["validation"]
        model = module.make_learner("logistic_regression", seed=0).fit(train.X, train.y)
        right.append((model.predict_proba(validation.X)[:, 1] >= 0.5) == validation.y)
    assert plain.accuracy.value == pytest.approx(float(np.mean(np.concatenate(right))))
    assert plain.accuracy.support == len(division.held_out) == undisturbed.data["parts"]["development"]
    assert plain.accuracy.interval[0] < plain.accuracy.value < plain.accuracy.interval[1]
    assert plain.accuracy_change.value == plain.fairness_change.value == 0


def test_the_test_part_is_never_read(data, registry, undisturbed):
    place = pd.Series(np.arange(len(data)))
    marked = replace(data, X=data.X.assign(place=place))
    rows = marked.split(seed=0)["test"].X["place"].to_numpy()
    scrambled = data.X.copy()
    numbers_ = scrambled.select_dtypes("number").columns
    scrambled[numbers_] = scrambled[numbers_].astype(float)
    scrambled.loc[rows, numbers_] = -1e6
    found = sweep(replace(data, X=scrambled), registry=registry, constraints=SIMPLE, **FAST)
    assert found.sweep_id != undisturbed.sweep_id
    assert [c.model_dump(exclude={"seconds"}) for c in found.candidates] == [
        c.model_dump(exclude={"seconds"}) for c in undisturbed.candidates
    ]


def test_the_frontier_is_that_of_the_technique(registry, undisturbed):
    table = pd.DataFrame(
        {
            "model": [c.name for c in undisturbed.candidates],
            "accuracy": [c.accuracy.value for c in undisturbed.candidates],
            "demographic_parity_ratio": [c.fairness.value for c in undisturbed.candidates],
        }
    )
    found = registry.technique(112)().evaluate(candidates=table)["frontier"]
    ours = {c.name for c in undisturbed.frontier}
    assert ours <= set(found)
    values = {c.name: (c.accuracy.value, c.fairness.value) for c in undisturbed.candidates}
    assert {values[name] for name in found} == {values[name] for name in ours}
    assert len({values[name] for name in ours}) == len(ours)
    assert all(0 <= c.share_on_frontier <= 1 for c in undisturbed.candidates)


def test_a_target_that_is_no_figure_is_refused(data, registry):
    raw = load_policy("playbook").model_dump()
    raw["targets"]["demographic_parity"] = {"id": "t", "metric": "expected_calibration_error", "below": 0.1}
    with pytest.raises(
        UsageError, match="sets its target for demographic_parity on expected_calibration_error"
    ):
        sweep(data, registry=registry, policy=Policy(**raw), **FAST)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"depth": 0}, UsageError, "depth must be 1, 2 or 3"),
        ({"depth": 4}, UsageError, "depth must be 1, 2 or 3"),
        ({"jobs": 0}, UsageError, "jobs must be a number of processes"),
        ({"notion": "calibration"}, UsageError, "sets no target for calibration"),
        ({"policy": "playbok"}, UnknownNameError, "did you mean playbook"),
        ({"learner": "forest"}, LookupError, "learner"),
        ({"constraints": Constraints(stage="evaluation")}, UsageError, "satisfies the constraints"),
        ({"without": ("nothing",)}, UnknownNameError, "nothing"),
        ({"audit": record().model_copy(update={"roles": Roles(outcome="y", protected=("race",))})}, UsageError,
         "the audit is about other data: its outcome is 'y'"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(data, registry, settings, error, message):
    with pytest.raises(error, match=message):
        sweep(data, registry=registry, **{**FAST, **settings})


# -- failures are told ----------------------------------------------------------------------------


def test_techniques_that_fail_are_recorded_with_the_reason(data, registry, store, monkeypatch):
    def refuse(self, *args, **named):
        raise DataError("these rows cannot be weighed")

    def break_(self, *args, **named):
        raise ZeroDivisionError("by zero")

    settings = {
        "registry": registry,
        "constraints": SIMPLE,
        "store": store,
        "without": ("smote", 69, 74),
        **FAST,
    }
    with monkeypatch.context() as patch:
        patch.setattr(InstanceWeighting, "_change", refuse)
        patch.setattr(GroupThresholds, "_fit", break_)
        found = sweep(data, **settings)
    failed = {c.name: c.reason for c in found.candidates if c.status == "failed"}
    assert failed["instance-weighting"] == "instance-weighting: these rows cannot be weighed"
    assert failed["instance-weighting + group-thresholds"] == failed["instance-weighting"]
    assert "raised ZeroDivisionError: by zero" in failed["group-thresholds"]
    assert all("instance-weighting" in name or "group-thresholds" in name for name in failed)
    assert found.candidates[0].status == "measured"
    assert any("candidates failed" in note for note in found.notes)
    again = sweep(data, **settings)
    # What the data could not serve stays so; a fault in the code may have been mended.
    assert again.computed == sum("raised" in reason for reason in failed.values())
    assert {c.name for c in again.candidates if c.status == "failed"} == {
        name for name in failed if name.startswith("instance-weighting")
    }


def test_rules_that_cannot_decide_on_the_validation_rows_are_recorded(data, registry, monkeypatch):
    def refuse(self, scores, **rest):
        lengths.append(len(scores))
        if sum(lengths) > len(held_out):  # the first time is the effect of the step in each fold
            raise UnseenGroupError("the group is new")
        return before(self, scores, **rest)

    held_out, lengths, before = divide(data, PARTS, seed=0).held_out, [], GroupThresholds._decide
    monkeypatch.setattr(GroupThresholds, "_decide", refuse)
    found = sweep(
        data, registry=registry, audit=record(), constraints=Constraints(retraining=False, randomized=False),
        depth=1, **FAST,
    )  # fmt: skip
    failed = {c.name: c.reason for c in found.candidates if c.status == "failed"}
    assert failed["group-thresholds"] == "on the validation rows: the group is new"
    assert all(name.startswith("group-thresholds") for name in failed)


# -- what is kept ---------------------------------------------------------------------------------


def test_a_second_call_computes_nothing(data, registry, store, undisturbed, monkeypatch):
    settings = {"registry": registry, "constraints": SIMPLE, "store": store, **FAST}
    first = sweep(data, **settings)
    assert first.computed == len(first.candidates)
    with monkeypatch.context() as patch:
        for name in ("computed", "run_audit", "make_learner"):
            patch.setattr(module, name, lambda *a, **k: pytest.fail("something was computed"))
        second = sweep(data, **settings)
        fewer = sweep(data, **{**settings, "without": ("smote",)})
    assert second.computed == fewer.computed == 0
    assert numbers(first) == numbers(second) == numbers(undisturbed)
    assert len(fewer.candidates) < len(first.candidates)
    fresh = sweep(data, **{**settings, "constraints": POST, "depth": 1}, fresh=True)
    assert fresh.computed == len(fresh.candidates)


def test_more_depth_and_changed_plugins_compute_only_what_is_new(data, registry, store, monkeypatch):
    settings = {"registry": registry, "audit": record(), "constraints": POST, "store": store, **FAST}
    first = sweep(data, **settings, depth=1)
    deeper = sweep(data, **settings, depth=2)
    assert deeper.computed == len(deeper.candidates) - len(first.candidates)
    before = trial_cache.fingerprint
    monkeypatch.setattr(
        trial_cache, "fingerprint", lambda name: "new" if name.endswith("postprocessing") else before(name)
    )
    changed = sweep(data, **settings, depth=2)
    assert changed.computed == len(changed.candidates) - 1  # all but the plain model


def test_outcomes_are_kept_as_they_come(data, registry, store):
    settings = {"registry": registry, "audit": record(), "constraints": POST, "store": store, **FAST}

    def stop(event):
        if event["event"] == "trial" and event["done"] == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(data, observer=stop, **settings)
    rest = sweep(data, **settings)
    assert rest.computed == len(rest.candidates) - 7


def test_one_sweep_at_a_time(data, registry, store, undisturbed):
    with (
        store.locks.lock(undisturbed.sweep_id),
        pytest.raises(RunError, match="is being run by another process"),
    ):
        sweep(data, registry=registry, constraints=SIMPLE, store=store, **FAST)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fairmend.catalog.registry import Registry
from tests.pipeline.sweep.test_sweep import FAST, RunStore, SIMPLE, people, sweep
sweep(people(), registry=Registry.installed(), constraints=SIMPLE, store=RunStore(Path(sys.argv[1])),
      observer=lambda e: print(e["event"], e.get("done"), flush=True), **FAST)
"""


def test_a_killed_sweep_goes_on_to_the_same_result(data, registry, undisturbed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(ROOT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "trial 5":
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait(timeout=60) == -signal.SIGKILL
    found = sweep(data, registry=registry, constraints=SIMPLE, store=RunStore(tmp_path), **FAST)
    assert 0 < found.computed <= len(found.candidates) - 5
    assert numbers(found) == numbers(undisturbed)


# -- where it is computed -------------------------------------------------------------------------


def test_processes_give_the_same_result(data, registry, undisturbed):
    assert numbers(sweep(data, registry=registry, constraints=SIMPLE, jobs=2, **FAST)) == numbers(undisturbed)


@pytest.mark.slow
def test_a_cluster_gives_the_same_result(data, registry, undisturbed):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        on_dask(cluster.scheduler_address),
    ):
        found = sweep(data, registry=registry, constraints=SIMPLE, jobs=-1, **FAST)
    assert numbers(found) == numbers(undisturbed)


def test_a_cluster_that_is_not_there_is_told():
    with (
        pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        on_dask("tcp://127.0.0.1:9", seconds=0.5),
    ):
        pytest.fail("there is no scheduler")


# -- the choice -----------------------------------------------------------------------------------


def candidate(
    *slugs: str, accuracy: float, meets=True, secure=False, passes=False, randomized=False
) -> SweepCandidate:
    steps = tuple(
        Step(technique=n, slug=slug, stage="post-processing") for n, slug in enumerate(slugs, start=1)
    )
    return SweepCandidate(
        steps=steps, status="measured", accuracy=Estimate(accuracy, None, 900, True), utility=Estimate(accuracy, None, 900, True),
        fairness=Estimate(0.9, None, 900, True),
        meets_target=meets, secure=secure, passes=passes, randomized=randomized,
    )  # fmt: skip


def chosen(*candidates: SweepCandidate, noise: float = 0.01) -> tuple[str | None, str]:
    rng = np.random.default_rng(0)
    drawn = {c.name: rng.normal(c.accuracy.value, noise, (500, 2)) for c in candidates}
    return choose(candidates, drawn, load_policy("playbook").target("demographic_parity"))


def test_fewest_steps_within_noise_are_chosen():
    long, short, poor = (
        candidate("a", "b", accuracy=0.86),
        candidate("c", accuracy=0.855),
        candidate(accuracy=0.7),
    )
    name, reason = chosen(long, short, poor)
    assert name == "c"
    assert "a + b has 0.8600 with more steps, which is within noise" in reason
    assert chosen(long, short, poor, noise=1e-4)[0] == "a + b"


def test_the_soundest_way_to_meet_the_target_comes_first():
    met, secure = candidate("a", accuracy=0.9), candidate("b", accuracy=0.8, secure=True)
    passes = candidate("c", accuracy=0.7, passes=True)
    assert chosen(met, secure)[0] == "b"
    assert chosen(met, secure, passes)[0] == "c"
    assert chosen(met, candidate("d", accuracy=0.95, meets=False))[0] == "a"


def test_a_certain_rule_is_chosen_before_one_that_draws():
    draws = candidate("draws", accuracy=0.861, randomized=True)
    assert chosen(draws, candidate("certain", accuracy=0.86))[0] == "certain"
    assert chosen(draws, candidate("certain", accuracy=0.8))[0] == "draws"


def test_nothing_is_chosen_where_nothing_meets_the_target():
    name, reason = chosen(candidate("a", accuracy=0.9, meets=False))
    assert name is None
    assert reason == "no candidate meets the target, demographic_parity_ratio >= 0.8"


def test_a_group_without_support_never_meets_the_target(registry):
    frame = bank(3000)
    rare = frame.assign(race=frame["race"].where(frame.index > 30, "Other"))
    found = sweep(api.dataset(rare, **ROLES), registry=registry, constraints=POST, depth=1, **FAST)
    assert found.selected is None
    assert found.exit_code == 4
    assert not any(c.meets_target or c.passes for c in found.candidates)
    assert any("Too few rows in Other" in note for note in found.notes)


# -- from a sweep to a pipeline -------------------------------------------------------------------


def test_a_pipeline_begins_with_what_was_chosen_and_runs(data, registry, undisturbed, tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps(undisturbed.to_json(), allow_nan=False))
    read = load_sweep(tmp_path / "sweep.json")
    assert read == undisturbed
    recommendation = api.recommend(read.audit, read.constraints, read.notion)
    spec = api.compose(recommendation, sweep=tmp_path / "sweep.json")
    (tmp_path / "p.yaml").write_text(spec.to_yaml())
    check_spec(load_spec(tmp_path / "p.yaml"), registry)
    acting = [s for s in spec.steps if s.stage != "causal" and s.when == "always"]
    assert [s.slug for s in acting] == [s.slug for s in read.pick.steps]
    assert [s.parameters for s in acting] == [s.parameters for s in read.pick.steps]
    assert all(f"{read.pick.accuracy.value:.4f}" in s.reason for s in acting)
    plan = load_policy("playbook").plan
    held = [
        {i for i in ids if SIMPLE.reason(registry.card(i).metadata) is None}
        for ids in (plan.causal, plan.evaluation)
    ]
    assert {s.technique for s in spec.steps if s.stage == "causal"} == held[0] != set()
    assert {c.technique for c in spec.evaluations} == held[1] != set()
    on_frontier = {s.technique for c in read.frontier for s in c.steps}
    assert {a.technique for s in acting for a in s.alternatives} <= on_frontier
    assert (spec.learner, spec.seed, spec.notion) == ("logistic_regression", 0, "demographic_parity")
    done = run(
        load_spec(tmp_path / "p.yaml"), data, registry=registry, assume_approved=True, n_boot=200, n_permutations=200
    )  # fmt: skip
    assert done.status in {"deployable", "escalated", "failed"}
    ran = {s.slug for s in done.steps if s.status == "ran"}
    assert {s.slug for s in read.pick.steps} & ran


def test_a_sweep_about_something_else_is_refused(registry, undisturbed):
    recommendation = api.recommend(undisturbed.audit, SIMPLE, "demographic_parity")
    with pytest.raises(UsageError, match=r"its policy is .*'playbook'.*expected .*'strict'"):
        compose(recommendation, registry=registry, policy="strict", sweep=undisturbed)
    with pytest.raises(UsageError, match="its notion is 'demographic_parity', expected 'equalized_odds'"):
        compose(replace(recommendation, notion="equalized_odds"), registry=registry, sweep=undisturbed)
    nothing = undisturbed.model_copy(update={"selected": None, "reason": "no candidate meets the target"})
    with pytest.raises(UsageError, match="selected no candidate: no candidate meets"):
        compose(recommendation, registry=registry, sweep=nothing)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not a sweep: a mapping was expected"),
        ("{}", "is not valid at"),
        ('{"candidates": [3]}', "is not valid at"),
    ],
)
def test_files_that_are_no_sweeps(tmp_path, content, message):
    path = tmp_path / "sweep.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_sweep(path)
    with pytest.raises(UsageError, match="there is no sweep file"):
        load_sweep(tmp_path / "none.json")


# -- real data ------------------------------------------------------------------------------------


@pytest.mark.data
def test_german_credit(german_age, registry):
    found = sweep(german_age, registry=registry, constraints=POST, depth=1, **FAST)
    assert found.data["parts"] == {
        "development": pytest.approx(800, abs=3),
        "folds": 5,
        "test": pytest.approx(200, abs=3),
    }
    assert found.exit_code == (0 if any(c.meets_target for c in found.candidates) else 4)
    assert found.frontier
    assert all(c.status == "measured" for c in found.frontier)
