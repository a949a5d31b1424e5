"""The causal analyses together: known roles and effects are found, knowledge counts, and the words follow figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairmend import api
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.errors import FairmendError, UsageError
from fairmend.pipeline.causal_assessment import CausalAssessment
from fairmend.plugins.datasets import bank, bank_graph, bank_roles, true_effects

LIGHT = {"learner": "logistic_regression"}


def assessed(rows: int = 4_000, **options: Any) -> CausalAssessment:
    return api.causes(bank(rows), **{**bank_roles(), **LIGHT, **options})


@pytest.fixture(scope="module")
def by_experts() -> CausalAssessment:
    return assessed(8_000, graph=CausalGraph.from_mapping(bank_graph()))


@pytest.fixture(scope="module")
def assumed() -> CausalAssessment:
    return assessed()


def test_the_roles_of_the_true_graph_are_named(by_experts: CausalAssessment) -> None:
    roles = {one["column"]: one["role"] for one in by_experts.columns}
    assert {name for name, role in roles.items() if role == "protected attribute"} == {"race", "gender"}
    assert all("mediator" in roles[name] for name in ("education", "income", "credit_score"))
    assert all("proxy" in roles[name] for name in ("zip_code", "redlining"))
    assert all(roles[name] == "safe predictor" for name in ("age", "loan_amount", "debt_to_income"))
    assert roles["employment_history"] in ("resolving variable", "resolved")
    assert by_experts.source == "expert"
    assert by_experts.denied == ()


def test_parts_add_up_and_lie_around_the_truth(by_experts: CausalAssessment) -> None:
    one = next(d for d in by_experts.disparities if d.group == "Black")
    parts = {name: one.parts[name]["estimate"] for name in one.parts}
    assert parts["direct"] + parts["indirect"] + parts["spurious"] == pytest.approx(parts["total"])
    back = true_effects("race", "White", "Black", n_rows=200_000)
    for name, truth in (("direct", -back.direct), ("indirect", -back.indirect), ("spurious", 0.0)):
        low, high = one.parts[name]["interval"]
        assert low - 0.01 <= truth <= high + 0.01, name
    assert by_experts.clearest.group == "Black"
    assert one.robustness_value > 0.1
    assert one.e_value > 1.5
    assert one.through["credit_score"]["estimate"] < one.through["education"]["estimate"] < 0


def test_the_advice_names_columns_and_the_figure_behind_it(by_experts: CausalAssessment) -> None:
    advice = {one["stage"]: one for one in by_experts.recommended}
    assert "credit_score" in advice["pre-processing"]["columns"]
    assert "indirect part of" in advice["pre-processing"]["reason"]
    assert "credit_score" in by_experts.repair
    assert "counterfactually fair" in by_experts.counterfactual["text"]


def test_what_the_data_deny_is_taken_out_of_an_assumed_graph() -> None:
    found = assessed(16_000)
    edges = {(e.cause, e.effect) for e in found.graph.edges}
    assert ("gender", "education") in found.denied  # the roles make every mediator one of gender, too
    assert edges.isdisjoint(found.denied)
    assert ("race", "education") in edges


def test_an_expert_keeps_what_the_data_deny() -> None:
    graph = CausalGraph.from_mapping(bank_graph())
    edges = [*((e.cause, e.effect) for e in graph.edges), ("gender", "education")]
    found = assessed(16_000, graph=edges)
    assert ("gender", "education") in {(e.cause, e.effect) for e in found.graph.edges}
    assert any("gender affects education" in text for text in found.contradictions)


def test_required_and_forbidden_effects(assumed: CausalAssessment) -> None:
    edges = {(e.cause, e.effect) for e in assumed.graph.edges}
    assert ("race", "age") not in edges
    assert ("race", "education") in edges
    found = assessed(require=[("race", "age")], forbid=[("race", "education")])
    known = {(e.cause, e.effect): e.provenance for e in found.graph.edges}
    assert known["race", "age"] == "expert"
    assert ("race", "education") not in known
    roles = {one["column"]: one["role"] for one in found.columns}
    assert roles["age"] != "safe predictor"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"require": [("race", "age")], "forbid": [("race", "age")]},
            "both required and forbidden: race->age",
        ),
        ({"require": [("race", "shoes")]}, "shoes"),
        ({"require": [("approved", "race"), ("race", "approved")]}, "cycle"),
    ],
)
def test_knowledge_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FairmendError, match=message):
        assessed(1_000, **options)


def test_an_outcome_that_is_not_binary_is_refused() -> None:
    frame = bank(1_000)
    with pytest.raises(UsageError, match="binary outcome, got a regression one"):
        api.causes(frame, outcome="income", protected="race", ignored="application_id", task="regression")


def test_a_group_of_few_rows_is_no_evidence() -> None:
    frame = bank(2_000)
    few = frame["race"].eq("Asian") & (frame.groupby("race").cumcount() >= 20)
    found = api.causes(frame[~few], **{**bank_roles(), **LIGHT})
    asian = next(d for d in found.disparities if d.group == "Asian")
    assert not asian.measured
    assert "too few rows" in asian.text
    json.dumps(found.to_json(), allow_nan=False)


def test_the_command_line(assumed: CausalAssessment, tmp_path: Path, cli: Any) -> None:
    bank(4_000).to_csv(tmp_path / "loans.csv", index=False)
    roles = ["--outcome", "approved", "--protected", "race,gender", "--ignore", "application_id"]
    out = [str(tmp_path / name) for name in ("graph.dot", "paths.png", "all.json")]
    written = [part for name in out for part in ("-o", name)]
    done = cli("causes", str(tmp_path / "loans.csv"), *roles, "--learner", "logistic_regression", *written)
    assert done.code == 0, done.err
    for words in (
        "assumed graph",
        "race: Black",
        "through credit_score",
        "Intervene in pre-processing",
    ):
        assert words in " ".join(done.out.split())
    assert json.loads(Path(out[2]).read_text())["disparities"]
    assert Path(out[1]).read_bytes().startswith(b"\x89PNG")
    again = cli(
        "causes",
        str(tmp_path / "loans.csv"),
        *roles,
        "--graph",
        out[0],
        "--learner",
        "logistic_regression",
        "--json",
    )
    assert json.loads(again.out)["source"] == "expert"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "graph.txt"], "an assessment of causes is written to .dot"),
        (["--require", "race"], "an effect must be CAUSE:EFFECT"),
    ],
)
def test_bad_input_of_the_command(arguments: list[str], message: str, tmp_path: Path, cli: Any) -> None:
    bank(300).to_csv(tmp_path / "loans.csv", index=False)
    roles = ["--outcome", "approved", "--protected", "race", "--ignore", "application_id"]
    done = cli("causes", str(tmp_path / "loans.csv"), *roles, *arguments)
    assert done.code == 2
    assert message in done.err
