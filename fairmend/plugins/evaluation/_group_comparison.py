"""Audits that compare rates of groups: what they are compared with, and how differences are tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from fairmend.base import InferenceParameters, ResamplingEvaluator, evaluation_tables


class GroupComparison(ResamplingEvaluator):
    """Base of audits that compare rates of groups.

    Parameters
    ----------
    reference : str or mapping of str to str, default="to_best"
        What each group is compared with.
    n_permutations : int, default=5000
        Permutations of the tests.
    n_boot, level, min_support, random_state : int, float, int, int
        Settings of the intervals.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "reference": [str, dict],
        "n_permutations": evaluation_tables.WHOLE,
    }

    def __init__(
        self,
        reference: str | Mapping[str, str] = "to_best",
        n_permutations: int = 5000,
        **inference: Unpack[InferenceParameters],
    ) -> None:
        super().__init__(**inference)
        self.reference = reference
        self.n_permutations = n_permutations
