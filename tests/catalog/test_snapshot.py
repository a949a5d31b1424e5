"""The snapshot of the cards is that of the source: a listing of a fresh installation imports nothing."""

from __future__ import annotations

import json

from fairmend.catalog.registry import BUILTINS, SNAPSHOT, fingerprint, write_snapshot


def test_snapshot_is_not_stale():
    kept = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    stale = [name for name in BUILTINS if kept.get(name, {}).get("fingerprint") != fingerprint(name)]
    assert not stale, f"stale for {', '.join(stale)}: run make catalog"


def test_snapshot_is_what_the_source_gives(tmp_path):
    write_snapshot(tmp_path / "techniques.json")
    assert (tmp_path / "techniques.json").read_text(encoding="utf-8") == SNAPSHOT.read_text(encoding="utf-8")
