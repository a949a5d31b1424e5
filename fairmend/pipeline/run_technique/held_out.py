"""An in- or post-processing technique on its own: scores and decisions of rows that trained nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import UsageError
from fairmend.core.metrics import compare, compare_uncertainty, measure, uncertainty_columns
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import make_learner
from fairmend.core.text.words import plural
from fairmend.pipeline.run.third_party import isolated, run_step, score_and_decide, uncertainty
from fairmend.pipeline.run_technique.result import TechniqueResult


def train(
    technique: Any, data: Dataset, learner: str, seed: int, graph: CausalGraph | None
) -> TechniqueResult:
    """Train a reference model, run the technique, and decide on the test rows with and without it."""
    parts = data.split(seed=seed)
    rows = row_numbers(data, None, seed)["test"]
    case = Case(
        parts["train"],
        parts["calibration"],
        parts["validation"],
        learner=make_learner(learner, seed=seed),
        graph=graph,
        seed=seed,
    ).retrained()
    after, effect = run_step(technique, case)
    test = parts["test"]
    columns = {
        f"{name}{what}": values
        for name, model in (("baseline_", case.fitted()), ("", after.fitted()))
        for what, values in _decided(model, test).items()
    }
    said, figures = uncertainty(after.fitted(), test), {"effect": effect.to_json()}
    return _compared(technique, test, rows, columns, said, effect.text, figures)


def row_numbers(data: Dataset, shares: Mapping[str, float] | None, seed: int) -> dict[str, NDArray[Any]]:
    """Return the row numbers of each part of a split."""
    numbered = replace(data, key=np.arange(len(data)))
    return {name: np.asarray(part.key) for name, part in numbered.split(shares, seed=seed).items()}


def _decided(model: FairModel, data: Dataset) -> dict[str, Any]:
    scores, decisions = score_and_decide(model, data)
    return {"score": scores, "decision": decisions}


def adjust(technique: Any, data: Dataset, scores: Any, seed: int) -> TechniqueResult:
    """Fit a post-processing technique on the scores of one half, and adjust the other half."""
    if technique.stage != "post-processing":
        raise UsageError(
            f"{technique.metadata.name} trains its own model; --scores is only for post-processing and evaluation"
        )
    places = row_numbers(data, {"calibration": 0.5, "test": 0.5}, seed)
    fit, rows = places["calibration"], places["test"]
    known, test = data.take(fit), data.take(rows)
    before, does = scores[rows], set(technique.metadata.modifies)

    def act() -> tuple[dict[str, NDArray[Any]], Mapping[str, Any]]:
        technique.fit(
            scores[fit], known.y, sensitive_features=known.sensitive, sample_weight=known.weights, X=known.X
        )
        asked = {"sensitive_features": test.sensitive, "X": test.X}
        after = technique.adjust(before, **asked) if "scores" in does else before
        decided = (after >= 0.5).astype(np.int64)
        if "decisions" in does:
            decided = technique.predict(before, **asked, key=test.key, seed=seed)
        said = technique.uncertainty(before, **asked)
        return {"score": after, "decision": decided, **said}, getattr(technique, "diagnostics_", {})

    said, figures = isolated(technique, act, len(rows))
    columns = {
        "baseline_score": before,
        "baseline_decision": (before >= 0.5).astype(np.int64),
        "score": said.pop("score"),
        "decision": said.pop("decision"),
    }
    text = f"Fitted on {plural(len(fit), 'row')} and applied to the other {len(rows)}."
    return _compared(technique, test, rows, columns, said, text, figures)


def _compared(
    technique: Any,
    test: Dataset,
    rows: Any,
    columns: Mapping[str, Any],
    said: Mapping[str, NDArray[Any]],
    text: str,
    figures: Mapping[str, Any],
) -> TechniqueResult:
    known: dict[str, Any] = {"sensitive_features": test.sensitive, "sample_weight": test.weights}
    before, after = columns["baseline_decision"], columns["decision"]
    name = test.roles.key or "row"
    table = pd.DataFrame(
        {
            name: rows if test.key is None else test.key,
            **test.sensitive,
            test.roles.outcome: test.y,
            **columns,
            **uncertainty_columns(said),
        }
    )
    about = technique.metadata
    if said:
        found = compare_uncertainty(test.y, after, said, y_score=columns["score"], **known)
        baseline, final = ({what: pair[i].to_json() for what, pair in found.items()} for i in (0, 1))
        told = {"rows": len(test), **figures, "baseline": baseline, "final": final}
        return TechniqueResult(about.technique_id, about.slug, text, told, table)
    return TechniqueResult(
        about.technique_id,
        about.slug,
        text,
        {"rows": len(test), **figures},
        table,
        measure(test.y, before, y_score=columns["baseline_score"], **known),
        measure(test.y, after, y_score=columns["score"], **known),
        compare(test.y, before, after, **known),
    )
