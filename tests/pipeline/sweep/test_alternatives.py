"""The search for a less discriminatory alternative: what is varied, chosen, confirmed and told."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from fairmend import api
from fairmend.core.case import Case
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.core.metrics import Estimate
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.spec import Step
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.sweep.alternatives import search as search_module
from fairmend.pipeline.sweep.alternatives.candidates import KINDS, LdaSettings, kind_of, lda_candidates
from fairmend.pipeline.sweep.alternatives.choice import settled
from fairmend.pipeline.sweep.alternatives.record import Alternative
from fairmend.pipeline.sweep.combinations import Combination
from fairmend.pipeline.sweep.model_variants import GRIDS, ModelSpace, ModelVariant, parse_monotone
from fairmend.pipeline.sweep.sweep import sweep
from fairmend.pipeline.sweep.sweep_record import Sweep, SweepCandidate, Target, load_sweep
from fairmend.reports import sweep_rows, write_sweep
from fairmend.reports.lda import SCOPE

SIMPLE = Constraints(max_complexity="low")
FAST = {"learner": "logistic_regression", "n_boot": 200, "depth": 1, "constraints": SIMPLE}


def people(rows: int = 6000, seed: int = 0) -> pd.DataFrame:
    """Return people of whom ``proxy`` tells the group and little of the outcome that ``merit`` does not."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, rows)
    merit, proxy = rng.normal(size=rows), group + rng.normal(0, 0.3, rows)
    hired = 2 * merit + proxy + rng.normal(size=rows) > 0.5
    return pd.DataFrame(
        {
            "merit": merit,
            "proxy": proxy,
            "noise": rng.normal(size=rows),
            "region": rng.choice(["north", "south"], rows),
            "group": np.where(group, "b", "a"),
            "hired": np.where(hired, "yes", "no"),
        }
    )


def dataset(frame: pd.DataFrame):
    return api.dataset(frame, outcome="hired", favorable="yes", protected="group")


@pytest.fixture(scope="module")
def data():
    return dataset(people())


@pytest.fixture(scope="module")
def found(data, registry) -> Sweep:
    return sweep(data, registry=registry, lda=LdaSettings(candidates=16, margin=0.08), **FAST)


# -- what is varied -------------------------------------------------------------------------------


def case_of(data, learner="gradient_boosting") -> Case:
    parts = data.split(seed=0)
    return Case(
        parts["train"], parts["calibration"], parts["validation"], learner=make_learner(learner, seed=0)
    ).retrained()


def test_proxies_are_ranked_and_left_out_alone_and_in_groups(data):
    space = ModelSpace(data, "gradient_boosting")
    assert next(iter(space.proxies)) == "proxy"
    left_out = [variant.without for variant in space.of("features")]
    assert left_out[0] == ("proxy",)
    assert len(set(left_out)) == len(left_out)
    assert {len(names) for names in left_out} == {1, 2, 3}
    assert all(len(names) < len(space.proxies) for names in left_out)


def test_a_feature_that_is_left_out_is_not_read(data):
    model = ModelVariant(kind="features", without=("proxy",)).applied(case_of(data)).fitted()
    assert "proxy" not in model.features
    scrambled = data.X.assign(proxy=-1e6)
    assert_allclose(model.scores(data.X), model.scores(scrambled))


def test_signs_are_those_of_the_associations_unless_the_user_says_otherwise(data):
    assert ModelSpace(data, "gradient_boosting").signs == {"merit": 1, "proxy": 1}
    space = ModelSpace(data, "gradient_boosting", {"merit": -1, "noise": 1})
    assert space.signs == {"merit": -1, "proxy": 1, "noise": 1}
    assert space.of("monotone")[0].monotone == {"merit": -1, "noise": 1}


@pytest.mark.parametrize("learner", ["gradient_boosting", "decision_tree"])
@pytest.mark.parametrize("sign", [1, -1])
def test_scores_keep_to_a_monotone_constraint(data, learner, sign):
    variant = ModelVariant(kind="monotone", monotone={"merit": sign})
    model = variant.applied(case_of(data, learner)).fitted()
    rows = pd.concat([data.X.head(1)] * 50, ignore_index=True).assign(merit=np.linspace(-3, 3, 50))
    scores = model.scores(rows)
    assert (sign * np.diff(scores) >= -1e-12).all()
    plain = case_of(data, learner).fitted().scores(rows)
    assert plain[-1] > plain[0]


@pytest.mark.parametrize(
    ("learner", "kind", "settings"),
    [(learner, kind, one) for learner, kinds in GRIDS.items() for kind, every in kinds.items() for one in every],
)  # fmt: skip
def test_every_setting_changes_the_model(learner, kind, settings, start_of):
    start = start_of(learner)
    changed = ModelVariant(kind=kind, settings=dict(settings)).applied(start)
    before, after = (case.fitted().scores(start.validation.X) for case in (start, changed))
    assert np.abs(before - after).max() > 1e-6


@pytest.fixture(scope="module")
def start_of():
    rows = {"decision_tree": 12_000}  # its leaves have 50 rows at least, so that limits bind late
    cases = {learner: case_of(dataset(people(rows.get(learner, 4000))), learner) for learner in GRIDS}
    return cases.__getitem__


@pytest.mark.parametrize("kind", ["monotone", "seed"])
def test_what_logistic_regression_cannot_vary_is_told(data, kind):
    space = ModelSpace(data, "logistic_regression")
    assert space.of(kind) == []
    assert any({"monotone": "constraints", "seed": "seeds"}[kind] in note for note in space.notes)


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["income"], "COLUMN=\\+ or COLUMN=-, got 'income'"),
        (["income=up"], "got 'income=up'"),
        (["=+"], "got '=\\+'"),
        (["income=+", "income=-"], "'income' is given with both signs"),
    ],
)
def test_monotone_constraints_of_another_form_are_refused(words, pattern):
    with pytest.raises(UsageError, match=pattern):
        parse_monotone(words)


@pytest.mark.parametrize(
    ("monotone", "pattern"), [({"merits": 1}, "did you mean merit"), ({"region": 1}, "'region' holds categories")]
)  # fmt: skip
def test_monotone_constraints_on_no_numeric_feature_are_refused(data, monotone, pattern):
    with pytest.raises(UsageError, match=pattern):
        ModelSpace(data, "gradient_boosting", monotone)


# -- the budget -----------------------------------------------------------------------------------


def techniques() -> list[Combination]:
    own = Step(technique=20, slug="fairness-constrained-lr", stage="in-processing")
    repair = Step(
        technique=69, slug="disparate-impact-remover", stage="pre-processing",
        parameters={"features": ["proxy", "merit"]},
    )  # fmt: skip
    return [Combination(), Combination((own,)), Combination((repair,))]


def planned(data, registry, count, seed=0, learner="gradient_boosting"):
    space = ModelSpace(data, learner)
    return lda_candidates(space, techniques(), registry, count=count, seed=seed)


def test_the_budget_is_spent_on_every_kind(data, registry):
    candidates = planned(data, registry, 40)
    assert candidates[0] == Combination()
    assert len(candidates) == 41 == len({one.trace for one in candidates})
    assert {kind_of(one) for one in candidates[1:]} == set(KINDS)
    assert {kind_of(one) for one in candidates[1 : len(KINDS) + 1]} == set(KINDS)


def test_a_larger_budget_tries_the_same_and_more(data, registry):
    assert planned(data, registry, 60)[:31] == planned(data, registry, 30)
    assert planned(data, registry, 30, seed=1) != planned(data, registry, 30)


def test_techniques_are_put_only_on_variants_that_matter_to_them(data, registry):
    mixed = [one for one in planned(data, registry, 120) if kind_of(one) == "techniques on a variant"]
    assert len(mixed) > 10
    for one in mixed:
        (step,) = one.steps
        if step.technique == 20:  # trains a logistic regression of its own
            assert one.variant.without
        else:
            assert not one.variant.monotone
            assert set(step.parameters["features"]).isdisjoint(one.variant.without)


@pytest.mark.parametrize(
    ("settings", "pattern"),
    [
        ({"candidates": 0}, "candidates must be a number from 1 to 10,000, got 0"),
        ({"candidates": 10_001}, "got 10001"),
        ({"margin": -0.01}, "margin must be a loss of performance from 0 to 0.5, got -0.01"),
        ({"margin": 0.5}, "got 0.5"),
    ],
)
def test_budgets_and_margins_out_of_range_are_refused(settings, pattern):
    with pytest.raises(UsageError, match=pattern):
        LdaSettings(**settings)


@pytest.mark.parametrize("constraint", ["protected_at_prediction=true", "retraining=false"])
def test_constraints_that_contradict_the_search_are_refused(data, registry, constraint):
    limits = Constraints.parse([constraint])
    with pytest.raises(UsageError, match=f"the constraints have {constraint}"):
        sweep(data, registry=registry, lda=LdaSettings(), **{**FAST, "constraints": limits})


# -- the choice -----------------------------------------------------------------------------------

TARGET = Target(measure="demographic_parity_ratio", bound=">= 0.8", threshold=0.8, upward=True)


def change(value: float, width: float = 0.002, **more) -> Estimate:
    return Estimate(value, (value - width, value + width), 900, **{"enough": True, **more})


def candidate(
    name="", *, disparity=0.1, width=0.002, accuracy=0.0, balanced=0.0, steps=1, degenerate="", **more
):
    count = steps if name else 0
    return SweepCandidate(
        steps=tuple(Step(technique=n, slug=name, stage="post-processing") for n in range(count)),
        status="measured",
        accuracy=Estimate(0.8 + accuracy, None, 900, True),
        utility=Estimate(0.8 + accuracy, None, 900, True),
        fairness=Estimate(0.7 + disparity, None, 900, True),
        fairness_change=more.pop("fairness_change", change(disparity, width)),
        alternative=Alternative(
            performance_change={
                "accuracy": more.pop("accuracy_change", change(accuracy)),
                "auc": change(0.0),
                "balanced_accuracy": more.pop("balanced_change", change(balanced)),
            },
            adverse_impact_ratio=Estimate(0.7 + disparity, None, 900, True),
            selection_rate=Estimate(0.5, None, 900, True),
            degenerate=degenerate,
        ),
        **more,
    )


def concluded(*candidates, noise=0.01):
    rng = np.random.default_rng(0)
    every = (candidate(disparity=0.0), *candidates)
    drawn = {
        c.name: np.column_stack([np.full(400, 0.8), c.fairness.value + noise * bool(c.changes) * rng.normal(size=400)])
        for c in every
    }  # fmt: skip
    judged, chosen, reason = settled(every, drawn, TARGET, 0.01, ("accuracy", "auc"))
    return {c.name: c.alternative for c in judged}, chosen, reason


@pytest.mark.parametrize(
    ("settings", "lost", "why"),
    {
        "reads the group": ({"reads_protected": True}, "reads group", "needs the protected attributes"),
        "selects everybody": ({"degenerate": "selects everybody"}, "degenerate decisions", "it selects everybody"),
        "too few rows": (
            {"fairness_change": change(0.1, enough=False, lacking=("b",))}, "insufficient evidence", "too few rows in b",
        ),
        "undefined": ({"fairness_change": Estimate(math.nan, None, 0, False)}, "insufficient evidence", "too few rows"),
        "more disparity": ({"disparity": -0.01}, "no less disparity", "-0.010"),
        "the same disparity": ({"disparity": 0.0}, "no less disparity", "+0.000"),
        "worse": ({"accuracy": -0.02}, "worse performance", "accuracy -0.0200 [-0.0220, -0.0180], beyond the margin"),
        "perhaps worse": (
            {"accuracy_change": change(0.0, 0.02)}, "performance not shown", "not shown to be within the margin of 0.01",
        ),
        "no interval": (
            {"accuracy_change": Estimate(0.0, None, 900, True)}, "performance not shown", "not shown to be within",
        ),
        "skill lost": ({"balanced": -0.05}, "worse performance", "balanced_accuracy -0.0500"),
        "skill unsure": ({"balanced_change": change(-0.02, 0.03)}, None, ""),
        "within its own noise": ({"width": 0.2}, "within noise", "demographic_parity_ratio +0.100"),
        "within the noise of many": ({"disparity": 0.012, "width": 0.01}, "within noise", "for all candidates together"),
        "qualifies": ({}, None, ""),
    }.values(),
)  # fmt: skip
def test_each_candidate_has_its_reason(settings, lost, why):
    found, chosen, _ = concluded(candidate("one", **settings))
    assert found["one"].lost == lost
    assert why in found["one"].why
    assert chosen == ("one" if lost is None else None)


def test_the_plain_model_is_never_chosen():
    found, chosen, reason = concluded(candidate("one", accuracy=-0.1))
    assert chosen is None
    assert found["plain model"].lost is None
    assert reason == "no candidate is no worse and significantly less disparate (1 compared)"


def test_the_simplest_within_noise_of_the_least_disparate_is_chosen():
    found, chosen, reason = concluded(
        candidate("best", disparity=0.205, steps=2), candidate("near", disparity=0.2), candidate("far", disparity=0.1)
    )  # fmt: skip
    assert chosen == "near"
    assert '"best + best" has 0.905 with more changes, which is within noise' in reason
    assert found["best + best"].lost == found["far"].lost == "another is chosen"
    assert 'within noise of that of "near"' in found["best + best"].why
    assert '"near" is significantly less disparate' in found["far"].why


def test_p_values_are_corrected_for_the_number_of_candidates():
    alone, _, _ = concluded(candidate("c0", disparity=0.025, width=0.01))
    many, _, _ = concluded(*(candidate(f"c{i}", disparity=0.025, width=0.01) for i in range(30)))
    assert alone["c0"].p_value < 0.05 < many["c0"].p_value < 1


def test_where_lower_is_better_less_is_less():
    target = TARGET.model_copy(update={"measure": "equalized_odds_difference", "upward": False})
    better, worse = candidate("better", disparity=-0.1), candidate("worse", disparity=0.1)
    every = (candidate(disparity=0.0), better, worse)
    rng = np.random.default_rng(0)
    drawn = {
        c.name: np.column_stack([np.full(400, 0.8), -c.fairness.value + 0.01 * rng.normal(size=400)])
        for c in every
    }
    judged, chosen, _ = settled(every, drawn, target, 0.01, ("accuracy",))
    assert chosen == "better"
    assert judged[2].alternative.lost == "no less disparity"


# -- the search -----------------------------------------------------------------------------------


def test_the_planted_alternative_is_found_and_confirmed(found):
    assert found.lda.outcome == "found"
    assert found.exit_code == 0
    assert found.pick.variant.without == ("proxy",)
    assert not found.pick.reads_protected
    assert found.pick.alternative.lost is None
    assert not any(c.reads_protected for c in found.candidates)
    assert sum(count.tried for count in found.lda.searched.values()) == 16 == len(found.candidates) - 1
    losers = [c for c in found.measured if c.changes and c is not found.pick]
    assert all(c.alternative.lost and c.alternative.why for c in losers)
    assert {e.reason for e in found.excluded if e.slug == "group-thresholds"} == {
        "reads the protected attribute for every decision"
    }


def test_the_confirmation_is_of_the_test_rows(data, found):
    confirmed = found.lda.confirmation
    assert confirmed.confirmed
    assert confirmed.rows == len(data.split(seed=0)["test"])
    change = (
        confirmed.after["demographic_parity_ratio"].value - confirmed.before["demographic_parity_ratio"].value
    )
    assert change == pytest.approx(confirmed.disparity_change.value)
    assert change > 0.05
    for which in ("before", "after"):
        impact = [getattr(group, f"impact_{which}") for group in confirmed.groups.values()]
        assert max(impact) == 1
        assert min(impact) == pytest.approx(getattr(confirmed, which)["demographic_parity_ratio"].value)


def test_the_choice_does_not_read_the_test_rows(data, registry, found):
    marked = dataclasses.replace(data, X=data.X.assign(place=np.arange(len(data))))
    rows = marked.split(seed=0)["test"].X["place"].to_numpy()
    scrambled = data.X.copy()
    scrambled.loc[rows, ["merit", "proxy", "noise"]] = -1e6
    again = sweep(
        dataclasses.replace(data, X=scrambled), registry=registry, lda=LdaSettings(candidates=16, margin=0.08), **FAST
    )  # fmt: skip
    assert [c.model_dump(exclude={"seconds"}) for c in again.candidates] == [
        c.model_dump(exclude={"seconds"}) for c in found.candidates
    ]
    assert again.selected == found.selected
    assert not again.lda.confirmation.confirmed


def test_what_is_noise_gives_no_alternative(registry):
    frame = people(3000)
    coin = np.random.default_rng(5).choice(["a", "b"], len(frame))
    done = sweep(
        dataset(frame.assign(group=coin)), registry=registry, lda=LdaSettings(candidates=12, margin=0.2), **FAST
    )  # fmt: skip
    assert done.lda.outcome == "none found"
    assert done.exit_code == 4
    assert done.lda.confirmation is None


def test_a_second_call_computes_and_confirms_nothing(data, registry, found, tmp_path, monkeypatch):
    settings = {**FAST, "registry": registry, "store": RunStore(tmp_path / "home")}
    first = sweep(data, lda=LdaSettings(candidates=16, margin=0.08), **settings)
    monkeypatch.setattr(search_module, "confirm", lambda *a: pytest.fail("the test rows were read again"))
    second = sweep(data, lda=LdaSettings(candidates=16, margin=0.08), **settings)
    assert second.computed == 0
    assert second.lda == first.lda == found.lda
    monkeypatch.undo()
    more = sweep(data, lda=LdaSettings(candidates=20, margin=0.08), **settings)
    assert more.computed == 4
    assert more.lda.earlier_looks == (more.selected != first.selected)


def test_another_choice_on_the_same_test_rows_is_told(data, registry, tmp_path):
    settings = {**FAST, "registry": registry, "store": RunStore(tmp_path / "home")}
    lda = LdaSettings(candidates=16, margin=0.08)
    first = sweep(data, lda=lda, **settings)
    other = sweep(data, lda=lda, **{**settings, "without": tuple(s.slug for s in first.pick.steps)})
    assert other.lda.earlier_looks == 0  # the same choice
    narrow = sweep(data, lda=dataclasses.replace(lda, margin=0.4), **settings)
    assert narrow.lda.earlier_looks == (narrow.selected != first.selected)


# -- the report -----------------------------------------------------------------------------------


def test_the_document_has_what_an_officer_files(found, tmp_path):
    path = write_sweep(found, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "frontier.png", "frontier.svg", "lda.html", "lda.md", "sweep.json",
    ]  # fmt: skip
    assert path.name == "lda.md"
    text, html = path.read_text(), (tmp_path / "lda.html").read_text()
    for document in (text, html):
        assert SCOPE in document
        assert found.data["sha256"] in document
        assert "An alternative was found and confirmed" in document
        assert "adverse-impact ratio" in document
        for c in found.candidates:
            assert c.name.split(",")[0] in document
    assert 'src="data:image/png;base64,' in html
    assert "16 candidates beside the plain model" in text
    rows = sweep_rows(found)
    assert rows[0][-1] == "chosen"
    assert rows[1][-1] == "the model to be replaced"
    assert all(": " in row[-1] for row in rows[2:])
    assert load_sweep(tmp_path / "sweep.json") == found


def test_the_document_of_nothing_found_is_the_evidence(found, tmp_path):
    nothing = found.model_copy(
        update={
            "selected": None,
            "reason": "no candidate is no worse and significantly less disparate (16 compared)",
            "lda": found.lda.model_copy(update={"outcome": "none found", "confirmation": None}),
        }
    )
    text = write_sweep(nothing, tmp_path).read_text()
    assert "## No alternative was found in the space that was searched" in text
    assert "| features |" in text
    assert "Confirmation on" not in text


def test_the_adverse_impact_ratio_stands_beside_another_figure(data, registry):
    done = sweep(
        data, registry=registry, notion="equalized_odds", lda=LdaSettings(candidates=4, margin=0.08), **FAST
    )  # fmt: skip
    assert done.target.measure == "equalized_odds_difference"
    rows = sweep_rows(done)
    at = {c.name: c for c in done.candidates}
    assert all(row[3] == at[row[0]].alternative.adverse_impact_ratio.text(3) for row in rows)


def test_names_that_act_in_markup_do_not(found, tmp_path):
    evil = "<script>alert(1)</script>|`"
    variant = ModelVariant(kind="features", without=(evil,))
    candidates = tuple(
        c.model_copy(update={"variant": variant, "steps": ()}) if c.changes else c for c in found.candidates[:2]
    )  # fmt: skip
    done = found.model_copy(update={"candidates": candidates, "selected": None})
    text = write_sweep(done, tmp_path).read_text()
    assert "<script" not in text
    assert "<script>alert" not in (tmp_path / "lda.html").read_text()


# -- from the command line ------------------------------------------------------------------------

JOBS = ["--outcome", "hired", "--favorable", "yes", "--protected", "group"]
LIGHT = [
    "--learner",
    "logistic_regression",
    "--jobs",
    "1",
    "-c",
    "max_complexity=low",
    "--depth",
    "1",
    "--no-save",
]


@pytest.fixture(scope="module")
def people_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "people.csv"
    people(3000).to_csv(path, index=False)
    return path


def test_the_command_prints_writes_and_exits(cli, people_csv, tmp_path):
    done = cli(
        "sweep", "--data", people_csv, *JOBS, *LIGHT, "--lda", "--candidates", "5", "--margin", "0.3",
        "--report", tmp_path / "report", "-o", tmp_path / "s.json",
    )  # fmt: skip
    written = json.loads((tmp_path / "s.json").read_text())
    assert done.code == (0 if written["lda"]["outcome"] == "found" else 4), done.err
    assert len(written["candidates"]) == 6
    assert written["lda"]["margin"] == 0.3
    assert "the model to be" in done.out
    assert (tmp_path / "report" / "lda.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "pattern"),
    [
        (["--candidates", "5"], 2, "candidates are settings of a search for alternatives; add lda"),
        (["--margin", "0.1"], 2, "margin are settings"),
        (["--monotone", "merit=+"], 2, "monotone are settings"),
        (["--lda", "--candidates", "0"], 2, "0 is not in the range"),
        (["--lda", "--margin", "0.5"], 2, "0.5 is not in the range"),
        (["--lda", "--monotone", "merit"], 2, "COLUMN=+ or COLUMN=-"),
        (["--lda", "--monotone", "merits=+"], 2, "did you mean merit"),
        (["--lda", "-c", "protected_at_prediction=true"], 2, "must not read the protected attributes"),
        (["--lda", "-c", "retraining=false"], 2, "retraining=false"),
        (["--lda", "--utility", "auc"], 2, "a figure of scores"),
    ],
)
def test_bad_requests(cli, people_csv, arguments, code, pattern):
    done = cli("sweep", "--data", people_csv, *JOBS, *LIGHT, *arguments)
    assert done.code == code, done.err
    assert pattern in " ".join(done.err.split())
    assert done.out == ""
    assert len(done.errors) == 1


def test_another_model_is_no_pipeline(cli, found, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(found.to_json()))
    with pytest.raises(
        UsageError, match="'without proxy' takes the place of the model, which a pipeline cannot say"
    ):
        api.compose(found)
    done = cli("compose", "--sweep", tmp_path / "s.json")
    assert done.code == 2
    assert "takes the place of the model" in " ".join(done.err.split())


def test_an_unknown_learner_is_refused(data, registry):
    with pytest.raises(UnknownNameError):
        sweep(data, registry=registry, lda=LdaSettings(), **{**FAST, "learner": "forest"})
