"""Policies as data: the playbook is complete, and a user's policy extends it."""

from __future__ import annotations

import pytest
import yaml

from fairmend.catalog.policy import GATED_STAGES, PolicyCheck, load_policy, policy_names
from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.pipeline.gates.checks import CHECKS


@pytest.mark.parametrize("name", policy_names())
def test_every_quantity_that_a_policy_names_is_measured(name):
    policy = load_policy(name)
    assert {c.metric for c in policy.checks()} - {"target", "approval"} <= set(CHECKS)
    assert all(c.source for g in policy.gates for c in g.checks)


def test_the_playbook_has_four_gates_and_decisions_with_its_numbers():
    policy = load_policy("playbook")
    assert [g.stage for g in policy.gates] == list(GATED_STAGES)
    assert [d.after for d in policy.decisions] == list(GATED_STAGES)
    numbers = {(g.id, c.id): c.threshold for g in policy.gates for c in g.checks if c.threshold is not None}
    assert numbers["gate-1", "e-value"] == 1.5
    assert numbers["gate-2", "improvement"] == 0.10
    assert numbers["gate-2", "utility"] == 0.05
    assert numbers["gate-3", "utility"] == 0.08
    assert numbers["gate-3", "f1"] == 0.70
    assert numbers["gate-4", "calibration"] == 0.05
    assert numbers["gate-4", "group-calibration"] == 0.08
    assert numbers["gate-4", "utility"] == 0.10
    assert policy.target("demographic_parity").threshold == 0.80
    assert policy.target("equalized_odds").threshold == 0.10
    assert {r.iterations for r in policy.rollbacks if r.stage != "causal"} == {3}


def test_strict_differs_from_the_playbook_where_it_says_so():
    playbook, strict = load_policy("playbook"), load_policy("strict")
    assert strict.evidence == "interval"
    assert playbook.digest() != strict.digest()
    assert [c.id for c in strict.gate("causal").checks] == [c.id for c in playbook.gate("causal").checks]
    levels = {c.id: c.level for c in strict.gate("causal").checks}
    assert levels["e-value"] == "require"


def test_a_users_policy_changes_one_number_and_keeps_the_rest(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "policy": "mine",
                "extends": "playbook",
                "gates": [{"id": "gate-3", "checks": [{"id": "utility", "at_most": 0.02}]}],
            }
        )
    )
    mine, playbook = load_policy(path), load_policy("playbook")
    changed = {c.id: c.threshold for c in mine.gate("in-processing").checks}
    assert changed["utility"] == 0.02
    assert mine.gate("post-processing") == playbook.gate("post-processing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: playbook\ngates: [{id: gate-2, on_fail: nowhere}]", "names the rollback 'nowhere'"),
        ("extends: playbook\ngates: [{id: gate-2, checks: [{id: utility, above: 1}]}]", "exactly one of"),
        ("extends: playbook\ncolor: blue", "no key is called 'color'"),
        ("extends: [", "is not YAML"),
        ("[1, 2]", "must be a mapping"),
        ("extends: nobody", "no policy is called 'nobody'"),
    ],
)
def test_an_unsound_policy_is_a_one_line_error(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises((UsageError, UnknownNameError), match=message) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_bounds_hold_as_they_read():
    assert PolicyCheck(id="a", metric="f1", at_least=0.7).holds(0.7)
    assert not PolicyCheck(id="a", metric="f1", above=0.7).holds(0.7)
    assert PolicyCheck(id="a", metric="f1", at_most=0.7).holds(0.7)
    assert not PolicyCheck(id="a", metric="f1", below=0.7).holds(0.7)
