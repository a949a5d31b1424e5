"""Results of repeated cross-validation: metrics by fold, and the change over the folds with its test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.data.dataset import places
from fairmend.core.errors import UsageError
from fairmend.core.metrics import corrected_resampled_ttest, holm
from fairmend.core.metrics.inference.bootstrap import Interval, generators

MOST_RUNS = 500
MOSTLY = 0.8
"""Share of folds in which the target should be met; below it the record has a note."""


@dataclass(frozen=True)
class Repeats:
    """Number of repetitions and folds.

    Examples
    --------
    >>> Repeats.parse("5x2")
    Repeats(repetitions=5, folds=2)
    """

    repetitions: int
    folds: int

    @classmethod
    def parse(cls, text: str) -> Repeats:
        """Read ``RxK``: R repetitions of K folds.

        Raises
        ------
        UsageError
            The format is wrong, or there are no repetitions or fewer than two folds.
        """
        found = re.fullmatch(r"\s*(\d{1,9})x(\d{1,9})\s*", str(text), re.ASCII)
        numbers = (0, 0) if found is None else (int(found[1]), int(found[2]))
        if numbers[0] < 1 or numbers[1] < 2:
            raise UsageError(
                "cross-validation expects REPETITIONSxFOLDS, such as 5x2, with at least 1 repetition and "
                f"2 folds; got {str(text)[:40]!r}"
            )
        if numbers[0] * numbers[1] > MOST_RUNS:
            raise UsageError(
                f"cross-validation {text} would run the pipeline {numbers[0] * numbers[1]:,} times; the maximum is {MOST_RUNS}, "
                "and 10x5 is usually enough"
            )
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.repetitions}x{self.folds}"

    def deal(
        self, strata: NDArray[Any], seed: int, units: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
        """Yield repetition, fold and which rows are held out; every fold has the same mix of strata.

        Rows of one unit are in one fold.
        """
        for repetition, rng in enumerate(generators(seed, self.repetitions), start=1):
            fold_of = (places(strata, units, rng) * self.folds).astype(np.int64)
            for fold in range(self.folds):
                yield repetition, fold + 1, fold_of == fold


@dataclass(frozen=True)
class Fold:
    """One fold: both rules on rows that neither has seen.

    Attributes
    ----------
    repetition, fold : int
        Which one, from 1.
    n_train, n_test : int
        Rows to fit on, calibration included, and rows held out.
    before, after : dict of str to float or None
        Metrics of baseline and final rule by name; None if undefined or without enough support.
    held_before, held : bool or None
        Whether each meets the target; None if the evidence is insufficient.
    failed : bool
        Whether the fold has no results.
    reason : str
        Why it failed, or why the evidence is insufficient.
    """

    repetition: int
    fold: int
    n_train: int
    n_test: int
    before: dict[str, float | None]
    after: dict[str, float | None]
    held_before: bool | None = None
    held: bool | None = None
    failed: bool = False
    reason: str = ""


@dataclass(frozen=True)
class FoldChange:
    """A metric over the folds in which it is defined before and after.

    It summarizes a paired test over folds; an :class:`~fairmend.core.metrics.Estimate` rests on rows and is of one
    number.

    Attributes
    ----------
    before, after, change : float or None
        Means over the folds.
    before_spread, after_spread : float or None
        Standard deviations over the folds.
    interval : (float, float) or None
        95 % interval of the change, corrected for the overlap of training sets.
    p_value : float or None
        P-value of no change, by the same test; None with fewer than two folds.
    p_holm : float or None
        Corrected for the number of metrics.
    folds : int
        Number of folds.
    """

    before: float | None
    before_spread: float | None
    after: float | None
    after_spread: float | None
    change: float | None
    interval: Interval | None
    p_value: float | None
    p_holm: float | None
    folds: int

    @property
    def text(self) -> str:
        """Both means with their spread, the change with its interval, for people."""
        if self.change is None:
            return "not defined in any fold"
        text = f"{_spread(self.before, self.before_spread)} to {_spread(self.after, self.after_spread)}"
        if self.interval is None or self.p_value is None:
            return f"{text}, change {self.change:+.4f}"
        p = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        return f"{text}, change {self.change:+.4f} [{self.interval[0]:+.4f}, {self.interval[1]:+.4f}], {p}"


def _spread(mean: float | None, spread: float | None) -> str:
    return f"{mean:.4f}" + ("" if spread is None else f" ± {spread:.4f}")


@dataclass(frozen=True)
class CrossValidation:
    """Result of repeated cross-validation.

    Attributes
    ----------
    repeats : Repeats
        Repetitions and folds.
    steps : tuple of str
        Slugs of the steps that were refitted.
    refitted_baseline : bool
        Whether the baseline was refitted on each fold; True unless it is the user's own model.
    target, bound : str
        Metric of the target, and its bound.
    folds : tuple of Fold
        All folds, including failed ones.
    """

    repeats: Repeats
    steps: tuple[str, ...]
    refitted_baseline: bool
    target: str
    bound: str
    folds: tuple[Fold, ...]

    @property
    def completed(self) -> int:
        """Number of folds with results."""
        return sum(not fold.failed for fold in self.folds)

    @property
    def held(self) -> int:
        """Number of folds in which the final rule meets the target."""
        return sum(fold.held is True for fold in self.folds)

    @cached_property
    def changes(self) -> dict[str, FoldChange]:
        """Accuracy and the target metric over the folds."""
        found = [_change(name, self.folds) for name in ("accuracy", self.target)]
        p_values = holm([np.nan if c.p_value is None else c.p_value for c in found])
        return {
            name: replace(c, p_holm=None if np.isnan(p) else float(p))
            for name, c, p in zip(("accuracy", self.target), found, p_values, strict=True)
        }

    @property
    def lines(self) -> list[str]:
        """The result in a few sentences."""
        total = len(self.folds)
        base = "baseline and steps" if self.refitted_baseline else "the steps, not the given baseline,"
        target = self.target.replace("_", " ")
        out = [
            f"Cross-validation {self.repeats}, {base} refitted: accuracy {self.changes['accuracy'].text}",
            f"{target[:1].upper()}{target[1:]} {self.changes[self.target].text}; {self.bound} met in {self.held} of "
            f"{total} folds (baseline: {sum(f.held_before is True for f in self.folds)})",
        ]
        if self.completed < total:
            first = next(f for f in self.folds if f.failed)
            out.append(
                f"{total - self.completed} of {total} folds failed; fold {first.fold} of repetition "
                f"{first.repetition}: {first.reason}"
            )
        unknown = [f for f in self.folds if f.held is None and not f.failed]
        if unknown:
            out.append(
                f"Insufficient evidence on the target in {len(unknown)} of {total} folds: {unknown[0].reason}"
            )
        return out

    @property
    def notes(self) -> list[str]:
        """Notes for the reader of the verdict."""
        out = []
        if self.held < MOSTLY * len(self.folds):
            out.append(
                f"In cross-validation the target was met in {self.held} of {len(self.folds)} folds, fewer than "
                f"{MOSTLY:.0%}: it may not be met on other data."
            )
        if not self.refitted_baseline:
            out.append(
                "The given model was not refitted in cross-validation: its metrics are optimistic on every fold "
                "that contains rows it was trained on."
            )
        return out

    def to_json(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "repetitions": self.repeats.repetitions,
            "folds": self.repeats.folds,
            "completed": self.completed,
            "of": len(self.folds),
            "steps": list(self.steps),
            "refitted_baseline": self.refitted_baseline,
            "target": {"measure": self.target, "bound": self.bound, "held": self.held, "of": len(self.folds)},
            "measures": {
                name: {**asdict(c), "interval": None if c.interval is None else list(c.interval)}
                for name, c in self.changes.items()
            },
            "by_fold": [asdict(fold) for fold in self.folds],
        }


def _change(name: str, folds: Sequence[Fold]) -> FoldChange:
    """Return a metric over the folds, with the corrected test (Nadeau & Bengio 2003, section 3)."""
    pairs = [(f, f.before[name], f.after[name]) for f in folds if not f.failed]
    known = [(f, b, a) for f, b, a in pairs if b is not None and a is not None]
    if not known:
        return FoldChange(None, None, None, None, None, None, None, None, 0)
    before, after = np.array([b for _, b, _ in known]), np.array([a for _, _, a in known])
    means = float(before.mean()), float(after.mean())
    if len(known) < 2:
        return FoldChange(means[0], None, means[1], None, means[1] - means[0], None, None, None, 1)
    n_train, n_test = np.mean([(f.n_train, f.n_test) for f, _, _ in known], axis=0)
    test = corrected_resampled_ttest(after - before, n_train, n_test)
    spreads = float(before.std(ddof=1)), float(after.std(ddof=1))
    return FoldChange(
        means[0], spreads[0], means[1], spreads[1], test.mean, test.interval, test.p_value, None, len(known)
    )
