"""Techniques joined to an estimator, in scikit-learn's terms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from fairmend.catalog.registry import Registry
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, DataWarning, MissingColumnError, UnseenGroupError, UsageError
from fairmend.core.fair_pipeline import FairPipeline
from fairmend.core.models.learners import TabularClassifier
from fairmend.pipeline.storage.model_files import dump_model, load_model
from fairmend.testing.problems import Problem, problem

REGISTRY = Registry.installed()
WEIGHTS, THRESHOLDS, PLATT, LOTTERY = (REGISTRY.technique(i) for i in (31, 9, 48, 14))
CALIBRATION_ERROR = REGISTRY.technique(45)


def plain() -> TabularClassifier:
    return TabularClassifier(LogisticRegression(max_iter=500), "one-hot")


@pytest.fixture
def people() -> Problem:
    return problem(n=3000, gap=1.5)


def gap(decisions, people: Problem) -> float:
    rates = pd.Series(decisions).groupby(people.sensitive_new["group"]).mean()
    return float(abs(rates["a"] - rates["b"]))


def test_steps_act_before_and_after_training(people):
    before = plain().fit(people.X, people.y).predict(people.X_new)
    fair = FairPipeline(plain(), [WEIGHTS(), PLATT(), THRESHOLDS()])
    fair.fit(people.X, people.y, sensitive_features=people.sensitive)
    after = fair.predict(people.X_new, sensitive_features=people.sensitive_new)
    assert gap(after, people) < gap(before, people) / 2
    assert [e.kind for e in fair.effects_] == ["weights", "scores", "decisions"]
    assert fair.predict_proba(people.X_new, sensitive_features=people.sensitive_new).sum(
        axis=1
    ) == pytest.approx(1)


def test_without_steps_it_is_the_plain_model(people):
    fair = FairPipeline(plain()).fit(people.X, people.y, sensitive_features=people.sensitive)
    alone = plain().fit(people.X, people.y)
    assert np.allclose(fair.predict_proba(people.X_new), alone.predict_proba(people.X_new))
    assert not fair.reads_protected


def test_classes_keep_their_names_and_unused_columns_are_ignored(people):
    words = np.asarray(["bad", "good"])[people.y]
    fair = FairPipeline(plain(), [WEIGHTS()]).fit(people.X, words, sensitive_features=people.sensitive)
    more = people.X_new.assign(extra=1)[["extra", "place", "noise", "mediator", "skill"]]
    assert (fair.predict(more) == fair.predict(people.X_new)).all()
    assert set(fair.predict(people.X_new)) <= {"bad", "good"}


def test_drifted_data_are_clear_errors(people):
    fair = FairPipeline(plain(), [THRESHOLDS()]).fit(people.X, people.y, sensitive_features=people.sensitive)
    s = people.sensitive_new
    with pytest.raises(MissingColumnError, match="lacks mediator"):
        fair.predict(people.X_new.drop(columns="mediator"), sensitive_features=s)
    with pytest.raises(DataError, match="'skill' held numbers at fit and holds texts now"):
        fair.predict(people.X_new.assign(skill="high"), sensitive_features=s)
    with pytest.raises(DataError, match="reads group for every decision"):
        fair.predict(people.X_new)
    with pytest.raises(UnseenGroupError, match="martian"):
        fair.predict(people.X_new, sensitive_features=s.assign(group="martian"))
    unknown = s.assign(group=s["group"].where(s["group"] != "a"))
    with pytest.raises(UnseenGroupError, match=r"not seen at fit \(missing\)"):
        fair.predict(people.X_new, sensitive_features=unknown)
    worded = people.X_new["skill"].astype(object).where(people.X_new.index > people.X_new.index[0], "high")
    with pytest.raises(DataError, match="'skill' held numbers at fit"):
        fair.predict(people.X_new.assign(skill=worded), sensitive_features=s)
    with pytest.raises(DataError, match="'skill' holds infinite values"):
        fair.predict(people.X_new.assign(skill=np.inf), sensitive_features=s)


@pytest.mark.parametrize("encoding", ["one-hot", "ordinal"])
@pytest.mark.parametrize("nothing", [None, np.nan])
def test_a_feature_without_a_value_counts_as_missing_in_every_row(people, encoding, nothing):
    learner = TabularClassifier(None if encoding == "ordinal" else LogisticRegression(), encoding)
    gaps = people.X.copy()
    gaps.iloc[::9] = np.nan
    fair = FairPipeline(learner, [WEIGHTS()]).fit(gaps, people.y, sensitive_features=people.sensitive)
    for name in ("skill", "place"):
        row = people.X_new.head(50).copy()
        row[name] = row[name].where(np.zeros(50, dtype=bool))
        with pytest.warns(DataWarning, match=f"'{name}' is empty"):
            found = fair.predict_proba(people.X_new.assign(**{name: nothing}))
        with pytest.warns(DataWarning):
            alone = fair.predict_proba(row)
        assert found[:50] == pytest.approx(alone)


def test_whole_numbers_that_come_as_floats_are_the_same_groups_and_features(people):
    groups = pd.DataFrame({"group": np.where(people.sensitive["group"] == "a", 1, 2)})
    later = pd.DataFrame({"group": np.where(people.sensitive_new["group"] == "a", 1.0, 2.0)})
    ranks = people.X.assign(mediator=people.X["mediator"].round().astype(int))
    new = people.X_new.assign(mediator=people.X_new["mediator"].round().astype(int))
    fair = FairPipeline(plain(), [THRESHOLDS()]).fit(ranks, people.y, sensitive_features=groups)
    found = fair.predict(new.astype({"mediator": float}), sensitive_features=later)
    assert (found == fair.predict(new, sensitive_features=later.astype(int))).all()


@pytest.mark.parametrize(
    "steps", [[], [PLATT()], [THRESHOLDS()], [WEIGHTS(), PLATT(), LOTTERY(tolerance=0.05)]]
)
def test_scores_and_decisions_in_one_pass_are_those_of_two(people, steps):
    asked = []

    class Counted(LogisticRegression):
        def predict_proba(self, X):
            asked.append(len(X))
            return super().predict_proba(X)

    fair = FairPipeline(TabularClassifier(Counted(), "one-hot"), steps)
    fair.fit(people.X, people.y, sensitive_features=people.sensitive)
    known = {"sensitive_features": people.sensitive_new}
    apart = fair.predict_proba(people.X_new, **known)[:, 1], fair.predict(people.X_new, **known)
    asked.clear()
    together = fair.score_and_decide(people.X_new, **known)
    assert len(asked) == 1
    assert all((a == b).all() for a, b in zip(apart, together, strict=True))


def test_steps_out_of_order_and_steps_that_only_look_are_refused(people):
    with pytest.raises(UsageError, match="out of order"):
        FairPipeline(plain(), [THRESHOLDS(), WEIGHTS()]).fit(
            people.X, people.y, sensitive_features=people.sensitive
        )
    with pytest.raises(UsageError, match="only reports and does not act"):
        FairPipeline(plain(), [CALIBRATION_ERROR()]).fit(
            people.X, people.y, sensitive_features=people.sensitive
        )


def test_it_works_in_a_grid_search(people):
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            FairPipeline(plain(), [WEIGHTS()]), {"calibration_size": [0.2, 0.3]}, cv=2, scoring="accuracy"
        )
        search.fit(people.X, people.y, sensitive_features=people.sensitive["group"].to_numpy())
    assert search.best_score_ > 0.6
    assert clone(search.best_estimator_).get_params()["calibration_size"] in (0.2, 0.3)


def test_it_is_saved_without_pickle_and_gives_the_same(people):
    fair = FairPipeline(plain(), [WEIGHTS(), THRESHOLDS()])
    fair.fit(people.X, people.y, sensitive_features=people.sensitive)
    back = load_model(dump_model(fair))
    a, b = (m.predict(people.X_new, sensitive_features=people.sensitive_new) for m in (fair, back))
    assert (a == b).all()


def test_a_number_that_was_cut_is_cut_the_same_way_later(people):
    ages = np.random.default_rng(0).integers(18, 80, len(people.y))
    frame = people.X.assign(age=ages, label=people.y)
    data = Dataset.from_frame(
        frame, Roles(outcome="label", favorable=1, protected=("age",), cuts={"age": (40,)})
    )
    fitted = FairPipeline(plain(), [THRESHOLDS()])
    fitted.fit(data.X, data.y, sensitive_features=data.sensitive)
    deployed = FairPipeline.of_model(fitted.model_, data)
    raw = pd.DataFrame({"age": ages})
    assert (
        deployed.predict(data.X, sensitive_features=raw)
        == fitted.predict(data.X, sensitive_features=data.sensitive)
    ).all()
