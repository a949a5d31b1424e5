"""The parameters of intervals: one way from the constructor, the command line and scikit-learn to the figures."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone

from fairmend.base import InferenceSettings, ResamplingEvaluator
from fairmend.catalog.registry import Registry
from fairmend.core.errors import ParameterError, UsageError
from fairmend.plugins.evaluation._expected_calibration_error import ExpectedCalibrationError
from fairmend.plugins.evaluation._selection_rate_audit import SelectionRateAudit

FOUR = {"n_boot": 200, "level": 0.9, "min_support": 5, "random_state": 3}
DECISIONS = np.tile([1, 0, 0, 1, 1], 40)
GROUPS = np.repeat(["F", "M"], 100)
RESAMPLING = [
    found
    for card in Registry.installed().cards()
    if card.metadata.stage == "evaluation" and issubclass(found := card.load(), ResamplingEvaluator)
]


def test_most_evaluators_take_their_settings_from_one_place():
    assert len(RESAMPLING) >= 9


@pytest.mark.parametrize("kind", RESAMPLING, ids=lambda kind: kind.metadata.slug)
def test_the_four_are_parameters_of_every_evaluator_with_intervals(kind):
    evaluator = kind(**FOUR)
    assert FOUR.items() <= evaluator.get_params().items()
    assert clone(evaluator).get_params() == evaluator.get_params()
    assert evaluator.set_params(n_boot=7).inference.n_boot == 7
    assert list(FOUR) == list(inspect.signature(kind).parameters)[-4:]
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    assert kind().get_params() == defaults


def test_settings_reach_the_figures():
    evaluator = SelectionRateAudit(**FOUR, n_permutations=50)
    assert evaluator.inference == InferenceSettings(200, 0.9, 5, seed=3, n_permutations=50)
    wide, narrow = (
        SelectionRateAudit(n_boot=200, level=level).evaluate(y_pred=DECISIONS, sensitive_features=GROUPS)
        for level in (0.99, 0.5)
    )
    ends = [
        next(iter(r["by_attribute"].values()))["comparisons"]["demographic_parity_difference"]["interval"]
        for r in (wide, narrow)
    ]
    assert ends[0][1] > ends[1][1]


def test_a_class_states_its_own_defaults():
    assert ExpectedCalibrationError().min_support == 100
    assert ExpectedCalibrationError().get_params()["n_boot"] == 1000


def test_what_is_no_parameter_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'n_bot'"):
        SelectionRateAudit(n_bot=3)
    with pytest.raises(ParameterError, match="no parameter of selection-rate-audit is called 'n_bot'"):
        SelectionRateAudit.with_parameters(n_bot=3)
    with pytest.raises(ParameterError, match="'n_boot' parameter"):
        SelectionRateAudit.with_parameters(n_boot=0)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"n_boot": 0}, "n_boot must be at least 1, got 0"),
        ({"n_permutations": 0}, "n_permutations must be at least 1, got 0"),
        ({"level": 1.0}, "level must lie between 0 and 1, got 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, text):
    with pytest.raises(UsageError, match=text):
        InferenceSettings(**setting)


def test_the_command_line_sets_them(cli, jobs_csv):
    asked = ["technique", "run", "selection-rate-audit", "--data", jobs_csv, "--outcome", "hired"]
    asked += ["--favorable", "yes", "--protected", "sex", "--json", "-p", "n_permutations=50"]
    few, many = (cli(*asked, "-p", f"n_boot={n}") for n in (50, 400))
    assert (few.code, many.code) == (0, 0)
    assert few.out != many.out
