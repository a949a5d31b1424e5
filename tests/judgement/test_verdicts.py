"""Each class of an outcome by results made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from _verdicts import verdict


def figures(ratio: float, accuracy: float, balanced: float = 0.75, constant: float = 0.6) -> dict[str, float]:
    return {
        "demographic_parity_ratio": ratio,
        "accuracy": accuracy,
        "balanced_accuracy": balanced,
        "constant_accuracy": constant,
    }


PLAIN = figures(0.5, 0.80)
MENDED = figures(0.85, 0.79)


def result(
    status: str,
    final: dict[str, float] | None = None,
    *,
    plain: dict[str, float] = PLAIN,
    rule: dict[str, float] = MENDED,
    chance: float = 0.95,
    least_cell: int = 100,
    **more: Any,
) -> dict[str, Any]:
    """Return a result of a drawn problem, as the benchmark keeps it."""
    reached = PLAIN if final is None else final
    out = {
        "status": status,
        "notion": "demographic_parity",
        "utility": "accuracy",
        "reason": "",
        "rows": 5_000,
        "ran": ["group-thresholds"],
        "steps": ["group-thresholds"],
        "final": {"test": reached, "fresh": reached},
        "reference": {
            "rules": {"plain": {"fresh": plain}, "thresholds": {"fresh": rule}},
            "own": {"plain": plain},
            "chance": {
                "plain": 0.99 if plain["demographic_parity_ratio"] > 0.8 else 0.0,
                "thresholds": chance,
            },
            "noise": {},
            "least_cell": least_cell,
        },
    }
    return {**out, **more}


FINE, NO_SKILL = figures(0.95, 0.80), figures(0.99, 0.601, 0.504)
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "deployed, holds, as useful": (result("deployable", figures(0.86, 0.789)), "right", "deployed"),
    "deployed, just short": (result("deployable", figures(0.78, 0.795)), "right", "just short"),
    "deployed, does not hold": (result("deployable", figures(0.7, 0.795)), "harmful", "does not hold"),
    "deployed by a lenient policy": (result("passed its policy", figures(0.7, 0.79)), "harmful", "does not hold"),
    "deployed, says yes to all": (result("deployable", figures(1.0, 0.601, 0.503)), "harmful", "without skill"),
    "deployed, a model without skill": (
        result("deployable", NO_SKILL, plain=NO_SKILL, rule=NO_SKILL), "harmful", "without skill",
    ),
    "deployed, dominated": (result("deployable", figures(0.82, 0.77)), "harmful", "dominated"),
    "deployed, too costly but fairer": (result("deployable", figures(0.95, 0.77)), "missed", "costs more"),
    "deployed, nothing to mend": (result("deployable", figures(0.97, 0.80), plain=FINE), "needless", "was fine"),
    "deployed as it was": (result("deployable", FINE, plain=FINE, steps=[]), "right", "deployed"),
    "nothing needed": (result("no intervention needed", FINE, plain=FINE), "right", "nothing needed"),
    "nothing needed, but it is": (result("no intervention needed"), "harmful", "it is not"),
    "nothing needed, of no skill": (
        result("no intervention needed", NO_SKILL, plain=NO_SKILL), "harmful", "no skill",
    ),
    "escalated, the reference does it": (result("escalated"), "missed", "reference's thresholds"),
    "failed, the reference does it": (result("failed"), "missed", "reference's thresholds"),
    "refused, the reference does it": (result("refused"), "missed", "reference's thresholds"),
    "waiting, the reference does it": (result("waiting"), "missed", "reference's thresholds"),
    "undecided, the reference does it": (result("undecided", ran=[]), "missed", "reference's thresholds"),
    "undecided, nothing to mend": (result("undecided", plain=FINE, ran=[]), "right", "beyond noise"),
    "undecided, near the bound": (result("undecided", plain=figures(0.78, 0.8), ran=[]), "right", "beyond noise"),
    "escalated, the reference neither": (result("escalated", rule=figures(0.7, 0.79)), "right", "cannot"),
    "escalated, the reference by luck": (result("escalated", chance=0.6), "right", "cannot"),
    "escalated, cells of a handful": (result("escalated", least_cell=12), "right", "cannot"),
    "escalated, at an intolerable cost": (result("escalated", rule=figures(0.85, 0.66)), "right", "cannot"),
    "escalated, no rule has skill": (result("escalated", plain=NO_SKILL, rule=NO_SKILL), "right", "cannot"),
    "escalated, nothing to mend": (result("escalated", plain=FINE), "needless", "what was fine"),
    "escalated, nothing to mend or built": (
        result("escalated", plain=FINE, ran=[]), "missed", "nothing is to mend",
    ),
    "escalated, nothing to mend and nothing to see": (
        result("escalated", plain=FINE, ran=[], least_cell=12), "right", "too few rows",
    ),
    "crashed": (result("crashed", reason="KeyError: 'x'"), "missed", "KeyError"),
}  # fmt: skip


@pytest.mark.parametrize(("outcome", "kind", "reason"), CASES.values(), ids=CASES)
def test_the_class_of_an_outcome(outcome, kind, reason):
    found, why = verdict(outcome)
    assert (found, reason in why) == (kind, True), why


def on_test_rows(outcome: dict[str, Any], noise: float) -> dict[str, Any]:
    """Return the same result for a data set, where there are test rows only."""
    reference = outcome["reference"]
    rules = {name: {"test": places["fresh"]} for name, places in reference["rules"].items()}
    noises = dict.fromkeys(rules, noise)
    return {**outcome, "reference": {**reference, "rules": rules, "noise": noises}}


@pytest.mark.parametrize(("noise", "kind"), [(0.001, "harmful"), (0.02, "right")])
def test_on_test_rows_a_rule_is_dominated_beyond_their_noise_only(noise, kind):
    found, _ = verdict(on_test_rows(result("deployable", figures(0.82, 0.77)), noise))
    assert found == kind


def test_on_test_rows_the_bound_itself_decides():
    found, _ = verdict(on_test_rows(result("deployable", figures(0.79, 0.795)), 0.001))
    assert found == "harmful"


def test_on_test_rows_the_model_is_fine_where_the_other_rows_say_so():
    near, costly = (
        on_test_rows(result("deployable", figures(0.85, accuracy), plain=figures(0.82, 0.8)), 0.001)
        for accuracy in (0.798, 0.790)
    )
    assert (verdict(near)[0], verdict(costly)[0]) == ("right", "needless")
    fine = on_test_rows(result("deployable", figures(0.95, 0.795), plain=figures(0.93, 0.8)), 0.001)
    assert verdict(fine)[0] == "needless"


def test_skill_is_that_of_the_named_utility():
    def balanced(ratio: float, value: float) -> dict[str, float]:
        return {**figures(ratio, 0.7, value), "constant_balanced_accuracy": 0.5}

    outcome = result(
        "deployable", balanced(0.84, 0.70), plain=balanced(0.8, 0.6), rule=balanced(0.84, 0.77), utility="balanced_accuracy"
    )  # fmt: skip
    assert verdict(outcome)[0] == "harmful"
    assert verdict({**outcome, "utility": "accuracy"})[0] == "right"
