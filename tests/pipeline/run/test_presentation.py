"""What people are shown: fingerprints of rules, approvals that are needed, and commands that answer a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairmend.catalog.policy import load_policy
from fairmend.catalog.registry import Registry
from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.pipeline.run.approvals import Approval, settle
from fairmend.pipeline.run.next_steps import next_commands
from fairmend.pipeline.run.presentation import present
from fairmend.pipeline.spec import Choice, PipelineSpec, Step

PLAYBOOK = load_policy("playbook")
REGISTRY = Registry.installed()
ROLES = Roles(outcome="y", favorable=1, protected=("a",))
GRAPH = CausalGraph.from_edges([("a", "x"), ("x", "y")])
OTHER = CausalGraph.from_edges([("a", "y"), ("x", "y")])


def choice(technique, **parameters) -> Choice:
    slug = REGISTRY.card(technique).metadata.slug
    return Choice(technique=technique, slug=slug, parameters=parameters)


CONSTRUCTION, REMOVER, WEIGHTS = choice(53), choice(69, features=["x"]), choice(31)
CONSTRAINED, THRESHOLDS = choice(20), choice(9, min_ratio=0.9)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": np.repeat(["F", "M"], 100), "x": rng.normal(size=200), "y": rng.integers(0, 2, 200)}
    )
    parts = Dataset.from_frame(frame, ROLES).split(seed=0)
    parts.pop("test")
    return Case(**parts)


@pytest.fixture
def shown(case):
    def of(*choices, graph=None, causal_claim=True, **spec):
        steps = [Step(**c.model_dump(), stage=REGISTRY.card(c.technique).metadata.stage) for c in choices]
        planned = PipelineSpec(roles=ROLES, steps=tuple(steps), **spec)
        after = case if graph is None else case.replace(graph=graph)
        return present(planned, PLAYBOOK, REGISTRY, choices, case, after, causal_claim=causal_claim)

    return of


# Two rules, and the gates at which they differ.
CHANGES = {
    "nothing": ((THRESHOLDS,), (THRESHOLDS,), ()),
    "the threshold": ((CONSTRAINED, THRESHOLDS), (CONSTRAINED, choice(9, min_ratio=0.8)), ("gate-4", "escalation")),
    "the threshold left out": ((CONSTRAINED, THRESHOLDS), (CONSTRAINED,), ("gate-4", "escalation")),
    "the constraint": (
        (CONSTRAINED, THRESHOLDS),
        (choice(20, constraint_weight=0.9), THRESHOLDS),
        ("gate-3", "gate-4", "escalation"),
    ),
    "the training data": (
        (WEIGHTS, CONSTRAINED),
        (REMOVER, CONSTRAINED),
        ("gate-2", "gate-3", "gate-4", "escalation"),
    ),
    "the order of keys": ((choice(9, min_ratio=0.9, method="x"),), (choice(9, method="x", min_ratio=0.9),), ()),
}  # fmt: skip


def differ(one, other):
    return tuple(gate for gate in one.rules if one.rules[gate] != other.rules[gate])


@pytest.mark.parametrize("what", CHANGES)
def test_a_fingerprint_changes_with_what_its_gate_is_about(shown, what):
    before, after, gates = CHANGES[what]
    assert differ(shown(*before), shown(*after)) == gates


def test_a_graph_counts_where_it_is_read(shown):
    assert differ(shown(THRESHOLDS, graph=GRAPH), shown(THRESHOLDS, graph=OTHER)) == ("gate-1",)
    read = differ(shown(REMOVER, THRESHOLDS, graph=GRAPH), shown(REMOVER, THRESHOLDS, graph=OTHER))
    assert read == ("gate-1", "gate-2", "gate-3", "gate-4", "escalation")


@pytest.mark.parametrize("change", [{"learner": "decision_tree"}, {"seed": 1}])
def test_another_model_is_another_rule_at_every_gate(shown, change):
    assert len(differ(shown(THRESHOLDS), shown(THRESHOLDS, **change))) == 5


def test_fingerprints_of_gates_are_never_alike(shown):
    rules = shown().rules
    assert len(set(rules.values())) == len(rules) == 5
    assert all(len(rule) == 12 for rule in rules.values())


NEEDLESS = {
    "thresholds": ((THRESHOLDS,), None, True, {"gate-1", "gate-2", "gate-3"}),
    "training": ((CONSTRAINED,), None, True, {"gate-1", "gate-2"}),
    "a graph and a claim": ((CONSTRUCTION, THRESHOLDS), GRAPH, True, {"gate-2", "gate-3"}),
    "a graph and no claim": ((CONSTRUCTION, THRESHOLDS), GRAPH, False, {"gate-1", "gate-2", "gate-3"}),
    "a graph that a step follows": ((CONSTRUCTION, REMOVER), GRAPH, False, {"gate-3"}),
}


@pytest.mark.parametrize("what", NEEDLESS)
def test_approvals_are_needed_for_what_the_rule_contains(shown, what):
    choices, graph, causal_claim, needless = NEEDLESS[what]
    assert set(shown(*choices, graph=graph, causal_claim=causal_claim).needless) == needless


def test_a_rejection_counts_at_a_gate_that_asks_for_nothing(shown):
    no = settle([Approval("gate-3", "product owner", "Pia", False, "no")])
    gate = PLAYBOOK.gate("in-processing")
    [check] = shown(THRESHOLDS).approvals(gate, no)
    assert (check.verdict, check.reason) == ("failed", "rejected by Pia (product owner): no")
    [check] = shown(THRESHOLDS).approvals(gate, [])
    assert check.not_applicable


def test_nobody_is_asked_about_stages_that_were_not_reached(shown):
    assert set(shown(THRESHOLDS).reached(PLAYBOOK, ["causal", "pre-processing"])) == {"gate-1", "gate-2"}


# -- decisions on a rule ------------------------------------------------------------------------------

FORMER, NOW = "0" * 12, "1" * 12


def said(approved, rule, **more) -> Approval:
    return Approval("gate-4", "product owner", more.pop("by", "Pia"), approved, rule=rule, **more)


STATES = {
    "an approval of this rule": ([said(True, NOW)], ["holds"]),
    "an approval of any rule": ([said(True, "")], ["holds"]),
    "an approval of a former rule": ([said(True, FORMER)], ["for an earlier rule"]),
    "asked again": ([said(True, FORMER), said(True, NOW)], ["replaced", "holds"]),
    "a rejection without a response": ([said(False, FORMER)], ["holds"]),
    "a rejection that could not be met": ([said(False, FORMER, response="no")], ["holds"]),
    "a rejection that was met": ([said(False, FORMER, response="yes", met=True)], ["answered"]),
    "met, but the rule is the same": ([said(False, NOW, response="yes", met=True)], ["holds"]),
    "doubted evidence, met": ([said(False, NOW, met=True, concern="evidence")], ["answered"]),
    "met, and approved by another person": (
        [said(False, FORMER, met=True), said(True, NOW, by="Bob")],
        ["answered", "holds"],
    ),
    "not met, and approved by another person": (
        [said(False, FORMER), said(True, NOW, by="Bob")],
        ["holds", "not counted"],
    ),
    "met, and rejected again": ([said(False, FORMER, met=True), said(False, NOW)], ["replaced", "holds"]),
    "the rule as it was before": ([said(True, NOW), said(False, FORMER, met=True)], ["replaced", "answered"]),
}


@pytest.mark.parametrize("case", STATES)
def test_decisions_hold_for_the_rule_they_were_made_on(case):
    given, states = STATES[case]
    assert [a.state for a in settle(given, rules={"gate-4": NOW})] == states


# -- commands -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["deployable", "passed its policy", "accepted as measured", "stopped"])
def test_a_run_that_waits_for_nobody_has_no_commands(status):
    assert next_commands(status, "run-1", policy=PLAYBOOK, waiting=[], decisions=[]) == []


def test_commands_name_the_open_approvals_alone():
    given = settle([Approval("gate-4", "product owner", "Pia", True)])
    found = next_commands(
        "waiting", "run-1", policy=PLAYBOOK, waiting=["gate-4.stakeholders"], decisions=given
    )
    assert found == [
        "fairmend approve run-1 --gate gate-4 --role 'compliance officer' --by NAME",
        "fairmend approve run-1 --gate gate-4 --role 'legal team' --by NAME",
        "fairmend resume run-1",
    ]


def test_a_policy_that_escalates_to_nobody_leaves_no_choice():
    assert next_commands("escalated", "run-1", policy=PLAYBOOK, waiting=[], decisions=[], deciders=[]) == []
