"""Outcomes beyond two from the command line: audit, one technique alone, and what is not there yet."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

N = 1200
LINEAR = ["--learner", "linear_regression"]
LOGISTIC = ["--learner", "logistic_regression"]


@pytest.fixture(scope="module")
def people_csv(tmp_path_factory):
    r = np.random.default_rng(0)
    sex = r.choice(["F", "M"], N)
    skill = r.normal(size=N)
    pay = 30 + 5 * skill + 5 * (sex == "M") + r.normal(size=N)
    frame = pd.DataFrame(
        {"sex": sex, "skill": skill, "tests": skill + r.normal(scale=0.1, size=N) + 0.8 * (sex == "M")}
    )
    frame["pay"] = pay
    frame["grade"] = np.array(["C", "B", "A"])[np.searchsorted([28, 34], pay)]
    frame["score"] = 3 * skill + 2 * (sex == "M") + r.normal(size=N)
    frame["job"] = np.arange(N) // 40
    path = tmp_path_factory.mktemp("tasks") / "people.csv"
    frame.to_csv(path, index=False)
    return path


def of(outcome: str) -> list[str]:
    others = {"pay", "grade", "score", "job"} - {outcome}
    return ["--outcome", outcome, "--protected", "sex", "--ignore", ",".join(sorted(others))]


def ranked(*more: str) -> list[str]:
    ignore = ["--ignore", "grade,score" if "--query" in more else "grade,score,job"]
    return ["--outcome", "pay", "--protected", "sex", "--scores", "score", *ignore, *more]


AUDITS = {
    "regression": ([*of("pay"), *LINEAR], {"mean-prediction-gap", "distribution-gap"}, "mean_absolute_error"),
    "multiclass": ([*of("grade"), *LOGISTIC], {"class-outcome-gap"}, "macro_recall"),
    "ranking": (ranked("--task", "ranking"), {"underrepresentation-at-top"}, "ndkl"),
}


@pytest.mark.parametrize("task", AUDITS)
def test_an_audit_speaks_in_the_measures_of_the_task(cli, people_csv, task):
    arguments, kinds, figure = AUDITS[task]
    done = cli("audit", people_csv, *arguments, "--json")
    assert done.code == 0, done.err
    assert done.json["roles"]["task"] == task
    raised = {f["kind"] for f in done.json["findings"] if f["severity"] in {"low", "medium", "high"}}
    assert kinds <= raised
    measured = done.json["measures"]["sex"][figure]
    assert measured["interval"][0] <= measured["value"] <= measured["interval"][1]
    assert measured["support"] == N
    text = cli("audit", people_csv, *arguments).out
    assert f"a {task} outcome" in text
    assert "Figures by sex" in text


def test_a_regression_is_made_alike_by_technique_16(cli, people_csv, tmp_path):
    out = tmp_path / "fair.csv"
    done = cli("technique", "run", "16", "--data", people_csv, *of("pay"), *LINEAR, "-o", out, "--json")
    assert done.code == 0, done.err
    change = done.json["changes"]["mean_prediction_difference"]
    assert change["interval"][1] < 0
    assert done.json["final"]["ks_distance"]["value"] < 0.5 * done.json["baseline"]["ks_distance"]["value"]
    table = pd.read_csv(out)
    assert list(table.columns) == ["row", "sex", "pay", "baseline_prediction", "prediction"]
    gap = table.groupby("sex")[["baseline_prediction", "prediction"]].mean().agg(np.ptp)
    assert gap["prediction"] == pytest.approx(done.json["final"]["mean_prediction"]["difference"]["value"])
    people = pd.read_csv(people_csv)
    assert table["pay"].tolist() == pytest.approx(people["pay"].iloc[table["row"]].tolist())
    printed = cli("technique", "run", "16", "--data", people_csv, *of("pay"), *LINEAR).out
    assert "Mean prediction: F" in printed
    assert "KS distance of two groups" in printed


def test_a_regressor_is_trained_to_serve_every_group_by_technique_87(cli, people_csv, tmp_path):
    out = tmp_path / "trained.csv"
    asked = ("technique", "run", "87", "--data", people_csv, *of("pay"), *LINEAR, "-p", "relative_bound=0.9")
    done = cli(*asked, "-o", out, "--json")
    assert done.code == 0, done.err
    assert set(done.json["loss"]) == {"F", "M"}
    assert max(done.json["loss"].values()) < max(done.json["loss_alone"].values())
    table = pd.read_csv(out)
    assert list(table.columns) == ["row", "sex", "pay", "baseline_prediction", "prediction"]
    assert len(table) == done.json["rows"] == round(len(pd.read_csv(people_csv)) / 4)
    error = ((table["prediction"] - table["pay"]) ** 2).groupby(table["sex"]).mean()
    found = done.json["final"]["mean_squared_error"]["by_group"]
    assert error.to_dict() == pytest.approx({group: found[group]["value"] for group in ("F", "M")})
    refused = cli("technique", "run", "87", "--data", people_csv, *of("pay"), "--scores", "score")
    assert refused.code == 2
    assert "trains its own model" in refused.err


@pytest.mark.parametrize(("outcome", "metric"), [("pay", "mean_absolute_error"), ("grade", "recall[A]")])
def test_crossings_are_evaluated_by_the_figures_of_the_task(cli, people_csv, outcome, metric):
    asked = ("technique", "run", "109", "--data", people_csv, *of(outcome), "-p", "n_boot=100", "--json")
    done = cli(*asked)
    assert done.code == 0, done.err
    assert set(done.json["metrics"][metric]["by_cell"]) == {"F", "M"}
    assert "intersections" in done.json["text"]


@pytest.mark.parametrize("query", [(), ("--query", "job")])
def test_a_ranking_is_repaired_by_given_scores(cli, people_csv, query):
    arguments = ranked(*(query or ("--task", "ranking")))
    done = cli("technique", "run", "108", "--data", people_csv, *arguments, "--json")
    assert done.code == 0, done.err
    assert done.json["changes"]["top_share_ratio_difference"]["interval"][1] < 0
    assert done.json["baseline"]["exposure"]["by_group"]["F"]["value"] < 1


def test_temperatures_are_fitted_to_classes(cli, people_csv, tmp_path):
    out = tmp_path / "scaled.csv"
    done = cli("technique", "run", "51", "--data", people_csv, *of("grade"), "-o", out, "--json")
    assert done.code == 0, done.err
    assert done.json["changes"]["log_loss"]["interval"][1] < 0
    assert done.json["changes"]["accuracy"]["value"] == 0
    table = pd.read_csv(out)
    assert (table["prediction"] == table["baseline_prediction"]).all()
    assert set(table["grade"]) == {"A", "B", "C"}
    scores = table[["score[A]", "score[B]", "score[C]"]]
    assert scores.sum(axis=1).to_numpy() == pytest.approx(np.ones(len(table)))


def test_an_expression_makes_a_pipeline_possible(cli, people_csv):
    done = cli("audit", people_csv, *of("pay"), "--favorable", ">=32", *LOGISTIC, "--json")
    assert done.code == 0, done.err
    assert done.json["roles"]["favorable"] == ">=32"
    assert "outcome-disparity" in {f["kind"] for f in done.json["findings"]}


def test_techniques_are_listed_by_task(cli):
    slugs = {entry["slug"] for entry in cli("technique", "list", "--task", "regression", "--json").json}
    assert "wasserstein-fair-regression" in slugs
    assert "group-thresholds" not in slugs
    assert "temperature-scaling" in {
        e["slug"] for e in cli("technique", "list", "--task", "multiclass", "--json").json
    }


REFUSED = {
    "run on a regression": (["run", "--data"], of("pay"), r"support only binary outcomes so far, and 'pay' was read as regression; .*16 \(wasserstein-fair-regression\)"),
    "run on classes": (["run", "--data"], of("grade"), r"read as multiclass; .*such as \d+ \([a-z-]+\); fairmend technique list --task multiclass .*--favorable '==A'"),
    "run on a ranking": (["run", "--data"], ["--outcome", "pay", "--protected", "sex", "--query", "job"], r"read as ranking; .*such as \d+ \(.*technique list --task ranking"),
    "sweep on a regression": (["sweep", "--data"], of("pay"), "support only binary outcomes so far"),
    "a binary technique on a regression": (["technique", "run", "9", "--data"], of("pay"), "supports binary outcomes, and 'pay' was read as regression; see fairmend technique list --task regression"),
    "a regression's technique on classes": (["technique", "run", "16", "--data"], of("grade"), "supports regression outcomes, and 'grade' was read as multiclass"),
    "a regression's technique on two outcomes": (["technique", "run", "16", "--data"], [*of("pay"), "--favorable", ">=32"], "supports regression outcomes, and 'pay' was read as binary"),
    "one value of many": (["audit"], [*of("grade"), "--favorable", "A"], "has 3 values, two are needed"),
    "an expression without a number": (["audit"], [*of("pay"), "--favorable", ">=lots"], "compares with a number, got 'lots'"),
    "a comparison of texts": (["audit"], [*of("grade"), "--favorable", ">1"], "holds text"),
    "an expression that all rows meet": (["audit"], [*of("pay"), "--favorable", ">-1e9"], "every row of 'pay' is favorable"),
    "an unknown task": (["audit"], [*of("pay"), "--task", "clustering"], "'clustering' is not one of"),
    "an unknown query": (["audit"], [*of("pay"), "--query", "jobs"], "no column is called 'jobs'; did you mean job"),
    "text as a regression": (["audit"], [*of("grade"), "--task", "regression"], "a regression needs numbers"),
    "text as predictions of numbers": (["audit"], [*of("pay"), "--predictions", "grade"], "must be numbers, got text"),
    "scores of classes in one column": (["audit"], [*of("grade"), "--scores", "score"], "a probability of each of its 3 classes"),
    "scores of classes for a technique": (["technique", "run", "51", "--data"], [*of("grade"), "--scores", "score"], "one column cannot hold"),
    "a learner of classes for numbers": (["audit"], [*of("pay"), *LOGISTIC], "no learner of numbers is called 'logistic_regression'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_task_is_refused_in_one_line(cli, people_csv, case):
    command, arguments, message = REFUSED[case]
    done = cli(*command, people_csv, *arguments)
    assert done.code in (1, 2), done.out
    assert done.out == ""
    (line,) = [line for line in done.err.splitlines() if "error" in line.lower()]
    assert re.search(message, line), line


def test_an_audit_is_answered_by_what_serves_its_task_and_not_composed(cli, people_csv, tmp_path):
    audit = tmp_path / "audit.json"
    assert cli("audit", people_csv, *of("pay"), *LINEAR, "-o", audit).code == 0
    done = cli("recommend", "--findings", audit, "--json")
    assert done.code == 0, done.err
    slugs = [one["slug"] for one in done.json["results"]]
    assert "wasserstein-fair-regression" in slugs[:3]
    reasons = {one["technique_id"]: one["reason"] for one in done.json["excluded"]}
    assert reasons[9] == "does not support the task regression"
    composed = cli("compose", "--findings", audit)
    assert composed.code == 2
    assert "support only binary outcomes so far, and 'pay' was read as regression" in composed.err
