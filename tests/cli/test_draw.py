"""Compose draws what it composed."""

from __future__ import annotations


def test_compose_draws_the_pipeline(cli, jobs_csv, tmp_path):
    found = tmp_path / "audit.json"
    asked = [
        "--outcome",
        "hired",
        "--favorable",
        "yes",
        "--protected",
        "sex",
        "--learner",
        "logistic_regression",
    ]
    assert cli("audit", jobs_csv, *asked, "-o", found).code == 0
    drawings = [tmp_path / f"pipeline.{kind}" for kind in ("mmd", "svg", "png")]
    options = [part for path in drawings for part in ("--diagram", path)]
    done = cli("compose", "--findings", found, "-o", tmp_path / "pipeline.yaml", *options)
    assert done.code == 0, done.err
    assert all(path.stat().st_size > 3000 for path in drawings)
    assert "instance-weighting" in drawings[0].read_text()


def test_a_drawing_of_another_kind_is_refused_before_the_work(cli, tmp_path):
    done = cli("compose", "--findings", "nowhere.json", "--diagram", tmp_path / "pipeline.pdf")
    assert done.code == 2
    assert "a drawing must end in .mmd, .png, .svg" in done.err
