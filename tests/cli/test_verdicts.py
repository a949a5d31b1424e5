"""The command line, Python and the report say the same about findings and cross-validation."""

from __future__ import annotations

import json
import re

from fairmend import api
from fairmend.reports import rule_text
from fairmend.reports.findings import finding_rows, rest_of

JOBS = {"outcome": "hired", "favorable": "yes", "protected": ["sex"]}
OPTIONS = [
    "--outcome",
    "hired",
    "--favorable",
    "yes",
    "--protected",
    "sex",
    "--learner",
    "logistic_regression",
]


def words(text: str) -> str:
    """Return a text on one line, without borders of tables."""
    return " ".join(re.sub(r"[│─|]", " ", text).split())


def test_the_command_python_and_the_report_agree(cli, jobs_csv, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "180")
    asked = ["run", "--data", jobs_csv, *OPTIONS, "--assume-approved", "--no-save", "--cv", "2x2"]
    done = cli(*asked, "--report", tmp_path)
    assert done.code == 0, done.err
    for place in range(1, 5):
        assert f"cross-validation: fold {place} of 4: target" in done.err
    record = api.run(None, jobs_csv, learner="logistic_regression", assume_approved=True, cv="2x2", **JOBS)
    written = json.loads((tmp_path / "run.json").read_text())
    found = record.to_json()
    assert written["findings"] == found["findings"]
    assert written["cross_validation"] == found["cross_validation"]
    keys = {
        "kind",
        "attribute",
        "column",
        "measure",
        "before",
        "after",
        "interval",
        "p_value",
        "verdict",
        "text",
    }
    assert found["findings"]
    assert all(keys <= set(f) for f in found["findings"])
    out = words(done.out)
    report = words((tmp_path / "report.md").read_text())
    page = words((tmp_path / "report.html").read_text())
    assert record.deployed_steps()
    assert re.search(rf"^Final rule of run-[\w-]+: {re.escape(rule_text(record))} ", out)
    for text in (report, page):
        assert all(slug in text.partition("Final rule")[2][:400] for slug in record.deployed_steps())
    assert (
        out.index("final")
        < out.index("Audit findings re-measured on test data")
        < out.index("Cross-validation 2x2")
    )
    rows = finding_rows(record.findings)
    assert {"improved", "fixed"} & {row["verdict"] for row in rows}
    for row in rows:
        p = row["p"]
        line = " ".join(
            w for w in (row["verdict"], row["finding"], row["measure"], row["before"], row["after"], p) if w
        )
        assert line in out
        assert f"{row['finding']} {row['severity']} {row['measure']} {row['before']} {row['after']}" in report
        assert row["text"] in report
        assert row["finding"] in page
    for said in (*record.cross_validation.lines, rest_of(record.findings)):
        assert said in out
        assert said in report
    assert report.count(" held ") + report.count(" missed ") >= 4
    assert "Cross-validation of the whole pipeline" in page


def test_a_bad_number_of_folds_is_a_usage_error(cli, jobs_csv):
    for bad in ("5", "0x2", "ax2", "5x1"):
        done = cli("run", "--data", jobs_csv, *OPTIONS, "--cv", bad)
        assert done.code == 2
        assert "REPETITIONSxFOLDS, such as 5x2" in done.err
        assert "audit:" not in done.err
