"""A run that is also logged to MLflow, from the command line."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_a_run_logs_where_it_is_told_and_prints_the_same(cli, folder, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "home"))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    light = ["run", folder / "light.yaml", "--data", folder / "jobs.csv", "--assume-approved", "--json"]
    done = cli(*light, "--mlflow")
    assert done.code == 0, done.err
    client = MlflowClient(tracking_uri=uri)
    [found] = client.search_runs([client.get_experiment_by_name("fairmend").experiment_id])
    assert found.data.tags["fairmend.run_id"] == done.json["run_id"]
    assert found.data.tags["fairmend.head"] == done.err.split()[-1]
    assert found.data.metrics["final.accuracy"] == done.json["final"]["accuracy"]["value"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    refused = cli(*light, "--mlflow")
    assert (refused.code, len(refused.errors)) == (2, 1)
    assert "no tracking URI" in refused.errors[0]
