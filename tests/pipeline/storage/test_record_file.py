"""The whole record as a file: what is read is what was written, and nothing else is made."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.errors import RunError
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.pipeline.storage.record_file import ELSEWHERE, dump_record, load_record
from fairmend.reports import write_report
from fairmend.testing.problems import problem


@pytest.fixture(scope="module")
def record():
    data = problem(n=3000, gap=1.0).dataset()
    spec = PipelineSpec(
        roles=data.roles,
        learner="logistic_regression",
        steps=(
            Step(technique=53, slug="causal-graph-construction", stage="causal"),
            Step(technique=9, slug="group-thresholds", stage="post-processing"),
        ),
        evaluations=(Choice(technique=45, slug="expected-calibration-error"),),
    )
    return run(
        spec,
        data,
        registry=Registry.installed(),
        assume_approved=True,
        cv="1x2",
        n_boot=100,
        n_permutations=100,
    )


def test_a_record_comes_back_whole(record):
    content = dump_record(record)
    again = load_record(content, record.model)
    assert again.to_json() == record.to_json()
    assert again.model is record.model
    for field in fields(record):
        if field.name not in {*ELSEWHERE, "baseline", "final", "tests", "graph"}:
            assert getattr(again, field.name) == getattr(record, field.name), field.name
    np.testing.assert_array_equal(again.final.drawn, record.final.drawn)
    assert again.final.drawn.dtype == record.final.drawn.dtype
    assert again.graph is not None
    assert again.graph.to_mapping() == record.graph.to_mapping()
    assert dump_record(again) == content


def test_the_report_of_a_stored_record_is_the_same(record, tmp_path):
    write_report(record, tmp_path / "one")
    write_report(load_record(dump_record(record), record.model), tmp_path / "other")
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "other").iterdir())
    for name in ("report.md", "run.json", "pipeline.yaml", "selection-rates.png", "reliability.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_what_no_record_holds_is_not_written(record):
    strange = replace(record, technique_results={"strange": {1, 2}})
    with pytest.raises(RunError, match="cannot be stored with a set in it"):
        dump_record(strange)
