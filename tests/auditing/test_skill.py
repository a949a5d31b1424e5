"""The audit names decisions that are fair for no reason, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend import api

KINDS = {"no-skill", "degenerate-decisions"}
N = 3000


def people(seed=0):
    """Draw people with a signal that tells the label well, and groups that differ in nothing."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=N)
    y = (signal + 0.5 * rng.normal(size=N) > 0).astype(int)
    return pd.DataFrame(
        {"sex": rng.choice(["F", "M"], N), "race": rng.choice(["a", "b"], N), "x": signal, "y": y}
    )


def found(frame, protected=("sex",), **decided):
    record = api.audit(frame, outcome="y", favorable=1, protected=list(protected), **decided)
    return [f for f in record.findings if f.kind in KINDS]


def squashed(frame, rng):
    return 1 / (1 + np.exp(-2 * frame["x"].to_numpy()))


WITHOUT = {  # scores; the kinds, severities and groups that are found
    "skill": (squashed, []),
    "noise": (lambda f, r: r.random(N), [("no-skill", "high", None)]),
    "everybody": (lambda f, r: np.full(N, 0.8), [("degenerate-decisions", "high", None)] * 2),
    "nobody": (lambda f, r: 0.4 * squashed(f, r), [("degenerate-decisions", "high", None)]),
    "almost everybody": (
        lambda f, r: np.where(r.random(N) < 0.003, 0.1, 0.9),
        [("degenerate-decisions", "high", None)],
    ),
    "nobody of a group": (
        lambda f, r: np.where(f["sex"] == "F", 0.3, squashed(f, r)),
        [("degenerate-decisions", "high", "F")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WITHOUT)
def test_decisions_without_skill_are_named(case):
    draw, expected = WITHOUT[case]
    frame = people()
    scores = np.asarray(draw(frame, np.random.default_rng(1)), dtype=float)
    findings = found(frame, scores=scores)
    assert [(f.kind, f.severity, f.group) for f in findings] == expected
    for one in findings:
        assert "fairness metrics are not meaningful" in one.text
        assert one.attribute == (None if one.group is None else "sex")


def test_decisions_without_scores_are_named_too():
    frame = people()
    [one] = found(frame, predictions=np.random.default_rng(2).integers(0, 2, N))
    assert (one.kind, one.severity, one.measure) == ("no-skill", "high", "balanced_accuracy")


def test_what_is_about_all_rows_is_said_once_and_of_a_group_by_attribute():
    frame = people()
    noise = np.random.default_rng(3).random(N)
    assert [f.attribute for f in found(frame, ("sex", "race"), scores=noise)] == [None]
    scores = np.where(frame["sex"] == "F", 0.3, 1 / (1 + np.exp(-2 * frame["x"])))
    groups = {(f.attribute, f.group) for f in found(frame, ("sex", "race"), scores=scores)}
    assert ("sex", "F") in groups
    assert all(attribute != "race" for attribute, _ in groups)


def test_recorded_outcomes_are_not_decisions_with_skill():
    assert found(people(), learner=None) == []


def test_a_reference_model_on_noise_has_no_skill():
    frame = people()
    frame["y"] = np.random.default_rng(4).integers(0, 2, N)
    kinds = {f.kind for f in found(frame, learner="logistic_regression")}
    assert kinds == {"no-skill"}


def test_too_few_rows_to_show_skill_are_insufficient_evidence():
    frame = people().head(140)
    rng = np.random.default_rng(7)
    scores = np.clip(0.5 + 0.02 * (frame["y"] - 0.5) + 0.2 * rng.normal(size=len(frame)), 0, 1)
    for one in found(frame, scores=scores):
        assert one.severity in {"insufficient evidence", "low"}
