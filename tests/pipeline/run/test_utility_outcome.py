"""What runs say of utility: the skill that is retained, who pays, and decisions chosen by what they are worth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fairmend import api
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.external_inputs import given_model
from fairmend.core.models.external_model import PrecomputedScores
from fairmend.core.utility import Utility
from fairmend.pipeline.gates.checks import CHECKS
from fairmend.pipeline.gates.gate_context import GateContext, ModelEvaluation
from fairmend.pipeline.gates.utility import difference, relative_loss, retained_skill, utility_of, value
from fairmend.pipeline.run.guards import guards
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import PipelineSpec, Step

ROLES = Roles(outcome="y", favorable=1, protected=("sex",), allowed_features=("score",))
THRESHOLDS = Step(technique=9, slug="group-thresholds", stage="post-processing")
SETTINGS = InferenceSettings(n_boot=200, n_permutations=50)


def people(n=4000, base=0.85, seed=0, shift=0.0):
    """Draw people whose calibrated score is known, most of them favorable."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    logit = np.log(base / (1 - base)) - shift * (sex == "F") + 1.5 * rng.normal(size=n)
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"sex": sex, "score": score, "y": (rng.random(n) < score).astype(int)})


def judged(frame, **columns):
    """Return evaluations of rules whose scores are columns, in the order in which they are named."""
    data = Dataset.from_frame(frame.assign(**columns), ROLES)
    return [
        ModelEvaluation(
            FairModel(tuple(map(str, data.X.columns)), ("sex",), PrecomputedScores(name)), data, SETTINGS
        )
        for name in columns
    ]


def worth(frame, utility=None, threshold=0.5, step=THRESHOLDS):
    """Run a pipeline of thresholds on given scores."""
    data = Dataset.from_frame(frame, ROLES)
    spec = PipelineSpec(
        roles=ROLES, steps=(step,), utility=utility, constraints=Constraints(retraining=False),
        learner="logistic_regression",
    )  # fmt: skip
    return run(
        spec,
        data,
        registry=Registry.installed(),
        assume_approved=True,
        model=given_model(PrecomputedScores("score", threshold), data),
        n_boot=100,
        n_permutations=50,
    )


# -- the utility of a run ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.5, Utility()), (0.2, Utility(cost_fp=0.25)), (0.0, Utility()), (1.0, Utility())],
)
def test_by_default_it_is_the_cost_at_the_own_threshold(threshold, expected):
    model = FairModel(("score",), ("sex",), PrecomputedScores("score", threshold))
    assert utility_of(None, model) == expected
    assert utility_of(Utility(metric="f1"), model).metric == "f1"


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "auc"])
def test_values_and_changes_are_those_of_the_measurement(metric):
    frame = people()
    noisy = frame["score"] * 0.5 + 0.5 * np.random.default_rng(1).random(len(frame))
    before, after = judged(frame, one=frame["score"], other=noisy)
    utility = Utility(metric=metric)
    figures = [e.measurement.figure(metric) for e in (before, after)]
    assert [value(utility, e) for e in (before, after)] == figures
    change = difference(utility, before, after)
    assert (change.before, change.after) == pytest.approx(tuple(f.value for f in figures))
    assert change.interval[0] < change.change < change.interval[1]
    if metric != "auc":
        assert change.interval == after.against(before)[metric].interval
    assert relative_loss(utility, before, after).value == pytest.approx(1 - change.after / change.before)


# -- retained skill --------------------------------------------------------------------------------


def test_a_rule_that_says_yes_to_all_retains_nothing_whatever_its_accuracy():
    frame = people(20_000, base=0.97)
    yes = np.where(frame["score"] < 0.02, 0.1, 0.9)
    before, after = judged(frame, plain=frame["score"], yes=yes)
    assert relative_loss(Utility(), before, after).value < 0.05
    found = retained_skill(Utility(), before, after)
    assert found.value < 0.5
    assert "best constant rule" in found.text


def test_a_baseline_with_almost_no_skill_by_accuracy_is_measured_by_balanced_accuracy():
    frame = people(20_000, base=0.985)
    yes = np.where(frame["score"] < 0.02, 0.1, 0.9)
    before, after = judged(frame, plain=np.clip(frame["score"] - 0.15, 0, 1), yes=yes)
    found = retained_skill(Utility(), before, after)
    assert "almost no skill by accuracy" in found.text
    assert "--utility balanced_accuracy" in found.text
    assert found.value == retained_skill(Utility(metric="balanced_accuracy"), before, after).value
    assert found.value < 0.5


def test_a_baseline_with_no_skill_at_all_is_insufficient_evidence():
    frame = people()
    coin = np.random.default_rng(2).random(len(frame))
    before, after = judged(frame, coin=coin, other=coin[::-1].copy())
    for metric in ("accuracy", "balanced_accuracy"):
        found = retained_skill(Utility(metric=metric), before, after)
        assert (found.value, found.enough) == (None, False)
        assert "almost no skill by" in found.text


def test_too_few_rows_to_show_skill_are_told_from_none():
    frame = people(60, base=0.6)
    before, after = judged(frame, one=frame["score"], other=1 - frame["score"])
    found = retained_skill(Utility(), before, after)
    assert "the baseline is not shown to have skill by accuracy" in found.text


def test_a_rule_with_skill_loses_nothing_to_a_baseline_without():
    frame = people(8000)
    coin = np.random.default_rng(3).random(len(frame))
    before, after = judged(frame, coin=coin, good=np.clip(frame["score"] - 0.35, 0, 1))
    found = retained_skill(Utility(metric="balanced_accuracy"), before, after)
    assert (found.value, found.interval) == (1.0, None)


# -- who pays --------------------------------------------------------------------------------------


def context(before, after, notion="demographic_parity"):
    return GateContext(
        before, after, None, None, frozenset(), notion, "demographic_parity_ratio", True, Utility()
    )


@pytest.mark.parametrize(
    ("moved", "sign"),
    [({"F": 0.2}, 1), ({"M": -0.2}, 0), ({"F": -0.1, "M": -0.3}, -1), ({}, 0)],
    ids=["raised", "leveled down", "worse for both", "unchanged"],
)
def test_the_gain_of_the_worst_off_group(moved, sign):
    frame = people(base=0.5, shift=1.0)
    after = np.clip(frame["score"] + frame["sex"].map(moved).fillna(0.0), 0, 1)
    found = CHECKS["worst_off_gain"](context(*judged(frame, before=frame["score"], after=after)))
    assert np.sign(found.value) == sign
    assert found.interval[0] <= found.value <= found.interval[1]
    if moved:
        assert "F" in found.text
        assert "gains" in found.text
    else:
        assert found.text == "no decision changed"


def test_the_worst_off_group_by_true_positive_rates():
    frame = people(base=0.5)
    # F is selected more often, but those with a favorable label less often
    before = np.where(frame["sex"] == "F", 0.9, frame["score"])
    before = np.where(
        (frame["sex"] == "F") & (frame["y"] == 1) & (np.arange(len(frame)) % 2 == 0), 0.1, before
    )
    rules = judged(frame, before=before, after=frame["score"])
    for notion, rate in (
        ("demographic_parity", "selection rate"),
        ("equal_opportunity", "true positive rate"),
    ):
        assert rate in CHECKS["worst_off_gain"](context(*rules, notion)).text


# -- guards ----------------------------------------------------------------------------------------


def tripped(before, after, target="demographic_parity_ratio", utility=None):
    return {g.kind: g for g in guards(before, after, [], target=target, utility=utility or Utility())}


def test_a_ratio_over_a_handful_of_decisions_is_named():
    frame = people(6000, base=0.5)
    frame.loc[:, "sex"] = np.where(np.arange(6000) < 60, "F", "M")
    rare = np.clip(frame["score"] - 0.45, 0, 1)
    rules = judged(frame, before=rare, after=rare)
    assert "F (60 rows" in tripped(*rules)["few-decisions"].reason
    assert "few-decisions" not in tripped(*rules, target="equal_opportunity_difference")
    usual = judged(frame, before=frame["score"], after=frame["score"])
    assert "few-decisions" not in tripped(*usual)


def test_a_worthless_baseline_is_no_obstacle_to_a_rule_that_is_surely_better():
    frame = people(6000)
    rules = judged(frame, before=np.full(6000, 0.9), after=np.clip(frame["score"] - 0.3, 0, 1))
    by_balance = Utility(metric="balanced_accuracy")
    assert "worthless-baseline" not in tripped(*rules, utility=by_balance)
    assert "worthless-baseline" in tripped(rules[0], rules[0], utility=by_balance)


def test_a_rule_that_is_hardly_better_than_a_constant_one_has_no_skill():
    frame = people(40_000, base=0.9)
    at_random = np.random.default_rng(4).random(40_000) < 0.03
    hardly = np.where(at_random | (frame["score"].rank(pct=True) < 0.005), 0.1, 0.9)
    found = tripped(*judged(frame, before=frame["score"], after=hardly))
    assert found["no-skill"].status == "escalated"
    assert "hardly better than a constant rule" in found["no-skill"].reason


def test_a_baseline_whose_scores_have_skill_is_told_to_choose_decisions():
    frame = people(6000)
    everybody = 0.6 + 0.4 * frame["score"]
    for scores, told in ((everybody, "--utility balanced_accuracy"), (np.full(6000, 0.9), "Use features")):
        assert told in tripped(*judged(frame, before=scores, after=scores))["worthless-baseline"].remedy


# -- whole runs ------------------------------------------------------------------------------------


def test_nothing_is_built_where_nothing_is_to_mend_unless_decisions_are_worth_something_else():
    frame = people()
    assert worth(frame).status == "no intervention needed"
    parameters = {"objective": "balanced_accuracy", "min_ratio": 0.85}
    step = THRESHOLDS.model_copy(update={"parameters": parameters})
    record = worth(frame, Utility(metric="balanced_accuracy"), step=step)
    first = record.transitions[0]
    assert (first.id, first.to) == ("decision-0", "causal")
    assert "balanced accuracy all the same" in first.reason
    assert [(s.slug, s.status) for s in record.steps] == [("group-thresholds", "ran")]
    assert record.to_json()["utility"]["metric"] == "balanced_accuracy"


def test_thresholds_for_the_own_costs_of_given_scores_are_no_reason_to_build():
    frame = people()
    own = Utility.at_threshold(0.3)
    costs = {"false_positive_cost": own.cost_fp, "false_negative_cost": own.cost_fn}
    step = THRESHOLDS.model_copy(update={"parameters": costs})
    assert worth(frame, own, 0.3, step).status == "no intervention needed"


@pytest.fixture(scope="module")
def mended():
    return worth(people(base=0.5, shift=1.2))


def test_the_record_says_what_is_retained_and_who_pays(mended):
    written = json.loads(json.dumps(mended.to_json(), allow_nan=False))
    assert written["utility"]["baseline"]["value"] == written["baseline"]["accuracy"]["value"]
    assert written["utility"]["final"]["value"] == written["final"]["accuracy"]["value"]
    assert written["utility"]["retained_skill"]["value"] == mended.utility.retained_skill
    paid = written["leveling_down"]
    assert [g["group"] for g in paid["groups"]] == ["F", "M"]
    assert paid["worst_off"] == "F"
    flipped = sum(g["gained"] + g["lost"] for g in paid["groups"])
    assert flipped == written["tests"]["flipped"]
    for figure in ("auc", "balanced_accuracy"):
        assert {"value", "interval", "support"} <= set(written["final"][figure])


def test_gates_hold_it(mended):
    held = {g.id: g for g in mended.gates}
    for name in ("final.skill", "final.utility", "final.leveling-down"):
        assert name in held
    assert held["final.leveling-down"].level == "advise"
    assert held["final.skill"].value == pytest.approx(mended.utility.retained_skill)
    assert held["final.leveling-down"].value == pytest.approx(mended.leveling_down.gain)


def test_it_is_printed_and_reported(mended, tmp_path, capsys):
    from fairmend.cli.pipelines import print_record

    print_record(mended)
    printed = " ".join(capsys.readouterr().out.split())
    folder = api.report(mended, tmp_path / "report").parent
    for text in (
        printed,
        *(" ".join((folder / f"report.{kind}").read_text().split()) for kind in ("md", "html")),
    ):
        for told in ("Retained skill: ", "Leveling down: ", "Balanced accuracy", "AUC"):
            assert told in text
