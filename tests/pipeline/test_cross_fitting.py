"""Cross-fitting: who sees which rows, and what is deployed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from fairmend import api
from fairmend.core.data.dataset import PARTS, Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.learners import make_learner
from fairmend.core.stages import Inprocessor
from fairmend.pipeline import cross_fitting
from fairmend.pipeline.cross_fitting import Division, divide
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepCache

PLATT = Choice(technique=47, slug="platt-scaling")
THRESHOLDS = Choice(technique=9, slug="group-thresholds")
REPAIR = Choice(technique=69, slug="disparate-impact-remover", parameters={"features": ["credit_score"]})


@pytest.fixture(scope="module")
def bank() -> Dataset:
    return api.load_dataset("bank", rows=2000)


@pytest.fixture(scope="module")
def division(bank) -> Division:
    return divide(bank, PARTS, seed=0)


@pytest.fixture(scope="module")
def tracer(registry, division) -> StepCache:
    start = division.cases(learner=make_learner("logistic_regression"))
    return StepCache(registry, division, [case.retrained() for case in start])


def numbered(rows: int, **columns: object) -> Dataset:
    """Return data whose only feature numbers the rows."""
    frame = pd.DataFrame(
        {
            "x": np.arange(rows, dtype=float),
            "group": np.where(np.arange(rows) % 3, "a", "b"),
            "y": np.arange(rows) % 2,
        }
    )
    return Dataset.from_frame(frame.assign(**columns), Roles(outcome="y", favorable=1, protected=("group",)))


def test_every_development_row_is_held_out_once_and_no_test_row_ever(bank, division):
    assert len(division.development) + len(division.test) == len(bank)
    assert len(division.held_out) == len(division.development)
    places = np.concatenate([held for _, held in division.rows])
    assert sorted(places) == list(range(len(division.development)))
    for (training, held), parts in zip(division.rows, division.parts, strict=True):
        assert not set(training) & set(held)
        pd.testing.assert_frame_equal(parts["validation"].X, division.held_out.take(held).X)
        pd.testing.assert_frame_equal(parts["train"].X, division.held_out.take(training).X)
        assert parts["calibration"] is parts["train"]


def test_the_test_rows_are_those_of_the_split_in_four(bank, division):
    np.testing.assert_array_equal(division.test.y, bank.split(PARTS, seed=0)["test"].y)


def test_folds_have_the_same_mix_of_groups_and_labels(division):
    mixes = [np.bincount(p["validation"].strata(), minlength=10) for p in division.parts]
    assert np.ptp(mixes, axis=0).max() <= 1


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_no_fold_trains_without_a_group(rows):
    group = np.where(np.arange(400) < 400 - rows, "a", "rare")
    group[:200] = "b"
    found = divide(numbered(400, group=group), PARTS, seed=1)
    for parts in found.parts:
        assert set(parts["train"].groups.labels) == set(found.development.groups.labels)


def test_copies_of_a_row_are_in_one_fold():
    x = np.repeat(np.arange(300.0), 2)
    data = replace(numbered(600, x=x, y=(np.arange(600) // 2) % 2), units=x.astype(int))
    for parts in divide(data, PARTS, seed=0).parts:
        assert not set(parts["train"].X["x"]) & set(parts["validation"].X["x"])


def test_folds_are_fewer_with_more_rows_and_a_holdout_comes_last(monkeypatch):
    data = numbered(600)
    assert len(divide(data, PARTS, seed=0).parts) == 5
    monkeypatch.setattr(cross_fitting, "FEW_ROWS", 300)
    found = divide(data, PARTS, seed=0)
    assert (len(found.parts), found.counts()) == (3, {"development": 480, "folds": 3, "test": 120})
    assert "3 folds of 480 rows, 120 rows kept for the test" in found.text
    monkeypatch.setattr(cross_fitting, "HOLDOUT_ABOVE", 400)
    found = divide(data, PARTS, seed=0)
    assert not found.cross_fitted
    assert found.counts() == {"train": 270, "calibration": 120, "validation": 90, "test": 120}
    assert "270 rows to train on, 120 rows to fit postprocessors on, 90 rows to judge" in found.text


def test_a_postprocessor_is_fitted_on_scores_of_models_that_never_saw_the_rows(tracer, division):
    found = tracer.replay([PLATT])
    scores = np.empty(len(division.held_out))
    for case, (_, held) in zip(tracer.root.folds, division.rows, strict=True):
        scores[held] = case.fitted().scores(case.validation.X)
    for k, (training, _) in enumerate(division.rows):
        fitted = tracer.registry.technique(47)().fit(scores[training], division.held_out.y[training])
        (theirs,) = found.folds[k].fitted().postprocessors
        np.testing.assert_allclose(theirs.adjust(scores), fitted.adjust(scores))
    whole = tracer.registry.technique(47)().fit(scores, division.held_out.y)
    (theirs,) = tracer.deployed(found).fitted().postprocessors
    np.testing.assert_allclose(theirs.adjust(scores), whole.adjust(scores))


def test_what_is_measured_is_decided_by_the_model_of_the_own_fold(tracer, division):
    found = tracer.replay([REPAIR, THRESHOLDS])
    judged = tracer.evaluate(found, InferenceSettings(n_boot=20))
    for case, (_, held) in zip(found.folds, division.rows, strict=True):
        data = case.validation
        decided = case.fitted().predict(data.X, data.sensitive, data.key)
        np.testing.assert_array_equal(judged.decisions[held], decided)
    assert judged.data is division.held_out
    assert len(judged.measurement.groups) == division.held_out.groups.n_groups


def test_the_deployed_model_is_trained_on_all_development_rows(tracer, division):
    learner = make_learner("logistic_regression")
    data = division.development
    alone = clone(learner).fit(data.X, data.y)
    deployed = tracer.deployed(tracer.root)
    np.testing.assert_allclose(
        deployed.fitted().scores(division.test.X), alone.predict_proba(division.test.X)[:, 1]
    )
    assert tracer.deployed(tracer.root) is deployed


def test_out_of_fold_decisions_foretell_the_test_data(tracer, division):
    found = tracer.replay([THRESHOLDS])
    settings = InferenceSettings(n_boot=200)
    expected = tracer.evaluate(found, settings).measurement.figure("accuracy")
    model, test = tracer.deployed(found).fitted(), division.test
    measured = np.mean(model.predict(test.X, test.sensitive, test.key) == test.y)
    error = np.sqrt(0.25 / len(test)) + (expected.interval[1] - expected.interval[0]) / 2
    assert abs(measured - expected.value) < 2 * error


def test_a_model_without_some_features_starts_anew(tracer):
    fewer = tracer.without(["zip_code"])
    assert all("zip_code" not in case.fitted().features for case in fewer.root.folds)
    assert "zip_code" not in fewer.deployed(fewer.root).fitted().features
    assert "zip_code" in tracer.root.case.fitted().features


def test_a_technique_that_asks_for_validation_rows_gets_some_it_is_not_trained_on(tracer, registry):
    seen = {}

    class Stopping(Inprocessor):
        metadata = registry.technique(20).metadata

        def _fit(self, X, y, validation):
            seen["rows"], seen["validation"] = len(X), len(validation)

        def _predict_proba(self, X):
            return np.full(len(X), 0.5)

    case = tracer.root.case
    Stopping().run(case)
    assert seen["rows"] + seen["validation"] == len(case.train)
    assert seen["validation"] == pytest.approx(0.15 * len(case.train), abs=5)
