"""Policies and pipelines that pose as something else, say what cannot be meant, or would bring the reader down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fairmend.catalog.policy import (
    Policy,
    PolicyRecord,
    load_policy,
    merged,
    not_deployable,
    policy_names,
    raw_policy,
    weaker_than,
)
from fairmend.catalog.policy.metrics import METRICS
from fairmend.catalog.policy.rules import check_policy
from fairmend.core.errors import UsageError
from fairmend.core.text.strict_reading import parse_json, parse_yaml
from fairmend.core.text.yaml_text import yaml_text
from fairmend.pipeline.gates.checks import CHECKS
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.run.final_evaluation import status_of
from fairmend.pipeline.run.run_outcome import RunOutcome
from fairmend.pipeline.run.run_status import EXIT_CODES

HEAD = "policy: ours\nextends: playbook\n"


def gate(number: int, *checks: str) -> str:
    """Return a policy that changes checks of a gate of the playbook."""
    return f"{HEAD}gates:\n- id: gate-{number}\n  checks:\n" + "".join(f"  - {{{c}}}\n" for c in checks)


def target(text: str, notion: str = "demographic_parity") -> str:
    return f"{HEAD}targets:\n  {notion}: {{{text}}}\n"


def route(text: str) -> str:
    """Return a policy whose last decision deploys on one condition, or escalates."""
    return (
        f"{HEAD}decisions:\n- id: decision-4\n  paths:\n"
        f"  - {{to: deploy, reason: good, when: [{{id: c, {text}}}]}}\n  - {{to: escalate, reason: bad}}\n"
    )


def decision(number: int, *paths: str) -> str:
    return f"{HEAD}decisions:\n- id: decision-{number}\n  paths: [{', '.join(f'{{to: {p}, reason: r}}' for p in paths)}]\n"


def rollback(text: str) -> str:
    return f"{HEAD}rollbacks:\n- id: rollback-pre-processing\n  {text}\n"


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)

# case: what the file says, and a pattern of the message
UNREADABLE = {
    "key twice": (
        "policy: a\ntitle: b\npolicy: c\n",
        "line 3: the key 'policy' occurs twice, first in line 1",
    ),
    "bound twice": (
        gate(4, "id: utility, at_most: 0.05, at_most: 0.9"),
        "line 6: the key 'at_most' occurs twice",
    ),
    "billion laughs": (LAUGHS, "aliases expanded it has more than"),
    "contains itself": ("policy: &a [*a]\n", "contains itself"),
    "nested flow": (HEAD + "title: " + "[" * 5000 + "]" * 5000, "nested more than"),
    "nested block": ("".join(" " * i + "a:\n" for i in range(300)), "nested more than"),
    "5,000 digits": (gate(4, f"id: utility, at_most: {'9' * 5000}"), "line 6: a number has 5,000 digits"),
    "5,000 decimals": (gate(4, f"id: utility, at_most: 0.{'1' * 5000}"), "has 5,002 digits"),
    "number as key": (HEAD + "1: a\n", "line 3: the key '1' is not text"),
    "boolean as key": (HEAD + "no: a\n", "the key 'no' is not text"),
    "list as key": (HEAD + "[1, 2]: a\n", "the key a collection is not text"),
    "mapping as key": (HEAD + "? {a: b}\n: c\n", "the key a collection is not text"),
    "nan": (gate(4, "id: utility, at_most: .nan"), "line 6: .nan is not a finite number"),
    "inf": (gate(4, "id: utility, at_most: .inf"), ".inf is not a finite number"),
    "beyond floats": (gate(4, "id: utility, at_most: 1e400"), "1e400 is not a finite number"),
    "python object": ("policy: !!python/object/apply:os.system [id]\n", "the tag .* is not read"),
    "binary": ("policy: !!binary aGk=\n", "the tag .* is not read"),
    "not YAML": ("policy: [\n", "is not YAML: line"),
    "two documents": ("policy: a\n---\npolicy: b\n", "is not YAML: line"),
    "control character": ("policy: a\0b\n", "is not YAML: .*control characters"),
    "undefined alias": ("policy: *nobody\n", "undefined alias"),
    "a list": ("[1, 2]\n", "must be a mapping, got list"),
    "empty": ("", "must be a mapping, got NoneType"),
    "a number": ("5\n", "must be a mapping, got int"),
}

UNKNOWN = {
    "misspelt bound": (
        gate(4, "id: fairness-2, metric: accuracy, thershold: 0.3"),
        r"not valid at gates\.gate-4\.checks\.fairness-2: no key is called 'thershold'",
    ),
    "misspelt at the top": (
        HEAD + "evidense: interval\n",
        "no key is called 'evidense'; did you mean evidence",
    ),
    "metric": (
        gate(4, "id: mine, metric: acuracy_loss, at_most: 0.1"),
        "gate-4.mine: .*did you mean accuracy_loss",
    ),
    "metric at a decision": (
        route("metric: acuracy, at_least: 0.6"),
        "decision-4.c: .*did you mean accuracy",
    ),
    "metric of a target": (target("metric: demographic_ratio"), "targets.demographic_parity: .*did you mean"),
    "parameter": (
        gate(4, "id: group-calibration, parameters: {minimum_suport: 50}"),
        "gate-4.group-calibration: .*'minimum_suport'; did you mean minimum_support",
    ),
    "parameter of a metric without any": (
        gate(4, "id: utility, parameters: {relative: false}"),
        "utility_loss takes no parameters, got 'relative'",
    ),
    "parameter of the target": (gate(4, "id: fairness, parameters: {a: 1}"), "'target' takes no parameters"),
    "parameter as text": (
        gate(4, "id: group-calibration, parameters: {minimum_support: fifty}"),
        "minimum_support must be an integer of at least 1, got 'fifty'",
    ),
    "parameter of zero": (
        gate(4, "id: group-calibration, parameters: {minimum_support: 0}"),
        "at least 1, got 0",
    ),
    "parameter true": (
        gate(4, "id: group-calibration, parameters: {minimum_support: true}"),
        "at least 1, got True",
    ),
    "notion": (target("metric: f1, at_least: 0.8", "demografic_parity"), "not valid at targets"),
    "level": (gate(4, "id: utility, level: advice"), "'require' or 'advise' was expected"),
    "kind of finding": (
        decision(4, "deploy, findings: [biased-mediater]", "escalate"),
        "decision-4: .*did you mean biased-mediator",
    ),
    "technique of the plan": (HEAD + "plan: {causal: [99999]}\n", "plan: .*99999"),
    "destination": (decision(4, "deploy-now"), "decision-4.*was expected, got 'deploy-now'"),
    "rollback": (
        f"{HEAD}gates:\n- {{id: gate-2, on_fail: nowhere}}\n",
        "rollback 'nowhere', which does not exist",
    ),
    "trigger": (
        rollback("triggers: [{failed: [utilty], to: pre-processing, changes: []}]"),
        "waits for utilty, which no gate of pre-processing checks: .*did you mean utility",
    ),
    "a name of ours": (HEAD + "file: playbook.yaml\n", "no field is called 'file'"),
}

BOUNDS = {
    "wrong direction": (
        gate(4, "id: utility, at_most: null, at_least: 0.1"),
        "utility_loss is better when it is lower",
    ),
    "target wrong way": (
        target("at_least: null, at_most: 0.8"),
        "targets.demographic_parity: demographic_parity_ratio is better when it is higher, so its bound is at_least or above, got <= 0.8",
    ),
    "percent": (target("at_least: 80"), "is 0 to 1, got the bound 80; did you mean 0.8"),
    "negative": (gate(4, "id: calibration, below: -0.1"), "is 0 to 1, got the bound -0.1"),
    "beyond the range": (gate(1, "id: e-value, above: 0.5"), "e_value is at least 1, got the bound 0.5"),
    "unreachable": (target("at_least: null, above: 1"), "demographic_parity_ratio cannot be > 1"),
    "two bounds": (gate(4, "id: utility, below: 0.2"), "give exactly one of"),
    "no bound": (gate(4, "id: mine, metric: accuracy"), "give exactly one of"),
    "bound on the target": (gate(4, "id: fairness, at_least: 0.1"), "takes no bound of its own"),
    "text as bound": (gate(4, "id: utility, at_most: high"), "a number was expected, got 'high'"),
    "quoted number": (gate(4, 'id: utility, at_most: "0.1"'), "a number was expected, got '0.1'"),
    "true as bound": (gate(4, "id: utility, at_most: true"), "a number was expected, got true"),
    "support of zero": (
        HEAD + "minimum_support: 0\n",
        "minimum_support: a number of at least 1 was expected",
    ),
    "support true": (HEAD + "minimum_support: true\n", "minimum_support: a whole number was expected"),
    "endless iterations": (rollback("iterations: 1000000"), "a number of at most 100 was expected"),
    "target is utility": (target("metric: accuracy"), "accuracy does not measure demographic_parity"),
    "target of another notion": (
        target("metric: equalized_odds_difference, at_least: null, at_most: 0.1"),
        "does not measure demographic_parity .demographic_parity_ratio",
    ),
    "target is the target": (target("metric: target, at_least: null"), "'target' is not a metric"),
}

JOINTS = {
    "typo adds a check": (gate(4, "id: utilty, at_most: 0.02"), "adds 'utilty'.*did you mean utility"),
    "typo with a metric": (
        gate(4, "id: stakeholder, metric: approval, roles: [a]"),
        "adds 'stakeholder'.*did you mean stakeholders",
    ),
    "typo of a gate": (f"{HEAD}gates:\n- {{id: gate4, title: a}}\n", "adds 'gate4'.*did you mean gate-4"),
    "id twice": (
        gate(4, "id: utility, at_most: 0.05", "id: utility, at_most: 0.9"),
        "the id 'utility' occurs twice",
    ),
    "item without id": (gate(4, "metric: accuracy, at_least: 0.6"), "every item must have an id"),
    "id of a list": (gate(4, "id: [utility], at_most: 0.1"), r"the id \['utility'\] must be a string"),
    "id with a dot": (gate(4, "id: a.b, metric: accuracy, at_least: 0.6"), "'a.b' is not a valid id"),
    "reserved id": (
        gate(4, "id: final, metric: accuracy, at_least: 0.6"),
        "'final' is not a valid id.*that word is reserved",
    ),
    "no checks": (f"{HEAD}gates:\n- {{id: gate-4, checks: []}}\n", "at least 1 entries was expected"),
    "blank role": (gate(4, 'id: stakeholders, roles: [" "]'), "the name of a role is blank"),
    "roles without approval": (
        gate(4, "id: utility, roles: [legal team]"),
        "roles are for the check 'approval'",
    ),
    "approval at a decision": (
        route("metric: approval, roles: [legal team]"),
        "approvals belong to gates",
    ),
    "rollback of another stage": (
        f"{HEAD}gates:\n- {{id: gate-4, on_fail: rollback-causal}}\n",
        "names the rollback 'rollback-causal' of causal",
    ),
    "rollback forward": (
        rollback("triggers: [{failed: [utility], to: post-processing, changes: []}]"),
        "goes forward to post-processing; it must go back",
    ),
    "never deploys": (decision(4, "escalate"), "no run can reach deployment: .*decision-4 to escalate"),
    "deploys behind a way that is always taken": (
        decision(4, "causal", "deploy"),
        "no run can reach deployment",
    ),
    "two decisions": (
        f"{HEAD}decisions:\n- {{id: mine, after: causal, question: q, paths: [{{to: deploy, reason: r}}]}}\n",
        "the stage causal must have one gate and one decision",
    ),
    "extends nobody": (
        "policy: a\nextends: nobody.yaml\n",
        "extends an unknown policy: no policy is called 'nobody.yaml'",
    ),
    "extends a list": (
        "policy: a\nextends: [playbook]\n",
        "extends: expected the name or file of a policy",
    ),
    "extends itself": ("policy: a\nextends: ours.yaml\n", "in a cycle: ours.yaml -> ours.yaml"),
}

NAMES = {
    "posing as the playbook": (
        HEAD.replace("ours", "playbook") + "minimum_support: 5\n",
        "differs from the built-in",
    ),
    "posing by inheritance": ("extends: playbook\nminimum_support: 5\n", "choose another name"),
    "posing in capitals": (
        HEAD.replace("ours", "Play-Book") + "minimum_support: 5\n",
        "differs from the built-in",
    ),
    "posing as strict": (HEAD.replace("ours", "strict"), "differs from the built-in"),
    "Cyrillic o": (HEAD.replace("ours", "playb\u043eok"), "is not a valid policy name"),
    "terminal escape": (HEAD.replace("ours", '"a\\e[31mb"'), "is not a valid policy name"),
    "markup": (HEAD.replace("ours", '"[link](javascript:x)"'), "is not a valid policy name"),
    "blank": (HEAD.replace("ours", '" "'), "is not a valid policy name"),
    "a long name": (HEAD.replace("ours", "a" * 300), "is not a valid policy name"),
}
REFUSED = {**UNREADABLE, **UNKNOWN, **BOUNDS, **JOINTS, **NAMES}


def test_the_cases_have_names_of_their_own():
    assert len(REFUSED) == sum(map(len, (UNREADABLE, UNKNOWN, BOUNDS, JOINTS, NAMES)))


@pytest.mark.parametrize("case", REFUSED)
def test_a_policy_that_cannot_be_meant_is_refused_when_it_is_read(refused, arena, case):
    text, pattern = REFUSED[case]
    (arena / "ours.yaml").write_text(text, encoding="utf-8")
    refused("policy", "check", "ours.yaml", match=pattern, code=(1, 2))


@pytest.mark.parametrize("command", ["show", "diff", "compose", "run"])
def test_every_way_to_a_policy_reads_it_alike(refused, arena, command):
    (arena / "ours.yaml").write_text(target("at_least: 80"))
    roles = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
    light = (arena / "light.yaml").read_text()
    (arena / "mine.yaml").write_text(light.replace("name: light", "policy: ours.yaml"))
    arguments = {
        "show": ["policy", "show", "ours.yaml"],
        "diff": ["policy", "diff", "playbook", "ours.yaml"],
        "compose": ["run", "--data", "jobs.csv", *roles, "--policy", "ours.yaml", "--no-save"],
        "run": ["run", "mine.yaml", "--data", "jobs.csv"],
    }
    refused(*arguments[command], match="got the bound 80; did you mean 0.8", code=2)


def test_bytes_that_are_not_utf_8(refused, arena):
    (arena / "ours.yaml").write_bytes(b"policy: caf\xe9\n")
    refused("policy", "check", "ours.yaml", match="not UTF-8: byte 11 is 0xe9", code=2)
    (arena / "ours.yaml").write_bytes((HEAD + "minimum_support: 5\n").encode("utf-16"))
    refused("policy", "check", "ours.yaml", match="not UTF-8", code=2)


def test_a_large_file(refused, arena):
    (arena / "ours.yaml").write_text(HEAD + "# " + "a" * 5_000_000)
    refused("policy", "check", "ours.yaml", match="too large", code=2)


@pytest.mark.parametrize(("number", "match"), [(300, "more than 20 policies"), (21, "more than 20 policies")])
def test_a_long_chain(refused, arena, number, match):
    for i in range(number):
        parent = "playbook" if i == number - 1 else f"p{i + 1}.yaml"
        (arena / f"p{i}.yaml").write_text(f"policy: p{i}\nextends: {parent}\n")
    refused("policy", "check", "p0.yaml", match=match, code=2)


def test_a_circle_over_folders(refused, arena):
    (arena / "sub").mkdir()
    (arena / "a.yaml").write_text("policy: a\nextends: sub/b.yaml\n")
    (arena / "sub" / "b.yaml").write_text("policy: b\nextends: ../a.yaml\n")
    refused("policy", "check", "a.yaml", match="cycle: a.yaml -> sub/b.yaml -> a.yaml", code=2)


def test_what_a_file_extends_lies_beside_it(cli, arena):
    (arena / "sub").mkdir()
    (arena / "sub" / "base.yaml").write_text(HEAD + "minimum_support: 40\n")
    (arena / "sub" / "a.yaml").write_text("policy: a\nextends: base.yaml\n")
    assert load_policy("sub/a.yaml").minimum_support == 40


def test_all_faults_come_at_once(refused, arena):
    (arena / "ours.yaml").write_text(
        gate(4, "id: utility, at_most: 7", "id: calibration, below: 9", "id: mine, metric: nothing, above: 1")
    )
    told = refused("policy", "check", "ours.yaml", match="gate-4.utility", code=2)
    assert "gate-4.calibration" in told
    assert "gate-4.mine" in told


def test_a_copy_of_the_playbook_may_bear_its_name(arena):
    copy = load_policy("playbook").model_dump(mode="json", exclude={"file"}, exclude_none=True)
    (arena / "copy.yaml").write_text(yaml_text(copy))
    record = PolicyRecord.of(load_policy("copy.yaml"))
    assert record.built_in
    assert record.weaker_than_playbook == ()


def test_a_policy_of_ones_own_is_named_with_file_and_digest(cli, arena):
    (arena / "ours.yaml").write_text(HEAD + "minimum_support: 50\n")
    done = cli("policy", "check", "ours.yaml")
    assert done.code == 0, done.err
    digest = load_policy("ours.yaml").digest()
    assert f"ours (ours.yaml), SHA-256 {digest[:12]} is valid" in done.out
    assert "requires less" not in done.out


@pytest.mark.parametrize("name", policy_names())
def test_the_built_in_policies_keep_the_rules(name):
    policy = load_policy(name)
    check_policy(policy, name)
    weaker = [w.place for w in weaker_than(policy, load_policy("playbook"))]
    judgment = ["need", "margin", "undo", "choice"]
    assert weaker == ([f"judgment.{part}" for part in judgment] if name == "playbook-literal" else [])
    assert all(not_deployable(policy, notion) == [] for notion in policy.targets)


def test_every_metric_has_its_direction_and_range():
    assert set(METRICS) == set(CHECKS)
    playbook = load_policy("playbook")
    bounds = [c for g in playbook.gates for c in g.checks if c.threshold is not None]
    for check in [*bounds, *playbook.targets.values()]:
        assert check.upward == (METRICS[check.metric].better == "higher"), check.id


def changed(*changes: str) -> Policy:
    """Return the playbook with changes, past the reader: what a program may make."""
    raw = raw_policy("playbook")
    for change in changes:
        raw = merged(raw, parse_yaml(change, "the change"))
    return Policy(**raw)


# case: the change of the playbook, and the places where it requires less
WEAKER = {
    "nothing": ("policy: ours", []),
    "advice": (gate(4, "id: fairness, level: advise"), ["gate-4.fairness"]),
    "a lack of rows is noted": (
        gate(4, "id: utility, unsupported: note"),
        ["gate-4.utility"],
    ),
    "a lack of rows escalates": (gate(4, "id: group-calibration, unsupported: escalate"), []),
    "no decision 0": ("judgment: {need: null}", ["judgment.need"]),
    "a need on thin evidence": ("judgment: {need: {significance: 0.2}}", ["judgment.need.significance"]),
    "no margin": ("judgment: {margin: null}", ["judgment.margin"]),
    "a margin that rarely suffices": (
        "judgment: {margin: {probability: 0.6}}",
        ["judgment.margin.probability"],
    ),
    "a margin that may cost nothing": ("judgment: {margin: {at_most: 0.0}}", ["judgment.margin.at_most"]),
    "held-out rows confirm with less": (
        "judgment: {confirmation: {probability: 0.6}}",
        ["judgment.confirmation.probability"],
    ),
    "the test part alone confirms": ("judgment: {confirmation: null}", []),
    "harm is kept": ("judgment: {undo: false}", ["judgment.undo"]),
    "no choice": ("judgment: {choice: path}", ["judgment.choice"]),
    "more care": ("judgment: {need: {significance: 0.01}, margin: {probability: 0.95, at_most: 0.05}}", []),
    "improvement to the letter, no lookahead": ("judgment: {improvement: required, lookahead: false}", []),
    "looser target": (target("at_least: 0.7"), ["targets.demographic_parity"]),
    "stricter target": (target("at_least: 0.9"), []),
    "not strictly": (target("below: null, at_most: 0.1", "equalized_odds"), ["targets.equalized_odds"]),
    "strictly": (target("at_least: null, above: 0.8"), []),
    "other metric": (
        target("metric: demographic_parity_difference, at_least: null, at_most: 0.1"),
        ["targets.demographic_parity"],
    ),
    "wrong direction": (target("at_least: null, at_most: 0.8"), ["targets.demographic_parity"]),
    "looser utility": (gate(4, "id: utility, at_most: 0.2"), ["gate-4.utility"]),
    "stricter utility": (gate(4, "id: utility, at_most: 0.02"), []),
    "another metric under its id": (
        gate(4, "id: utility, metric: accuracy, at_most: null, at_least: 0.6"),
        ["gate-4.utility"],
    ),
    "the same under another id": (
        gate(
            4,
            "id: utility, metric: accuracy, at_most: null, at_least: 0.6",
            "id: loss, metric: utility_loss, at_most: 0.1",
        ),
        [],
    ),
    "fewer approvals": (gate(4, "id: stakeholders, roles: [product owner]"), ["gate-4.stakeholders"]),
    "more approvals": (
        gate(4, "id: stakeholders, roles: [product owner, compliance officer, legal team, ethics board]"),
        [],
    ),
    "approvals as advice": (gate(1, "id: dag-approved, level: advise"), ["gate-1.dag-approved"]),
    "less support": ("minimum_support: 10", ["minimum_support"]),
    "more support": ("minimum_support: 100", []),
    "less support of a check": (
        gate(4, "id: group-calibration, parameters: {minimum_support: 5}"),
        ["gate-4.group-calibration"],
    ),
    "deploys at once": (decision(1, "deploy"), ["decision-1"]),
    "deploys unconditionally": (decision(4, "deploy"), ["decision-4.target-met", "decision-4.utility"]),
    "more iterations": (rollback("iterations: 9"), []),
}


@pytest.mark.parametrize("case", WEAKER)
def test_where_a_policy_demands_less_is_named(case):
    change, places = WEAKER[case]
    assert [w.place for w in weaker_than(changed(change), load_policy("playbook"))] == places


def test_a_point_is_weaker_than_an_interval():
    found = weaker_than(load_policy("playbook"), load_policy("strict"))
    assert [w.place for w in found] == [
        "evidence",
        "distinct_approvers",
        "judgment.confirmation",
        "gate-1.e-value",
        "gate-4.group-calibration",
        "gate-4.worst-group",
        "gate-4.leveling-down",
    ]
    assert str(found[0]) == "evidence: the estimate decides instead of the whole interval"


ALL_ADVICE = "gates:\n" + "".join(
    f"- id: {g.id}\n  checks: [{', '.join(f'{{id: {c.id}, level: advise}}' for c in g.checks)}]\n"
    for g in load_policy("playbook").gates
)

NO_SKILL = "id: skill, level: advise"

# case: changes of the playbook, and a pattern of the reason why nothing is deployable by it
TOO_LITTLE = {
    "all checks advise": ([ALL_ADVICE], "does not require the fairness target; gate-4 requires no utility"),
    "fairness as advice": ([gate(4, "id: fairness, level: advise")], "does not require the fairness target"),
    "utility as advice": ([gate(4, "id: utility, level: advise", NO_SKILL)], "gate-4 requires no utility"),
    "ratio of at least 0": (
        [target("at_least: 0")],
        "almost every rule meets the target demographic_parity_ratio >= 0",
    ),
    "ratio above 0": ([target("at_least: null, above: 0")], "almost every rule meets the target"),
    "ratio of at most 1": ([target("at_least: null, at_most: 1")], "almost every rule meets the target"),
    "wrong direction": ([target("at_least: null, at_most: 0.8")], "almost every rule meets the target"),
    "difference below 1": (
        [target("metric: demographic_parity_difference, at_least: null, below: 1")],
        "almost every rule meets the target",
    ),
    "target of utility": (
        [target("metric: accuracy")],
        "accuracy is not known to measure demographic parity",
    ),
    "all accuracy may go": (
        [gate(4, "id: utility, at_most: 1", NO_SKILL)],
        "utility that gate-4 requires .utility_loss <= 1",
    ),
    "half of it may go": (
        [gate(4, "id: utility, at_most: 0.5", NO_SKILL)],
        "almost every rule meets the utility",
    ),
    "any skill at all": (
        [gate(4, "id: utility, level: advise", "id: skill, at_least: 0")],
        "utility that gate-4 requires .retained_skill >= 0",
    ),
    "utility wrong way": (
        [gate(4, "id: utility, at_most: null, at_least: -1", NO_SKILL)],
        "almost every rule meets the utility",
    ),
    "a coin toss is enough": (
        [gate(4, "id: utility, metric: accuracy, at_most: null, at_least: 0.5", NO_SKILL)],
        "almost every rule meets the utility",
    ),
    "deploys before the last gate": ([decision(1, "deploy")], "decision-1 can deploy before gate-4"),
}


@pytest.mark.parametrize("case", TOO_LITTLE)
def test_a_policy_that_demands_too_little_is_passed_and_nothing_is_deployable(case):
    changes, pattern = TOO_LITTLE[case]
    policy = changed(*changes)
    status, reason, _ = status_of(RunOutcome("deploy", "all met"), [], [], policy, "demographic_parity")
    assert status == "passed its policy"
    assert EXIT_CODES[status] == 4
    assert pattern.replace(".", "") in reason.replace("(", "").replace(")", "").replace(".", "")


def test_a_failed_check_outweighs_a_policy_that_demands_too_little():
    failed = CheckResult(
        "final.x", "failed", "accuracy", 0.1, None, 9, ">= 0.5", 0.5, "require", "test", "low"
    )
    status, _, _ = status_of(
        RunOutcome("deploy", "all met"), [failed], [], changed(ALL_ADVICE), "demographic_parity"
    )
    assert status == "failed"


# -- whole runs -----------------------------------------------------------------------------------


@pytest.fixture
def light_run(cli, arena) -> Callable[..., object]:
    """Run the light pipeline by a policy of one's own."""

    def run(policy: str, *options: str, pipeline: Callable[[str], str] = str) -> object:
        Path("ours.yaml").write_text(policy)
        light = Path("light.yaml").read_text().replace("name: light", "name: light\npolicy: ours.yaml")
        Path("mine.yaml").write_text(pipeline(light))
        return cli("run", "mine.yaml", "--data", "jobs.csv", "--assume-approved", "--no-save", *options)

    return run


def test_a_policy_of_advice_only_is_passed_on_data_that_were_never_audited(light_run):
    audited = "audited: {sha256: " + "ab" * 32 + ", rows: 77}\nroles:"
    done = light_run(
        HEAD + ALL_ADVICE,
        *("--json", "--outcome", "hired", "--favorable", "yes", "--protected", "sex", "--ignore", "years"),
        pipeline=lambda text: text.replace("roles:", audited),
    )
    assert done.code == 4, done.err
    assert done.json["status"] == "passed its policy"
    assert "requires too little" in done.json["reason"]
    about = done.json["policy"]
    assert (about["name"], about["file"], about["built_in"]) == ("ours", "ours.yaml", False)
    assert about["sha256"] == load_policy("ours.yaml").digest()
    places = {w["place"] for w in about["weaker_than_playbook"]}
    assert {"gate-4.fairness", "gate-4.utility", "gate-4.stakeholders"} <= places
    notes = " ".join(done.json["notes"])
    assert "composed from an audit of other data or other roles (77 rows, SHA-256 abababababab" in notes
    assert "other column roles than the pipeline: mediators none for score; ignored years for none" in notes


def test_a_trivial_target_and_a_weaker_bound_stand_in_verdict_and_report(light_run):
    lenient = (
        "- {id: calibration, level: advise}",
        "- {id: group-calibration, level: advise}",
        "- {id: intersections, at_most: 0.5}",
    )
    policy = target("at_least: 0") + "gates:\n- id: gate-4\n  checks:\n  " + "\n  ".join(lenient) + "\n"
    done = light_run(policy, "--report", "report")
    assert done.code == 4, done.err
    assert "passed its policy" in done.out
    told = (
        "targets.demographic_parity: demographic_parity_ratio >= 0 instead of demographic_parity_ratio >= 0.8"
    )
    report, page = (Path("report", f"report.{kind}").read_text() for kind in ("md", "html"))
    for text in (" ".join(done.out.split()), report, page.replace("&gt;", ">")):
        assert "requires less than the playbook" in text
        assert told in text
        assert "ours (ours.yaml), SHA-256" in text
    assert "which requires too little to call it deployable" in report


def test_decisions_that_lead_in_a_loop_end_at_a_limit(light_run):
    done = light_run(
        decision(4, "causal, when: [{id: c, metric: accuracy, at_least: 0.1}]", "deploy"), "--json"
    )
    assert done.code == 4, done.err
    assert "iteration limit (3) reached: decision-4 returns to causal" in done.json["reason"]


# -- pipelines, audits and parameters -------------------------------------------------------------

PIPELINES = {
    "slug of another": (
        "technique: 31, slug: massaging",
        "the technique 31 has the slug 'instance-weighting', got 'massaging'",
    ),
    "slug of nobody": ("technique: 31, slug: nothing", "has the slug .*, got 'nothing'"),
    "key twice": (
        "technique: 31, technique: 9, slug: instance-weighting",
        "the key 'technique' occurs twice",
    ),
    "nan": ("technique: 31, slug: instance-weighting, parameters: {a: .nan}", "is not a finite number"),
    "unknown key": ("technique: 31, slug: instance-weighting, paramters: {}", "did you mean parameters"),
}


@pytest.mark.parametrize("case", PIPELINES)
def test_pipelines_that_cannot_be_meant(refused, arena, case):
    step, pattern = PIPELINES[case]
    light = (arena / "light.yaml").read_text()
    (arena / "light.yaml").write_text(light.replace("technique: 31, slug: instance-weighting", step))
    refused("run", "light.yaml", "--data", "jobs.csv", match=pattern, code=2)


def test_a_slug_of_another_technique_among_alternatives_and_evaluations(refused, arena):
    light = (arena / "light.yaml").read_text()
    wrong = light.replace("slug: expected-calibration-error", "slug: subgroup-metrics")
    (arena / "wrong.yaml").write_text(wrong)
    refused(
        "run", "wrong.yaml", "--data", "jobs.csv", match="45 has the slug .expected-calibration-error", code=2
    )
    step = "slug: instance-weighting, stage: pre-processing"
    wrong = light.replace(step, f"{step}, alternatives: [{{technique: 69, slug: massaging}}]")
    (arena / "wrong.yaml").write_text(wrong)
    refused(
        "run", "wrong.yaml", "--data", "jobs.csv", match="69 has the slug .disparate-impact-remover", code=2
    )


JSON = {
    "key twice": ('{"rows": 1, "rows": 2}', "has the key 'rows' twice"),
    "nan": ('{"rows": NaN}', "holds NaN, which is not a finite number"),
    "infinity": ('{"rows": -Infinity}', "is not a finite number"),
    "beyond floats": ('{"rows": 1e999}', "is not a finite number"),
    "5,000 digits": ('{"rows": ' + "9" * 5000 + "}", "a number of 5,000 digits"),
    "nested": ("[" * 100_000 + "]" * 100_000, "nested more than"),
    "a lone surrogate": ('{"rows": "\\ud800"}', "contains a lone surrogate"),
    "not JSON": ("{", "is not JSON"),
    "empty": ("", "is not JSON"),
    "a list": ("[1]", "mapping was expected, got list"),
}


@pytest.mark.parametrize("option", ["--findings", "--sweep"])
@pytest.mark.parametrize("case", JSON)
def test_audits_and_sweeps_that_cannot_be_read(refused, arena, case, option):
    text, pattern = JSON[case]
    (arena / "input.json").write_text(text)
    refused("compose", option, "input.json", match=pattern, code=2)


@pytest.mark.parametrize("option", ["--findings", "--sweep"])
def test_audits_and_sweeps_that_are_not_utf_8(refused, arena, option):
    (arena / "input.json").write_bytes(b'{"a": "\xff"}')
    refused("compose", option, "input.json", match="not UTF-8", code=2)


PARAMETERS = {
    "5,000 digits": (["repair_level=" + "1" * 5000], "value of -p repair_level.* 5,000 digits"),
    "nan": (["repair_level=.nan"], "not a finite number"),
    "nested": (["features=" + "[" * 500], "nested more than"),
    "not YAML": (["features=[a"], "value of -p features is not YAML"),
    "twice": (["repair_level=1", "repair_level=0"], "'repair_level' is given twice"),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters_that_cannot_be_meant(refused, case):
    words, pattern = PARAMETERS[case]
    roles = ["--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
    given = [part for word in words for part in ("-p", word)]
    refused("technique", "run", "69", "--data", "jobs.csv", *roles, *given, match=pattern, code=2)


@pytest.mark.parametrize(
    "text", ["1e5", "2020-01-01", "yes", "1:30", ".inf", "12", "=", "<<", "0x1f", "null"]
)
def test_text_that_looks_like_something_else_is_read_back_as_text(text):
    assert parse_yaml(yaml_text({"value": text}), "it") == {"value": text}


def test_numbers_with_exponents_are_numbers():
    assert parse_yaml("[1e-3, 1E5, -2.5e+1]", "it") == [0.001, 1e5, -25.0]


def test_json_that_is_sound():
    assert parse_json(json.dumps({"a": [1, 2.5, None, "x"]}), "it") == {"a": [1, 2.5, None, "x"]}


def test_merge_keys_and_aliases_are_read():
    text = "base: &b {x: 1, y: 2}\nours: {<<: *b, x: 3}\n"
    assert parse_yaml(text, "it")["ours"] == {"x": 3, "y": 2}


def test_an_error_names_a_line_and_stays_short():
    with pytest.raises(UsageError, match=r"^it, line 2: the key 'a' occurs twice, first in line 1$"):
        parse_yaml("a: 1\na: 2\n", "it")
