"""The table of techniques against public implementations."""

from __future__ import annotations

import pytest
import techniques
from _pairs import PAIRS, Pair

from fairmend.catalog.registry import Registry


def test_every_row_is_about_a_technique_and_stands_in_the_module_of_its_stage():
    stages = {c.metadata.slug: c.metadata.stage.replace("-", "") for c in Registry.installed().cards()}
    assert {(p.slug, p.make.__module__.removeprefix("_pairs.")) for p in PAIRS} <= set(stages.items())


@pytest.mark.parametrize(("ours", "theirs", "ratio"), [(1.0, 4.0, 4.0), (4.0, 1.0, 0.25)])
def test_a_row_says_how_many_times_the_peers_seconds_are_ours(monkeypatch, capsys, ours, theirs, ratio):
    monkeypatch.setattr(techniques, "medians", lambda *_: (ours, theirs))
    pair = Pair("some-technique", "numpy", 100, lambda rows: (lambda: None, lambda: None))
    assert techniques.timed(pair, 100, 3) == ratio
    assert f"{ratio:.1f}x" in capsys.readouterr().out


def test_a_row_whose_peer_is_not_installed_is_left_out(capsys):
    def make(rows):
        raise ModuleNotFoundError("No module named 'peer'")

    assert techniques.timed(Pair("some-technique", "peer", 100, make), 100, 3) > 1
    assert "left out: No module named 'peer'" in capsys.readouterr().out


def test_a_pair_runs(capsys, monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["techniques.py", "--only", "beta-calibration", "--rows", "500", "--repeats", "1"]
    )
    techniques.main()
    assert "betacal" in capsys.readouterr().out
