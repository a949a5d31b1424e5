"""Measure what each mitigation technique achieves on its own on real data, and write it beside the catalog.

    python benchmarks/evidence.py [--only SLUG]... [--data NAME]... [--seeds 5] [--recompute]

Each technique of pre-, in- and post-processing that supports binary outcomes is applied once to a plain model
(gradient boosting; a decision tree where a technique reads the inside of a model), for each fairness notion
that it targets, with the parameters that a composed pipeline gives it. Compared are the targeted metric
and the accuracy of both models on the test part, which neither has seen, with intervals of the paired changes. A
technique has reached its promise if the target of the policy ``playbook`` holds afterwards.

The figures are in ``fairmend/catalog/evidence/<slug>.json``, a file per technique and a row per data set, notion and
seed; the pages of the techniques show them (``make pages``). A row is written as soon as it is measured,
and one that is there is kept until the source of the technique changes, so that an interrupted call
continues where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from _cases import SOURCES
from threadpoolctl import threadpool_limits

from fairmend.catalog.policy import load_policy
from fairmend.catalog.registry import BUILTINS, Registry, TechniqueEntry
from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.files import write_text
from fairmend.core.data.roles import Roles
from fairmend.core.errors import FairmendError
from fairmend.core.metrics import InferenceSettings
from fairmend.core.models.learners import make_learner
from fairmend.core.text.escaping import json_text, one_line
from fairmend.core.utility import Utility
from fairmend.pipeline.compose.slots import Chooser
from fairmend.pipeline.gates.gate_context import ModelEvaluation
from fairmend.pipeline.gates.utility import difference, value
from fairmend.pipeline.run.third_party import run_step

FOLDER = Path(__file__).resolve().parents[1] / "fairmend" / "catalog" / "evidence"
ATTRIBUTES = {"adult": "sex", "compas": "race", "german": "age", "law": "race", "bank": "age"}
STAGES = ("pre-processing", "in-processing", "post-processing")
ACCURACY = Utility()
KEY = ("data", "attribute", "notion", "seed")


@dataclass(frozen=True)
class Setting:
    """What a row is about."""

    data: str
    attribute: str
    notion: str
    seed: int


def candidates(registry: Registry) -> list[TechniqueEntry]:
    """Return the built-in techniques that change the decisions of a model for a binary outcome."""
    return [
        card
        for card in registry.cards()
        if card.plugin in BUILTINS
        and card.metadata.stage in STAGES
        and "binary" in card.metadata.tasks
        and (card.metadata.stage != "post-processing" or {"scores", "decisions"} & {*card.metadata.modifies})
        and notions(card)
        and not card.metadata.needs_graph  # nobody has drawn one for these data
    ]


def notions(card: TechniqueEntry) -> list[str]:
    """Return the notions that a technique targets and that the policy has a target for."""
    targets = load_policy("playbook").targets
    return [notion for notion in card.metadata.targets if notion in targets]


def settings(card: TechniqueEntry, data: list[str], seeds: int) -> Iterator[Setting]:
    """Yield what to measure of a technique, all of the first seed before the second."""
    for seed in range(seeds):
        for name in data:
            for notion in notions(card):
                yield Setting(name, ATTRIBUTES[name], notion, seed)


@cache
def read(name: str) -> Dataset:
    source = SOURCES[name]
    roles = {**source.roles, **source.attributes[ATTRIBUTES[name]]}
    return Dataset.from_frame(source.read(), Roles(**roles))


@cache
def plain(name: str, seed: int, learner: str) -> tuple[Case, ModelEvaluation]:
    """Return a trained case without a technique, and its evaluation on the test part."""
    data = read(name)
    parts = data.split(seed=seed)
    model = make_learner(learner, seed=seed)
    case = Case(parts["train"], parts["calibration"], parts["validation"], model).retrained()
    return case, _evaluated(case, parts["test"], data, seed)


def _evaluated(case: Case, test: Dataset, data: Dataset, seed: int) -> ModelEvaluation:
    return ModelEvaluation(
        case.fitted(), test, InferenceSettings(n_boot=1000, seed=seed, groups=data.groups.labels)
    )


def measured(card: TechniqueEntry, setting: Setting, registry: Registry) -> dict[str, Any]:
    """Return the row of a technique in a setting."""
    target = load_policy("playbook").target(setting.notion)
    metadata = card.metadata
    learner = "decision_tree" if metadata.needs_model else "gradient_boosting"
    case, before = plain(setting.data, setting.seed, learner)
    parameters = Chooser(registry, setting.notion, target).choice(metadata).parameters
    if "random_state" in {p["name"] for p in card.parameters}:
        parameters["random_state"] = setting.seed
    row: dict[str, Any] = {
        **vars(setting), "learner": learner, "parameters": parameters, "metric": target.metric,
        "bound": target.bound_text(),
    }  # fmt: skip
    start = time.perf_counter()
    try:
        applied, effect = run_step(
            card.load().with_parameters(**parameters), case.replace(notion=setting.notion)
        )
        seconds = time.perf_counter() - start
        after = _evaluated(applied, before.data, read(setting.data), setting.seed)
        changes = after.against(before, n_permutations=1)
        fairness = [one.measurement.figure(target.metric) for one in (before, after)]
    except FairmendError as error:
        return {**row, "status": "failed", "reason": one_line(error)}
    return {
        **row,
        "status": "measured",
        "effect": effect.text,
        "test_rows": len(before.data),
        "before": fairness[0].to_json(),
        "after": fairness[1].to_json(),
        "change": changes[target.metric].difference.to_json(),
        "met_before": target.holds(fairness[0].value),
        "reached": target.holds(fairness[1].value),
        "accuracy_before": value(ACCURACY, before).to_json(),
        "accuracy_after": value(ACCURACY, after).to_json(),
        "accuracy_change": difference(ACCURACY, before, after).difference.to_json(),
        "seconds": round(seconds, 3),
    }


def source_of(card: TechniqueEntry) -> str:
    """Return the digest of the file of a technique."""
    return hashlib.sha256(Path(inspect.getfile(card.load())).read_bytes()).hexdigest()[:16]


def known(card: TechniqueEntry) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the rows that are there and still hold."""
    path = FOLDER / f"{card.metadata.slug}.json"
    if not path.is_file():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    return (
        {tuple(row[k] for k in KEY): row for row in kept["rows"]} if kept["source"] == source_of(card) else {}
    )


def write(card: TechniqueEntry, rows: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    """Write the rows of a technique in order."""
    FOLDER.mkdir(exist_ok=True)
    content = {
        "schema_version": 1,
        "technique": card.metadata.slug,
        "policy": "playbook",
        "source": source_of(card),
        "rows": [rows[key] for key in sorted(rows)],
    }
    write_text(FOLDER / f"{card.metadata.slug}.json", json_text(content) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="SLUG", help="only these techniques")
    parser.add_argument("--data", action="append", choices=list(ATTRIBUTES), help="only these data sets")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--recompute", action="store_true", help="measure again what is there")
    given = parser.parse_args()
    registry = Registry.installed()
    cards = candidates(registry)
    if strangers := set(given.only) - {card.metadata.slug for card in cards}:
        parser.error(f"no technique that is measured is called {', '.join(sorted(strangers))}")
    failed = 0
    for card in cards:
        if given.only and card.metadata.slug not in given.only:
            continue
        rows = {} if given.recompute else known(card)
        for setting in settings(card, given.data or list(ATTRIBUTES), given.seeds):
            key = tuple(getattr(setting, name) for name in KEY)
            if key in rows:
                continue
            with threadpool_limits(1):
                rows[key] = row = measured(card, setting, registry)
            write(card, rows)
            failed += row["status"] == "failed"
            print(f"{card.metadata.slug:34s} {' '.join(map(str, key)):44s} {_told(row)}", flush=True)
    print(f"{failed} failed" if failed else "none failed")
    return 0


def _told(row: dict[str, Any]) -> str:
    if row["status"] == "failed":
        return f"failed: {row['reason']}"
    figures = [(row[name]["value"], row[f"accuracy_{name}"]["value"]) for name in ("before", "after")]
    (a, b), (c, d) = [tuple(float("nan") if x is None else x for x in pair) for pair in figures]
    reached = "reached" if row["reached"] else "missed"
    return (
        f"{a:.3f} -> {c:.3f} {reached} ({row['bound']}), accuracy {b:.3f} -> {d:.3f}, {row['seconds']:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
