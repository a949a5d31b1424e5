from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from fairmend.base import DataError, ParameterError
from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.plugins.operations import ModelCard

SECTIONS = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")


def card_of(record: Any, **parameters: Any) -> tuple[str, dict[str, Any]]:
    made = ModelCard(**parameters).produce(record)
    ((name, text),) = made.documents.items()
    assert name == "model_card.md"
    return text, dict(made.result)


def at(record: Any, pointer: str) -> Any:
    """Return what stands at a JSON pointer."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        record = record[int(name)] if isinstance(record, list) else record[name]
    return record


def texts(value: Any) -> list[str]:
    """Return all texts of a record, names included."""
    if isinstance(value, dict):
        return [*map(str, value), *(t for v in value.values() for t in texts(v))]
    if isinstance(value, list):
        return [t for v in value for t in texts(v)]
    return [value] if isinstance(value, str) else []


@pytest.fixture(params=["sample", "kept"])
def record(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "sample":
        return dict(request.getfixturevalue("sample_record"))
    return dict(json.loads(json.dumps(request.getfixturevalue("kept_run")[1].to_json())))


def test_the_nine_sections_stand_in_order(record: dict[str, Any]) -> None:
    text, result = card_of(record)
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    assert result["sections"] == SECTIONS


def test_every_number_is_that_of_the_record(record: dict[str, Any]) -> None:
    text, result = card_of(record)
    shown = set()
    for pointer, value in result["figures"].items():
        assert at(record, pointer) == value, pointer
        if isinstance(value, float):
            shown.add(f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1e}")
        elif value is not None:
            shown.add(f"{value:,}")
    body = text.split("\n---\n", 1)[1].replace("SHA-256", "")
    quoted = {n for t in texts(record) for n in NUMBER.findall(t)}
    found = set(NUMBER.findall(body))
    assert found <= shown | quoted, sorted(found - shown - quoted)
    # and the numbers that matter are there, each in the row and column of its name
    for name in ("accuracy", "demographic_parity_ratio"):
        row = next(line for line in body.splitlines() if line.startswith(f"| {name.replace('_', ' ')} |"))
        for cell, which in zip(row.split(" | ")[1:3], ("baseline", "final"), strict=True):
            figure = record[which][name]
            low, high = figure["interval"]
            assert cell.startswith(f"{figure['value']:.3f} [{low:.3f}, {high:.3f}]")
            assert ("too few rows" in cell) is not figure["enough"]
    for group, figure in record["final"]["selection_rate"]["by_group"].items():
        assert f"| {group} | {figure['value']:.3f} [" in body


def test_a_number_of_another_record_would_be_found_out(record: dict[str, Any]) -> None:
    text, _ = card_of(record)
    changed = json.loads(json.dumps(record))
    changed["final"]["accuracy"]["value"] = 0.123456
    other, result = card_of(changed)
    assert "| 0.123 [" in other
    assert "| 0.123 [" not in text
    assert result["figures"]["/final/accuracy/value"] == 0.123456


def test_the_header_round_trips_through_hugging_face(record: dict[str, Any]) -> None:
    from huggingface_hub import ModelCard as HubCard
    from huggingface_hub import ModelCardData

    text, _ = card_of(record, model_name="loans", answers={"license": "apache-2.0"})
    written = yaml.safe_load(text.split("\n---\n", 1)[0])
    card = HubCard(text)
    data = card.data
    assert isinstance(data, ModelCardData)
    assert (data.model_name, data.license, data.library_name) == ("loans", "apache-2.0", "fairmend")
    assert data.to_dict() == written
    assert yaml.safe_load(data.to_yaml()) == written
    assert card.text.startswith("\n# Model card: loans")
    results = {(r.metric_type, (r.metric_args or {}).get("group")): r for r in data.eval_results}
    for metric in data.metrics:
        assert results[metric, None].metric_value == record["final"][metric]["value"]
        assert results[metric, None].metric_args["interval"] == record["final"][metric]["interval"]
        assert results[metric, None].dataset_revision == record["data"]["sha256"]
    for group, figure in record["final"]["selection_rate"]["by_group"].items():
        assert results["selection_rate", group].metric_value == figure["value"]
        assert results["selection_rate", group].metric_args["rows"] == figure["support"]


def test_what_people_must_say_is_asked_and_not_made_up(sample_record: dict[str, Any]) -> None:
    text, result = card_of(sample_record)
    assert len(result["open_questions"]) == 14
    assert text.count("*Open: `") == 14
    answered, later = card_of(sample_record, answers={"harms": "People who repay are *refused*."})
    assert "harms" not in later["open_questions"]
    assert "**Who could be harmed by its errors, and how?** People who repay are \\*refused\\*." in answered
    every = dict.fromkeys(result["open_questions"], "Said.")
    full, nothing = card_of(sample_record, answers=every)
    assert nothing["open_questions"] == []
    assert "Open: `" not in full


def test_strangers_names_stay_text(sample_record: dict[str, Any]) -> None:
    evil = "x | <script>\n---\n# A: b"
    record = json.loads(json.dumps(sample_record).replace("Asian & Male", json.dumps(evil)[1:-1]))
    text, _ = card_of(record, model_name=evil, answers={"license": evil, "owner": evil})
    header, body = text.split("\n---\n", 1)
    assert yaml.safe_load(header)["model-index"][0]["name"] == "x | <script> --- # A: b"
    assert "<script>" not in body
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    assert len(re.findall(r"^# ", body, re.M)) == 1
    width = {line.replace("\\|", "").count("|") for line in body.splitlines() if line.startswith("| x \\|")}
    assert width <= {3, 6, 8}


def test_refuses_what_is_no_record(sample_record: dict[str, Any]) -> None:
    for broken in ({}, {"final": 3}, {**sample_record, "steps": None}, {**sample_record, "final": {}}):
        with pytest.raises(DataError, match="expected the record of a run"):
            ModelCard().produce(broken)
    with pytest.raises(DataError, match="the record of a run"):
        ModelCard().produce()
    with pytest.raises(UnknownNameError, match="did you mean owner"):
        ModelCard(answers={"owners": "we"}).produce(sample_record)
    with pytest.raises(ParameterError, match="answers"):
        ModelCard.with_parameters(answers="we")


def test_the_sample_record_has_the_form_of_a_record(sample_record: dict[str, Any], kept_run: Any) -> None:
    today = kept_run[1].to_json()
    assert list(sample_record) == list(today), "run python tests/testing/sample_record.py"
    for part in ("steps", "gates", "transitions", "gate_measurements", "findings"):
        names = [set(rows[0]) for rows in (sample_record[part], today[part]) if rows]
        assert all(n == names[0] for n in names), part


def test_from_the_command_line(cli: Any, kept_run: Any, tmp_path: Any, monkeypatch: Any) -> None:
    home, record = kept_run
    file, card = tmp_path / "run.json", tmp_path / "card.md"
    file.write_text(json.dumps(record.to_json()))
    done = cli("technique", "run", "116", "--record", file, "-o", card, "-p", "model_name=jobs", "--json")
    assert done.code == 0, done.err
    assert card.read_text().startswith("---\nlibrary_name: fairmend\n")
    assert "# Model card: jobs" in card.read_text()
    assert done.json["figures"]["/final/accuracy/value"] == record.final.figure("accuracy").value
    # of a run that is kept, by its id; without -o the card itself is printed
    monkeypatch.setenv("FAIRMEND_HOME", str(home))
    printed = cli("technique", "run", "model-card", "--record", record.run_id)
    assert printed.code == 0, printed.err
    assert printed.out == card.read_text().replace(
        "Model card: jobs", f"Model card: {record.run_id}"
    ).replace("- name: jobs\n", f"- name: {record.run_id}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["116"], "give --record alone"),
        (["116", "--record", "no-such-run"], "no run"),
        (["116", "--record", "{folder}/jobs.csv"], "JSON"),
        (["116", "--data", "{folder}/jobs.csv", "--record", "x"], "give --record alone"),
        (["4", "--record", "x"], "give --data alone"),
        (["116", "--record", "{folder}/list.json"], "holds no record"),
        (["116", "--record", "{folder}/empty.json"], "expected the record of a run"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_in_one_line(
    cli: Any, folder: Any, tmp_path: Any, monkeypatch: Any, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path))
    (folder / "list.json").write_text("[]")
    (folder / "empty.json").write_text("{}")
    done = cli("technique", "run", *(a.format(folder=folder) for a in arguments))
    assert done.code in (1, 2)
    assert len(done.errors) == 1
    assert message in done.errors[0]
    assert done.out == ""


def test_an_operation_is_no_step(sample_record: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="list it under operations"):
        ModelCard().run(None)  # type: ignore[arg-type]
