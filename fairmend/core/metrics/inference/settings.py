"""How figures are measured: replicates, coverage, the rows that a figure must rest on, and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypedDict

from sklearn.utils._param_validation import Interval

from fairmend.core.errors import UsageError

_WHOLE = Interval(Integral, 1, None, closed="left")


@dataclass(frozen=True)
class InferenceSettings:
    """How figures are measured.

    Attributes
    ----------
    n_boot : int
        Bootstrap replicates.
    level : float
        Coverage of the intervals.
    min_support : int
        Rows below which a cell is insufficient evidence.
    seed : int
        The same seed gives the same numbers.
    n_permutations : int
        Permutations of a test.
    groups : tuple of str
        Groups that the data as a whole has: one without a row in a part is insufficient evidence there.

    Examples
    --------
    >>> InferenceSettings(n_boot=500).level
    0.95
    >>> InferenceSettings(level=95)
    Traceback (most recent call last):
    fairmend.core.errors.UsageError: level must lie between 0 and 1, got 95; 0.95 is usual
    """

    n_boot: int = 2000
    level: float = 0.95
    min_support: int = 30
    seed: int = 0
    n_permutations: int = 10_000
    groups: tuple[str, ...] = ()

    @property
    def intervals(self) -> dict[str, Any]:
        """The settings of intervals, by the names that :func:`.measure` and :func:`.compare` give them."""
        return {name: getattr(self, name) for name in ("n_boot", "level", "min_support", "seed")}

    def __post_init__(self) -> None:
        for name in ("n_boot", "n_permutations"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.level < 1:
            raise UsageError(f"level must lie between 0 and 1, got {self.level}; 0.95 is usual")


class InferenceParameters(TypedDict, total=False):
    """The settings as parameters of an estimator, whose seed is called ``random_state``."""

    n_boot: int
    level: float
    min_support: int
    random_state: int


INFERENCE_CONSTRAINTS: dict[str, list[Any]] = {
    "n_boot": [_WHOLE],
    "level": [Interval(Real, 0, 1, closed="neither")],
    "min_support": [_WHOLE],
    "random_state": [Interval(Integral, 0, None, closed="left")],
}
"""Constraints of these parameters, in the form of scikit-learn."""
