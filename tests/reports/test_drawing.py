"""Drawings of a pipeline: everything of the policy is there, the Mermaid is sound, text fits its box."""

from __future__ import annotations

import re

import pytest

from fairmend.catalog.policy import GATED_STAGES, load_policy
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UsageError
from fairmend.pipeline.spec import Choice, PipelineSpec, Step
from fairmend.reports.drawing import draw, mermaid
from fairmend.reports.flowchart import PADDING, _row, _width
from fairmend.reports.outline import outline

NODE = r'(?:\["[^"]*"\]|\{\{"[^"]*"\}\}|\{"[^"]*"\}|\(\["[^"]*"\]\))'
LINES = [
    r"flowchart TD",
    r' {2}subgraph \w+\["[^"]*"\]',
    r" {2}end",
    rf" {{2,4}}\w+{NODE}",
    r' {2,4}\w+ (?:-->|-\.->)(?:\|"[^"]*"\|)? \w+',
]


@pytest.fixture(scope="module")
def spec() -> PipelineSpec:
    return PipelineSpec(
        name='a "quoted" <name> & more',
        roles=Roles(outcome="y", favorable=1, protected=("g",)),
        steps=(
            Step(technique=53, slug="causal-graph-construction", stage="causal"),
            Step(
                technique="acme:x",
                slug='odd "step" #1',
                stage="pre-processing",
                alternatives=(Choice(technique=31, slug="instance-weighting"),),
            ),
            Step(technique=9, slug="group-thresholds", stage="post-processing", when="target not secure"),
        ),
    )


def edges(text: str) -> list[tuple[str, str, str, str]]:
    """Return from, arrow, label and to of every edge."""
    return re.findall(r'^ +(\w+) (-->|-\.->)(?:\|"([^"]*)"\|)? (\w+)$', text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["playbook", "strict"])
def test_every_line_is_sound_mermaid(spec, name):
    text = mermaid(spec, load_policy(name))
    for line in text.splitlines():
        assert any(re.fullmatch(form, line) for form in LINES), line
        assert line.count('"') % 2 == 0
    defined = set(re.findall(rf"^ +(?:subgraph )?(\w+){NODE}", text, flags=re.MULTILINE))
    for begin, _, _, end in edges(text):
        assert {begin, end} <= defined
    assert text.count("subgraph ") == len(re.findall(r"^ {2}end$", text, flags=re.MULTILINE)) == 4
    assert "odd #quot;step#quot; #35;1" in text


@pytest.mark.parametrize("name", ["playbook", "strict"])
@pytest.mark.parametrize("notion", ["demographic_parity", "equalized_odds"])
def test_everything_of_the_policy_is_drawn(spec, name, notion):
    policy = load_policy(name)
    text = mermaid(spec.model_copy(update={"notion": notion}), policy)
    plain = text.replace("#lt;", "<").replace("#gt;", ">").replace("<br/>", " ")
    found = edges(plain)
    for step in spec.steps:
        assert f"({step.technique})" in plain
        assert all(choice.slug in plain for choice in step.alternatives)
    assert f"{policy.target(notion).bound_text()}" in plain
    for place in GATED_STAGES:
        node = place.replace("-", "_")
        gate, decision = policy.gate(place), policy.decision(place)
        rollback = policy.rollback(gate.on_fail)
        (shown,) = re.findall(rf'^  {node}_gate\{{\{{"(.*)"\}}\}}$', plain, flags=re.MULTILINE)
        assert gate.title in shown
        for check in gate.checks:
            assert check.id in shown or set(check.roles) <= set(re.split(r", | (?=advice)", shown.partition("approval: ")[2]))  # fmt: skip
            if check.threshold is not None and check.level == "require":
                assert f"{check.id}: {check.metric.replace('_', ' ')} {check.bound_text()}" in shown
        assert decision.question in plain
        on = [end for begin, _, _, end in found if begin == f"{node}_decision"]
        assert on == [route.to.replace("-", "_") for route in decision.paths]
        back = [
            (label, end) for begin, arrow, label, end in found if begin == f"{node}_gate" and arrow == "-.->"
        ]
        assert len(back) == len(rollback.triggers) + 1
        for trigger, (label, end) in zip(rollback.triggers, back[:-1], strict=True):
            assert end == trigger.to.replace("-", "_")
            assert all(failed in label for failed in trigger.failed)
        limit, people = back[-1]
        assert people == "escalate"
        assert f"At most {rollback.iterations} times" in limit
        assert all(role in limit for role in rollback.escalate_to)


@pytest.mark.parametrize("name", ["playbook", "strict"])
def test_text_fits_its_box(spec, name):
    for stage in outline(spec, load_policy(name)):
        row = _row(stage)
        for box in (row.stage, row.gate, row.back, row.decision):
            for line, size, _, weight in box.lines:
                assert _width(line, size, weight) <= box.width - 2 * PADDING + 0.01, line


def test_pictures_are_written_and_repeat(spec, tmp_path):
    policy = load_policy("playbook")
    for kind in ("svg", "png", "mmd"):
        first, second = (draw(spec, policy, tmp_path / f"{n}.{kind}").read_bytes() for n in (1, 2))
        assert first == second
        assert len(first) > 3000
    assert (tmp_path / "1.svg").read_text().rstrip().endswith("</svg>")
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")


def test_other_kinds_of_file_are_refused(spec, tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.mmd, \.png, \.svg, got .*x\.pdf"):
        draw(spec, load_policy("playbook"), tmp_path / "x.pdf")
    with pytest.raises(UsageError, match="cannot be written"):
        draw(spec, load_policy("playbook"), tmp_path / "nowhere" / "x.png")
