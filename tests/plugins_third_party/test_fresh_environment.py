"""From nothing to a run: a new environment, the project, the example and a package made by the kit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.environments import ROOT, Environment

EXAMPLE = ROOT / "examples" / "acme-fair-thresholds"
PIPELINE = """\
fairmend: 1
name: thresholds
learner: logistic_regression
policy: policy.yaml
simplify: false
roles: {outcome: accepted, favorable: "yes", protected: [origin], mediators: [history]}
steps:
- technique: acme:made-thresholds
  slug: acme-made-thresholds
  stage: post-processing
  alternatives:
  - {technique: "acme:fair-thresholds", slug: acme-fair-thresholds, parameters: {ratio: 0.95}}
"""
POLICY = """\
policy: with-a-floor
extends: playbook
title: The playbook, with a floor under every group's selection rate
gates:
  - id: gate-4
    checks:
      - {id: floor, metric: acme_lowest_selection_rate, at_least: 0.05}
"""


@pytest.mark.slow
def test_from_nothing_to_a_run(tmp_path):
    environment = Environment(tmp_path)
    environment.install(ROOT)
    where = environment.call(environment.python, "-c", "import fairmend; print(fairmend.__file__)").stdout
    assert Path(where.strip()).is_relative_to(environment.home)

    made = environment.fairmend("plugin", "new", "acme-made-thresholds", "--stage", "post-processing")
    assert "fairmend plugin check acme-made-thresholds" in made.stdout
    # A copy, since building writes beside the source.
    shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    environment.install("./example", "./acme-made-thresholds")

    listed = json.loads(environment.fairmend("plugin", "list", "--json").stdout)
    theirs = {e["source"]: e for e in listed if e["source"] != "fairmend"}
    assert set(theirs) == {"acme-fair-thresholds", "acme-made-thresholds"}
    assert {e["health"] for e in listed} == {"ok"}
    assert set(theirs["acme-fair-thresholds"]["contributes"]) == {
        "techniques",
        "finding_kinds",
        "gate_checks",
        "encoders",
        "datasets",
    }

    for name in theirs:
        checked = json.loads(environment.fairmend("plugin", "check", name, "--json").stdout)
        assert all(one["failed"] == [] for one in checked)
        assert max(one["passed"] for one in checked) > 25

    question = "select the same share of every group without retraining"
    answer = json.loads(environment.fairmend("query", question, "--json").stdout)
    assert "acme:made-thresholds" in [r["technique_id"] for r in answer["results"][:3]]

    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "policy.yaml").write_text(POLICY)
    drawn = "from acme_fair_thresholds import tenancies; tenancies(4000, 1)['frame'].to_csv('flats.csv', index=False)"
    environment.call(environment.python, "-c", drawn)
    command = ["run", "pipeline.yaml", "--data", "flats.csv", "--assume-approved", "--json"]
    record = json.loads(environment.fairmend(*command).stdout)
    assert record["status"] == "deployable"
    assert record["steps"][0]["slug"] == "acme-made-thresholds"
    assert "final.floor" in [g["id"] for g in record["gates"]]
    ratios = [record[k]["demographic_parity_ratio"]["value"] for k in ("baseline", "final")]
    assert ratios[0] < 0.8 < ratios[1]
