"""In-processing and evaluation by task: labels, predictions and what is refused."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier, is_regressor

from fairmend.base import Evaluator, Floats, Inprocessor, TechniqueMetadata
from fairmend.core.case import Case
from fairmend.core.errors import DataError, PluginError
from fairmend.testing.driving import small_learner
from fairmend.testing.problems import problem


def about(slug: str, *tasks: Any) -> TechniqueMetadata:
    return TechniqueMetadata(
        technique_id=f"acme:{slug}",
        slug=f"acme-{slug}",
        name=slug,
        family="test",
        summary="Stands in for a technique in a test.",
        citation="Test (2026).",
        use_when="A test needs a technique of these tasks.",
        avoid_when="Anything but a test is made.",
        tasks=tasks,
    )


class Shares(Inprocessor):
    """Predict for everyone the shares of the classes in training."""

    metadata = about("shares", "binary", "multiclass")
    answer: ClassVar[Any] = None

    def _fit(self, X: Floats, y: Any) -> None:
        self.shares_ = np.bincount(y) / len(y)

    def _predict_proba(self, X: Floats) -> Floats:
        if self.answer is not None:
            return np.asarray(self.answer(X))
        return (
            np.tile(self.shares_, (len(X), 1)) if len(self.shares_) > 2 else np.full(len(X), self.shares_[1])
        )


class Mean(Inprocessor):
    """Predict the mean of training for everyone."""

    metadata = about("mean", "regression", "ranking")

    def _fit(self, X: Floats, y: Floats) -> None:
        self.mean_ = float(y.mean())

    def _predict(self, X: Floats) -> Floats:
        return np.full(len(X), self.mean_)


class Told(Evaluator):
    """Return what it is given."""

    metadata = about("told", "binary", "multiclass", "regression", "ranking")

    def _evaluate(
        self,
        y_pred: Any,
        task: str,
        y_true: Any = None,
        classes: Any = (),
        y_score: Any = None,
        query: Any = None,
    ) -> dict[str, Any]:
        score = None if y_score is None else np.shape(y_score)
        return {"task": task, "y_pred": y_pred, "y_true": y_true, "classes": list(classes), "score": score}


def test_several_classes_are_predicted_with_a_probability_each():
    p = problem(task="multiclass")
    words = np.asarray(["high", "low", "middle"])[p.y]
    model = Shares().fit(p.X, words)
    assert model.task_ == "multiclass"
    assert model.classes_.tolist() == ["high", "low", "middle"]
    chance = model.predict_proba(p.X)
    assert chance.shape == (len(p.X), 3)
    assert chance[0] == pytest.approx(pd.Series(words).value_counts(normalize=True).sort_index().to_numpy())
    assert set(model.predict(p.X)) == {model.classes_[chance[0].argmax()]}
    assert model.score(p.X, words) == pytest.approx(chance[0].max())
    assert is_classifier(model)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda X: np.full(len(X), 0.5), r"_predict_proba of acme-shares returned an array of shape \(600,\); expected \(600, 3\)"),
        (lambda X: np.full((len(X), 3), 2.0), "outside 0 to 1"),
    ],
)  # fmt: skip
def test_probabilities_of_several_classes_are_held_against_the_rows(answer, message):
    p = problem(task="multiclass")
    model = Shares().fit(p.X, p.y)
    model.answer = answer
    with pytest.raises(PluginError, match=message):
        model.predict_proba(p.X)


@pytest.mark.parametrize("task", ["regression", "ranking"])
def test_values_are_predicted_for_a_number(task):
    p = problem(task=task)
    model = Mean().fit(p.X, p.y)
    assert model.task_ == "regression"
    assert model.predict(p.X) == pytest.approx(np.full(len(p.X), p.y.mean()))
    assert model.score(p.X, p.y) == pytest.approx(0.0, abs=1e-12)
    assert is_regressor(model)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(DataError, match="y must be numbers"):
        Mean().fit(p.X, ["low"] * len(p.X))


@pytest.mark.parametrize(("kind", "task"), [(Mean, "regression"), (Shares, "multiclass")])
def test_in_a_case_it_takes_the_place_of_the_model_of_its_task(kind, task):
    p = problem(task=task)
    later = p.dataset(new=True)
    half = np.arange(len(later)) % 2 == 0
    parts = [later.take(np.flatnonzero(rows)) for rows in (half, ~half)]
    case = Case(p.dataset(), *parts, learner=small_learner(task)).retrained()
    after, effect = kind().run(case)
    model = after.fitted()
    assert model.task == task
    assert effect.kind == "model"
    assert effect.share > 0.2
    assert len(np.unique(model.predict(later.X))) == 1
    assert model.scores(later.X).shape == ((len(later),) if task == "regression" else (len(later), 3))


GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "two outcomes": ({"y_pred": [0, 1, 1]}, {"task": "binary", "y_pred": [0, 1, 1]}),
    "two outcomes with probabilities": ({"y_pred": [0, 1], "y_score": [0.2, 0.9]}, {"task": "binary"}),
    "classes by name": (
        {"y_true": ["b", "a", "c"], "y_pred": ["a", "a", "b"]},
        {"task": "multiclass", "y_true": [1, 0, 2], "y_pred": [0, 0, 1], "classes": ["a", "b", "c"]},
    ),
    "codes of named classes": (
        {"y_pred": [0, 2], "classes": ("low", "middle", "high")},
        {"task": "multiclass", "y_pred": [0, 2], "classes": ["low", "middle", "high"]},
    ),
    "codes with a probability of each class": (
        {"y_pred": [0, 1], "y_score": np.eye(3)[:2]},
        {"task": "multiclass", "y_pred": [0, 1], "classes": ["0", "1", "2"], "score": [2, 3]},
    ),
    "numbers": ({"y_pred": [0.5, 2.0]}, {"task": "regression", "y_pred": [0.5, 2.0]}),
    "numbers of queries": ({"y_pred": [3.0, 2.0], "query": [0, 0]}, {"task": "ranking"}),
    "two values, said to be numbers": ({"y_pred": [0, 1], "task": "regression"}, {"task": "regression"}),
}


@pytest.mark.parametrize("case", GIVEN)
def test_an_evaluation_is_told_the_task_and_gets_its_labels(case):
    given, expected = GIVEN[case]
    found = Told().evaluate(**given)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y_pred": ["a", "b", "c"], "classes": ("x", "y")}, "hold 3 values, and there are 2 classes"),
        ({"y_pred": [0, 1], "y_score": [-2.0, 3.0], "task": "binary"}, r"probabilities in \[0, 1\]"),
        ({"y_pred": ["a"], "task": "regression"}, "y_pred must be numbers"),
        ({"y_pred": [[1.0]]}, "one dimension"),
    ],
)
def test_labels_of_another_task_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        Told().evaluate(**given)


def test_a_task_that_it_does_not_serve_is_refused():
    class Two(Told):
        metadata = about("two", "binary")

    with pytest.raises(DataError, match="two supports binary outcomes, not regression"):
        Two().evaluate(y_pred=[0.5, 2.0], task="regression")
