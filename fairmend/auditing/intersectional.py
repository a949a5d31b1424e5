"""Intersectional groups that do worse than the groups of each single attribute."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from fairmend.auditing.candidate_findings import CandidateFinding, Reading, lacking
from fairmend.core.data.groups import Groups
from fairmend.core.findings import Finding
from fairmend.core.metrics import Measurement, metric
from fairmend.core.metrics.inference.bootstrap import percentile_interval
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.rates import Rate
from fairmend.core.types import Floats

KIND = "intersectional-disparity"
CELLS = {"selection_rate": "rows", "true_positive_rate": "rows with the favorable outcome"}


def intersectional_disparity(
    attribute: str, measured: Measurement, groups: Groups, *, errors: bool
) -> list[CandidateFinding | Finding]:
    """Compare each intersectional group with the worst off of the groups that it belongs to.

    The deficit of an intersection, for instance Black women, is the lower of the rates of Black people
    and of women minus its own rate. Which of the two is lower is held fixed in the bootstrap, so that
    the interval is centered; all intersections and rates are tested one-sided and corrected together.

    Parameters
    ----------
    attribute : str
        Name of the intersection.
    measured : Measurement
        Metrics of the intersectional groups.
    groups : Groups
        The intersectional groups, with the attributes they combine.
    errors : bool
        Whether decisions differ from labels, so that true positive rates are meaningful.
    """
    members = members_of(groups)
    out: list[CandidateFinding | Finding] = []
    for name in CELLS if errors else ("selection_rate",):
        rate = metric(name).rates[0]
        support = effective_support(rate, measured.table)
        few = np.flatnonzero(support < measured.min_support)
        if len(few):
            named = [measured.groups[g] for g in few]
            out.append(lacking(KIND, attribute, named, int(support.min()), CELLS[name], f"{name}_deficit"))
        own, drawn_own = rate.of(measured.table.counts), rate.of(measured.drawn)
        parents = parent_rates(rate, measured.table.counts, members)
        drawn_parents = parent_rates(rate, measured.drawn, members)
        for g in np.flatnonzero(support >= measured.min_support):
            at = int(np.argmin(parents[:, g]))
            parent = members[at].labels[members[at].codes[g]]
            deficit = float(parents[at, g] - own[g])
            drawn = drawn_parents[at, :, g] - drawn_own[:, g]
            out.append(
                CandidateFinding(
                    kind=KIND,
                    text=(
                        f"The {name.replace('_', ' ')} of {measured.groups[g]} is {own[g]:.1%}, "
                        f"that of {parent} as a whole {parents[at, g]:.1%} ({attribute})"
                    ),
                    readings=(
                        Reading(f"{name}_deficit", deficit, percentile_interval(drawn, measured.level)),
                    ),
                    support=int(support[g]),
                    p_value=_one_sided(deficit, drawn),
                    attribute=attribute,
                    group=measured.groups[g],
                    reference=parent,
                    optional=True,
                )
            )
    return out


def members_of(groups: Groups) -> list[Groups]:
    """Return, for each attribute, the group that each intersection belongs to."""
    first = np.unique(groups.codes, return_index=True)[1]
    values = groups.frame.iloc[first].reset_index(drop=True)
    return [Groups.of(values[[column]]) for column in values.columns]


def parent_rates(rate: Rate, counts: Floats, members: list[Groups]) -> Floats:
    """Return the rate of the groups that each intersection belongs to, shape (attributes, ..., G)."""
    return np.stack([rate.of(_parents(counts, part)) for part in members])


def _parents(counts: Floats, part: Groups) -> Floats:
    """Return for each cell the counts of the group of one attribute that it belongs to, shape (..., G, 2, 2)."""
    belongs = (part.codes[:, None] == part.codes[None, :]).astype(np.float64)
    return np.einsum("gh,...hyd->...gyd", belongs, counts)


def _one_sided(value: float, drawn: Floats) -> float:
    """Return the one-sided p-value under zero deficit, from the bootstrap standard error."""
    error = float(np.nanstd(drawn))
    return NormalDist().cdf(-value / error) if error > 0 else float("nan")
