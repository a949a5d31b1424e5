"""Rules that are vacuously fair are never deployable: one decision for all, no skill, a worthless baseline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.catalog.policy import Policy, merged, raw_policy
from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.metrics import measure
from fairmend.core.metrics.degenerate import degeneracies
from fairmend.core.models.external_inputs import given_model
from fairmend.core.models.external_model import PrecomputedScores
from fairmend.pipeline.run.final_evaluation import status_of
from fairmend.pipeline.run.guards import Guard
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.runner import run
from fairmend.pipeline.spec import PipelineSpec

Draw = Callable[[pd.DataFrame, np.random.Generator], np.ndarray]
NOTIONS = ("demographic_parity", "equal_opportunity", "equalized_odds")


def lenient() -> Policy:
    """Return the playbook with calibration as advice, so that scores of any kind reach the verdict."""
    checks = [{"id": name, "level": "advise"} for name in ("calibration", "group-calibration")]
    return Policy(
        **merged(raw_policy("playbook"), {"policy": "lenient", "gates": [{"id": "gate-4", "checks": checks}]})
    )


def people(n: int = 1500, base: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Draw people of two groups that differ in nothing, with a signal and a share of favorable labels."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    labels = signal + rng.normal(scale=0.5, size=n)
    y = labels >= np.quantile(labels, 1 - base)
    return pd.DataFrame({"sex": rng.choice(["F", "M"], n), "signal": signal, "y": y.astype(int)})


def judged(
    frame: pd.DataFrame, scores: np.ndarray, notion: str, registry: Registry, threshold: float = 0.5
) -> RunRecord:
    """Run a pipeline without steps on given scores, under a policy that lets them reach the verdict."""
    roles = Roles(outcome="y", favorable=1, protected=("sex",), allowed_features=("score",))
    data = Dataset.from_frame(frame.assign(score=scores), roles)
    spec = PipelineSpec(
        roles=roles, steps=(), notion=notion, constraints=Constraints(retraining=False),
        learner="logistic_regression",
    )  # fmt: skip
    return run(
        spec,
        data,
        registry=registry,
        policy=lenient(),
        assume_approved=True,
        model=given_model(PrecomputedScores("score", threshold), data),
        n_boot=60,
        n_permutations=20,
    )


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.installed()


# -- whole runs -----------------------------------------------------------------------------------

WORTHLESS: dict[str, tuple[float, Draw, float]] = {
    "everybody: a constant at the base rate": (0.8, lambda f, r: np.full(len(f), 0.8), 0.5),
    "nobody: a constant at the base rate": (0.12, lambda f, r: np.full(len(f), 0.12), 0.5),
    "everybody: a threshold of 0": (0.5, lambda f, r: f["y"] * 0.2 + 0.8 * r.random(len(f)), 0.0),
    "nobody: a threshold of 1": (0.5, lambda f, r: f["y"] * 0.2 + 0.7 * r.random(len(f)), 1.0),
    "uniform noise": (0.5, lambda f, r: r.random(len(f)), 0.5),
    "inverted": (0.5, lambda f, r: 1.0 - f["y"], 0.5),
    "almost everybody": (0.5, lambda f, r: np.where(r.random(len(f)) < 0.003, 0.1, 0.9), 0.5),
}


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("case", WORTHLESS)
def test_a_worthless_rule_is_never_deployable(case: str, notion: str, registry: Registry) -> None:
    base, draw, threshold = WORTHLESS[case]
    frame = people(base=base)
    scores = np.asarray(draw(frame, np.random.default_rng(1)), dtype=float)
    record = judged(frame, scores, notion, registry, threshold)
    assert record.status in {"failed", "escalated"}
    assert record.exit_code == 4
    kinds = {g.kind for g in record.guards}
    assert kinds & {"degenerate-decisions", "no-skill"}
    assert "worthless-baseline" in kinds
    told = " ".join([record.reason, *record.notes])
    assert "not meaningful" in told
    assert "is not meaningful" in told
    assert record.to_json()["guards"][0]["kind"] in kinds


@pytest.mark.parametrize("notion", NOTIONS)
def test_the_same_scores_with_skill_need_no_intervention(notion: str, registry: Registry) -> None:
    frame = people(12_000)
    scores = 1 / (1 + np.exp(-2 * frame["signal"].to_numpy()))
    record = judged(frame, scores, notion, registry)
    assert (record.status, record.exit_code, record.guards) == ("no intervention needed", 0, [])


def test_a_rare_outcome_with_skill_is_no_alarm(registry: Registry) -> None:
    frame = people(n=4000, base=0.03)
    rank = frame["signal"].rank(pct=True).to_numpy()
    record = judged(frame, np.clip(rank - 0.47, 0, 1), "demographic_parity", registry)
    assert record.guards == []


# -- what is degenerate ---------------------------------------------------------------------------

A_SHARE = {  # rows, share of favorable labels, rows selected; whether that is degenerate
    "nobody of many": (1000, 0.5, 0, True),
    "everybody of many": (1000, 0.5, 1000, True),
    "nobody of few": (40, 0.5, 0, True),
    "nobody, rare outcome": (1000, 0.02, 0, True),
    "a handful of many": (5000, 0.5, 5, True),
    "all but a handful": (5000, 0.5, 4995, True),
    "2 in 1000, 12 % favorable": (3000, 0.12, 6, True),
    "half a percent, 1 % favorable": (20_000, 0.01, 100, False),
    "1 % selected": (5000, 0.5, 50, False),
    "half selected": (1000, 0.5, 500, False),
    "99 % selected, 98 % favorable": (5000, 0.98, 4940, False),
    "99.5 % selected, 89 % favorable": (4000, 0.89, 3980, True),
    "few rows, few selected": (100, 0.1, 1, False),
}


@pytest.mark.parametrize("case", A_SHARE)
def test_what_counts_as_one_decision_for_all(case: str) -> None:
    rows, base, selected, expected = A_SHARE[case]
    y = (np.arange(rows) < round(base * rows)).astype(int)
    decisions = (np.arange(rows) < selected).astype(int)  # as good as can be, so that skill is not at issue
    scores = 1 - np.arange(rows) / rows
    groups = np.array(["a", "b"])[np.arange(rows) % 2]
    found = degeneracies(measure(y, decisions, sensitive_features=groups, n_boot=50), y, scores)
    assert any(one.kind == "degenerate-decisions" and one.group is None for one in found) == expected


OF_A_GROUP = {  # rows of the small group, its base rate, how many of it are selected; degenerate
    "nobody of a large group": (600, 0.4, 0, True),
    "everybody of a large group": (600, 0.4, 600, True),
    "nobody of a group with few favorable": (60, 0.1, 0, False),
    "nobody of fewer rows than the support": (20, 0.9, 0, False),
    "one in ten": (600, 0.4, 60, False),
    "everybody where all but a few are favorable": (200, 0.97, 200, False),
}


@pytest.mark.parametrize("case", OF_A_GROUP)
def test_one_decision_for_a_whole_group(case: str) -> None:
    rows, base, selected, expected = OF_A_GROUP[case]
    y = np.concatenate([np.arange(2000) < 1000, np.arange(rows) < round(base * rows)]).astype(int)
    decisions = np.concatenate([np.arange(2000) < 900, np.arange(rows) < selected]).astype(int)
    groups = np.repeat(["large", "small"], [2000, rows])
    found = degeneracies(
        measure(y, decisions, sensitive_features=groups, n_boot=50),
        y,
        decisions + y + np.arange(len(y)) / 1e6,
    )
    assert [one.group for one in found] == (["small"] if expected else [])


SKILL = {  # how often decision and label agree, rows; whether there is skill
    "coin": (0.5, 1000, False),
    "worse than a coin": (0.3, 1000, False),
    "inverted": (0.0, 1000, False),
    "slightly better, few rows": (0.52, 200, False),
    "slightly better, many rows": (0.54, 20_000, True),
    "good": (0.8, 1000, True),
    "perfect": (1.0, 1000, True),
}


@pytest.mark.parametrize("case", SKILL)
def test_skill_lies_above_chance_with_its_interval(case: str) -> None:
    agreement, rows, expected = SKILL[case]
    y = np.arange(rows) % 2
    right = np.arange(rows) // 2 % 100 < round(agreement * 100)
    decisions = np.where(right, y, 1 - y)
    groups = np.repeat(["a", "b"], [rows // 2, rows - rows // 2])
    found = degeneracies(
        measure(y, decisions, sensitive_features=groups, n_boot=200), y, decisions.astype(float)
    )
    assert (found == []) == expected
    assert {one.kind for one in found} <= {"no-skill"}


def test_decisions_with_skill_on_scores_without_are_named() -> None:
    y = np.arange(1000) % 2
    scores = np.random.default_rng(0).random(1000)
    found = degeneracies(measure(y, y, sensitive_features=np.repeat(["a", "b"], 500), n_boot=50), y, scores)
    assert [one.kind for one in found] == ["no-skill"]
    assert "AUC" in found[0].text


# -- what becomes of it ---------------------------------------------------------------------------

FAILED = Guard("degenerate-decisions", "failed", "the final rule selects nobody", "Use another technique")
ESCALATED = Guard("label-leak", "escalated", "x tells the outcome", "Leave it out")
ENDINGS: dict[str, tuple[str, list[Guard], str]] = {
    "nothing trips": ("deploy", [], "deployable"),
    "a degenerate rule": ("deploy", [FAILED], "failed"),
    "a leak": ("deploy", [ESCALATED], "escalated"),
    "both": ("deploy", [ESCALATED, FAILED], "failed"),
    "escalated already": ("escalate", [FAILED], "escalated"),
    "waiting at a gate": ("wait", [FAILED], "waiting"),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_the_status_that_a_guard_makes(case: str) -> None:
    to, tripped, expected = ENDINGS[case]
    status, reason, options = status_of(
        RunOutcome(to, "why", []), [], [], lenient(), "demographic_parity", tripped=tripped
    )
    assert status == expected
    if expected == "failed":
        assert FAILED.reason in reason
        assert FAILED.remedy in options


def test_a_json_record_names_every_guard() -> None:
    written: dict[str, Any] = FAILED.to_json()
    assert set(written) == {"kind", "status", "reason", "remedy"}
