"""The page that the judgement benchmark writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import _cases
from _reference import METRICS, SURE, met
from _verdicts import DEPLOYED, short_of_the_bound, verdict

Results = list[dict[str, Any]]
CLASSES = ("right", "harmful", "missed", "needless")
# Each row of what once went wrong: what it was, and the story or test that holds it right now.
ONCE_WRONG = {
    "a rule that lets everyone pass is deployed": "law-race-must-keep-its-skill",
    "the same, under balanced accuracy": "law-race-under-balanced-accuracy",
    "thresholds chosen on few rows overfit": "bank-marital-needs-thresholds-from-all-rows",
    "a rule without margin fails by 0.0001": "60000-rows-need-a-margin",
    "a model without skill is deployable": "a-model-that-selects-everyone-has-no-skill",
    "a model that meets its target is mended": "649-rows-with-nothing-to-mend",
    "noise is mended": "adult-with-a-coin-toss",
    "part of the rows cannot support the cells": "2000-rows-support-the-cells",
    "one value of a numeric outcome against the rest": "test_once_wrong.py",
    "a remover that meets its target is thrown away": "bank-of-the-demonstration",
    "a step undoes what an earlier one reached": "bank-of-the-demonstration-seed-3",
    "a graph that cannot be built passes its gate": "test_once_wrong.py",
    "mediators of the audit are safe in the graph": "test_causal_graph_construction.py",
}
HEAD = """# How often a run reaches the right verdict

Written by the benchmark of the same name as this page (`--write`), which explains the cases; `benchmarks/_verdicts.py` has the
classes. A case is *right* if nothing was needed and nothing was done, if a deployed rule holds its target at the skill of
an independent reference, or if nothing was deployed where the reference cannot do it either; *harmful* if what was
deployed does not hold, has no skill or is dominated; *missed* if the reference does it and the run does not; *needless* if
it changed what was fine. Drawn problems are judged on 200,000 fresh rows of the same distribution.
"""


def page(found: dict[str, Results]) -> str:
    """Return the page, for one or two versions; the first is listed case by case."""
    parts = [HEAD, _counts(found)]
    first = next(iter(found.values()))
    parts += [_listed(name, first) for name in ("harmful", "missed", "needless")]
    for one in (
        _short_of(first),
        _null(found),
        _tuned(found),
        _support(found),
        _once_wrong(found),
        _left_out(first),
    ):
        if one:
            parts.append(one)
    return "\n".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def _counts(found: dict[str, Results]) -> str:
    """Return the counts of each class by family of cases, a column a version."""
    families = list(dict.fromkeys(r["family"] for results in found.values() for r in results))
    counted = {
        version: {f: Counter(verdict(r)[0] for r in results if r["family"] == f) for f in families}
        for version, results in found.items()
    }
    head = ["cases", *(f"{c}, {v}" if len(found) > 1 else c for v in found for c in ("n", *CLASSES))]
    rows = [[family, *(n for v in found for n in _numbers(counted[v][family]))] for family in families]
    totals = [sum((counted[v][f] for f in families), Counter()) for v in found]
    rows.append(["**all**", *(n for total in totals for n in _numbers(total))])
    shares = (f"{v}: {_share(t['right'], sum(t.values()))} right" for v, t in zip(found, totals, strict=True))
    return f"## Counts\n\n{_table(head, rows)}\n{'; '.join(shares)}.\n"


def _numbers(counter: Counter[str]) -> list[int]:
    return [sum(counter.values()), *(counter[c] for c in CLASSES)]


def _listed(kind: str, results: Results) -> str:
    """Return every case of a class with its reason."""
    lines = []
    for result in results:
        found, reason = verdict(result)
        if found == kind:
            steps = " + ".join(result.get("steps", ())) or "the plain model"
            lines.append(
                f"- `{result['case']}` ({result['rows']:,} rows): {reason}. {steps}; *{_short(result['reason'])}*"
            )
    return f"## {kind.capitalize()}\n\n" + ("\n".join(lines) or "None.") + "\n"


def _short_of(results: Results) -> str:
    """Return the deployed rules whose figure on the judged rows is beyond the bound, by no more than is allowed."""
    lines = [
        f"- `{r['case']}`: {verdict(r)[1]}; *{_short(r['reason'])}*"
        for r in results
        if verdict(r)[0] != "harmful" and short_of_the_bound(r)
    ]
    deployed = sum(r["status"] in DEPLOYED for r in results)
    if not deployed:
        return ""
    head = f"## Deployed short of the bound\n\n{len(lines)} of {deployed} deployed rules, each counted above by its class."
    return "\n".join([head, "", *lines]) + "\n"


def _short(text: str, most: int = 300) -> str:
    text = " ".join(text.split()).replace("|", "/")
    return text if len(text) <= most else text[: most - 3] + "..."


def _null(found: dict[str, Results]) -> str:
    rows = []
    for version, results in found.items():
        for family in ("null: no difference", "null: already fair"):
            mine = [verdict(r)[0] for r in results if r["family"] == family]
            if mine:
                rows.append(
                    [
                        version,
                        family,
                        len(mine),
                        mine.count("needless"),
                        _share(mine.count("needless"), len(mine)),
                    ]
                )
    return (
        "## Nothing to mend\n\n" + _table(("version", "kind", "draws", "needless", "share"), rows)
        if rows
        else ""
    )


def _tuned(found: dict[str, Results]) -> str:
    """Return how often tuned targets hold on fresh data, and how often the intervals of the test part cover the truth."""
    rows = []
    for version, results in found.items():
        tuned = [r for r in results if r["family"] == "tuned"]
        if not tuned:
            continue
        whole = [r for r in tuned if r.get("steps")]
        deployed = [r for r in whole if r["status"] == "deployable"]
        for name, mine in (("tuned", whole), ("deployed", deployed)):
            rows.append(
                [version, name, len(mine), _mean(mine, _holds), _mean(mine, lambda r: r["holds_again"]),
                 _mean(mine, _covers("interval")), _mean(mine, _covers("accuracy_interval"))]
            )  # fmt: skip
    if not rows:
        return ""
    head = ("version", "rules", "n", "held, large fresh sample", "held, fresh rows as many as the test part",
            "interval of the target covers", "interval of the accuracy covers")  # fmt: skip
    return f"## Targets tuned with probability {SURE:g}\n\n" + _table(head, rows)


def _holds(result: dict[str, Any]) -> float:
    return float(met(result["notion"], result["final"]["fresh"][METRICS[result["notion"]]]))


def _covers(interval: str) -> Callable[[dict[str, Any]], float | None]:
    def covered(result: dict[str, Any]) -> float | None:
        if result[interval] is None:
            return None
        low, high = result[interval]
        name = METRICS[result["notion"]] if interval == "interval" else "accuracy"
        return float(low <= result["final"]["fresh"][name] <= high)

    return covered


def _mean(results: Results, of: Callable[[dict[str, Any]], float | None]) -> str:
    numbers = [n for n in map(of, results) if n is not None]
    return f"{sum(numbers) / len(numbers):.1%}" if numbers else "-"


def _support(found: dict[str, Results]) -> str:
    """Return how many group x outcome cells of the rows that gates see have enough rows, on the small data sets."""
    rows = []
    for version, results in found.items():
        for family in ("german", "compas"):
            mine = [r for r in results if r["family"] == family and "cells" in r]
            if mine:
                cells, supported, checks, undecided = (
                    sum(r[key] for r in mine)
                    for key in ("cells", "supported_cells", "checks", "undecided_checks")
                )
                rows.append(
                    [version, family, len(mine), f"{supported} of {cells}", f"{undecided} of {checks}"]
                )
    head = ("version", "data", "runs", "cells with 30 rows or more", "checks with insufficient evidence")
    return "## Cells with enough support\n\n" + _table(head, rows) if rows else ""


def _once_wrong(found: dict[str, Results]) -> str:
    """Return what became of each case that once went wrong."""
    judged = {v: {r["case"]: r for r in results if r["family"] == "stories"} for v, results in found.items()}
    if not any(judged.values()):
        return ""
    rows = []
    for what, case in ONCE_WRONG.items():
        cells = []
        for results in judged.values():
            one = results.get(case)
            cells.append("-" if one is None else f"{one['status']}; {': '.join(verdict(one))}")
        rows.append([what, f"`{case}`", *cells])
    return "## What once went wrong\n\n" + _table(("what", "story or test", *judged), rows)


def _left_out(results: Results) -> str:
    if not any(r["family"] in _cases.SOURCES for r in results):
        return ""
    return "## Left out\n\n" + "\n".join(f"- {name}: {why}." for name, why in _cases.LEFT_OUT.items()) + "\n"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
