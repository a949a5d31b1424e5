"""Steps are computed once: the same steps in the same order, and trainings that come to the same."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend import api
from fairmend.core.data.dataset import PARTS
from fairmend.core.models.learners import make_learner
from fairmend.pipeline.cross_fitting import divide
from fairmend.pipeline.spec import Choice
from fairmend.pipeline.storage.step_cache import StepCache

REWEIGH = Choice(technique=31, slug="instance-weighting")
HOLD = Choice(technique=113, slug="reductions-exponentiated-gradient", parameters={"max_iter": 4})
PLAIN_HOLD = Choice(technique=20, slug="fairness-constrained-lr")


@pytest.fixture(scope="module")
def tracer(registry) -> StepCache:
    division = divide(api.load_dataset("bank", rows=2000), PARTS, seed=0)
    start = division.cases(learner=make_learner("logistic_regression"))
    return StepCache(registry, division, [case.retrained() for case in start])


def test_what_ran_is_not_run_again(tracer):
    assert tracer.replay([REWEIGH, HOLD]) is tracer.replay([REWEIGH, HOLD])


def test_a_training_on_the_same_weights_of_the_data_is_shared(tracer):
    after, alone = tracer.replay([REWEIGH, HOLD]), tracer.replay([HOLD])
    assert alone.case.fitted().estimator is after.case.fitted().estimator
    assert alone.case.train.weights is None
    fresh, effect = tracer.registry.technique(113)(max_iter=4).run(tracer.root.case)
    data = alone.case.validation
    np.testing.assert_array_equal(fresh.fitted().scores(data.X), alone.case.fitted().scores(data.X))
    assert alone.effect.to_json() == effect.to_json()


def test_a_training_on_the_weights_of_a_step_is_not(tracer):
    after, alone = tracer.replay([REWEIGH, PLAIN_HOLD]), tracer.replay([PLAIN_HOLD])
    assert alone.case.fitted().estimator is not after.case.fitted().estimator
