"""Cases in which runs once reached a wrong verdict; the benchmark runs them with the default learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import _cases
import _tables
import numpy as np
import pandas as pd
import pytest
from _evaluate import evaluate
from _verdicts import verdict

from fairmend import api
from fairmend.core.errors import DataError, MissingColumnError
from tests.environments import ROOT

NOTHING_BUILT = ("no intervention needed", "undecided")


def outcome(name: str, **changes: Any) -> dict[str, Any]:
    """Return the result of a story with a fast learner and fewer fresh rows."""
    case = replace(_cases.find(name), fresh_rows=40_000, **changes)
    return evaluate(replace(case, options={**case.options, "learner": "logistic_regression"}), boot=500)


def test_every_row_of_the_page_is_a_story_or_a_test():
    for held in _tables.ONCE_WRONG.values():
        assert held in _cases.STORIES or list((ROOT / "tests").rglob(held))
    assert set(_cases.STORIES) <= set(_tables.ONCE_WRONG.values())


def test_a_model_without_skill_is_not_deployable():
    found = outcome("a-model-that-selects-everyone-has-no-skill")
    assert found["status"] not in ("deployable", "passed its policy", "no intervention needed")
    assert verdict(found)[0] == "right"
    assert ("selects everybody" in found["reason"], found["ran"]) == (True, [])


def test_a_model_that_meets_its_target_is_left_as_it_is():
    found = outcome("649-rows-with-nothing-to-mend")
    assert (found["status"], found["ran"]) == ("no intervention needed", [])


@pytest.mark.data
def test_noise_is_not_mended(data_dir):
    found = outcome("adult-with-a-coin-toss")
    assert found["status"] in NOTHING_BUILT
    assert found["ran"] == []


def test_2000_rows_support_the_cells():
    found = outcome("2000-rows-support-the-cells")
    assert found["supported_cells"] == found["cells"]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("utility", "least"), [("accuracy", 0.55), ("balanced_accuracy", 0.75)])
def test_law_students_are_not_all_let_pass(utility, least, data_dir):
    case = _cases.find("law-race-must-keep-its-skill")
    found = evaluate(replace(case, options={"utility": utility}), boot=500)
    assert verdict(found)[0] == "right"
    assert found["final"]["test"]["demographic_parity_ratio"] >= 0.8
    assert found["final"]["test"]["balanced_accuracy"] > least


@pytest.mark.parametrize("values", [17, 3_000])
def test_one_value_of_a_numeric_outcome_is_not_held_against_the_rest(values):
    rng = np.random.default_rng(0)
    grade = rng.integers(0, values, 5_000)
    frame = pd.DataFrame({"hours": grade + rng.normal(size=5_000), "sex": rng.choice(["f", "m"], 5_000)})
    with pytest.raises(DataError, match="--favorable '>=10'"):
        api.dataset(frame.assign(grade=grade), outcome="grade", favorable=10, protected=("sex",))


@pytest.mark.data
def test_a_graph_with_a_column_that_is_not_there_stops_the_run(data_dir):
    case = _cases.find("compas/race/demographic_parity/0")
    data = api.dataset(case.frame, **case.roles)
    spec = api.compose(
        api.recommend(api.audit(data, learner="logistic_regression")), learner="logistic_regression"
    )
    graph = {"nodes": ["race", "salary", "two_year_recid"], "edges": [["race", "salary"]]}
    steps = [
        step.model_copy(update={"parameters": {**step.parameters, "edges": graph}})
        if step.slug == "causal-graph-construction"
        else step
        for step in spec.steps
    ]
    with pytest.raises(MissingColumnError, match="'salary'"):
        api.run(spec.model_copy(update={"steps": steps}), data, assume_approved=True)
