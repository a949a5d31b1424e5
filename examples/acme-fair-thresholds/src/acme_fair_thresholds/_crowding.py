"""A kind of finding: many people of one group lie just below the cut-off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from fairmend.base import Detection, Finding, FindingKind, Floats, Groups, Levels

CUT_OFF, MARGIN = 0.5, 0.1


def near_misses(y_score: Floats, y_pred: Floats) -> Floats:
    """Return who was turned down by less than the margin."""
    return np.asarray((y_pred == 0) & (y_score >= CUT_OFF - MARGIN))


def detect(groups: Groups, y_score: Floats, y_pred: Floats) -> Iterator[Detection]:
    """Yield the group with the largest share of near misses."""
    shares = [near_misses(y_score, y_pred)[groups.codes == g].mean() for g in range(groups.n_groups)]
    worst, best = int(np.argmax(shares)), int(np.argmin(shares))
    yield Detection(
        text=f"{shares[worst]:.1%} of {groups.labels[worst]} miss the cut-off by less than {MARGIN}",
        support=int(groups.counts().min()),
        group=groups.labels[worst],
        reference=groups.labels[best],
    )


def measure(finding: Finding, groups: Groups, y_score: Floats, y_pred: Floats) -> float:
    """Return by how much the share of near misses exceeds that of the other group."""
    near = near_misses(y_score, y_pred)
    here, there = (groups.labels.index(str(name)) for name in (finding.group, finding.reference))
    members = [near[groups.codes == g] for g in (here, there)]
    return float(members[0].mean() - members[1].mean()) if all(map(len, members)) else float("nan")


def planted(random_state: int) -> dict[str, Any]:
    """Draw data in which the scores of one group pile up below the cut-off."""
    rng = np.random.default_rng(random_state)
    crowded = rng.random(2000) < 0.4
    scores = np.where(crowded & (rng.random(2000) < 0.5), 0.45, rng.random(2000))
    frame = pd.DataFrame(
        {"origin": np.where(crowded, "newcomer", "local"), "income": scores + rng.random(2000)}
    )
    frame["accepted"] = np.where(rng.random(2000) < scores, "yes", "no")
    roles = {"outcome": "accepted", "favorable": "yes", "protected": ["origin"]}
    return {"frame": frame, "roles": roles, "scores": scores}


CROWDED_CUT_OFF = FindingKind(
    kind="crowded-cut-off",
    title="Crowded cut-off",
    description="Many people of one group lie just below the cut-off, so that its place decides for the group.",
    phrases=("just below the threshold", "near misses pile up in one group"),
    notions=("demographic_parity",),
    stages=("post-processing",),
    detect=detect,
    measure=measure,
    levels=Levels(
        low=0.02, medium=0.05, high=0.1, reason="The scale of the audit for differences of base rates."
    ),
    planted=planted,
)
