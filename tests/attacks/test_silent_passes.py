"""What used to pass in silence: leaks, heavy rows, copies, undefined figures, gates that lie, many looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fairmend
from fairmend.auditing import audit
from fairmend.auditing.leakage import label_leaks
from fairmend.catalog.policy import Policy, load_policy, merged, raw_policy
from fairmend.catalog.registry import Registry
from fairmend.core.data.copies import copies_of
from fairmend.core.data.dataset import PARTS, Dataset, stratified_places
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, MissingColumnError, RunError, UsageError
from fairmend.core.metrics import measure
from fairmend.pipeline.gates.checks import Value
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run import final_evaluation, state_machine
from fairmend.pipeline.run.confirmation import ALL_HELD_OUT, evaluate_check
from fairmend.pipeline.run.consistency import assert_consistent, contradictions
from fairmend.pipeline.run.decision_zero import NeedRecord
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import PipelineSpec, Step
from fairmend.pipeline.storage.record_file import dump_record, load_record
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.stored_runs import begin

FAST: dict[str, Any] = {"n_boot": 60, "n_permutations": 20}
THRESHOLDS = Step(
    technique=9, slug="group-thresholds", stage="post-processing", parameters={"min_ratio": 0.95}
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


def people(n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Draw people of two groups that differ in nothing, with two features that tell the outcome in part."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"sex": rng.choice(["F", "M"], n), "score": rng.normal(size=n), "years": rng.normal(size=n)}
    )
    chance = 1 / (1 + np.exp(-1.5 * frame["score"] - frame["years"]))
    return frame.assign(y=(rng.random(n) < chance).astype(int))


def spec_for(data: Dataset, *steps: Step, **more: Any) -> PipelineSpec:
    return PipelineSpec(roles=data.roles, learner="logistic_regression", steps=steps, **more)


def drive(
    frame: pd.DataFrame, registry: Registry, *steps: Step, intervene: bool = True, **roles: Any
) -> RunRecord:
    """Run through the gates, also where decision 0 finds nothing to mend."""
    data = Dataset.from_frame(frame, Roles(outcome="y", favorable=1, protected=("sex",), **roles))
    spec = spec_for(data, *steps)
    return run(spec, data, registry=registry, assume_approved=True, intervene=intervene, **FAST)


@pytest.fixture(scope="module")
def sound(registry: Registry) -> RunRecord:
    """A run that is deployable, rightly."""
    return drive(people(), registry)


def test_a_sound_run_is_deployable_without_a_guard(sound: RunRecord) -> None:
    assert (sound.status, sound.guards) == ("deployable", [])
    assert sound.by_rows is None
    assert sound.test_looks is not None
    assert sound.test_looks.before == 0


# -- label leaks ----------------------------------------------------------------------------------

Draw = Callable[[np.ndarray, np.random.Generator], Any]
FEATURES: dict[str, tuple[Draw, bool]] = {
    "a copy": (lambda y, r: y, True),
    "a copy as a number": (lambda y, r: y * 3.5 - 1, True),
    "a copy as text": (lambda y, r: np.where(y == 1, "yes", "no"), True),
    "a copy as truth": (lambda y, r: y == 1, True),
    "reversed": (lambda y, r: 1 - y, True),
    "with noise": (lambda y, r: y + r.normal(0, 0.2, len(y)), True),
    "reversed, with noise": (lambda y, r: -y + r.normal(0, 0.2, len(y)), True),
    "missing where unfavorable": (lambda y, r: np.where(y == 1, r.normal(size=len(y)), np.nan), True),
    "text missing where unfavorable": (
        lambda y, r: np.where(y == 1, [f"c{i}" for i in r.integers(0, 5, len(y))], None), True),
    "settles 95 % of one outcome": (lambda y, r: np.where((y == 1) & (r.random(len(y)) < 0.95), 1, 0), True),
    "many texts, each of one outcome": (
        lambda y, r: [f"{k}{v}" for k, v in zip(r.integers(0, 20, len(y)), y, strict=True)], True),
    "settles half of one outcome": (lambda y, r: np.where((y == 1) & (r.random(len(y)) < 0.5), 1, 0), False),
    "strong, as tests are": (lambda y, r: y + r.normal(0, 0.6, len(y)), False),
    "noise": (lambda y, r: r.normal(size=len(y)), False),
    "a text for each row": (lambda y, r: [f"id{i}" for i in range(len(y))], False),
    "a constant": (lambda y, r: np.zeros(len(y)), False),
    "all missing but one": (lambda y, r: np.where(np.arange(len(y)) == 0, 1.0, np.nan), False),
    "a few texts of one outcome": (lambda y, r: np.where(np.arange(len(y)) < 20, "rare", "usual"), False),
}  # fmt: skip


@pytest.mark.parametrize("case", FEATURES)
def test_a_feature_that_tells_the_outcome_is_found(case: str) -> None:
    draw, expected = FEATURES[case]
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 1000)
    found = label_leaks(pd.DataFrame({"x": rng.normal(size=1000), "leak": draw(y, rng)}), y)
    assert [one.column for one in found] == (["leak"] if expected else [])
    assert all(one.text.startswith("leak ") for one in found)


def test_few_rows_of_an_outcome_tell_no_leak() -> None:
    y = np.r_[np.ones(10, int), np.zeros(500, int)]
    assert label_leaks(pd.DataFrame({"leak": y}), y) == []


def test_a_leak_stops_the_verdict_until_it_is_ignored_or_allowed(registry: Registry) -> None:
    frame = people()
    leaking = frame.assign(later=frame["y"] * 2.0 + np.random.default_rng(1).normal(0, 0.3, len(frame)))
    stopped = drive(leaking, registry)
    assert (stopped.status, stopped.exit_code) == ("escalated", 4)
    assert "later predicts the outcome almost perfectly" in stopped.reason
    assert any(
        "--ignore later" in option and "--allow-feature later" in option
        for option in stopped.escalation_options
    )
    assert drive(leaking, registry, ignored=("later",)).status == "deployable"
    allowed = drive(leaking, registry, allowed_features=("later",))
    assert allowed.status == "deployable"
    assert any("it was allowed as a feature" in note for note in allowed.notes)


def test_a_leak_is_told_though_the_run_ends_otherwise(registry: Registry) -> None:
    frame = people(n=400)
    record = drive(frame.assign(later=np.where(frame["y"] == 1, "a", "b")), registry)
    told = " ".join([record.reason, *record.notes])
    assert "later" in told
    assert "recorded after the outcome" in told


def test_the_audit_names_what_will_stop_a_run() -> None:
    frame = people(n=600)
    data = Dataset.from_frame(
        frame.assign(later=frame["y"]), Roles(outcome="y", favorable=1, protected=("sex",))
    )
    notes = audit(data, learner=None, n_boot=50).notes
    assert any("--ignore later" in note and "--allow-feature" in note for note in notes)


@pytest.mark.data
def test_compas_is_recid_is_caught(compas: pd.DataFrame) -> None:
    y = (compas["two_year_recid"] == 0).to_numpy().astype(int)
    found = {one.column for one in label_leaks(compas.drop(columns="two_year_recid"), y)}
    assert "is_recid" in found
    assert found.isdisjoint({"priors_count", "decile_score", "age", "sex", "race"})


@pytest.mark.data
def test_adult_has_no_leak(adult: pd.DataFrame) -> None:
    y = (adult["income"] == ">50K").to_numpy().astype(int)
    assert label_leaks(adult.drop(columns="income"), y) == []


BAD_ROLES: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "allowed and ignored": ({"ignored": ("score",), "allowed_features": ("score",)}, UsageError),
    "the outcome allowed": ({"allowed_features": ("y",)}, UsageError),
    "allowed and not there": ({"allowed_features": ("scoer",)}, MissingColumnError),
}


@pytest.mark.parametrize("case", BAD_ROLES)
def test_what_cannot_be_allowed(case: str) -> None:
    roles, error = BAD_ROLES[case]
    with pytest.raises(error):
        fairmend.dataset(people(n=200), outcome="y", favorable=1, protected=("sex",), **roles)


def test_the_command_takes_allowed_features(cli, arena) -> None:
    frame = pd.read_csv("jobs.csv")
    frame.assign(later=frame["hired"]).to_csv("leak.csv", index=False)
    roles = (
        "--outcome",
        "hired",
        "--favorable",
        "yes",
        "--protected",
        "sex",
        "--assume-approved",
        "--no-save",
    )
    done = cli("run", "light.yaml", "--data", "leak.csv", *roles)
    assert done.code == 4
    assert "--ignore later" in done.out.replace("\n", " ")
    allowed = cli("run", "light.yaml", "--data", "leak.csv", *roles, "--allow-feature", "later", "--json")
    assert [g for g in allowed.json["guards"] if g["kind"] == "label-leak"] == []


# -- weights --------------------------------------------------------------------------------------


def test_a_group_whose_weight_lies_on_few_rows_is_insufficient_evidence(registry: Registry) -> None:
    frame = people(n=4000)
    rng = np.random.default_rng(5)
    heavy = rng.choice(np.flatnonzero(frame["sex"] == "F"), 40, replace=False)
    weights = np.ones(len(frame))
    weights[heavy] = 5000.0
    frame.loc[heavy, "score"] = -4.0  # nobody of weight is selected
    record = drive(frame.assign(w=weights), registry, weights="w")
    assert record.status in {"escalated", "failed"}
    fairness = record.final.figure("demographic_parity_ratio")
    assert not fairness.enough
    assert fairness.lacking == ("F",)
    assert record.final.figure("selection_rate", "F").support < 30
    assert record.by_rows is not None
    both = record.by_rows["selection_rate"]["by_group"]["F"]
    assert both["rows"] - both["weighted"] > 0.3
    assert any("The unweighted selection rate of F" in note for note in record.notes)
    assert record.to_json()["by_rows"] == record.by_rows


def test_equal_weights_change_no_support(registry: Registry, sound: RunRecord) -> None:
    record = drive(people().assign(w=0.37), registry, weights="w")
    for group in ("F", "M"):
        a, b = (r.final.figure("selection_rate", group) for r in (record, sound))
        assert (a.support, a.enough) == (b.support, b.enough)
    assert not [note for note in record.notes if "unweighted" in note]


# -- copies ---------------------------------------------------------------------------------------


def copied(distinct: int, times: int, levels: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Draw rows with random labels, each a number of times."""
    rng = np.random.default_rng(seed)
    shape = (distinct, 4)
    values = rng.normal(size=shape) if levels is None else rng.integers(0, levels, shape)
    frame = pd.DataFrame(values, columns=list("abcd")).assign(
        sex=rng.choice(["F", "M"], distinct), y=rng.integers(0, 2, distinct)
    )
    return pd.concat([frame] * times, ignore_index=True).sample(frac=1, random_state=seed)


REPEATED: dict[str, tuple[Callable[[], pd.DataFrame], bool]] = {
    "25 copies of numbers": (lambda: copied(160, 25), True),
    "2 copies of numbers": (lambda: copied(1000, 2), True),
    "10 copies of whole numbers": (lambda: copied(400, 10, levels=12), True),
    "one row in five twice": (lambda: pd.concat([copied(1000, 1), copied(1000, 1).head(200)]), True),
    "copies with a running number": (lambda: copied(200, 10).assign(number=range(2000)), True),
    "numbers once": (lambda: copied(1000, 1), False),
    "few values": (lambda: copied(2000, 1, levels=2), False),
    "more values": (lambda: copied(2000, 1, levels=4), False),
    "one row in fifty twice": (lambda: pd.concat([copied(1000, 1), copied(1000, 1).head(20)]), False),
    "few values that settle the outcome": (
        lambda: copied(2000, 1, levels=4).assign(y=lambda f: (f["a"] > 1).astype(int)), False),
    "a column that follows from another": (
        lambda: copied(2000, 1, levels=3).assign(e=lambda f: f["a"] * 10), False),
}  # fmt: skip


@pytest.mark.parametrize("case", REPEATED)
def test_copies_are_told_from_people_who_are_alike(case: str) -> None:
    draw, expected = REPEATED[case]
    frame = draw().reset_index(drop=True)
    found = copies_of(frame.drop(columns=["sex", "y"]), frame[["sex"]], frame["y"].to_numpy())
    assert (found is not None) == expected


@pytest.mark.data
@pytest.mark.parametrize("excluded", [(), ("fnlwgt",), ("fnlwgt", "capital-gain", "hours-per-week")])
def test_people_of_adult_are_no_copies(adult: pd.DataFrame, excluded: tuple[str, ...]) -> None:
    frame = adult.drop(columns=list(excluded))
    y = (frame["income"] == ">50K").to_numpy().astype(int)
    assert copies_of(frame.drop(columns=["income", "sex", "race"]), frame[["sex", "race"]], y) is None


def of_roles(frame: pd.DataFrame) -> Dataset:
    return Dataset.from_frame(frame, Roles(outcome="y", favorable=1, protected=("sex",)))


def test_copies_stay_in_one_part_and_both_labels_of_a_row_with_them() -> None:
    frame = copied(300, 10)
    frame.iloc[:150, frame.columns.get_loc("y")] ^= 1
    data = of_roles(frame)
    assert any("are copies of others" in note for note in data.notes)
    parts = data.split(seed=1)
    seen = [set(map(tuple, part.X.to_numpy())) for part in parts.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert sum(map(len, parts.values())) == len(frame)
    shares = np.array([len(part) for part in parts.values()]) / len(frame)
    assert np.abs(shares - [0.45, 0.2, 0.15, 0.2]).max() < 0.05


def test_a_split_without_copies_is_what_it_was() -> None:
    data = of_roles(people(n=1000))
    assert data.units is None
    groups = data.groups.codes * 2 + data.y
    place = stratified_places(groups, np.random.default_rng(7))
    part_of = np.searchsorted(np.cumsum(list(PARTS.values()))[:-1], place, side="right")
    for number, part in enumerate(data.split(seed=7).values()):
        assert part.X.equals(data.X.iloc[np.flatnonzero(part_of == number)].reset_index(drop=True))


@pytest.mark.parametrize(("distinct", "times"), [(160, 25), (500, 6)])
def test_random_labels_in_copies_are_not_deployable(distinct: int, times: int, registry: Registry) -> None:
    data = of_roles(copied(distinct, times))
    spec = PipelineSpec(roles=data.roles, learner="gradient_boosting", steps=())
    record = run(spec, data, registry=registry, assume_approved=True, **FAST)
    assert record.status in {"escalated", "failed"}
    accuracy = record.final.figure("accuracy")
    assert accuracy.value < 0.8
    assert accuracy.support < 0.3 * distinct + 5  # a row and its copies count once
    assert any("are copies of others" in note for note in record.notes)
    again = load_record(dump_record(record), record.model)
    assert again.to_json() == record.to_json()
    assert again.final.figure("selection_rate") == record.final.figure("selection_rate")


def test_a_key_that_repeats_is_refused() -> None:
    frame = people(n=300).assign(person=np.arange(300) // 3)
    with pytest.raises(DataError, match="must identify each row"):
        Dataset.from_frame(frame, Roles(outcome="y", favorable=1, protected=("sex",), key="person"))


# -- undefined figures in a gate ------------------------------------------------------------------

ANSWERS: dict[str, tuple[Value, str, str]] = {
    "undefined": (Value(None), "demographic_parity_difference", "insufficient evidence"),
    "not a number": (Value(float("nan")), "demographic_parity_difference", "insufficient evidence"),
    "infinite": (Value(float("-inf")), "demographic_parity_difference", "insufficient evidence"),
    "too few rows": (Value(0.0, enough=False), "demographic_parity_difference", "insufficient evidence"),
    "too few rows, and bad": (
        Value(0.9, enough=False, measured=True), "demographic_parity_difference", "failed"),
    "not asked": (Value.not_applicable("no thresholds"), "demographic_parity_difference", "passed"),
    "the target is always asked": (Value.not_applicable("no"), "target", "insufficient evidence"),
    "met": (Value(0.05), "demographic_parity_difference", "passed"),
    "missed": (Value(0.5), "demographic_parity_difference", "failed"),
}  # fmt: skip


@dataclasses.dataclass
class Notion:
    notion: str = "demographic_parity"


@pytest.mark.parametrize("case", ANSWERS)
def test_an_undefined_figure_never_passes(case: str) -> None:
    value, name, expected = ANSWERS[case]
    policy = load_policy("playbook")
    check = policy.gate("post-processing").checks[0]
    if name != "target":
        check = check.model_copy(update={"metric": name, "below": 0.1})
    functions = dict.fromkeys((name, policy.target("demographic_parity").metric), lambda view: value)
    found = evaluate_check(check, Notion(), policy, functions, gate="gate-4")  # type: ignore[arg-type]
    assert found.verdict == expected


# -- the verdict and its record -------------------------------------------------------------------


def test_a_patched_gate_is_an_error(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.setattr(state_machine, "outcome", lambda judgments: "passed")
    monkeypatch.setattr(final_evaluation, "outcome", lambda judgments: "passed")
    impossible = [{"id": "gate-4", "checks": [{"id": "utility", "at_most": -0.5}]}]
    policy = Policy(**merged(raw_policy("playbook"), {"policy": "impossible", "gates": impossible}))
    data = of_roles(people())
    with pytest.raises(
        RunError, match=r"contradicts its own record: gate-4\.utility is required but its verdict is failed"
    ):
        run(spec_for(data), data, registry=registry, policy=policy, assume_approved=True, **FAST)


def test_a_patched_measure_is_an_error(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    from fairmend.pipeline.gates.checks import CHECKS

    monkeypatch.setitem(CHECKS, "demographic_parity_ratio", lambda view: Value(1.0, (0.99, 1.0), 500))
    with pytest.raises(RunError, match="was evaluated at 1"):
        drive(people(), registry)


def test_a_patched_measure_keeps_no_model(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    from fairmend.pipeline.gates.checks import CHECKS

    monkeypatch.setitem(CHECKS, "demographic_parity_ratio", lambda view: Value(1.0, (0.99, 1.0), 500))
    monkeypatch.setitem(CHECKS, "intersectional_deviation", lambda view: Value(0.0, (0.0, 0.01), 500))
    with pytest.raises(RunError, match=r"decision-0\.fairness was evaluated at 1"):
        drive(people(), registry, intervene=False)


def test_a_patched_decision_0_is_an_error(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    nothing = NeedRecord("no need", "all is well", [], None, 0)
    monkeypatch.setattr(state_machine, "assess_need", lambda *a, **k: nothing)
    with pytest.raises(RunError, match=r"decision-0\.fairness is required but was not evaluated"):
        drive(people(), registry, intervene=False)


def test_a_patched_test_gate_is_an_error(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.setattr(final_evaluation, "evaluate_gate", lambda *a, **k: [])
    with pytest.raises(RunError, match=r"final\.fairness is required but was not evaluated"):
        drive(people(), registry)


def checks_of(record: RunRecord) -> tuple[dict[Any, list[CheckResult]], list[CheckResult]]:
    """Return what a run without rollbacks has on record: by stage, and on the test data."""
    stages = {
        "gate-1": "causal",
        "gate-2": "pre-processing",
        "gate-3": "in-processing",
        "gate-4": "post-processing",
    }
    standing: dict[Any, list[CheckResult]] = {}
    for one in record.gates:
        if one.data != "test":
            standing.setdefault(stages[one.id.partition(".")[0]], []).append(one)
    return standing, [one for one in record.gates if one.data == "test"]


def change(name: str, **what: Any) -> Callable[[list[CheckResult]], list[CheckResult]]:
    return lambda judged: [dataclasses.replace(j, **what) if j.id.endswith(name) else j for j in judged]


def drop(name: str) -> Callable[[list[CheckResult]], list[CheckResult]]:
    return lambda judged: [j for j in judged if not j.id.endswith(name)]


FORGED: dict[str, tuple[str, Callable[[list[CheckResult]], list[CheckResult]], str]] = {
    "validation: failed": ("post-processing", change(".fairness", verdict="failed"), "is failed"),
    "validation: no evidence": (
        "post-processing", change(".utility", verdict="insufficient evidence"), "is insufficient"),
    "validation: dropped": ("post-processing", drop(".utility"), "was not evaluated"),
    "validation: value beyond the bound": ("post-processing", change(".utility", value=0.4), "is not <= 0.1"),
    "validation: no value": ("post-processing", change(".fairness", value=None), "None is not"),
    "validation: not a number": ("post-processing", change(".fairness", value=float("nan")), "nan is not"),
    "validation: another measure": ("post-processing", change(".fairness", measure="accuracy"), "policy requires"),
    "validation: an approval open": ("post-processing", change(".stakeholders", verdict="waiting"), "is waiting"),
    "an early gate: failed": ("causal", change(".protected-attribute", verdict="failed"), "is failed"),
    "test: failed": ("test", change(".fairness", verdict="failed"), "is failed"),
    "test: dropped": ("test", drop(".calibration"), "was not evaluated"),
    "test: a better value": ("test", change(".fairness", value=0.999), "was evaluated at"),
    "test: all held-out rows without their figures": (
        "test", change(".fairness", data=ALL_HELD_OUT), "which the policy does not allow"),
    "test: nothing at all": ("test", lambda judged: [], "was not evaluated"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_record_contradicts_its_verdict(case: str, sound: RunRecord) -> None:
    part, forge, expected = FORGED[case]
    standing, verdicts = checks_of(sound)
    policy = load_policy("playbook")
    assert contradictions(policy, "demographic_parity", standing, verdicts, sound.final, approvals=True) == []
    if part == "test":
        verdicts = forge(verdicts)
    else:
        standing[part] = forge(standing[part])
    found = contradictions(policy, "demographic_parity", standing, verdicts, sound.final, approvals=True)
    assert any(expected in one for one in found), found
    with pytest.raises(RunError, match=r"plugins loaded: acme 1\.0"):
        assert_consistent(found, ["acme 1.0"])


def test_held_out_rows_cannot_outvote_the_test_part(sound: RunRecord) -> None:
    """Neither with a value of their own, nor where the test part's interval lies beyond the bound."""
    standing, verdicts = checks_of(sound)
    policy, notion = load_policy("playbook"), "demographic_parity"
    forged = change(".fairness", data=ALL_HELD_OUT, value=0.97)(verdicts)
    found = contradictions(policy, notion, standing, forged, sound.final, sound.final, approvals=True)
    assert any("was evaluated at 0.97" in one for one in found)
    forged = change(".fairness", data=ALL_HELD_OUT)(verdicts)
    y, group = np.tile([0, 1], 800), np.repeat(["F", "M"], 800)
    apart = measure(y, y * (group == "M"), sensitive_features=group, n_boot=60)
    found = contradictions(policy, notion, standing, forged, apart, sound.final, approvals=True)
    assert any("the test data contradict it with their whole interval" in one for one in found), found


def test_what_only_advises_contradicts_nothing(sound: RunRecord) -> None:
    standing, verdicts = checks_of(sound)
    standing["post-processing"] = change(".worst-group", verdict="failed")(standing["post-processing"])
    policy = load_policy("playbook")
    assert contradictions(policy, "demographic_parity", standing, verdicts, sound.final, approvals=True) == []


def test_loaded_plugins_are_named(sound: RunRecord, registry: Registry) -> None:
    from fairmend.catalog.registry import Plugin
    from fairmend.pipeline.run.notes import third_party

    assert sound.plugins == third_party(registry)

    class Loaded:
        plugins = (Plugin("acme", "acme.gates:hooks", "acme-plugins", "2.1"), *registry.plugins)

    assert "acme-plugins 2.1" in third_party(Loaded())  # type: ignore[arg-type]


# -- looks at the test data -----------------------------------------------------------------------


def test_looks_at_the_same_test_part_are_counted(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "store")

    def enter(name: str, sha256: str = "a", seed: int = 0, test: float = 0.2, ended: bool = True) -> int:
        pipeline = {
            "seed": seed,
            "split": {"train": 0.8 - test, "calibration": 0.1, "validation": 0.1, "test": test},
        }
        store.create(name, {"data": {"sha256": sha256}, "pipeline": pipeline})
        if ended:
            store.finish(name, "escalated", {"reason": ""}, "model")
        return store.test_looks(name)

    assert [enter("one"), enter("two"), enter("cut off", ended=False), enter("three")] == [0, 1, 2, 2]
    assert enter("other data", sha256="b") == 0
    assert enter("other seed", seed=1) == 0
    assert enter("other split", test=0.3) == 0
    assert store.test_looks("one") == 0  # of a resumed run, what it was when it began


def test_a_stored_run_tells_of_earlier_looks(tmp_path: Path, registry: Registry) -> None:
    store, data = RunStore(tmp_path / "store"), of_roles(people(n=1200))
    spec = spec_for(data)
    asked = {"data": {"sha256": data.fingerprint()}, "pipeline": spec.model_dump(mode="json")}
    for name in ("one", "two"):
        store.create(name, asked)
        store.finish(name, "failed", {"reason": ""}, "model")
    record = begin(spec, data, store=store, registry=registry, assume_approved=True, **FAST)
    assert any("was already used 2 times" in note for note in record.notes)
    written = record.to_json()["test_looks"]
    assert written["before"] == 2
    assert written["p_corrected"] == min(1.0, 3 * written["p_value"])
    low, high = record.final.figure("demographic_parity_ratio").interval or (1.0, 0.0)
    assert written["interval"][0] <= low
    assert written["interval"][1] >= high
