"""The measurement of each technique on real data, and what the pages say of it."""

from __future__ import annotations

import json

import evidence
import pytest

from fairmend.catalog.registry import Registry


@pytest.fixture(scope="module")
def registry():
    return Registry.installed()


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Write to a folder of the test, and count what is measured instead of measuring it."""
    calls: list[evidence.Setting] = []

    def measured(card, setting, registry):
        calls.append(setting)
        return {**vars(setting), "status": "failed", "reason": "not tried"}

    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "evidence")
    monkeypatch.setattr(evidence, "measured", measured)
    monkeypatch.setattr("sys.argv", ["evidence.py", "--only", "group-thresholds", "--seeds", "2"])
    return calls


def test_candidates_change_decisions_for_a_notion_that_the_policy_has_a_target_for(registry):
    found = {card.metadata.slug for card in evidence.candidates(registry)}
    assert {"massaging", "group-thresholds", "reductions-exponentiated-gradient"} <= found
    assert not {"fairadapt", "platt-scaling", "selection-rate-audit", "fa-ir"} & found


def test_an_interrupted_call_continues_where_it_was(counted, tmp_path, capsys):
    evidence.main()
    assert len(counted) == 2 * len(evidence.ATTRIBUTES)
    assert [one.seed for one in counted] == sorted(one.seed for one in counted)
    path = tmp_path / "evidence" / "group-thresholds.json"
    kept = json.loads(path.read_text())
    assert len(kept["rows"]) == len(counted)
    path.write_text(json.dumps({**kept, "rows": kept["rows"][:-3]}))
    evidence.main()
    assert len(counted) == 2 * len(evidence.ATTRIBUTES) + 3
    path.write_text(json.dumps({**kept, "source": "of another version"}))
    evidence.main()
    assert len(counted) == 4 * len(evidence.ATTRIBUTES) + 3
    assert "not tried" in capsys.readouterr().out


@pytest.mark.data
def test_a_row_says_what_the_technique_achieved(registry):
    card = registry.card("group-thresholds")
    row = evidence.measured(card, evidence.Setting("compas", "race", "demographic_parity", 0), registry)
    assert row["status"] == "measured"
    assert row["before"]["value"] < 0.7
    assert not row["met_before"]
    assert row["reached"] == (row["after"]["value"] >= 0.8)
    assert row["change"]["interval"][0] > 0
    assert row["change"]["value"] == pytest.approx(row["after"]["value"] - row["before"]["value"])
