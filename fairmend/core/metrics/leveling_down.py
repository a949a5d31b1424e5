"""Who pays for fairness: favorable decisions gained and lost, by group (Mittelstadt, Wachter & Russell 2023).

Rates can be brought together by raising the low ones or by lowering the high ones. Leveling down is the
latter: the gap closes and the worst-off group has gained nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmend.core.metrics.inference import bootstrap
from fairmend.core.metrics.inference.bootstrap import Interval
from fairmend.core.metrics.inference.effective_sample_size import effective_support
from fairmend.core.metrics.inference.settings import InferenceSettings
from fairmend.core.metrics.rates import RATES
from fairmend.core.metrics.tables.contingency import PairedTable
from fairmend.core.serialization import to_plain


@dataclass(frozen=True)
class GroupChange:
    """What a change of decisions did to one group.

    Attributes
    ----------
    group : str
        The group.
    rows, gained, lost : int
        Its rows, and how many of them gained and lost a favorable decision.
    before, after : float
        Its rate before and after; NaN where undefined.
    """

    group: str
    rows: int
    gained: int
    lost: int
    before: float
    after: float

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return to_plain(self.__dict__)


@dataclass(frozen=True)
class LevelingDown:
    """What a change of decisions did to each group, and to the worst-off one above all.

    Attributes
    ----------
    rate : str
        The rate by which groups are worse or better off.
    groups : tuple of GroupChange
        All groups, the worst off before the change first.
    worst_off : str or None
        The group with the lowest rate before, of those with enough rows; None where none has.
    gain : float
        By how much its rate rose; NaN without such a group.
    interval : (float, float) or None
        Confidence interval of the gain, paired.
    support : int
        Effective rows behind it.
    lacking : tuple of str
        Groups with too few rows.
    """

    rate: str
    groups: tuple[GroupChange, ...]
    worst_off: str | None
    gain: float
    interval: Interval | None
    support: int
    lacking: tuple[str, ...]

    @property
    def text(self) -> str:
        """What happened, as one sentence."""
        changed = [
            f"{g.group} gains {g.gained:,} and loses {g.lost:,}" for g in self.groups if g.gained or g.lost
        ]
        if not changed:
            return "no decision changed"
        ends = "" if self.interval is None else f" [{self.interval[0]:+.3f}, {self.interval[1]:+.3f}]"
        if self.worst_off is None:
            told = "no group has enough rows to say which is worst off"
        else:
            how = "better off" if self.gain > 0 else "worse off" if self.gain < 0 else "no better off"
            told = f"the worst-off group ({self.worst_off}) is {how}: {self.rate.replace('_', ' ')} {self.gain:+.3f}{ends}"
        return f"favorable decisions: {'; '.join(changed)}; {told}"

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {**to_plain(self.__dict__), "text": self.text}


def leveling_down(
    table: PairedTable, rate: str = "selection_rate", settings: InferenceSettings | None = None
) -> LevelingDown:
    """Return who gains and who loses by a change of decisions.

    Parameters
    ----------
    table : PairedTable
        Counts of group x label x decision before x decision after.
    rate : {"selection_rate", "true_positive_rate"}
        By which groups are worse or better off.
    settings : InferenceSettings, optional
        Of the interval, and the rows that a group must have.

    Examples
    --------
    The gap closes, but no group gains:

    >>> few, many = np.repeat([1, 0], [40, 60]), np.repeat([1, 0], [80, 20])
    >>> before, after = np.concatenate([few, many]), np.concatenate([few, few])
    >>> table = PairedTable.from_arrays(before, before, after, np.repeat(["F", "M"], 100))
    >>> found = leveling_down(table)
    >>> found.worst_off, found.gain, [(g.group, g.gained, g.lost) for g in found.groups]
    ('F', 0.0, [('F', 0, 0), ('M', 0, 40)])
    """
    settings = settings or InferenceSettings()
    of = RATES[rate].of
    before, after = of(table.before.counts), of(table.after.counts)
    support = effective_support(RATES[rate], table.before)
    rows = table.rows
    order = np.argsort(np.where(np.isfinite(before), before, np.inf), kind="stable")
    groups = tuple(
        GroupChange(
            table.groups[g],
            int(rows[g].sum()),
            int(rows[g, :, 0, 1].sum()),
            int(rows[g, :, 1, 0].sum()),
            float(before[g]),
            float(after[g]),
        )
        for g in order
    )
    lacking = tuple(g for g, n in zip(table.groups, support, strict=True) if n < settings.min_support)
    known = [g for g in order if table.groups[g] not in lacking and np.isfinite(before[g])]
    if not known:
        return LevelingDown(rate, groups, None, float("nan"), None, 0, lacking)
    worst = known[0]
    drawn = bootstrap.replicates(table, settings.n_boot, bootstrap.generators(settings.seed, 2)[0])
    gains = of(drawn[:, worst].sum(axis=-2)) - of(drawn[:, worst].sum(axis=-1))
    return LevelingDown(
        rate,
        groups,
        table.groups[worst],
        float(after[worst] - before[worst]),
        bootstrap.percentile_interval(gains, settings.level),
        int(support[worst]),
        lacking,
    )
