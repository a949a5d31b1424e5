"""Features that are proxies for a protected attribute."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fairmend.auditing.candidate_findings import CandidateFinding, Reading
from fairmend.auditing.features import PROBE_ROWS, Binned, area, probe, rates_by_bin
from fairmend.auditing.predictions import folds_of
from fairmend.auditing.severity_thresholds import Thresholds
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.types import Floats, Ints

KIND = "proxy-variable"
FOLDS = 3


def proxies(
    attribute: str, data: Dataset, features: dict[str, Binned], rules: Thresholds, seed: int
) -> list[CandidateFinding]:
    """Measure how well each feature, and all of them together, predict the groups of an attribute.

    The metric is the area under the ROC curve of one group against the others, scored by the share of
    the group in the feature's bin, counted in other folds; with several groups, the most predictable
    one. Declared proxies are always reported; resolving variables are not checked.

    Notes
    -----
    Groups without enough rows are excluded; more than 20,000 rows are subsampled.
    """
    groups = Groups.of(data.sensitive[[attribute]])
    enough = np.flatnonzero(groups.counts() >= rules.minimum_support.value)
    rows = np.flatnonzero(np.isin(groups.codes, enough))
    if len(enough) < 2:
        return []
    if len(rows) > PROBE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, PROBE_ROWS, replace=False))
    present, classes = np.unique(groups.codes[rows], return_inverse=True)
    labels = [groups.labels[g] for g in present]
    folds = folds_of(classes, seed, FOLDS)
    out: list[CandidateFinding] = []
    for name, feature in features.items():
        if name in data.roles.resolving:
            continue
        part = Binned(feature.codes[rows], feature.n_bins, None)
        share = rates_by_bin(part, classes, folds)
        declared = name in data.roles.proxies
        out.append(_told(attribute, name, name, labels, classes, share, optional=not declared))
    read = [feature for name, feature in features.items() if name not in data.roles.resolving]
    if len(read) > 1:
        together = probe(read, rows, classes, folds, seed)
        out.append(_told(attribute, None, "All features together", labels, classes, together, optional=False))
    return out


def _told(
    attribute: str,
    column: str | None,
    subject: str,
    labels: list[str],
    classes: Ints,
    share: Floats,
    *,
    optional: bool,
) -> CandidateFinding:
    """Return the evidence about the group that the feature predicts best."""
    asked: Iterable[int] = range(len(labels)) if len(labels) > 2 else (1,)
    found = {g: area(classes == g, share[:, g]) for g in asked}
    at = max(found, key=lambda g: found[g][1][0])
    value, interval, p_value = found[at]
    verb = "distinguish" if column is None else "distinguishes"
    whom = f"{labels[at]} from {'the others' if len(labels) > 2 else labels[0]}"
    return CandidateFinding(
        kind=KIND,
        text=f"{subject} {verb} {whom} ({attribute})",
        readings=(Reading("proxy_auc", value, interval),),
        support=int(np.bincount(classes).min()),
        p_value=min(1.0, p_value * len(found)),
        attribute=attribute,
        group=labels[at] if len(labels) > 2 else None,
        column=column,
        optional=optional,
    )
