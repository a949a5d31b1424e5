"""What an audit of very many columns asks, and that it says so."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fairmend.auditing import audit, features
from fairmend.auditing.features import association, binned, most_telling
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles


def wide(n: int = 300, columns: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sex, y = rng.choice(["F", "M"], n), rng.integers(0, 2, n)
    noise = {f"x{i}": rng.choice(list("abc"), n) for i in range(columns)}
    return pd.DataFrame({**noise, "club": np.where(sex == "F", "p", "q"), "sex": sex, "y": y})


def test_association_orders_features():
    frame = wide()
    sex = (frame["sex"] == "F").to_numpy().astype(np.int64)
    assert association(binned(frame["club"]), sex) == 1
    assert association(binned(frame["x0"]), sex) < 0.1


def test_the_most_telling_features_are_asked_and_those_that_are_declared(monkeypatch):
    monkeypatch.setattr(features, "MOST_FEATURES", 2)
    frame = wide()
    every = {name: binned(frame[name]) for name in frame.columns if name not in ("sex", "y")}
    classes = [(frame["sex"] == "F").to_numpy().astype(np.int64), frame["y"].to_numpy()]
    chosen = most_telling(every, classes, {"x7"})
    assert {"club", "x7"} <= set(chosen)
    assert len(chosen) <= 3
    assert list(chosen) == [name for name in every if name in chosen]
    monkeypatch.setattr(features, "MOST_FEATURES", 100)
    assert most_telling(every, classes, set()) == every


def test_an_audit_says_how_many_features_it_asked(monkeypatch):
    monkeypatch.setattr(features, "MOST_FEATURES", 3)
    told: list[str] = []
    data = Dataset.from_frame(wide(), Roles(outcome="y", favorable="1", protected=("sex",)))
    found = audit(data, learner=None, n_boot=50, progress=told.append)
    assert any(note.startswith("3 of 13 features were checked") for note in found.notes)
    assert any(f.column == "club" and f.severity == "high" for f in found.findings)
    assert told[-2:] == [
        "binning 13 features",
        "searching mediators and proxies of sex among 3 features",
    ]
