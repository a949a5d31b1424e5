"""The report of a search for a less discriminatory alternative, in Markdown and HTML: a document to file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from fairmend.core.metrics import Estimate
from fairmend.core.text.escaping import markdown, visible
from fairmend.core.text.words import plural
from fairmend.pipeline.sweep.alternatives.record import Confirmation, LdaSearch
from fairmend.pipeline.sweep.sweep_record import Sweep, SweepCandidate, ranked
from fairmend.reports.verdict import OVERALL

VERDICT = "verdict"
IMPACT = "Adverse-impact ratio"
OUTCOMES = {
    "found": "An alternative was found and confirmed",
    "not confirmed": "An alternative was chosen, and the test rows do not confirm it",
    "none found": "No alternative was found in the space that was searched",
}
SCOPE = (
    "This is the record of a statistical search. Whether a rule of law asks for such a search, which differences matter "
    "to it, and what follows from the result, is for counsel to say."
)
Cells = tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A part of the document.

    Attributes
    ----------
    title : str
        Its heading.
    lines : tuple of str
        Its paragraphs.
    rows : tuple of tuple of str
        Its table with the header first, if it has one.
    picture : str
        Name of the file of its picture, if it has one.
    """

    title: str
    lines: tuple[str, ...] = ()
    rows: tuple[Cells, ...] = ()
    picture: str = ""


def lda_header(sweep: Sweep) -> Cells:
    """Return the column titles of the table of candidates."""
    return ("candidate", "accuracy", _measure(sweep), *_impact_column(sweep, IMPACT), VERDICT)


def lda_rows(sweep: Sweep) -> list[Cells]:
    """Return the table of candidates: the chosen one, the plain model, the frontier, then the others."""
    order = sorted(ranked(sweep.candidates), key=lambda c: (c.name != sweep.selected, bool(c.changes)))
    return [_cells(c, sweep) for c in order if c.alternative is not None]


def _cells(candidate: SweepCandidate, sweep: Sweep) -> Cells:
    found = candidate.alternative
    impact = "" if found is None else found.adverse_impact_ratio.text(3)
    verdict = "" if found is None or found.lost is None else f"{found.lost}: {found.why}"
    if candidate.name == sweep.selected:
        verdict = "chosen"
    elif not candidate.changes:
        verdict = "the model to be replaced"
    return (
        candidate.name,
        _text(candidate.accuracy, 4),
        _text(candidate.fairness, 3),
        *_impact_column(sweep, impact),
        verdict,
    )


def _impact_column(sweep: Sweep, cell: str) -> Cells:
    """Return the adverse-impact ratio, unless it is the target's figure."""
    return () if sweep.target.measure == "demographic_parity_ratio" else (cell,)


def _measure(sweep: Sweep) -> str:
    name = OVERALL.get(sweep.target.measure, sweep.target.measure.replace("_", " "))
    return name if _impact_column(sweep, "x") else f"{name} ({IMPACT.lower()})"


def _text(figure: Estimate | None, digits: int) -> str:
    return "" if figure is None else figure.text(digits)


def sections(sweep: Sweep, search: LdaSearch) -> Iterator[Section]:
    """Yield the parts of the document, in order."""
    yield Section(OUTCOMES[search.outcome], (f"{sweep.reason[:1].upper()}{sweep.reason[1:]}.", SCOPE))
    yield Section("Model and data", rows=tuple(_facts(sweep)))
    yield Section("What counts as an alternative", _rule(sweep, search))
    yield Section(
        "What was searched",
        (
            f"{plural(sum(k.tried for k in search.searched.values()), 'candidate')} beside the plain model, "
            f"{search.compared} of which could be measured; the budget was {search.budget:,}.",
            *search.notes,
        ),
        (
            ("kind", "tried", "failed"),
            *((kind, str(count.tried), str(count.failed)) for kind, count in search.searched.items()),
        ),
    )
    pick = sweep.pick
    if pick is not None and search.confirmation is not None:
        yield Section("The chosen alternative", (f"{pick.name}.",), tuple(_differs(pick)))
        yield from _confirmed(search.confirmation, search)
    yield Section(
        "Frontier",
        (
            "No other candidate is at least as good in both figures and better in one. Figures are of rows that no "
            "candidate was fitted on, with 95 % intervals.",
        ),
        (
            (*lda_header(sweep)[:-1], "resamples on the frontier"),
            *((*_cells(c, sweep)[:-1], f"{c.share_on_frontier or 0:.0%}") for c in sweep.frontier),
        ),
        "frontier.png",
    )
    yield Section("Every candidate, and why it was not chosen", rows=(lda_header(sweep), *lda_rows(sweep)))
    failed = tuple((c.name, c.reason) for c in sweep.candidates if c.status == "failed")
    if failed:
        yield Section("Candidates that failed", rows=(("candidate", "why"), *failed))
    if sweep.excluded:
        excluded = ((f"{e.slug} ({e.technique_id})", e.reason) for e in sweep.excluded)
        yield Section("Techniques that were not tried", rows=(("technique", "why"), *excluded))
    yield Section(
        "Features by their association with the protected attributes",
        ("The square of Cramer's V of a feature's bins and the groups; the first ones were left out first.",),
        (
            ("feature", "association", "monotone sign"),
            *(
                (name, f"{value:.3f}", {1: "+", -1: "-"}.get(search.monotone.get(name, 0), ""))
                for name, value in search.proxies.items()
            ),
        ),
    )
    yield Section("Notes", sweep.notes)


def _facts(sweep: Sweep) -> Iterator[Cells]:
    yield ("fact", "value")
    parts = ", ".join(f"{name} {count:,}" for name, count in sweep.data.get("parts", {}).items())
    yield ("data", f"{sweep.data.get('rows', 0):,} rows ({parts}), SHA-256 {sweep.data.get('sha256', '')}")
    yield ("outcome", sweep.roles.outcome)
    yield ("protected attributes", ", ".join(sweep.roles.protected))
    yield (
        "model to be replaced",
        f"learner {sweep.learner} with its default settings, all features, seed {sweep.seed}",
    )
    yield (
        "figure of disparity",
        f"{_measure(sweep)}; target {sweep.target.bound}, policy {sweep.policy['name']}",
    )
    constraints = sweep.constraints.model_dump(exclude_none=True)
    yield ("constraints", ", ".join(f"{name}={value}" for name, value in constraints.items()))
    yield ("search", sweep.sweep_id)
    yield ("versions", ", ".join(f"{name} {value}" for name, value in sweep.versions.items()))


def _rule(sweep: Sweep, search: LdaSearch) -> tuple[str, ...]:
    metrics = " and ".join(map(_word, search.performance))
    better = "higher" if sweep.target.upward else "lower"
    return (
        f"Reads no group: no decision needs {', '.join(sweep.roles.protected)}. The attributes are used in training and "
        "in measurement only.",
        f"No worse: the whole 95 % interval of the change of {metrics} on the same rows lies above -{search.margin:g}; "
        "balanced accuracy is not significantly worse by more than that, and decisions are not nearly all the same.",
        f"Less disparity: {_measure(sweep)} is {better}; the 95 % interval of the paired change excludes zero, and so does "
        f"the max-t test over {plural(search.compared, 'candidate')} together, at a family-wise error of "
        f"{search.significance:g}.",
        "Choice: of the candidates that qualify and whose disparity is within noise of the least, the one that changes "
        "fewest things. It is made on rows that no candidate was fitted on, where the best of many still looks better "
        "than it is.",
        "Confirmation: the chosen candidate, and no other, is compared with the plain model on the test rows, with the same "
        "margin and intervals; there is one comparison, so nothing is corrected.",
    )


def _differs(pick: SweepCandidate) -> Iterator[Cells]:
    yield ("what", "how")
    if pick.variant is not None:
        if pick.variant.without:
            yield ("features left out", ", ".join(pick.variant.without))
        yield from ((f"setting {name}", str(value)) for name, value in pick.variant.settings.items())
        if pick.variant.monotone:
            signs = (f"{name} {'+' if sign > 0 else '-'}" for name, sign in pick.variant.monotone.items())
            yield ("monotone constraints", ", ".join(signs))
    for step in pick.steps:
        parameters = ", ".join(f"{name}={value}" for name, value in step.parameters.items())
        yield (f"{step.stage} technique", f"{step.slug} ({step.technique}) {parameters}".strip())


def _confirmed(found: Confirmation, search: LdaSearch) -> Iterator[Section]:
    looks: Cells = ()
    if search.earlier_looks:
        looks = (
            f"{plural(search.earlier_looks, 'other candidate')} of earlier searches in this store "
            "were compared on the same test rows: confirm on new data.",
        )
    header = ("figure", "plain model", "alternative", "change")
    rows = [
        (_named(name), before.text(4), found.after[name].text(4), _signed(found.performance_change.get(name)))
        for name, before in found.before.items()
    ]
    rows += [
        (_named(name), "", "", _signed(change))
        for name, change in found.performance_change.items()
        if name not in found.before
    ]
    rows.append(("Change of disparity", "", "", _signed(found.disparity_change)))
    yield Section(
        f"Confirmation on {found.rows:,} test rows",
        (f"{'Confirmed' if found.confirmed else 'Not confirmed'}: {found.reason}.", *looks),
        (header, *rows),
    )
    yield Section(
        "Selection rates of the groups on the test rows",
        (f"{IMPACT}: the rate of a group over that of the group with the highest rate.",),
        (
            ("group", "plain model", "impact", "alternative", "impact"),
            *(
                (group, r.before.text(3), _ratio(r.impact_before), r.after.text(3), _ratio(r.impact_after))
                for group, r in found.groups.items()
            ),
        ),
    )


def _named(name: str) -> str:
    if name == "demographic_parity_ratio":
        return f"{OVERALL[name]} ({IMPACT.lower()})"
    return OVERALL.get(name, _word(name)[:1].upper() + _word(name)[1:])


def _word(metric: str) -> str:
    return {"auc": "AUC", "cost": "utility at the costs given"}.get(metric, metric.replace("_", " "))


def _signed(change: Estimate | None) -> str:
    return "" if change is None else change.signed(4)


def _ratio(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def lda_markdown(sweep: Sweep, search: LdaSearch) -> str:
    """Return the document in Markdown."""
    lines = ["# Search for a less discriminatory alternative"]
    for section in sections(sweep, search):
        lines += ["", f"## {markdown(section.title)}"]
        for text in section.lines:
            lines += ["", markdown(text)]
        if section.picture:
            lines += ["", f"![{markdown(section.title)}]({section.picture})"]
        if section.rows:
            lines += ["", *markdown_table(section.rows)]
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Cells]) -> list[str]:
    """Return the lines of a table whose first row is its header."""
    head, *rest = rows
    lines = (map(markdown, head), ["---"] * len(head), *(map(markdown, row) for row in rest))
    return [f"| {' | '.join(cells)} |" for cells in lines]


def lda_html(sweep: Sweep, search: LdaSearch, folder: Path) -> str:
    """Return the document in HTML, with its pictures of this folder inside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fairmend.reports"), autoescape=True, finalize=visible,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    parts = list(sections(sweep, search))
    pictures = {
        part.picture: base64.b64encode((folder / part.picture).read_bytes()).decode()
        for part in parts
        if part.picture
    }
    return environment.get_template("lda.html.j2").render(
        title="Search for a less discriminatory alternative", sections=parts, pictures=pictures
    )
