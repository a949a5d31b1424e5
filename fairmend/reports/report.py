"""The validation report of a run: Markdown and HTML, with plots, record and pipeline beside them."""

from __future__ import annotations

import base64
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from fairmend.core.data.files import write_text
from fairmend.core.errors import UsageError
from fairmend.core.text.escaping import json_text, markdown, markdown_code, visible
from fairmend.pipeline.gates.gates import CheckResult
from fairmend.pipeline.operations import documents_of
from fairmend.reports.causal_picture import contradiction_texts, picture_rows
from fairmend.reports.drawing import draw
from fairmend.reports.findings import finding_rows, fold_rows, rest_of
from fairmend.reports.plots import write_plots
from fairmend.reports.verdict import final_rule, p_text, rule_text, verdict_rows, worse

if TYPE_CHECKING:
    from fairmend.pipeline.run.record import RunRecord

HEADLINES = {
    "deployable": "The result can be deployed",
    "no intervention needed": "No intervention is needed",
    "undecided": "The data do not show whether an intervention is needed",
    "passed its policy": "The result passed its policy, which requires too little to call it deployable",
    "waiting": "The result waits for approval",
    "escalated": "People must decide",
    "failed": "The result failed on the test data",
    "rejected": "The result was rejected",
    "accepted as measured": "People accepted the result, although a required check did not pass",
    "option chosen": "People chose another option",
    "stopped": "People stopped the run",
}


def write_report(record: RunRecord, folder: str | Path) -> Path:
    """Write the validation report of a run.

    Parameters
    ----------
    record : RunRecord
        The run.
    folder : str or Path
        Output folder, created if missing. Files of an earlier report are replaced.

    Returns
    -------
    Path
        The report in Markdown; next to it are ``report.html`` (the same with embedded plots),
        ``run.json`` (the record), ``pipeline.yaml``, ``pipeline.svg`` (its drawing), ``final_rule.yaml`` (the
        final rule as a pipeline), and the documents that operations of the pipeline made.

    Raises
    ------
    UsageError
        The folder cannot be created or written to.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".part-") as made:
            parts = Path(made)
            _write_parts(record, parts)
            for part in sorted(parts.iterdir()):
                os.replace(part, target / part.name)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {target}: {error.strerror or error}") from error
    return target / "report.md"


def _write_parts(record: RunRecord, folder: Path) -> None:
    for name, text in documents_of(record).items():
        write_text(folder / Path(name).name, text)
    plots = write_plots(record, folder)
    facts = report_facts(record)
    picture = None
    if record.rules is not None:
        picture = draw(record.spec, record.rules, folder / "pipeline.svg")
    inside = {title: base64.b64encode((folder / name).read_bytes()).decode() for title, name in plots.items()}
    drawn = None if picture is None else base64.b64encode(picture.read_bytes()).decode()
    for name, shown in (
        ("report.md", {"plots": plots, "drawing": picture and picture.name}),
        ("report.html", {"plots": inside, "drawing": drawn}),
    ):
        write_text(folder / name, _template(name).render(**facts, **shown))
    write_text(folder / "run.json", json_text(record.to_json()) + "\n")
    write_text(folder / "pipeline.yaml", record.spec.to_yaml())
    write_text(folder / "final_rule.yaml", final_rule(record).to_yaml())


def report_facts(record: RunRecord) -> dict[str, Any]:
    """Return the variables of the templates, in order of use."""
    final = [g for g in record.gates if g.id.startswith("final.")]
    target = next((g for g in reversed(record.gates) if g.check == "fairness"), None)
    rows = verdict_rows(record.baseline, record.final, record.tests, record.utility)
    return {
        "record": record,
        "headline": HEADLINES[record.status],
        "rule": rule_text(record),
        "notion": record.spec.notion.replace("_", " "),
        "target": None if target is None else f"{target.measure.replace('_', ' ')} {target.bound}",
        "verdict": [row.cells for row in rows],
        "worse": worse(rows),
        "level": f"{record.final.level:.0%}".replace("%", " %"),
        "resolved": finding_rows(record.findings),
        "rest": rest_of(record.findings),
        "folds": [] if record.cross_validation is None else fold_rows(record.cross_validation),
        "final_gates": [_check_row(g) for g in final],
        "gates": [_check_row(g) for g in record.gates if g not in final],
        "readings": _readings(record.gates),
        "commands": record.next_commands(),
        "transitions": record.transitions,
        "steps": [_step(step) for step in record.steps],
        "found": {
            slug: result["text"] for slug, result in record.technique_results.items() if "text" in result
        },
        "picture": picture_rows(record),
        "contradictions": contradiction_texts(record),
        "former_graphs": [_graph_text(graph) for graph in record.former_graphs],
        "variants": [_variant(v, record.selected) for v in record.variants],
        "references": record.reference_models,
        "assumed": any(a.by == "assumed" for a in record.approvals),
    }


def _check_row(judged: CheckResult) -> dict[str, str]:
    value = "" if judged.value is None else f"{judged.value:.3f}"
    if value and judged.interval is not None:
        value += f" [{judged.interval[0]:.3f}, {judged.interval[1]:.3f}]"
    return {
        "id": judged.id,
        "verdict": judged.verdict if judged.decides else f"{judged.verdict} (advice)",
        "kind": judged.verdict.partition(" ")[0] if judged.decides else "advice",
        "measure": judged.measure.replace("_", " "),
        "value": value,
        "bound": judged.bound,
        "data": judged.data,
        "reason": judged.reason,
    }


def _readings(gates: list[CheckResult]) -> list[tuple[str, str, str]]:
    """Return check, source and interpretation, without duplicates."""
    found = {(g.check, g.source, g.reading): None for g in gates if g.reading}
    return list(found)


def _step(step: Any) -> dict[str, Any]:
    parameters = ", ".join(f"{k}={v}" for k, v in step.parameters.items())
    return {
        "name": step.slug + (f" ({parameters})" if parameters else ""),
        "stage": step.stage,
        "iteration": step.iteration,
        "status": step.status,
        "text": step.text,
        "seconds": f"{step.seconds:.1f}",
    }


def _graph_text(graph: dict[str, Any]) -> str:
    """Return the edges of a former graph in a line."""
    return "; ".join(f"{edge['from']} -> {edge['to']}" for edge in graph["edges"]) or "no edges"


def _variant(variant: Any, chosen: str) -> dict[str, str]:
    return {
        "name": variant.name + (" (selected)" if variant.name == chosen else ""),
        "steps": " + ".join(variant.steps) or "none",
        "accuracy": f"{variant.accuracy:.4f}",
        "fairness": f"{variant.fairness:.3f}",
        "accuracy_change": _gain(variant.accuracy_change),
        "fairness_change": _gain(variant.fairness_change),
        "passes": "yes" if variant.passes else "no",
    }


def _gain(change: dict[str, Any]) -> str:
    """Return a change with its interval and p-value, as text."""
    if change["change"] is None or change["interval"] is None:
        return "not defined"
    low, high = change["interval"]
    p = p_text(change["p_value"])
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    return f"{change['change']:+.4f} [{low:+.4f}, {high:+.4f}], {p}"


@lru_cache(maxsize=2)
def _template(name: str) -> jinja2.Template:
    """Load a template; all values are escaped for its output format."""
    is_html = name.endswith(".html")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fairmend.reports"),
        autoescape=is_html,  # noqa: S701 - for Markdown, finalize escapes every value
        finalize=_cleaned if is_html else markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["figure"] = _figure_of_json
    environment.filters["code"] = markdown_code
    return environment.get_template(f"{name}.j2")


def _cleaned(value: Any) -> Any:
    """Return a value for HTML, with invisible and bidirectional characters escaped."""
    return value if hasattr(value, "__html__") else visible(value)


def _figure_of_json(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "not defined"
    if figure["interval"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} [{figure['interval'][0]:.3f}, {figure['interval'][1]:.3f}]"
