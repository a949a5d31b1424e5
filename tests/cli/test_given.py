"""The user's own model, or its scores, as the baseline of a run from the command line."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

JOBS = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
KEPT = ["-c", "retraining=false", "--assume-approved", "--json"]


@pytest.fixture(scope="module")
def given(folder, jobs_csv, tmp_path_factory):
    """A folder with a fitted model, what else it might be, and its scores beside the data."""
    where = tmp_path_factory.mktemp("given")
    jobs = pd.read_csv(jobs_csv)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(jobs[["score", "years"]], jobs["hired"])
    skops.io.dump(model, where / "model.skops")
    (where / "model.pkl").write_bytes(pickle.dumps(model))
    scores = pd.DataFrame({"p": model.predict_proba(jobs[["score", "years"]])[:, 1].round(4)})
    scores.to_csv(where / "scores.csv", index=False)
    jobs.assign(**scores).to_csv(where / "scored.csv", index=False)
    return where


@pytest.mark.slow
def test_a_model_and_its_scores_give_the_same_baseline(cli, folder, jobs_csv, given, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path))
    by_model = cli("run", "--data", jobs_csv, *JOBS, "--model", given / "model.skops", *KEPT)
    assert by_model.code in {0, 4}, by_model.err
    by_scores = cli(
        "run", "--data", given / "scored.csv", *JOBS, "--scores", "p", "--assume-approved", "--json"
    )
    assert by_scores.code in {0, 4}, by_scores.err
    for figure in ("accuracy", "demographic_parity_ratio", "equalized_odds_difference"):
        one, other = (done.json["baseline"][figure] for done in (by_model, by_scores))
        assert one == other, figure
    assert {s["stage"] for s in by_scores.json["steps"]} <= {"causal", "post-processing"}
    assert any(s["stage"] == "post-processing" and s["status"] == "ran" for s in by_model.json["steps"])
    assert cli("verify", "latest").code == 0
    assert cli("resume", "latest", "--json").json["final"] == by_scores.json["final"]
    decided = cli("predict", "latest", "--data", given / "scored.csv")
    assert decided.out.count("\n") == 3001
    refused = cli("predict", "latest", "--data", jobs_csv)
    assert (refused.code, refused.errors[0][:33]) == (1, "fairmend: error: the data lacks p")


def test_a_pipeline_runs_on_a_model_and_on_scores_of_another_file(cli, folder, jobs_csv, given):
    light = ["run", folder / "light.yaml", "--data", jobs_csv, "--no-save", "--json"]
    done = cli(*light, "--model", given / "model.skops")
    assert done.code == 3, done.err
    assert any("use logistic_regression instead" in note for note in done.json["notes"])
    refused = cli(*light, "--scores", f"{given / 'scores.csv'}:p")
    assert refused.code == 2
    assert "instance-weighting violates the constraints: it needs retraining" in refused.err


def test_an_audit_reads_the_model(cli, jobs_csv, given):
    done = cli("audit", jobs_csv, *JOBS, "--model", given / "model.skops", "--json")
    assert done.code == 0, done.err
    assert done.json["subject"] == "a fitted model"
    assert done.json["measures"]["sex"]["accuracy"]["value"] > 0.7


BAD = {
    "a pickle": (["--model", "{}/model.pkl"], 1, "was not saved with skops"),
    "no file": (["--model", "{}/none.skops"], 2, "there is no model file"),
    "both": (["--model", "{}/model.skops", "--scores", "years"], 2, "expected a model or scores, got both"),
    "no such column": (["--scores", "q"], 1, "no column is called 'q'"),
    "no such file": (["--scores", "{}/q.csv:p"], 1, "there is no file"),
    "no probabilities": (["--scores", "years"], 1, "must be probabilities in \\[0, 1\\]"),
    "a column it lacks": (["--model", "{}/model.skops", "--ignore", "years"], 1, "reads years, which has a role that models may not read"),
    "retraining": (["--scores", "years", "-c", "retraining=true"], 2, "requires a model, got only scores"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_a_baseline_is_one_line(cli, jobs_csv, given, case):
    arguments, code, pattern = BAD[case]
    done = cli("run", "--data", jobs_csv, *JOBS, "--no-save", *[a.format(given) for a in arguments])
    assert (done.code, len(done.errors)) == (code, 1), done.err
    assert re.search(pattern, done.errors[0]), done.errors[0]
    assert done.out == ""


@pytest.mark.data
@pytest.mark.slow
def test_adult_from_a_saved_model_to_a_verdict(cli, adult, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "home"))
    rows = adult.sample(9000, random_state=0).drop(columns="fnlwgt")
    seen, new = rows.iloc[:3000], rows.iloc[3000:]
    texts = ["workclass", "marital-status", "occupation"]
    numbers = ["age", "education-num", "hours-per-week", "capital-gain"]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("texts", codes, texts), ("numbers", "passthrough", numbers)])
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=40, random_state=0))
    model.fit(seen[[*texts, *numbers]], seen["income"])
    skops.io.dump(model, tmp_path / "model.skops")
    new.to_csv(tmp_path / "new.csv", index=False)
    roles = ["--outcome", "income", "--favorable", ">50K", "--protected", "sex"]
    done = cli("run", "--data", tmp_path / "new.csv", *roles, "--model", tmp_path / "model.skops", *KEPT)
    assert done.code in {0, 4}, done.err
    before, after = (done.json[part]["demographic_parity_ratio"]["value"] for part in ("baseline", "final"))
    assert after > before + 0.2
    whole = (model.predict(new[[*texts, *numbers]]) == new["income"]).mean()
    assert done.json["baseline"]["accuracy"]["value"] == pytest.approx(whole, abs=0.03)
