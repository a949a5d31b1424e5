"""Runs that begin with a model or scores of the user's own."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import fairmend
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, FairmendError, MissingColumnError, RunError, UsageError
from fairmend.core.models.external_inputs import given_model
from fairmend.core.models.external_model import FittedModel, PrecomputedScores
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.model_reading import read_model
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import PipelineSpec, Step
from fairmend.pipeline.storage.run_store import RunStore
from fairmend.pipeline.storage.verification import verify
from fairmend.pipeline.stored_runs import begin, predict, resume
from fairmend.plugins.datasets import bank

READ = ["income", "credit_score", "debt_to_income", "tenure"]
NUMBERS = READ[:3]
ROLES = {"outcome": "approved", "protected": ("race",), "ignored": ("gender", "application_id")}
THRESHOLDS = Step(technique=9, slug="group-thresholds", stage="post-processing", when="target not secure")
CONSTRAINED = Step(technique=20, slug="fairness-constrained-lr", stage="in-processing")
WEIGHTS = Step(technique=31, slug="instance-weighting", stage="pre-processing")
FAST = {"n_boot": 60, "n_permutations": 60}
REGISTRY = Registry.installed()


def classifier(final=None):
    parts = [("numbers", StandardScaler(), NUMBERS), ("texts", OneHotEncoder(), READ[3:])]
    return make_pipeline(ColumnTransformer(parts), final or LogisticRegression(max_iter=500))


def spec_for(roles, *steps: Step, **more) -> PipelineSpec:
    return PipelineSpec(roles=roles, learner="logistic_regression", steps=steps, simplify=False, **more)


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    drawn = bank(5000, random_state=1)
    return drawn.assign(tenure=np.where(drawn["employment_history"] > 5, "long", "short"))


@pytest.fixture(scope="module")
def people(loans) -> Dataset:
    """Rows that have not trained the model."""
    return Dataset.from_frame(loans.iloc[2000:], Roles(**ROLES))


@pytest.fixture(scope="module")
def model(loans):
    seen = loans.iloc[:2000]
    return classifier().fit(seen[READ], seen["approved"])


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "home")


# -- the favorable class -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "favorable"),
    [(("no", "yes"), "yes"), ((">50K", "<=50K"), "<=50K"), ((2, 1), 1), ((1, 0), 0), ((0.0, 1.0), 1)],
)
def test_the_favorable_class_is_found_by_its_name(loans, people, names, favorable):
    named = np.asarray(names)[loans["approved"]]
    fitted = classifier().fit(loans[READ].iloc[:2000], named[:2000])
    data = Dataset.from_frame(
        loans.iloc[2000:].assign(approved=named[2000:]), Roles(**ROLES, favorable=favorable)
    )
    rule = given_model(fitted, data)
    place = list(fitted.classes_).index(favorable)
    assert np.allclose(rule.scores(data.X), fitted.predict_proba(data.X[READ])[:, place])
    assert (rule.predict(data.X) == (fitted.predict(data.X[READ]) == favorable)).all()
    assert (data.y == people.y).all()


def test_the_baseline_has_the_figures_of_the_model_itself(people, model):
    test = people.split(seed=0)["test"]
    record = run(spec_for(people.roles, THRESHOLDS), people, registry=REGISTRY, model=model, **FAST)
    decided = model.predict(test.X[READ])
    assert record.baseline.figure("accuracy").value == pytest.approx((decided == test.y).mean())
    rates = pd.Series(decided).groupby(test.sensitive["race"]).mean()
    ratio = record.baseline.figure("demographic_parity_ratio").value
    assert ratio == pytest.approx(rates.min() / rates.max())
    assert any("the given model (Pipeline), whose class 1" in note for note in record.notes)


class Strict(LogisticRegression):
    """A model that decides at another score than one half."""

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] >= 0.8).astype(int)


def test_the_model_decides_as_it_does_elsewhere(loans, people):
    fitted = classifier(Strict(max_iter=500)).fit(loans[READ].iloc[:2000], loans["approved"].iloc[:2000])
    rule = given_model(fitted, people)
    assert (rule.predict(people.X) == fitted.predict(people.X[READ])).all()
    assert rule.predict(people.X).mean() < (rule.scores(people.X) >= 0.5).mean()


def test_a_model_that_was_fitted_on_an_array_reads_the_features_in_order(loans, people):
    fitted = LogisticRegression(max_iter=500).fit(
        loans[NUMBERS].iloc[:2000].to_numpy(), loans["approved"].iloc[:2000]
    )
    numbers = people.without([c for c in people.X.columns if c not in NUMBERS])
    rule = given_model(fitted, numbers)
    assert np.allclose(rule.scores(numbers.X), fitted.predict_proba(numbers.X.to_numpy())[:, 1])
    with pytest.raises(DataError, match="fitted on an array of 3 columns, got 10 features"):
        given_model(fitted, people)


# -- runs -----------------------------------------------------------------------------------------


def numbers_of(record) -> dict:
    out = {k: v for k, v in record.to_json().items() if k not in {"run_id", "seconds"}}
    out["steps"] = [{k: v for k, v in step.items() if k != "seconds"} for step in out["steps"]]
    out["approvals"] = [{k: v for k, v in a.items() if k != "time"} for a in out["approvals"]]
    return out


@pytest.mark.parametrize("kind", ["model", "scores"])
def test_a_kept_run_resumes_verifies_and_predicts(loans, people, model, store, kind):
    rows = loans.iloc[2000:].assign(p=model.predict_proba(loans[READ].iloc[2000:])[:, 1])
    data = people if kind == "model" else Dataset.from_frame(rows, people.roles)
    given = model if kind == "model" else PrecomputedScores("p")
    spec = spec_for(data.roles, THRESHOLDS, constraints={"retraining": False})
    kept = begin(spec, data, store=store, registry=REGISTRY, model=given, assume_approved=True, **FAST)
    again = resume(kept.run_id, store=store, registry=REGISTRY)
    assert numbers_of(again) == numbers_of(kept)
    assert isinstance(again.model.estimator, FittedModel if kind == "model" else PrecomputedScores)
    assert again.model.features == (tuple(READ) if kind == "model" else ("p",))
    assert verify(store, kept.run_id).files >= 2
    new = rows.sample(200, random_state=0)
    needed = [*again.model.features, "race"]
    found = predict(store, kept.run_id, new[needed], REGISTRY, even_so=True)
    assert found["score"].to_numpy() == pytest.approx(new["p"].to_numpy())
    with pytest.raises(MissingColumnError, match=f"lacks {needed[0]}"):
        predict(store, kept.run_id, new.drop(columns=needed[0]), REGISTRY, even_so=True)


@pytest.mark.parametrize("technique", [31, 20])
def test_a_step_that_retrains_reads_all_features_and_not_only_those_of_the_model(people, model, technique):
    parts = people.split(seed=0)
    learner = make_learner("logistic_regression")
    start = Case(parts["train"], parts["calibration"], parts["validation"], learner=learner)
    case, _ = REGISTRY.technique(technique)().run(start.replace(model=given_model(model, people)))
    assert set(READ) < set(case.fitted().features) == set(people.X.columns)
    assert case.fitted().predict(people.X).mean() > 0


def test_the_record_says_what_retraining_means(people, model):
    spec = spec_for(people.roles, CONSTRAINED)
    record = run(spec, people, registry=REGISTRY, model=model, intervene=True, **FAST)
    assert [s.status for s in record.steps] == ["ran"]
    assert any("use logistic_regression instead" in note for note in record.notes)


def test_scores_decide_at_their_threshold(loans, people, model):
    scores = model.predict_proba(loans[READ])[:, 1]
    frame = loans.assign(p=scores).iloc[2000:]
    data = Dataset.from_frame(frame, people.roles)
    rule = given_model(PrecomputedScores("p", 0.7), data)
    assert rule.features == ("p",)
    assert (rule.predict(data.X) == (scores[2000:] >= 0.7)).all()


def test_scores_of_another_file_join_by_row(loans, people, model, tmp_path):
    rows, path = loans.iloc[2000:], tmp_path / "scores.csv"
    scores = pd.DataFrame({"p": model.predict_proba(rows[READ])[:, 1]})
    scores.to_csv(path, index=False)
    spec = spec_for(people.roles, THRESHOLDS)
    record = fairmend.run(spec, rows, scores=f"{path}:p", assume_approved=True)
    test = people.split(seed=0)["test"]
    plain = (model.predict(test.X[READ]) == test.y).mean()
    assert record.baseline.figure("accuracy").value == pytest.approx(plain)
    assert record.spec.constraints.retraining is False
    assert any("cannot be retrained" in note for note in record.notes)
    with pytest.raises(UsageError, match="instance-weighting violates the constraints: it needs retraining"):
        fairmend.run(spec_for(people.roles, WEIGHTS), rows, scores=f"{path}:p")
    with pytest.raises(DataError, match=r"already has a column 'p'"):
        fairmend.run(spec, rows.assign(p=0.5), scores=f"{path}:p")
    scores.head(10).to_csv(path, index=False)
    with pytest.raises(DataError, match="has 10 rows, the data has 3000"):
        fairmend.run(spec, rows, scores=f"{path}:p")


# -- what is refused ------------------------------------------------------------------------------


class Unlisted(LogisticRegression):
    """A model of a module that nothing trusts."""


def test_models_that_cannot_serve_are_refused(loans, people):
    seen, y = loans.iloc[:2000], loans["approved"].iloc[:2000]
    three = np.arange(2000) % 3
    for bad, error, pattern in (
        (classifier(LinearSVC()).fit(seen[READ], y), UsageError, "Pipeline lacks one; wrap it in"),
        (classifier(LinearRegression()).fit(seen[READ], y), UsageError, "predict_proba"),
        (classifier(), UsageError, "is not fitted"),
        (classifier().fit(seen[READ], three), DataError, r"got 3 classes \(0, 1, 2\)"),
        (classifier().fit(seen[READ], np.where(y, "good", "bad")), DataError, "are bad and good; .*'1'"),
        (
            LogisticRegression().fit(seen[["income"]].assign(savings=1), y),
            MissingColumnError,
            "reads savings, which",
        ),
    ):
        with pytest.raises(error, match=pattern):
            given_model(bad, people)


def test_what_a_role_keeps_from_models_is_named(loans, model):
    frame = loans.iloc[2000:]
    ignored = Dataset.from_frame(frame, Roles(outcome="approved", protected=("race",), ignored=("income",)))
    with pytest.raises(MissingColumnError, match="reads income, which has a role that models may not read"):
        given_model(model, ignored)
    inside = Dataset.from_frame(frame, Roles(outcome="approved", protected=("tenure",)))
    with pytest.raises(MissingColumnError, match=r"protected attribute 'tenure'.*--protected-in-model"):
        given_model(model, inside)


def test_rows_that_a_model_cannot_score_are_an_error_of_the_data(people, model):
    rule = given_model(model, people)
    with pytest.raises(DataError, match=r"cannot score these rows: ValueError: .*unknown categories"):
        rule.scores(people.X.assign(tenure="for ever"))


def test_scores_that_are_no_probabilities(loans, people):
    for column, pattern in (("high", "the column holds text"), (3.0, r"in \[0, 1\]"), (np.nan, "missing")):
        frame = loans.iloc[2000:].assign(p=column)
        frame.iloc[0, -1] = 0.5 if column != "high" else "low"
        data = Dataset.from_frame(frame, people.roles)
        with pytest.raises(DataError, match=pattern):
            given_model(PrecomputedScores("p"), data).scores(data.X)


def test_files_that_are_not_of_skops_are_not_read(tmp_path, model):
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "cut.skops").write_bytes(skops.io.dumps(model)[:2000])
    for name, error, pattern in (
        ("model.joblib", DataError, "was not saved with skops; files of pickle and joblib run code"),
        ("cut.skops", DataError, "is not a zip archive, or is truncated"),
        ("none.skops", UsageError, "there is no model file"),
    ):
        with pytest.raises(error, match=pattern):
            read_model(tmp_path / name)
    skops.io.dump(Unlisted(), tmp_path / "unlisted.skops")
    with pytest.raises(
        RunError, match=r"unlisted.skops contains the type .*Unlisted, which no model .* no installed plugin"
    ):
        read_model(tmp_path / "unlisted.skops")
    skops.io.dump(model, tmp_path / "model.skops")
    assert (read_model(tmp_path / "model.skops").classes_ == model.classes_).all()


def test_a_model_that_could_not_be_read_again_is_refused_before_the_work(loans, people, store):
    fitted = Unlisted(max_iter=500).fit(loans[NUMBERS].iloc[:2000], loans["approved"].iloc[:2000])
    spec = spec_for(people.roles, THRESHOLDS)
    with pytest.raises(FairmendError, match=r"Unlisted, which no model .* and no installed plugin needs"):
        begin(spec, people, store=store, registry=REGISTRY, model=fitted, **FAST)
    assert store.runs() == []
