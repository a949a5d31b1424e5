"""The checks beyond two outcomes: planted data of each task, and a technique that does nothing fails."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.plugins.postprocessing import RankPreservingScoreRepair, WassersteinFairRegression
from fairmend.testing.checks_tasks import PLANTED, check_task_effect
from fairmend.testing.driving import problem_for, task_of
from fairmend.testing.problems import problem
from fairmend.testing.suite import checks_for


class DoesNothing(WassersteinFairRegression):
    """Moves nothing."""

    @classmethod
    def test_parameters(cls):
        return {"strength": 0.0}


class Shuffles(WassersteinFairRegression):
    """Gives everyone the prediction of somebody else, which is alike in all groups and worth nothing."""

    def _adjust(self, scores, groups):
        return np.random.default_rng(0).permutation(scores) * 3


def test_a_technique_that_does_nothing_fails():
    with pytest.raises(AssertionError, match="mean_prediction_difference does not fall significantly"):
        check_task_effect(DoesNothing)


def test_a_technique_that_costs_too_much_fails():
    with pytest.raises(AssertionError, match="of mean_absolute_error"):
        check_task_effect(Shuffles)


@pytest.mark.parametrize("technique", [WassersteinFairRegression, RankPreservingScoreRepair])
def test_the_check_is_selected_by_metadata(technique):
    assert "task_effect" in {check.name for check in checks_for(technique)}


def test_a_technique_is_checked_on_a_task_that_it_declares():
    assert task_of(WassersteinFairRegression) == "regression"
    assert task_of(RankPreservingScoreRepair) == "binary"
    assert problem_for(WassersteinFairRegression).task == "regression"


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_gaps_are_there(kind):
    from fairmend.testing.checks_tasks import _measured

    gap = PLANTED[kind]
    p = problem(task=gap.task, n=3000, **gap.options)
    fair = problem(task=gap.task, n=3000, gap=0.0)
    values = [q.scores_new for q in (p, fair)]
    planted, none = (_measured(q, v).figure(gap.figure) for q, v in zip((p, fair), values, strict=True))
    assert planted.value > 2 * none.value
    assert planted.interval is not None
    assert planted.interval[0] > none.value


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking"])
def test_a_problem_of_each_task_reads_as_that_task(task):
    p = problem(task=task)
    data = p.dataset()
    assert data.task == task
    assert (p.query is not None) == (task == "ranking")
    if task == "multiclass":
        assert p.scores.sum(axis=1) == pytest.approx(np.ones(len(p.y)))
        assert (p.scores.argmax(axis=1) == p.y).mean() > 0.5
