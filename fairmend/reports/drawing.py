"""A pipeline as a drawing: Mermaid, PNG and SVG."""

from __future__ import annotations

from pathlib import Path

from fairmend.catalog.policy import Policy
from fairmend.core.data.files import write_text
from fairmend.core.errors import UsageError
from fairmend.core.text.escaping import mermaid_label
from fairmend.pipeline.spec import PipelineSpec
from fairmend.reports.outline import TITLES, StageOutline, outline

KINDS = (".mmd", ".png", ".svg")
EVIDENCE = {"point": "estimate", "interval": "whole interval"}


def draw(spec: PipelineSpec, policy: Policy, path: str | Path) -> Path:
    """Draw a pipeline with its gates, decisions, rollbacks and approvals.

    Parameters
    ----------
    spec : PipelineSpec
        The pipeline.
    policy : Policy
        Policy that the pipeline is evaluated against.
    path : str or Path
        Output file; the suffix sets the format: ``.mmd`` (Mermaid), ``.png`` or ``.svg``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        Unsupported suffix, file not writable, or policy without a target for the pipeline's notion.
    """
    target = Path(path)
    check_drawing_name(target)
    if target.suffix == ".mmd":
        write_text(target, mermaid(spec, policy))
        return target
    from fairmend.reports.figure_files import save_figure
    from fairmend.reports.flowchart import flowchart

    notion = spec.notion.replace("_", " ")
    judged_by = f"Target: {notion}. Policy: {policy.title} ({policy.policy}), decides on the {EVIDENCE[policy.evidence]}."
    figure = flowchart(outline(spec, policy), (f"Pipeline: {spec.name}", judged_by), _ends(policy))
    save_figure(figure, target, dpi=144)
    return target


def _ends(policy: Policy) -> dict[str, str]:
    """Return the texts of the two end states."""
    waits = "at the end" if policy.approvals == "at_end" else "at its gate"
    return {
        "deploy": f"The final metrics must meet the bounds on test data that no step has seen. A run waits for open approvals {waits}.",
        "escalate": "Options with their measured costs are listed if an iteration limit is reached, no transition applies, "
        "or a check has too few rows.",
    }


def check_drawing_name(path: str | Path) -> None:
    """Raise UsageError if the suffix of a file is not a supported drawing format."""
    if Path(path).suffix not in KINDS:
        raise UsageError(f"a drawing must end in {', '.join(KINDS)}, got {path}")


def mermaid(spec: PipelineSpec, policy: Policy) -> str:
    """Return a pipeline as a Mermaid flowchart: stages, gates, decisions, rollbacks and end states.

    Raises
    ------
    UsageError
        The policy sets no target for the pipeline's notion of fairness.
    """
    stages = outline(spec, policy)
    lines = ["flowchart TD"]
    for stage in stages:
        lines += _stage(stage)
    lines += [f'  {end}(["{_label(TITLES[end], said)}"])' for end, said in _ends(policy).items()]
    return "\n".join(lines) + "\n"


def _stage(stage: StageOutline) -> list[str]:
    name = _id(stage.place)
    lines = [f'  subgraph {name}["{mermaid_label(stage.title)}"]']
    steps = [_label(step, *said) for step, said in stage.steps] or ["no step"]
    lines += [f'    {name}_step{i}["{label}"]' for i, label in enumerate(steps, start=1)]
    lines += [f"    {name}_step{i} --> {name}_step{i + 1}" for i in range(1, len(steps))]
    lines += ["  end"]
    approvals = [f"approval: {', '.join(stage.approvals)}"] if stage.approvals else []
    advised = [f"advice: {', '.join(stage.advised)}"] if stage.advised else []
    lines += [
        f'  {name}_gate{{{{"{_label(stage.gate, *stage.required, *approvals, *advised)}"}}}}',
        f'  {name}_decision{{"{_label(stage.decision, ", ".join(stage.makers))}"}}',
        f"  {name} --> {name}_gate",
        f'  {name}_gate -->|"passed"| {name}_decision',
    ]
    lines += [
        f'  {name}_gate -.->|"{_label(f"failed: {way.when}", way.then)}"| {_id(way.to)}' for way in stage.back
    ]
    lines += [f'  {name}_gate -.->|"{mermaid_label(stage.limit)}"| escalate']
    lines += [f'  {name}_decision -->|"{mermaid_label(way.when)}"| {_id(way.to)}' for way in stage.on]
    return lines


def _id(name: str) -> str:
    return name.replace("-", "_")


def _label(*lines: str) -> str:
    return "<br/>".join(mermaid_label(line) for line in lines if line)
