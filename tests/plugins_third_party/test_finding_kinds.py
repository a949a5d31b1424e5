"""Finding kinds that bring a detector and a measure: found, contained, re-measured, checked."""

from __future__ import annotations

import os
import sys

import numpy as np
import pandas as pd
import pytest

from fairmend import api
from fairmend.auditing import audit
from fairmend.auditing.contributed_kinds import ContributedKind, RuledRows, contributed_kinds
from fairmend.base import Detection, FindingKind, Levels
from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.errors import PluginError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.decision_rule import FairModel
from fairmend.pipeline.finding_outcomes import resolve
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.testing import check_finding_kind, kind_conformance
from tests.plugins_third_party.test_example import EXAMPLE, NAME

LEVELS = Levels(low=0.05, medium=0.1, high=0.2, reason="The scale of the audit for gaps in decisions.")


@pytest.fixture(scope="module")
def crowded():
    """The kind of the example package."""
    sys.path.insert(0, str(EXAMPLE / "src"))
    ours = tuple(p for p in Registry.installed(cache=None).plugins if p.source == "fairmend")
    registry = Registry((*ours, Plugin(NAME, "acme_fair_thresholds", NAME, "0.1.0")))
    (one,) = contributed_kinds(registry)
    yield one
    sys.path.remove(str(EXAMPLE / "src"))


def gap(groups, y_pred):
    rates = [y_pred[groups.codes == g].mean() for g in range(groups.n_groups)]
    worst, best = int(np.argmin(rates)), int(np.argmax(rates))
    yield Detection("Rates differ", int(groups.counts().min()), groups.labels[worst], groups.labels[best])


def gap_size(finding, groups, y_pred):
    here, there = (groups.labels.index(name) for name in (finding.group, finding.reference))
    return float(y_pred[groups.codes == there].mean() - y_pred[groups.codes == here].mean())


def kind(**parts):
    known = {"kind": "acme-gap", "title": "Gap", "description": "Rates differ between groups."}
    return FindingKind(**known, **{"detect": gap, "measure": gap_size, "levels": LEVELS, **parts})


def people(n=1500, seed=0, **rates):
    """Return people of two groups with decisions of these rates before and after."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"side": rng.choice(["a", "b"], n), "x": rng.normal(size=n)})
    frame["y"] = rng.integers(0, 2, n)
    for name, (a, b) in rates.items():
        frame[name] = np.where(rng.random(n) < np.where(frame["side"] == "a", a, b), 0.9, 0.1)
    return api.dataset(frame, outcome="y", favorable=1, protected=["side"])


def audited(one, data, **options):
    decisions = (data.X["before"] > 0.5).to_numpy().astype(int)
    return audit(data, predictions=decisions, n_boot=200, kinds=[one], **options)


def test_the_example_finds_what_it_planted_in_a_process_of_its_own(crowded):
    drawn = crowded.kind.planted(0)
    data = api.dataset(drawn["frame"], **drawn["roles"])
    found = audit(data, scores=drawn["scores"], n_boot=200, kinds=[crowded])
    (finding,) = (f for f in found.findings if f.kind == "crowded-cut-off")
    assert (finding.severity, finding.group, finding.measure) == ("high", "newcomer", "crowded_cut_off")
    near = (
        pd.Series((drawn["scores"] >= 0.4) & (drawn["scores"] < 0.5)).groupby(drawn["frame"]["origin"]).mean()
    )
    assert finding.value == pytest.approx(near["newcomer"] - near["local"])
    assert finding.interval[0] < finding.value < finding.interval[1]
    check_finding_kind(crowded.kind)


def test_what_it_finds_is_what_the_audit_of_decisions_finds():
    data = people(before=(0.3, 0.6))
    found = {f.kind: f for f in audited(ContributedKind("acme", kind()), data).findings}
    ours, theirs = found["outcome-disparity"], found["acme-gap"]
    difference = abs(np.diff(data.groups.counts(data.X["before"].to_numpy() > 0.5) / data.groups.counts())[0])
    assert theirs.value == pytest.approx(difference)
    assert (theirs.group, theirs.reference, theirs.severity) == (ours.group, ours.reference, ours.severity)
    assert theirs.interval == pytest.approx((difference - 0.05, difference + 0.05), abs=0.01)


@pytest.mark.parametrize(
    ("after", "verdict"),
    [((0.5, 0.5), "fixed"), ((0.4, 0.6), "improved"), ((0.2, 0.6), "unchanged"), ((0.05, 0.9), "worse")],
)
def test_a_run_measures_it_again(after, verdict):
    data = people(4000, seed=3, before=(0.2, 0.6), after=after)
    one = ContributedKind("acme", kind())
    findings = [f for f in audited(one, data).findings if f.kind == "acme-gap"]
    rules = [
        ModelEvaluation(reader(name), data, InferenceSettings(200, n_permutations=300))
        for name in ("before", "after")
    ]
    (told,) = resolve(findings, *rules, kinds=[one])
    assert told.verdict == verdict
    rates = [data.groups.counts(rule.decisions) / data.groups.counts() for rule in rules]
    assert (told.before, told.after) == pytest.approx([abs(np.diff(rate)[0]) for rate in rates])
    assert told.interval[0] <= told.change <= told.interval[1]
    (unknown,) = resolve(findings, *rules)
    assert unknown.verdict == "insufficient evidence"
    assert "No plugin measures findings" in unknown.text


def test_a_rule_that_decides_the_same_is_unchanged():
    data = people(before=(0.2, 0.6))
    one = ContributedKind("acme", kind())
    rule = ModelEvaluation(reader("before"), data, InferenceSettings(200))
    (told,) = resolve(
        [f for f in audited(one, data).findings if f.kind == "acme-gap"], rule, rule, kinds=[one]
    )
    assert (told.verdict, told.change) == ("unchanged", 0.0)


def reader(name):
    class Column:
        def predict_proba(self, X):
            score = X[name].to_numpy(dtype=float)
            return np.column_stack([1 - score, score])

    return FairModel(("x", "before", "after") if name == "after" else ("x", "before"), ("side",), Column())


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"detect": lambda groups: 1 / 0}, "raised ZeroDivisionError"),
        ({"detect": lambda groups: os._exit(0)}, "exited with code 0"),
        ({"detect": lambda groups: ["a gap"]}, "must return Detections, got str"),
        ({"detect": lambda y_score: []}, "reads scores (y_score), which was not given"),
        ({"measure": lambda groups: "large"}, "must return a number, got str"),
        ({"measure": lambda groups: sys.exit(0)}, "raised SystemExit: 0"),
    ],
)
def test_a_kind_at_fault_is_a_note_and_the_audit_goes_on(parts, told):
    found = audited(ContributedKind("acme", kind(**parts)), people(before=(0.3, 0.6)))
    (note,) = (n for n in found.notes if n.startswith("Findings of the kind acme-gap were not looked for: "))
    assert told in note
    assert "outcome-disparity" in found.kinds()


def test_a_measure_that_fails_in_a_run_is_no_verdict_on_the_finding():
    data = people(before=(0.2, 0.6), after=(0.5, 0.5))
    findings = [f for f in audited(ContributedKind("acme", kind()), data).findings if f.kind == "acme-gap"]
    rules = [ModelEvaluation(reader(name), data, InferenceSettings(200)) for name in ("before", "after")]
    broken = ContributedKind("acme", kind(measure=lambda groups: 1 / 0))
    (told,) = resolve(findings, *rules, kinds=[broken])
    assert told.verdict == "insufficient evidence"
    assert told.text.startswith("The measure of acme-gap of the plugin acme raised ZeroDivisionError")


def test_a_kind_changes_nothing_that_it_is_given():
    def greedy(groups, y_pred):
        y_pred[:] = 1
        return gap(groups, y_pred)

    data = people(before=(0.3, 0.6))
    plain = audited(ContributedKind("acme", kind()), data).measures
    assert audited(ContributedKind("acme", kind(detect=greedy)), data).measures == plain


@pytest.mark.parametrize(
    ("parts", "error", "told"),
    [
        ({"levels": None}, ValueError, "detect, measure and levels must be given together"),
        ({"detect": lambda scores: []}, PluginError, "did you mean y_score"),
        ({"measure": lambda *rows: 0.0}, PluginError, r"takes \*rows; name its parameters"),
    ],
)
def test_a_kind_that_cannot_be_called_is_refused_when_it_is_made(parts, error, told):
    with pytest.raises(error, match=told):
        kind(**parts)


def test_rows_that_belong_together_are_drawn_together():
    data = people(200, before=(0.3, 0.6))
    rows = RuledRows.of(data, data.groups, data.y, None)
    units = np.repeat(np.arange(100), 2)
    together = RuledRows(**{**{f: getattr(rows, f) for f in rows.__dataclass_fields__}, "units": units})
    for draw in together.draws(20, np.random.default_rng(0)):
        assert (np.bincount(draw, minlength=200).reshape(100, 2) @ [1, -1] == 0).all()


def test_conformance_sees_a_measure_that_finds_what_is_not_there():
    def planted(random_state):
        data = people(seed=random_state, before=(0.3, 0.6))
        frame = data.X.assign(side=data.sensitive["side"], y=data.y)
        roles = {"outcome": "y", "favorable": "1", "protected": ["side"]}
        return {"frame": frame, "roles": roles, "predictions": (frame["before"] > 0.5).astype(int)}

    check_finding_kind(kind(planted=planted))
    always = kind_conformance(kind(planted=planted, measure=lambda groups: 0.5))
    assert [o.check for o in always.failed] == ["quiet_where_groups_mean_nothing"]
    never = kind_conformance(kind(planted=planted, measure=lambda groups: 0.0))
    assert {o.check for o in never.failed} == {"finds_what_is_planted", "grades_what_it_measures"}
    drawn = iter(range(10**6))
    random = kind_conformance(kind(planted=planted, measure=lambda groups: float(next(drawn) % 7)))
    assert "same_data_same_result" in {o.check for o in random.failed}
    assert all("no planted data" in o.message for o in kind_conformance(kind()).failed[:1])
