"""Run one case, and measure the rule that comes out of it beside the reference."""

from __future__ import annotations

import time
import traceback
import warnings
from typing import Any

import _reference
import numpy as np
import pandas as pd
from _cases import Case
from _reference import METRICS, Floats, cells, met, values

SUPPORT = 30  # rows below which a cell says nothing, as in the policies
CELLS = {"demographic_parity": (0, 1), "equal_opportunity": (1,), "equalized_odds": (0, 1)}


def evaluate(case: Case, boot: int | None = None) -> dict[str, Any]:
    """Return what a run of the installed fairmend makes of a case, and what the reference reaches.

    Figures are those of the test rows, and of a large fresh sample where the data were drawn.
    """
    from fairmend import api
    from fairmend.core.data.dataset import PARTS
    from fairmend.core.errors import FairmendError

    out: dict[str, Any] = {
        "case": case.name,
        "family": case.family,
        "notion": case.notion,
        "utility": case.options.get("utility", "accuracy"),
        "rows": len(case.frame),
    }
    began = time.process_time()
    record = None
    try:
        record = api.run(
            data=case.frame,
            notion=case.notion,
            seed=case.seed,
            assume_approved=True,
            **({} if boot is None else {"n_boot": boot}),
            **case.options,
            **case.roles,
        )
        out |= {"status": record.status, "reason": record.reason}
    except FairmendError as error:
        out |= {"status": "refused", "reason": str(error)}
    except Exception:  # a crash is a result: the benchmark goes on and lists it
        out |= {"status": "crashed", "reason": traceback.format_exc().strip().splitlines()[-1]}
    out["seconds"] = time.process_time() - began
    data = api.dataset(case.frame, **case.roles)
    parts = data.split(PARTS if record is None else record.spec.split, seed=case.seed)
    test = parts.pop("test")
    fresh = None if case.problem is None else case.problem.fresh(case.fresh_rows)
    if record is not None:
        out |= _described(record, case.notion, parts)
        decided = _decided(record.model, test)
        out["final"] = {"test": values(cells(decided, test.y.astype(float), test.groups.codes))}
        if fresh is not None:
            table = api.dataset(fresh.frame, **case.roles)
            again = _decided(record.model, table)
            out["final"]["fresh"] = values(cells(again, fresh.probability, table.groups.codes, fresh.weight))
            if case.family == "tuned":
                out["holds_again"] = _holds_again(again, table, fresh, case, len(test))
    out["reference"] = _of_reference(case, parts, test, fresh, None if record is None else decided)
    if fresh is not None:
        out["optimum"] = _reference.optimum(
            fresh.probability, fresh.frame["group"].to_numpy(), fresh.weight, case.notion
        )
    return out


def _decided(model: Any, data: Any) -> Floats:
    return np.asarray(model.decision_probability(data.X, data.sensitive), dtype=float)


def _described(record: Any, notion: str, parts: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a record that are compared between versions."""
    measured = {m: getattr(record, m).figure(METRICS[notion]) for m in ("baseline", "final")}
    ran = [step.slug for step in record.steps if step.status == "ran" and step.stage != "causal"]
    deployed = next((v.steps for v in record.variants if v.name == record.selected), ran)
    decided = [g for g in record.gates if g.measure != "approval" and g.data != "test"]
    # What the gates see: one part, or all parts together where that is more than the largest.
    seen = max(
        (g.support for g in decided if g.id.endswith(".utility")), default=sum(map(len, parts.values()))
    )
    parts_seen = [p for p in sorted(parts.values(), key=len) if len(p) >= seen][:1] or list(parts.values())
    codes = np.concatenate([np.asarray(p.groups.labels)[p.groups.codes] for p in parts_seen])
    labels = np.concatenate([p.y for p in parts_seen])
    counts = pd.crosstab(codes, labels).to_numpy()
    return {
        "steps": list(deployed),
        "ran": ran,
        "reads_group": record.model.reads_protected,
        "interval": measured["final"].interval,
        "accuracy_interval": record.final.figure("accuracy").interval,
        "enough": measured["final"].enough,
        "baseline_figure": measured["baseline"].value,
        "baseline_accuracy": record.baseline.figure("accuracy").value,
        "checks": len(decided),
        "undecided_checks": sum(g.verdict == "insufficient evidence" for g in decided),
        "cells": int(counts.size),
        "supported_cells": int((counts >= SUPPORT).sum()),
    }


def _holds_again(decided: Floats, table: Any, fresh: Any, case: Case, rows: int, draws: int = 100) -> float:
    """Return the share of fresh samples of the size of the test part on which the bound holds."""
    rng = np.random.default_rng([case.seed, 6])
    held = 0
    for _ in range(draws):
        taken = rng.choice(len(decided), rows, p=fresh.weight / fresh.weight.sum())
        labels = (rng.random(rows) < fresh.probability[taken]).astype(float)
        decisions = (rng.random(rows) < decided[taken]).astype(float)
        found = values(cells(decisions, labels, table.groups.codes[taken]))
        held += met(case.notion, found[METRICS[case.notion]])
    return held / draws


def _of_reference(
    case: Case, parts: dict[str, Any], test: Any, fresh: Any, of_run: Floats | None
) -> dict[str, Any]:
    """Return the figures of the plain model and of both rules, found on all rows but the test part.

    ``noise`` is the standard error, on the test rows, of the accuracy of each rule minus that of the run.
    """
    X = _reference.readable(pd.concat([part.X for part in parts.values()], ignore_index=True))
    y = np.concatenate([part.y for part in parts.values()])
    groups = np.concatenate([np.asarray(part.groups.labels)[part.groups.codes] for part in parts.values()])
    given = case.options.get("scores")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of groups that Fairlearn finds degenerate
        found = _reference.reference(
            X, y, groups, case.notion,
            scores=None if given is None else X[given].to_numpy(),
            learner=case.options.get("learner", "gradient_boosting"),
            utility=case.options.get("utility", "accuracy"),
            seed=case.seed,
        )  # fmt: skip

    def scores(frame: pd.DataFrame) -> Any:
        if given is not None:
            return frame[given].to_numpy()
        aligned = _reference.readable(frame[X.columns])
        for column in X.select_dtypes("category"):
            aligned[column] = pd.Categorical(aligned[column], categories=X[column].cat.categories)
        return found.model.predict_proba(aligned)[:, 1]

    places = {"test": (test.X, test.y.astype(float), np.asarray(test.groups.labels)[test.groups.codes], None)}
    if fresh is not None:
        places["fresh"] = (fresh.frame, fresh.probability, fresh.frame["group"].to_numpy(), fresh.weight)
    measured: dict[str, dict[str, Any]] = {}
    noise = {}
    for place, (frame, likely, where, weight) in places.items():
        for name, decided in found.decide(scores(frame), where).items():
            measured.setdefault(name, {})[place] = values(cells(decided, likely, where, weight))
            if place == "test" and of_run is not None:
                noise[name] = float(((decided - of_run) * (2 * likely - 1)).std() / np.sqrt(len(likely)))
    counts = pd.crosstab(groups, y).reindex(columns=[0, 1], fill_value=0).to_numpy()
    used = (
        counts.sum(1) if case.notion == "demographic_parity" else counts[:, list(CELLS[case.notion])].min(1)
    )
    own = {name: values(table) for name, table in found.own.items()}
    return {
        "rules": measured,
        "own": own,
        "chance": found.chance,
        "noise": noise,
        "least_cell": int(used.min()),
    }
