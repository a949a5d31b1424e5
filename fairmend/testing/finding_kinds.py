"""What every finding kind that brings a detector and a measure must do, checked on the data it plants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from fairmend.auditing import audit
from fairmend.auditing.contributed_kinds import ContributedKind, RuledRows, size_of
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Detection, Finding, FindingKind
from fairmend.core.injection import arguments
from fairmend.core.metrics.evaluation_tables import views
from fairmend.core.text.validation import validated
from fairmend.core.types import Ints
from fairmend.testing.suite import Conformance, Outcome, failure, told_once

RAISED = ("low", "medium", "high")
N_BOOT = 200


def kind_conformance(kind: FindingKind) -> Conformance:
    """Run every check of finding kinds."""
    outcomes = []
    for check in KIND_CHECKS:
        problem = failure(check, kind)
        name = check.__name__.removeprefix("check_")
        outcomes.append(Outcome(kind.kind, name, "failed" if problem else "passed", problem or ""))
    return Conformance(kind.kind, kind.kind, tuple(told_once(outcomes)))


def check_finding_kind(kind: FindingKind) -> Conformance:
    """Run every check of a finding kind that brings a detector and a measure.

    Raises
    ------
    AssertionError
        At least one check failed; the message names each with its reason.
    """
    found = kind_conformance(kind)
    if found.failed:
        lines = "\n".join(f"  {o.check}: {o.message}" for o in found.failed)
        raise AssertionError(
            f"{kind.kind} fails {len(found.failed)} of {len(found.outcomes)} checks:\n{lines}"
        )
    return found


def check_finds_what_is_planted(kind: FindingKind) -> None:
    """In the data that it plants it is found, with evidence."""
    assert kind.planted is not None, "it has no planted data to check on; add planted(random_state)"
    found = _findings(kind, *_planted(kind, 0))
    assert found, "the kind is not found in its planted data"
    grave = [f for f in found if f.severity in RAISED]
    assert grave, f"the evidence in its planted data is insufficient: {found[0].text}"


def check_quiet_where_groups_mean_nothing(kind: FindingKind) -> None:
    """Where people are put into groups at random, it is not found to be grave."""
    data, given = _planted(kind, 1)
    mixed = np.random.default_rng(1).permutation(len(data))
    sensitive = data.sensitive.iloc[mixed].reset_index(drop=True)
    found = _findings(kind, replace(data, sensitive=sensitive), given)
    grave = [f for f in found if f.severity in ("medium", "high")]
    assert not grave, f"random groups are found, too: {grave[0].text}" if grave else ""


def check_same_data_same_result(kind: FindingKind) -> None:
    """The same rows give the same, in any order."""
    rows, attribute, detections = _detected(kind)
    mixed: Ints = np.random.default_rng(2).permutation(len(rows.y_true))
    for detection in detections:
        sizes = [_size(kind, detection, attribute, part) for part in (rows, rows, rows.take(mixed))]
        assert np.allclose(sizes, sizes[0], equal_nan=True), f"three calls on the same rows give {sizes}"


def check_inputs_unmodified(kind: FindingKind) -> None:
    """What it is given stays as it was."""
    rows, attribute, detections = _detected(kind)
    before = rows.take(np.arange(len(rows.y_true)))
    for detection in detections:
        _size(kind, detection, attribute, rows)
    same = [rows.X.equals(before.X)] + [
        np.array_equal(one, other)
        for one, other in (
            (rows.y_true, before.y_true),
            (rows.y_pred, before.y_pred),
            (rows.groups.codes, before.groups.codes),
        )
    ]
    assert all(same), "it modifies its inputs"


def check_grades_what_it_measures(kind: FindingKind) -> None:
    """Its levels are on the scale of its measure."""
    rows, attribute, detections = _detected(kind)
    assert kind.levels is not None
    graded = [kind.levels.grade(_size(kind, detection, attribute, rows)) for detection in detections]
    assert set(graded) & set(RAISED), f"the planted finding reaches none of its levels: {graded}"


KIND_CHECKS: tuple[Callable[[FindingKind], None], ...] = (
    check_finds_what_is_planted,
    check_quiet_where_groups_mean_nothing,
    check_same_data_same_result,
    check_inputs_unmodified,
    check_grades_what_it_measures,
)


@cache
def _drawn(planted: Callable[[int], Any], seed: int) -> dict[str, Any]:
    return dict(planted(seed))


def _planted(kind: FindingKind, seed: int) -> tuple[Dataset, dict[str, Any]]:
    """Return planted data, and the decisions and scores that come with them."""
    assert kind.planted is not None, "it has no planted data to check on"
    drawn = _drawn(kind.planted, seed)
    roles = {name: tuple(v) if isinstance(v, list) else v for name, v in drawn["roles"].items()}
    data = Dataset.from_frame(
        pd.DataFrame(drawn["frame"]), validated(Roles, roles, "the roles of planted data")
    )
    return data, {name: drawn[name] for name in ("predictions", "scores") if name in drawn}


def _findings(kind: FindingKind, data: Dataset, given: dict[str, Any]) -> list[Finding]:
    ours = ContributedKind("the kind under test", kind, ours=True)
    found = audit(data, **given, learner="logistic_regression", n_boot=N_BOOT, kinds=[ours])
    failed = [note for note in found.notes if f" {kind.kind} were not looked for" in note]
    assert not failed, failed[0]
    return [finding for finding in found.findings if finding.kind == kind.kind]


def _detected(kind: FindingKind) -> tuple[RuledRows, str, list[Detection]]:
    """Return planted rows with what is detected in the first attribute; outcomes stand in for decisions."""
    data, given = _planted(kind, 0)
    attribute, groups = next(iter(views(data.groups).items()))
    scores = given.get("scores")
    decided = given.get("predictions", data.y if scores is None else (np.asarray(scores) >= 0.5).astype(int))
    rows = RuledRows.of(data, groups, np.asarray(decided), None if scores is None else np.asarray(scores))
    assert kind.detect is not None
    named = arguments(kind.reads["detect"], rows.offers(attribute), kind.kind)
    return rows, attribute, list(kind.detect(**named))


def _size(kind: FindingKind, detection: Detection, attribute: str, rows: RuledRows) -> float:
    return size_of(ContributedKind("the kind under test", kind, ours=True), detection, attribute, rows)
