"""Which rows a run fits, judges and tests on: cross-fitting, or a holdout for large data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset, places
from fairmend.core.errors import InsufficientDataError

HOLDOUT_ABOVE = 100_000
"""Development rows above which a holdout is used: another fold would hardly narrow an interval."""
FEW_ROWS, FOLDS_OF_FEW, FOLDS = 20_000, 5, 3
"""Up to so many development rows there are five folds, above three."""
DEVELOPMENT = ("train", "calibration", "validation")


@dataclass(frozen=True)
class Division:
    """The rows of a run.

    Attributes
    ----------
    development : Dataset
        What the final rule is trained on: all rows but those of the test part, or the train part of a
        holdout.
    test : Dataset
        The test part, which no step and no gate uses.
    parts : tuple of dict of str to Dataset
        The train, calibration and validation rows of each fold; one entry with a holdout.
    held_out : Dataset
        The validation rows of all folds, one after another: what gates are judged on.
    rows : tuple of (ndarray, ndarray)
        With cross-fitting, the training rows and the held-out rows of each fold as places in
        ``held_out``; empty with a holdout.
    """

    development: Dataset
    test: Dataset
    parts: tuple[dict[str, Dataset], ...]
    held_out: Dataset
    rows: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...] = ()

    @property
    def cross_fitted(self) -> bool:
        """Whether there are folds."""
        return bool(self.rows)

    @property
    def text(self) -> str:
        """How rows are used, as a sentence."""
        tested = f", {len(self.test):,} rows kept for the test"
        if self.cross_fitted:
            return (
                f"Cross-fitting: {len(self.rows)} folds of {len(self.development):,} rows{tested}; the final "
                "rule is fitted on all rows but those of the test."
            )
        (parts,) = self.parts
        return (
            f"Holdout: {', '.join(f'{len(data):,} rows to {_USE[n]}' for n, data in parts.items())}{tested}."
        )

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each part, by name."""
        if self.cross_fitted:
            found = {"development": len(self.development), "folds": len(self.rows)}
        else:
            found = {name: len(data) for name, data in self.parts[0].items()}
        return {**found, "test": len(self.test)}

    def cases(self, **shared: Any) -> tuple[Case, ...]:
        """Return the case of each fold; ``shared`` are the other fields of :class:`Case`."""
        return tuple(
            Case(
                p["train"], p["calibration"], p["validation"], cross_fitted=self.cross_fitted, **shared
            )
            for p in self.parts
        )  # fmt: skip

    def without_test(self) -> Division:
        """Return the division without its test rows, to hand to others."""
        return replace(self, test=self.test.take(np.arange(0)))

    def without(self, features: Sequence[str]) -> Division:
        """Return the rows without some features; the test part keeps them."""
        return Division(
            self.development.without(features),
            self.test,
            tuple({name: data.without(features) for name, data in p.items()} for p in self.parts),
            self.held_out.without(features),
            self.rows,
        )


_USE = {"train": "train on", "calibration": "fit postprocessors on", "validation": "judge"}


def divide(data: Dataset, shares: Mapping[str, float], *, seed: int) -> Division:
    """Divide data into development and test rows, and the former into folds or a holdout.

    Parameters
    ----------
    data : Dataset
        All rows.
    shares : mapping of str to float
        Shares of train, calibration, validation and test; with cross-fitting the first three are one.
    seed : int
        Seed of the split.

    Raises
    ------
    InsufficientDataError
        Too few rows, or a part that would lack a class.
    """
    developed = sum(shares[name] for name in DEVELOPMENT)
    if developed * len(data) > HOLDOUT_ABOVE:
        parts = data.split(shares, seed=seed)
        test = parts.pop("test")
        return Division(parts["train"], test, (parts,), parts["validation"])
    split = data.split({"development": developed, "test": shares["test"]}, seed=seed)
    return divide_development(split["development"], split["test"], seed=seed)


def divide_development(development: Dataset, test: Dataset, *, seed: int) -> Division:
    """Divide development rows into folds for cross-fitting; see :func:`divide`."""
    count = FOLDS_OF_FEW if len(development) <= FEW_ROWS else FOLDS
    fold_of, everywhere = _folds(development, count, seed)
    order = np.argsort(fold_of, kind="stable")
    held_out, fold_of, everywhere = development.take(order), fold_of[order], everywhere[order]
    rows = tuple(
        (np.flatnonzero((fold_of != k) | everywhere), np.flatnonzero(fold_of == k)) for k in range(count)
    )
    parts_of = []
    for training, judged in rows:
        train = held_out.take(training)
        if len(np.unique(train.y)) < max(len(development.classes), 2):
            raise InsufficientDataError(
                f"a fold of {len(train)} rows would lack an outcome value; more rows of the rarer outcome are required"
            )
        parts_of.append({"train": train, "calibration": train, "validation": held_out.take(judged)})
    return Division(development, test, tuple(parts_of), held_out, rows)


def undivided(development: Dataset, test: Dataset) -> Division:
    """Return a division for steps that need no calibration rows: all development rows train."""
    parts = {"train": development, "calibration": development, "validation": test}
    return Division(development, test, (parts,), test)


def _folds(data: Dataset, count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the fold of each row, and which rows every fold trains on.

    Folds have the same mix of groups and labels, and duplicate rows are in one fold. The units of a
    small group are dealt to different folds, so that no fold lacks the group in training; the only unit
    of a group is trained on in its own fold, too, where it can decide nothing for lack of support.
    """
    place = places(data.strata(), data.units, np.random.default_rng(seed))
    fold_of = (place * count).astype(np.intp)
    everywhere = np.zeros(len(data), dtype=bool)
    groups, units = data.groups, np.arange(len(data)) if data.units is None else data.units
    for g in np.flatnonzero(groups.counts() < 4 * count):
        rows = np.flatnonzero(groups.codes == g)
        rows = rows[np.argsort(place[rows], kind="stable")]
        together = list(dict.fromkeys(units[rows]))
        for number, unit in enumerate(together):
            fold_of[units == unit] = number % count
        if len(together) == 1:
            everywhere[rows] = True
    return fold_of, everywhere
