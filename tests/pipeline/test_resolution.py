"""The verdict on each finding: planted changes, planted facts, too few rows, and real data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fairmend import api
from fairmend.catalog.findings import fairmend_finding_kinds
from fairmend.core.data.dataset import PARTS
from fairmend.core.findings import Finding
from fairmend.core.metrics import InferenceSettings, compare, holm
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.cross_fitting import divide
from fairmend.pipeline.finding_outcomes import MEASURES, resolve
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepCache

SETTINGS = InferenceSettings(n_boot=500, n_permutations=2000)


class Reader:
    """A model whose score is a column, if that is still there."""

    def __init__(self, column: str) -> None:
        self.column = column

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        score = X[self.column].to_numpy(dtype=float) if self.column in X else np.full(len(X), 0.3)
        return np.column_stack([1 - score, score])


def changed(function, changes=("features",)):
    """Return a transformer that applies a function to the features."""
    metadata = SimpleNamespace(needs_protected_at_prediction=False, modifies=changes, slug="planted")
    return SimpleNamespace(transform=function, metadata=metadata)


def people(n=4000, seed=0, **columns):
    """Return rows with two attributes, a label, and given columns."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"race": rng.choice(["a", "b"], n), "sex": rng.choice(["f", "m"], n)})
    frame["y"] = (rng.random(n) < 0.5).astype(int)
    frame["x"] = rng.normal(size=n)
    for name, of in columns.items():
        frame[name] = of(rng, frame)
    return frame


def judged(frame, *, before="before", after="after", transformers=(), protected=("race",), settings=SETTINGS):
    """Return two rules that read columns of the frame as their scores, on all its rows."""
    data = api.dataset(frame, outcome="y", favorable=1, protected=list(protected))
    names = tuple(data.X.columns)
    return (
        ModelEvaluation(FairModel(names, protected, Reader(before)), data, settings),
        ModelEvaluation(
            FairModel(names, protected, Reader(after), transformers=transformers), data, settings
        ),
    )


def finding(kind, measure, **about):
    known = {"severity": "high", "attribute": "race", "value": 0.5, "support": 100, "text": "planted"}
    return Finding(kind=kind, measure=measure, **{**known, **about})


GAP = finding("outcome-disparity", "demographic_parity_difference", group="a", reference="b")
ERRORS = finding("error-rate-disparity", "equalized_odds_difference", group="a", reference="b")


def favored(**rates):
    """Return a column of scores that favor the shares of each group that are named, e.g. a=0.2."""

    def of(rng, frame):
        share = frame["race"].map(rates).to_numpy()
        return np.where(rng.random(len(frame)) < share, 0.9, 0.1)

    return of


def verdict(one, frame, **options):
    (found,) = resolve([one], *judged(frame, **options))
    return found


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"a": 0.5, "b": 0.5}, "fixed"),
        ({"a": 0.33, "b": 0.5}, "improved"),
        ({"a": 0.21, "b": 0.51}, "unchanged"),
        ({"a": 0.05, "b": 0.6}, "worse"),
    ],
)
def test_planted_changes_of_outcomes(after, expected):
    frame = people(6000, before=favored(a=0.2, b=0.5), after=favored(**after))
    found = verdict(GAP, frame)
    assert found.verdict == expected
    data = api.dataset(frame, outcome="y", protected=["race"])
    same = compare(
        data.y,
        frame["before"] > 0.5,
        frame["after"] > 0.5,
        sensitive_features=data.sensitive,
        n_boot=500,
        n_permutations=2000,
    )["demographic_parity_difference"]
    assert (found.before, found.after, found.change) == (same.before, same.after, same.change)
    assert (found.interval, found.p_value) == (same.interval, same.p_value)


@pytest.mark.parametrize(("rows", "expected"), [(20, "insufficient evidence"), (200, "fixed")])
def test_few_rows_are_no_verdict(rows, expected):
    frame = people(4000, before=favored(a=0.0, b=0.9), after=favored(a=0.9, b=0.9))
    few = pd.concat([frame[frame["race"] == "a"].head(rows), frame[frame["race"] == "b"]])
    found = verdict(GAP, few)
    assert found.verdict == expected
    if rows == 20:
        assert (found.before, found.after, found.support) == (None, None, 20)
        assert "few rows of a" in found.text


def test_an_error_gap_is_of_its_own_rates():
    def wrong(rate_of_a):
        def of(rng, frame):
            missed = (frame["race"] == "a") & (frame["y"] == 1) & (rng.random(len(frame)) < rate_of_a)
            return np.where((frame["y"] == 1) & ~missed, 0.9, 0.1)

        return of

    frame = people(before=wrong(0.4), after=wrong(0.0), later=wrong(0.9))
    assert verdict(ERRORS, frame).verdict == "fixed"
    assert verdict(ERRORS, frame, after="later").verdict == "worse"
    few = frame.drop(index=frame.index[(frame["race"] == "a") & (frame["y"] == 0)][10:])
    assert verdict(ERRORS, few).verdict == "insufficient evidence"


def test_attributes_are_compared_on_their_own_groups():
    frame = people(6000, before=favored(a=0.2, b=0.5), after=favored(a=0.5, b=0.5))
    men = frame["sex"] == "m"
    frame["after"] = np.where(men, 0.9, np.where(frame.index % 5 == 0, 0.9, 0.1))
    by_sex = GAP.model_copy(update={"attribute": "sex", "group": "f", "reference": "m"})
    by_race, by_sex = resolve([GAP, by_sex], *judged(frame, protected=("race", "sex")))
    assert by_race.verdict == "fixed"
    assert by_sex.verdict == "worse"


def test_a_crossing_is_measured_against_its_worse_off_parent():
    def cell(rate):
        def of(rng, frame):
            low = (frame["race"] == "a") & (frame["sex"] == "f")
            return np.where(rng.random(len(frame)) < np.where(low, rate, 0.6), 0.9, 0.1)

        return of

    one = finding("intersectional-disparity", "selection_rate_deficit", attribute="race & sex", group="a & f")
    frame = people(before=cell(0.2), after=cell(0.6), later=cell(0.02))
    both = {"protected": ("race", "sex")}
    found = verdict(one, frame, **both)
    assert found.verdict == "fixed"
    rate = frame.assign(d=frame["before"] > 0.5).groupby(["race", "sex"])["d"].mean()
    parents = [frame[frame[c] == v]["before"].gt(0.5).mean() for c, v in (("race", "a"), ("sex", "f"))]
    assert found.before == pytest.approx(min(parents) - rate["a", "f"])
    assert verdict(one, frame, after="later", **both).verdict == "worse"
    assert verdict(one, frame, after="before", **both).verdict == "unchanged"
    absent = one.model_copy(update={"group": "c & f"})
    assert verdict(absent, frame, **both).verdict == "insufficient evidence"


def shifted(by):
    """Return scores that are right for b, and too high by so much for a."""

    def of(rng, frame):
        return np.clip(frame["chance"] + by * (frame["race"] == "a"), 0.01, 0.99)

    return of


def scored(n=4000, seed=0, **columns):
    frame = people(n, seed, chance=lambda rng, f: rng.uniform(0.1, 0.8, len(f)))
    rng = np.random.default_rng(seed + 1)
    frame["y"] = (rng.random(n) < frame["chance"]).astype(int)
    return frame.assign(**{name: of(rng, frame) for name, of in columns.items()})


CALIBRATION = finding("group-miscalibration", "debiased_expected_calibration_error", group="a")


@pytest.mark.parametrize(
    ("after", "expected"), [(0.0, "fixed"), (0.08, "improved"), (0.15, "unchanged"), (0.19, "worse")]
)
def test_planted_changes_of_calibration(after, expected):
    frame = scored(before=shifted(0.15), after=shifted(after))
    found = verdict(CALIBRATION, frame)
    assert found.verdict == expected
    assert found.before == pytest.approx(0.15, abs=0.02)
    assert found.after == pytest.approx(after, abs=0.025)
    if expected == "unchanged":
        assert "no step changes the scores" in found.text


def test_calibration_of_a_small_group_is_no_verdict():
    frame = scored(before=shifted(0.15), after=shifted(0.0))
    few = pd.concat([frame[frame["race"] == "a"].head(60), frame[frame["race"] == "b"]])
    assert verdict(CALIBRATION, few).verdict == "insufficient evidence"


def test_two_scores_as_good_as_each_other_seldom_differ():
    def noisy(rng, frame):
        return np.clip(frame["chance"] + rng.normal(0, 0.05, len(frame)), 0, 1)

    light = InferenceSettings(n_boot=100, n_permutations=300)
    p = [
        verdict(CALIBRATION, scored(600, seed, before=noisy, after=noisy), settings=light).p_value
        for seed in range(0, 240, 2)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.1


@pytest.mark.parametrize(
    ("kind", "measure", "expected"),
    [
        ("base-rate-difference", "base_rate_difference", 0.4),
        ("representation-imbalance", "ratio_to_largest_group", 0.25),
        ("class-imbalance", "minority_class_share", 0.3),
    ],
)
def test_facts_about_the_data_stay(kind, measure, expected):
    rng = np.random.default_rng(0)
    race = np.repeat(["a", "b"], [1000, 4000])
    label = np.concatenate([np.repeat([0, 1], [700, 300]), np.repeat([0, 1], [1200, 2800])])
    frame = pd.DataFrame({"race": race, "y": label, "x": rng.normal(size=5000)})
    frame = frame.assign(before=np.where(label == 1, 0.9, 0.1), after=0.9)
    step = SimpleNamespace(slug="instance-weighting", modifies=("weights",))
    (found,) = resolve([finding(kind, measure, group="a", reference="b")], *judged(frame), [step])
    assert found.verdict == "unchanged"
    assert found.before == found.after == pytest.approx(expected)
    assert found.p_value is None
    assert "a property of the data" in found.text
    assert ("instance-weighting" in found.text) == (kind != "base-rate-difference")


def test_features_that_no_step_changes():
    frame = people(before=favored(a=0.2, b=0.5), after=favored(a=0.5, b=0.5))
    carried = finding("biased-mediator", "mediated_outcome_difference", column="x", group="a", reference="b")
    for one in (
        carried,
        finding("proxy-variable", "proxy_auc", column="x"),
        finding("proxy-variable", "proxy_auc"),
    ):
        found = verdict(one, frame)
        assert found.verdict == "unchanged"
        assert "no step changes the features; decisions are adjusted instead" in found.text


def mediated():
    """Return people whose label depends on a mediator that is lower in one group."""
    frame = people(before=favored(a=0.2, b=0.5), after=favored(a=0.2, b=0.5))
    rng = np.random.default_rng(5)
    frame["m"] = rng.normal(size=len(frame)) + (frame["race"] == "b")
    frame["y"] = (rng.random(len(frame)) < 1 / (1 + np.exp(-2 * frame["m"]))).astype(int)
    return frame


MEDIATOR = finding("biased-mediator", "mediated_outcome_difference", column="m", group="a", reference="b")
PROXY = finding("proxy-variable", "proxy_auc", column="m")


@pytest.mark.parametrize("one", [MEDIATOR, PROXY])
def test_a_feature_that_is_no_longer_read_is_fixed(one):
    dropped = changed(lambda X: X.drop(columns="m"))
    found = verdict(one, mediated(), transformers=(dropped,))
    assert found.verdict == "fixed"
    assert found.after == pytest.approx(0.0 if one is MEDIATOR else 0.5, abs=0.01)


def test_a_feature_that_tells_more_is_worse():
    frame = mediated()
    told = changed(lambda X: X.assign(m=X["m"] + 2 * (frame["race"] == "b").to_numpy()))
    assert verdict(PROXY, frame, transformers=(told,)).verdict == "worse"
    assert verdict(MEDIATOR, frame, transformers=(told,)).verdict == "worse"


def test_new_features_cannot_be_told_apart():
    mixed = changed(lambda X: X.drop(columns="m").assign(z=X["m"] + X["x"]))
    found = verdict(MEDIATOR, mediated(), transformers=(mixed,))
    assert found.verdict == "insufficient evidence"
    assert "part of transformed features" in found.text


def test_what_cannot_be_measured_says_why():
    frame = people(before=favored(a=0.2, b=0.5), after=favored(a=0.5, b=0.5))
    cases = {
        "plugin measures findings": finding("acme-oddity", "oddness"),
        "no feature zip": finding("proxy-variable", "proxy_auc", column="zip"),
        "no protected attribute age": GAP.model_copy(update={"attribute": "age"}),
        "few rows of c": GAP.model_copy(update={"group": "c"}),
        "audit could not measure it": GAP.model_copy(
            update={"value": None, "severity": "insufficient evidence"}
        ),
        "not a metric for findings of this kind": GAP.model_copy(update={"measure": "oddness"}),
    }
    found = resolve(list(cases.values()), *judged(frame))
    for words, one in zip(cases, found, strict=True):
        assert one.verdict == "insufficient evidence", words
        assert words in one.text
        assert one.before is one.after is one.p_value is None


def test_weights_count():
    frame = mediated().assign(w=2.0)
    frame["after"] = np.where(frame["race"] == "a", 0.2, 0.7)
    frame.loc[frame["race"] == "a", "w"] = np.where(frame["before"][frame["race"] == "a"] > 0.5, 3.0, 1.0)
    data = api.dataset(frame, outcome="y", protected=["race"], weights="w", ignored=["m"])
    names = tuple(data.X.columns)
    both = [
        ModelEvaluation(FairModel(names, ("race",), Reader(c)), data, SETTINGS) for c in ("before", "after")
    ]
    base = finding("base-rate-difference", "base_rate_difference", group="a", reference="b")
    gap, calibration, fact = resolve([GAP, CALIBRATION, base], *both)
    weighed = frame.groupby("race")[["before", "y", "w"]].apply(
        lambda g: pd.Series(
            {
                "selected": np.average(g["before"] > 0.5, weights=g["w"]),
                "y": np.average(g["y"], weights=g["w"]),
            }
        )
    )
    assert gap.before == pytest.approx(np.ptp(weighed["selected"]))
    assert fact.before == pytest.approx(np.ptp(weighed["y"]))
    a = frame[frame["race"] == "a"]
    assert calibration.after == pytest.approx(abs(np.average(a["y"] - 0.2, weights=a["w"])), abs=0.02)


def test_p_values_are_corrected_over_all_findings():
    frame = people(before=favored(a=0.4, b=0.5), after=favored(a=0.44, b=0.5))
    found = resolve([GAP, ERRORS, CALIBRATION], *judged(frame))
    assert [f.p_holm for f in found] == holm([f.p_value for f in found]).tolist()
    assert all((f.p_holm < 0.05) == (f.verdict != "unchanged") for f in found)


def test_every_kind_that_an_audit_of_a_binary_outcome_finds_is_measured():
    assert set(MEASURES) == {kind.kind for kind in fairmend_finding_kinds() if "binary" in kind.tasks}


def resolved(data, choices, findings, registry, learner):
    """Return the verdicts on a baseline and the same with steps, on a test part."""
    division = divide(data, PARTS, seed=0)
    start = [case.retrained() for case in division.cases(learner=make_learner(learner))]
    tracer = StepCache(registry, division, start)
    cases = [tracer.deployed(applied) for applied in (tracer.root, tracer.replay(choices))]
    models = [ModelEvaluation(case.fitted(), division.test, InferenceSettings()) for case in cases]
    return resolve(findings, *models, [registry.card(c.technique).metadata for c in choices])


def test_a_repair_shows_on_the_features_of_the_bank(registry):
    bank = api.load_dataset("bank", rows=4000)
    audit = api.audit(bank, learner="logistic_regression")
    repair = Choice(
        technique=69,
        slug="disparate-impact-remover",
        parameters={"features": ["credit_score"], "repair_level": 1.0},
    )
    found = resolved(bank, [repair], audit.findings, registry, "logistic_regression")
    by_column = {(f.kind, f.attribute, f.column): f for f in found}
    score = by_column["biased-mediator", "race", "credit_score"]
    assert score.verdict in {"fixed", "improved"}
    assert score.after < 0.3 * score.before
    left_alone = by_column["biased-mediator", "race", "education"]
    assert left_alone.verdict == "unchanged"
    assert "disparate-impact-remover does not change education" in left_alone.text


@pytest.mark.data
def test_adult_by_sex_gains_parity_and_pays_in_errors(adult, registry):
    roles = {"outcome": "income", "favorable": ">50K", "protected": ["sex"], "ignored": ["fnlwgt"]}
    audit = api.audit(api.dataset(adult.sample(8000, random_state=0), **roles), learner="logistic_regression")
    thresholds = Choice(technique=9, slug="group-thresholds")
    found = resolved(
        api.dataset(adult, **roles), [thresholds], audit.findings, registry, "logistic_regression"
    )
    by_kind = {(f.kind, f.column): f for f in found}
    assert by_kind["outcome-disparity", None].verdict in {"fixed", "improved"}
    assert by_kind["error-rate-disparity", None].verdict == "worse"
    assert by_kind["base-rate-difference", None].verdict == "unchanged"
    assert by_kind["proxy-variable", None].verdict == "unchanged"


# -- skill ----------------------------------------------------------------------------------------

SKILL = finding("no-skill", "balanced_accuracy", attribute=None)
AREA = finding("no-skill", "auc", attribute=None)
EVERYBODY = finding("degenerate-decisions", "rarer_decision_share", attribute=None)
EVERYBODY_OF_A = finding("degenerate-decisions", "rarer_decision_share", group="a")


def telling(strength):
    """Return a column of scores that agree with the label with this probability."""
    return lambda rng, frame: (
        np.where(rng.random(len(frame)) < strength, frame["y"], 1 - frame["y"]) * 0.8 + 0.1
    )


@pytest.mark.parametrize("one", [SKILL, AREA], ids=["decisions", "scores"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0.5, 0.8, "fixed"), (0.5, 0.54, "improved"), (0.5, 0.5, "unchanged"), (0.8, 0.5, "worse")],
)
def test_planted_changes_of_skill(one, before, after, expected):
    frame = people(6000, before=telling(before), after=telling(after))
    found = verdict(one, frame)
    assert found.verdict == expected, found.text
    assert found.after == pytest.approx(after, abs=0.02)


@pytest.mark.parametrize("one", [EVERYBODY, EVERYBODY_OF_A], ids=["of all rows", "of a group"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0.999, 0.7, "fixed"), (0.999, 0.999, "unchanged"), (0.9, 0.999, "worse"), (0.001, 0.3, "fixed")],
)
def test_planted_changes_of_a_rarer_decision(one, before, after, expected):
    rates = ({"a": share, "b": share} for share in (before, after))
    frame = people(6000, **{name: favored(**r) for name, r in zip(("before", "after"), rates, strict=True)})
    found = verdict(one, frame)
    assert found.verdict == expected, found.text
    assert found.before == pytest.approx(min(before, 1 - before), abs=0.02)


def test_a_rarer_decision_of_too_few_rows_is_insufficient_evidence():
    frame = people(2000, before=favored(a=1.0, b=0.5), after=favored(a=0.5, b=0.5))
    one = finding("degenerate-decisions", "rarer_decision_share", group="nobody here")
    assert verdict(one, frame).verdict == "insufficient evidence"
