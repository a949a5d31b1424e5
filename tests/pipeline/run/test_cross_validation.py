"""Repeated cross-validation: how rows are dealt, what is refitted, what fails, and what is kept."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from fairmend import api
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import UsageError
from fairmend.core.metrics import metric
from fairmend.core.metrics.tables.contingency import GroupTable
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.run import cross_validation
from fairmend.pipeline.run.cv_results import CrossValidation, Fold, Repeats
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.step_cache import StepCache
from fairmend.pipeline.stored_runs import begin, resume
from fairmend.testing.problems import problem

FAST = {"n_boot": 50, "n_permutations": 50, "assume_approved": True}
WEIGHTS = Step(technique=31, slug="instance-weighting", stage="pre-processing")
THRESHOLDS = Step(technique=9, slug="group-thresholds", stage="post-processing")


def spec_for(data: Dataset, *steps: Step) -> PipelineSpec:
    return PipelineSpec(
        roles=data.roles, learner="logistic_regression", steps=steps or (WEIGHTS, THRESHOLDS), simplify=False
    )


@pytest.fixture(scope="module")
def people() -> Dataset:
    return problem(n=3000, gap=1.0).dataset()


@pytest.fixture(scope="module")
def record(people, registry):
    return run(spec_for(people), people, registry=registry, cv="2x2", **FAST)


@pytest.mark.parametrize("text", ["5", "0x2", "ax2", "5x1", "5x", "-1x2", "5x2x2", ""])
def test_what_is_no_cross_validation_is_said(text, people):
    with pytest.raises(UsageError, match="REPETITIONSxFOLDS, such as 5x2"):
        Repeats.parse(text)
    with pytest.raises(UsageError, match="at least 1 repetition and 2 folds"):
        api.run(spec_for(people), people, cv=text)


def test_every_row_is_held_out_once_a_repetition_with_the_same_mix():
    strata = np.repeat([0, 1, 2], [600, 300, 9])
    dealt = list(Repeats(4, 3).deal(strata, seed=1))
    assert [(r, f) for r, f, _ in dealt] == [(r, f) for r in range(1, 5) for f in range(1, 4)]
    held = np.array([rows for _, _, rows in dealt])
    assert (held.reshape(4, 3, -1).sum(axis=1) == 1).all()
    mix = [np.bincount(strata[rows]) for rows in held]
    assert np.ptp(mix, axis=0).max() <= 1
    assert (held[0] != held[3]).any()
    again = [rows for _, _, rows in Repeats(2, 3).deal(strata, seed=1)]
    assert (np.array(again) == held[:6]).all()


def folds_of(before: list[float | None], after: list[float | None], **held: object) -> tuple[Fold, ...]:
    return tuple(
        Fold(1, i, 80, 20, {"accuracy": b, "gap": b}, {"accuracy": a, "gap": a}, **held)
        for i, (b, a) in enumerate(zip(before, after, strict=True), start=1)
    )


def found_of(folds: tuple[Fold, ...]) -> CrossValidation:
    return CrossValidation(Repeats(1, len(folds)), ("x",), True, "gap", "< 0.1", folds)


def test_the_test_is_the_corrected_one():
    before, after = [0.80, 0.82, 0.79, 0.81], [0.78, 0.81, 0.78, 0.77]
    change = found_of(folds_of(before, after)).changes["accuracy"]
    d = np.subtract(after, before)
    error = math.sqrt((1 / 4 + 20 / 80) * d.var(ddof=1))
    assert change.change == pytest.approx(d.mean())
    assert change.p_value == pytest.approx(2 * t.sf(abs(d.mean()) / error, 3))
    assert change.interval == pytest.approx(
        (d.mean() - t.ppf(0.975, 3) * error, d.mean() + t.ppf(0.975, 3) * error)
    )
    assert change.after_spread == pytest.approx(np.std(after, ddof=1))
    assert change.p_holm == pytest.approx(min(1, 2 * change.p_value))


def test_unknown_figures_are_excluded_and_never_zero():
    known = found_of(folds_of([0.8, None, 0.7], [0.7, 0.6, None]))
    change = known.changes["gap"]
    assert (change.folds, change.before, change.after) == (1, 0.8, 0.7)
    assert change.interval is change.p_value is change.after_spread is None
    nothing = found_of(folds_of([None, None], [None, None]))
    assert nothing.changes["gap"].change is None
    assert "not defined in any fold" in nothing.lines[0]
    assert json.loads(json.dumps(nothing.to_json(), allow_nan=False))["measures"]["gap"]["before"] is None


@pytest.mark.parametrize(("missed", "noted"), [(1, False), (2, True)])
def test_a_target_that_holds_too_seldom_is_noted(missed, noted):
    folds = [*folds_of([0.3] * 5, [0.05] * 5, held=True)]
    for i in range(missed):
        folds[i] = Fold(1, i + 1, 80, 20, {}, {}, failed=True, reason="no row") if i else folds_of(
            [0.3], [0.2], held=False
        )[0]  # fmt: skip
    found = found_of(tuple(folds))
    assert found.held == 5 - missed
    assert bool(found.notes) == noted
    if noted:
        assert "was met in 3 of 5 folds" in found.notes[0]
        assert "1 of 5 folds failed; fold 2 of repetition 1: no row" in found.lines


def test_baseline_and_steps_are_refitted_on_each_fold(people, record):
    found = record.cross_validation
    assert (found.completed, found.steps) == (4, ("group-thresholds",))  # weighting was rolled back
    strata = people.groups.codes * 2 + people.y
    for fold, (_, _, held) in zip(found.folds, Repeats(2, 2).deal(strata, 0), strict=True):
        rest, test = people.take(np.flatnonzero(~held)), people.take(np.flatnonzero(held))
        decisions = make_learner("logistic_regression").fit(rest.X, rest.y).predict(test.X)
        table = GroupTable.from_arrays(test.y, decisions, test.groups)
        ratio = metric("demographic_parity_ratio").of(table.counts)
        assert fold.before["accuracy"] == pytest.approx(np.mean(decisions == test.y))
        assert fold.before["demographic_parity_ratio"] == pytest.approx(ratio)
        assert fold.held == (fold.after["demographic_parity_ratio"] >= 0.8)
        assert (fold.n_train, fold.n_test) == (len(rest), len(test))
    change = found.changes["demographic_parity_ratio"]
    assert change.change > 0.05
    assert change.before == pytest.approx(
        np.mean([f.before["demographic_parity_ratio"] for f in found.folds])
    )


def test_no_step_sees_a_row_that_is_held_out(people, registry, monkeypatch):
    seen: list[tuple[int, set[float]]] = []

    class Watching(StepCache):
        def replay(self, choices):
            rows = set(self.division.development.X["noise"])
            for case in self.root.folds:
                parts = [set(part.X["noise"]) for part in (case.train, case.calibration, case.validation)]
                assert parts[0] == parts[1] == rows - parts[2]
            seen.append((len(choices), rows))
            return super().replay(choices)

    monkeypatch.setattr(cross_validation, "StepCache", Watching)
    run(spec_for(people), people, registry=registry, cv="1x3", **FAST)
    strata = people.groups.codes * 2 + people.y
    dealt = Repeats(1, 3).deal(strata, 0)
    for (steps, rows), (_, _, held) in zip(seen, dealt, strict=True):
        assert steps == 1
        assert rows == set(people.X["noise"][~held])


@pytest.mark.parametrize("needed", [False, True])
def test_causal_analyses_are_refitted_where_a_step_reads_the_graph(needed):
    cards = {
        53: SimpleNamespace(metadata=SimpleNamespace(stage="causal", needs_graph=False)),
        9: SimpleNamespace(metadata=SimpleNamespace(stage="post-processing", needs_graph=needed)),
    }
    choices = [Choice(technique=number, slug=str(number)) for number in cards]
    found = cross_validation._refitted(choices, SimpleNamespace(card=cards.get))
    assert [c.technique for c in found] == ([53, 9] if needed else [9])


def test_nothing_is_cross_validated_unless_asked(people, registry):
    plain = run(spec_for(people), people, registry=registry, **FAST)
    assert plain.to_json()["cross_validation"] is None


def with_tiny_group(people: Dataset, rows: int) -> Dataset:
    frame = people.frame
    frame.loc[frame.index[:rows], "group"] = "tiny"
    return Dataset.from_frame(frame, people.roles)


def test_a_fold_without_a_group_fails_and_says_so(people, registry):
    found = run(
        spec_for(people), with_tiny_group(people, 1), registry=registry, cv="1x2", **FAST
    ).cross_validation
    reasons = [fold.reason for fold in found.folds if fold.failed]
    assert "no rows of tiny are held out" in reasons
    assert found.completed == 2 - len(reasons)
    assert found.held == 0
    written = found.to_json()
    assert (written["completed"], written["of"]) == (found.completed, 2)
    assert "folds failed" in " ".join(found.lines)


def test_a_small_group_is_insufficient_evidence_on_a_fold(people, registry):
    data = with_tiny_group(people, 24)
    found = run(spec_for(data), data, registry=registry, cv="1x2", **FAST).cross_validation
    for fold in found.folds:
        assert not fold.failed
        assert fold.held is None
        assert fold.after["demographic_parity_ratio"] is None
        assert fold.after["accuracy"] is not None
        assert "too few rows in tiny" in fold.reason
    assert any("Insufficient evidence on the target in 2 of 2 folds" in line for line in found.lines)
    assert found.notes


def test_a_given_model_stays_as_it_is(people, registry):
    model = make_learner("logistic_regression").fit(people.X, people.y)
    found = run(
        spec_for(people, THRESHOLDS), people, registry=registry, model=model, cv="1x2", **FAST
    ).cross_validation
    assert not found.refitted_baseline
    strata = people.groups.codes * 2 + people.y
    for fold, (_, _, held) in zip(found.folds, Repeats(1, 2).deal(strata, 0), strict=True):
        right = model.predict(people.X[held]) == people.y[held]
        assert fold.before["accuracy"] == pytest.approx(right.mean())
    assert "not refitted" in found.notes[-1]
    assert "not the given baseline" in found.lines[0]


def test_a_kept_run_cross_validates_once(people, registry, record, tmp_path, monkeypatch):
    store = RunStore(tmp_path)
    told: list[dict] = []
    kept = begin(
        spec_for(people), people, store=store, registry=registry, cv="2x2", observer=told.append, **FAST
    )
    assert [(e["place"], e["of"]) for e in told if e["event"] == "fold"] == [(i, 4) for i in range(1, 5)]
    monkeypatch.setattr(
        cross_validation._Refit, "fold", lambda *_: pytest.fail("a finished fold was computed again")
    )
    again = resume(kept.run_id, store=store, registry=registry)
    results = [r.to_json()["cross_validation"] for r in (record, kept, again)]
    assert results[0] == results[1] == results[2]


def test_attributes_taken_out_of_the_model_stay_out(registry):
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], 2000)
    skill = rng.normal(size=2000) + (sex == "m")
    frame = pd.DataFrame({"sex": sex, "skill": skill, "y": (skill + rng.normal(size=2000) > 0.5).astype(int)})
    data = api.dataset(frame, outcome="y", protected=["sex"], protected_in_model=True)
    told = run(spec_for(data, THRESHOLDS), data, registry=registry, cv="1x2", **FAST)
    if not any("removed sex from the model" in turn.reason for turn in told.transitions):
        pytest.fail("the run should take the attribute out of the model")
    assert told.cross_validation.completed == 2
    assert "sex" not in told.model.features
