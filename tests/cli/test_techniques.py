"""Single techniques from the command line: show, and run alone on a table."""

from __future__ import annotations

import json

import pandas as pd
import pytest

JOBS = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
LIGHT = ["--learner", "logistic_regression"]


def test_list_of_a_stage(cli):
    entries = cli("technique", "list", "--stage", "post-processing", "--json").json
    assert {e["stage"] for e in entries} == {"post-processing"}
    assert "Group" in cli("technique", "list").out


@pytest.mark.parametrize("name", ["69", "disparate-impact-remover"])
def test_show_by_id_and_by_slug(cli, name):
    shown = cli("technique", "show", name, "--json").json
    assert (shown["technique_id"], shown["slug"]) == (69, "disparate-impact-remover")
    assert "2015" in shown["citation"]
    assert {"name": "repair_level", "default": 0.8, "accepts": "a float in the range [0.0, 1.0]"} in shown[
        "parameters"
    ]
    assert "repair_level" in cli("technique", "show", name).out


def test_a_repair_changes_the_named_features_and_nothing_else(cli, folder, tmp_path):
    out = tmp_path / "repaired.csv"
    done = cli(
        *("technique", "run", "69", "--data", folder / "bank.csv", "--protected", "race"),
        *("--features", "credit_score,income", "-p", "repair_level=1", "--output", out, "--json"),
    )
    assert done.code == 0, done.err
    before, after = pd.read_csv(folder / "bank.csv"), pd.read_csv(out)
    assert list(after.columns) == list(before.columns)
    kept = before.columns.difference(["credit_score", "income"])
    pd.testing.assert_frame_equal(after[kept], before[kept])
    gap = [
        f.groupby("race")["credit_score"].median().agg(lambda m: m.max() - m.min()) for f in (before, after)
    ]
    assert gap[1] < 0.1 * gap[0]
    assert set(done.json["effect"]["detail"]["features"]) == {"credit_score", "income"}


def test_weights_become_a_column(cli, jobs_csv, tmp_path):
    out = tmp_path / "weighted.csv.gz"
    assert cli("technique", "run", "31", "--data", jobs_csv, *JOBS, "-o", out).code == 0
    table = pd.read_csv(out)
    table["favorable"] = table["hired"].eq("yes") * table["fairmend_weight"]
    sums = table.groupby("sex")[["favorable", "fairmend_weight"]].sum()
    rates = sums["favorable"] / sums["fairmend_weight"]
    assert rates["F"] == pytest.approx(rates["M"])


def test_new_rows_are_marked(cli, jobs_csv, tmp_path):
    out = tmp_path / "resampled.csv"
    assert cli("technique", "run", "smote", "--data", jobs_csv, *JOBS, "-o", out).code == 0
    table, before = pd.read_csv(out), pd.read_csv(jobs_csv)
    made = table["fairmend_origin"].isna()
    assert made.any()
    assert set(table["hired"]) == {"yes", "no"}
    assert set(table.loc[made, "sex"]) <= {"F", "M"}
    kept = table[~made]
    origin = kept["fairmend_origin"].astype(int)
    pd.testing.assert_frame_equal(
        kept[before.columns].reset_index(drop=True),
        before.iloc[origin].reset_index(drop=True),
        check_dtype=False,
    )


def test_post_processing_decides_on_rows_that_trained_nothing(cli, jobs_csv, tmp_path):
    out = tmp_path / "decisions.csv"
    done = cli("technique", "run", "9", "--data", jobs_csv, *JOBS, *LIGHT, "-o", out, "--json")
    assert done.code == 0, done.err
    table, found = pd.read_csv(out), done.json
    assert len(table) == found["rows"] == found["final"]["accuracy"]["support"]
    assert list(table.columns[-4:]) == ["baseline_score", "baseline_decision", "score", "decision"]
    before = pd.read_csv(jobs_csv).loc[table["row"]]
    assert (before["sex"].to_numpy() == table["sex"]).all()
    assert (before["hired"].eq("yes").to_numpy() == table["hired"]).all()
    ratio = [found[side]["demographic_parity_ratio"]["value"] for side in ("baseline", "final")]
    rates = table.groupby("sex")["decision"].mean()
    assert ratio[1] == pytest.approx(rates.min() / rates.max())
    assert ratio[1] > ratio[0] + 0.1


def test_post_processing_of_given_scores_trains_no_model(cli, jobs_csv, tmp_path):
    frame = pd.read_csv(jobs_csv)
    frame["p"] = frame["score"].rank(pct=True)
    frame.to_csv(tmp_path / "scored.csv", index=False)
    out = tmp_path / "decisions.csv"
    done = cli(
        *("technique", "run", "9", "--data", tmp_path / "scored.csv", *JOBS),
        *("--scores", "p", "--learner", "none that there is", "-o", out),
    )
    assert done.code == 0, done.err
    table = pd.read_csv(out)
    assert (frame["p"].loc[table["row"]].to_numpy() == table["baseline_score"].to_numpy()).all()


def test_evaluation_of_given_decisions(cli, jobs_csv, tmp_path):
    frame = pd.read_csv(jobs_csv)
    pd.DataFrame({"decision": frame["score"].gt(52).astype(int)}).to_csv(tmp_path / "d.csv", index=False)
    done = cli(
        *(
            "technique",
            "run",
            "8",
            "--data",
            jobs_csv,
            *JOBS,
            "--predictions",
            f"{tmp_path / 'd.csv'}:decision",
        ),
        *("-o", tmp_path / "found.json", "--json"),
    )
    assert done.code == 0, done.err
    assert done.json["subject"] == "given predictions"
    assert json.loads((tmp_path / "found.json").read_text()) == done.json


def test_comparison_of_candidates(cli, tmp_path):
    models = pd.DataFrame(
        {"model": ["a", "b", "c"], "accuracy": [0.8, 0.7, 0.6], "demographic_parity_ratio": [0.5, 0.9, 0.8]}
    )
    models.to_csv(tmp_path / "models.csv", index=False)
    done = cli("technique", "run", "112", "--data", tmp_path / "models.csv", "--json")
    assert done.code == 0, done.err
    assert "c" not in json.dumps(done.json["frontier"])


def test_causal_graph_goes_from_one_technique_to_the_next(cli, bank_csv, tmp_path):
    roles = [
        "--outcome",
        "approved",
        "--protected",
        "race",
        "--mediators",
        "income",
        "--ignore",
        "application_id",
    ]
    graph = tmp_path / "graph.json"
    assert cli("technique", "run", "53", "--data", bank_csv, *roles, "-o", graph).code == 0
    assert {"nodes", "edges"} <= set(json.loads(graph.read_text())["graph"])
    done = cli("technique", "run", "56", "--data", bank_csv, *roles, "--graph", graph, "--json")
    assert done.code == 0, done.err


PNG = b"\x89PNG\r\n\x1a\n"


def test_the_calibration_error_writes_its_reliability_diagram_and_table(cli, jobs_csv, tmp_path):
    run = ("technique", "run", "45", "--data", jobs_csv, *JOBS, *LIGHT, "-p", "n_boot=20")
    assert cli(*run, "-o", tmp_path / "reliability.png").code == 0
    assert (tmp_path / "reliability.png").read_bytes().startswith(PNG)
    assert cli(*run, "-o", tmp_path / "reliability.svg").code == 0
    assert "sex: F" in (tmp_path / "reliability.svg").read_text()
    assert cli(*run, "-o", tmp_path / "reliability.csv").code == 0
    table = pd.read_csv(tmp_path / "reliability.csv")
    assert table.columns.tolist() == ["attribute", "group", "bin", "support", "mean_score", "share"]
    assert table.groupby("group").size().to_dict() == {"F": 10, "M": 10}
    found = cli(*run, "--json").json["by_attribute"]["sex"]["reliability"]["by_group"]["F"]
    assert table.loc[table["group"] == "F", "support"].tolist() == found["support"]


def test_the_pareto_frontier_reads_a_table_of_models_and_draws_it(cli, tmp_path):
    models = tmp_path / "models.csv"
    models.write_text(
        "model,accuracy,demographic_parity_ratio\nplain,0.86,0.4\nfair,0.85,0.8\nworse,0.81,0.7\n"
    )
    done = cli(
        "technique", "run", "pareto-frontier", "--data", models, "-o", tmp_path / "found.svg", "--json"
    )
    assert done.json["frontier"] == ["plain", "fair"]
    assert "2 models of 3 on the Pareto frontier" in (tmp_path / "found.svg").read_text()


def test_an_evaluation_without_picture_or_table_says_so(cli, jobs_csv, tmp_path):
    run = ("technique", "run", "1", "--data", jobs_csv, *JOBS, *LIGHT, "-o")
    for name, said in (("a.png", "there is no picture"), ("a.csv", "makes no table")):
        done = cli(*run, tmp_path / name)
        assert done.code == 2
        assert said in done.errors[0]
        assert not (tmp_path / name).exists()


def test_pre_processing_alone_measures_features_and_model_before_and_after(cli, tmp_path, jobs_csv):
    run = (
        "technique",
        "run",
        "69",
        "--data",
        jobs_csv,
        *JOBS,
        *LIGHT,
        "-p",
        "repair_level=1.0",
        "-p",
        "ties=spread",
    )
    done = cli(*run, "-o", tmp_path / "repaired.csv", "--json").json
    assert all(now["after"] < now["before"] for now in done["ks_distance"].values())
    for name in ("accuracy", "demographic_parity_ratio", "demographic_parity_difference"):
        assert done["baseline"][name]["value"] != done["final"][name]["value"]
    shown = cli(*run).out
    for words in ("Largest KS distance between groups", "Demographic parity ratio", "Accuracy"):
        assert words in " ".join(shown.split())


def test_where_models_cannot_be_compared_it_says_why(cli, tmp_path, jobs_csv):
    few = tmp_path / "few.csv"
    pd.read_csv(jobs_csv).groupby(["sex", "hired"]).head(6).to_csv(few, index=False)
    done = cli("technique", "run", "41", "--data", few, *JOBS, *LIGHT, "--json").json
    assert "were not compared" in done["text"]
    assert "baseline" not in done
