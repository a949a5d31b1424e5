"""A step or an evaluation that fails never passes a gate, whatever else the run shows."""

from __future__ import annotations

import pytest

from fairmend.core.errors import DataError, InsufficientDataError
from fairmend.plugins.causal import CausalGraphConstruction, SensitivityAnalysis
from fairmend.plugins.evaluation import ExpectedCalibrationError
from fairmend.plugins.postprocessing import GroupThresholds
from fairmend.plugins.preprocessing import InstanceWeighting

CAUSAL = """\
- {technique: 53, slug: causal-graph-construction, stage: causal}
- {technique: 56, slug: sensitivity-analysis, stage: causal}
"""
NO_COLUMN = DataError("no column is called 'x'")
FEW = InsufficientDataError("needs 100 rows, got 7")

# technique -> what it raises, check that fails, its verdict, pattern of the reason
CASES = {
    "graph construction": (CausalGraphConstruction, NO_COLUMN, "gate-1.steps", "failed", "no column is called"),
    "sensitivity analysis": (SensitivityAnalysis, NO_COLUMN, "gate-1.steps", "failed", "sensitivity-analysis failed"),
    "analysis by a fault of its own": (SensitivityAnalysis, ZeroDivisionError("0/0"), "gate-1.steps", "failed", "raised ZeroDivisionError"),
    "analysis without rows": (SensitivityAnalysis, FEW, "gate-1.steps", "insufficient evidence", "needs 100 rows"),
    "pre-processing": (InstanceWeighting, NO_COLUMN, "gate-2.steps", "failed", "instance-weighting failed"),
    "post-processing": (GroupThresholds, NO_COLUMN, "gate-4.steps", "failed", "group-thresholds failed"),
    "pre-processing without rows": (InstanceWeighting, FEW, "gate-2.steps", "insufficient evidence", "needs 100 rows"),
    "evaluation": (ExpectedCalibrationError, NO_COLUMN, "final.evaluations", "insufficient evidence", "expected-calibration-error failed"),
    "evaluation by a fault of its own": (ExpectedCalibrationError, ZeroDivisionError("0/0"), "final.evaluations", "insufficient evidence", "raised ZeroDivisionError"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_fails_is_named_and_never_deployable(case, arena, cli, monkeypatch):
    technique, error, check, verdict, pattern = CASES[case]

    def fail(self, *arguments, **named):
        raise error

    written = (arena / "light.yaml").read_text()
    (arena / "causal.yaml").write_text(written.replace("steps:\n", f"seed: 2\nsteps:\n{CAUSAL}"))
    monkeypatch.setattr(technique, "evaluate" if hasattr(technique, "evaluate") else "run", fail)
    done = cli("run", "causal.yaml", "--data", "jobs.csv", "--assume-approved", "--json")
    assert (done.code, done.json["status"]) == (4, "escalated"), done.err
    assert "Traceback" not in done.err
    found = {gate["id"]: gate["verdict"] for gate in done.json["gates"]}
    assert found[check] == verdict
    assert pattern in done.json["reason"]
    assert pattern in next(gate["reason"] for gate in done.json["gates"] if gate["id"] == check)
