"""Utilities and costs that say nothing clear are refused before any work."""

from __future__ import annotations

import pytest

ROLES = ("--data", "jobs.csv", "--outcome", "hired", "--favorable", "yes", "--protected", "sex")
RUN = ("run", *ROLES)
SWEEP = ("sweep", *ROLES)
LIGHT = ("run", "light.yaml", "--data", "jobs.csv")

REFUSED = {
    "unknown": ((*RUN, "--utility", "profit"), "invalid value for '--utility'"),
    "cost-without-costs": ((*RUN, "--utility", "cost"), "needs cost_fp, cost_fn or both"),
    "cost-of-zero": ((*RUN, "--cost-fn", "0"), "cost_fn must be a positive number, got 0"),
    "negative-cost": ((*RUN, "--utility", "cost", "--cost-fp=-2"), "cost_fp must be a positive number, got -2"),
    "cost-not-a-number": ((*RUN, "--cost-fp", "nan"), "must be a positive number, got nan"),
    "endless-cost": ((*RUN, "--cost-fp", "inf"), "must be a positive number, got inf"),
    "cost-in-words": ((*RUN, "--cost-fp", "much"), "invalid value for '--cost-fp'"),
    "costs-beside-f1": ((*RUN, "--utility", "f1", "--cost-fn", "5"), "cost_fn belong to the utility 'cost', got the utility 'f1'"),
    "costs-beside-auc": ((*RUN, "--utility", "auc", "--cost-fp", "5", "--cost-fn", "1"), "cost_fp and cost_fn belong"),
    "equal-costs-beside-accuracy": ((*RUN, "--utility", "accuracy", "--cost-fp", "1"), "cost_fp belong"),
    "beside-a-pipeline": ((*LIGHT, "--utility", "f1"), "--utility is already set by the pipeline"),
    "cost-beside-a-pipeline": ((*LIGHT, "--cost-fn", "2"), "--cost-fn is already set by the pipeline"),
    "sweep-by-scores": ((*SWEEP, "--utility", "auc"), "a sweep compares decisions"),
    "sweep-cost-of-zero": ((*SWEEP, "--cost-fp", "0"), "must be a positive number"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "match"), REFUSED.values(), ids=REFUSED)
def test_utilities_that_say_nothing_clear_are_refused(refused, arguments, match):
    refused(*arguments, match=match)


IN_A_PIPELINE = {
    "unknown": ("utility: {metric: profit}", "utility.metric"),
    "zero": ("utility: {metric: cost, cost_fn: 0}", "utility.cost_fn"),
    "negative": ("utility: {metric: cost, cost_fp: -1}", "utility.cost_fp"),
    "endless": ("utility: {metric: cost, cost_fp: .inf}", "not a finite number"),
    "beside-f1": ("utility: {metric: f1, cost_fp: 3}", "belong to the utility 'cost'"),
    "a-word": ("utility: f1", "utility"),
    "unknown-key": ("utility: {metrics: f1}", "metric"),
}


@pytest.mark.parametrize(("line", "match"), IN_A_PIPELINE.values(), ids=IN_A_PIPELINE)
def test_a_pipeline_with_such_a_utility_is_refused(refused, arena, line, match):
    path = arena / "light.yaml"
    path.write_text(path.read_text() + f"\n{line}\n")
    refused(*LIGHT, "--no-save", match=match)
