"""What a gate may look at: measurements of a stage on data that trained nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairmend.core.case import Case
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.groups import Groups
from fairmend.core.metrics import Comparison, InferenceSettings, Measurement, compare, measure
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.utility import Utility
from fairmend.pipeline.run.third_party import score_and_decide

FAIRNESS_COMPARED = (
    "demographic_parity_ratio",
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
)
COMPARED = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", *FAIRNESS_COMPARED)


class ModelEvaluation:
    """A model's decisions and scores on some data, with their measurement, made once.

    Parameters
    ----------
    model : FairModel
        The model; the one of the first fold where there are several.
    data : Dataset
        The rows.
    settings : InferenceSettings
        Settings of intervals and tests.
    folds : sequence of Case, optional
        The cases whose validation rows, one after another, are ``data``: each row is decided by the
        model of its own fold.
    """

    def __init__(
        self, model: FairModel, data: Dataset, settings: InferenceSettings, folds: Sequence[Case] = ()
    ) -> None:
        self.model = model
        self.data = data
        self.settings = settings
        self.folds = tuple(folds)

    @classmethod
    def of_folds(cls, folds: Sequence[Case], data: Dataset, settings: InferenceSettings) -> ModelEvaluation:
        """Return the evaluation of out-of-fold decisions on the validation rows of all folds."""
        return cls(folds[0].fitted(), data, settings, folds)

    def followed_by(self, other: ModelEvaluation) -> ModelEvaluation:
        """Return the evaluation of the decisions on these rows and then on those of another evaluation."""
        return _Joined(self, other)

    @cached_property
    def _both(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        if not self.folds:
            return score_and_decide(self.model, self.data)
        scores, decisions = zip(
            *(score_and_decide(case.fitted(), case.validation) for case in self.folds), strict=True
        )
        return np.concatenate(scores), np.concatenate(decisions)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Probabilities of the favorable outcome."""
        return self._both[0]

    @property
    def decisions(self) -> NDArray[np.int64]:
        """Decisions of 0 and 1."""
        return self._both[1]

    @cached_property
    def groups(self) -> Groups:
        """The groups of these rows, and those of the whole data that have no row here."""
        here = self.data.groups
        labels = tuple(sorted({*here.labels, *self.settings.groups}))
        return Groups(np.searchsorted(labels, here.labels)[here.codes], labels, here.frame)

    @cached_property
    def measurement(self) -> Measurement:
        """The figures."""
        return measure(
            self.data.y,
            self.decisions,
            sensitive_features=self.groups,
            y_score=self.scores,
            sample_weight=self.data.weights,
            cluster=self.data.units,
            **self.settings.intervals,
        )

    def against(self, before: ModelEvaluation, n_permutations: int | None = None) -> Comparison:
        """Return the paired comparison with another model on the same data."""
        return compare(
            self.data.y,
            before.decisions,
            self.decisions,
            sensitive_features=self.groups,
            sample_weight=self.data.weights,
            cluster=self.data.units,
            metrics=COMPARED,
            n_permutations=n_permutations or self.settings.n_permutations,
            **self.settings.intervals,
        )


class _Joined(ModelEvaluation):
    """Decisions of a rule on rows of two evaluations."""

    def __init__(self, first: ModelEvaluation, second: ModelEvaluation) -> None:
        super().__init__(second.model, first.data.followed_by(second.data), second.settings)
        self._parts = first, second

    @cached_property
    def _both(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        scores, decisions = zip(*((one.scores, one.decisions) for one in self._parts), strict=True)
        return np.concatenate(scores), np.concatenate(decisions)


@dataclass(frozen=True)
class GateContext:
    """Everything a gate check may look at.

    Attributes
    ----------
    baseline, current : ModelEvaluation
        The plain model and the model so far, on the same data.
    before, case : Case
        The case at the entry of the stage and after it.
    changed : frozenset of str
        Features that the steps of the stage declare they change.
    notion : str
        Fairness notion of the run's target.
    measure_of_target : str
        Name of the figure that the target is about.
    target_upward : bool
        Whether greater values of it are better.
    utility : Utility
        What decisions are worth in this run.
    """

    baseline: ModelEvaluation
    current: ModelEvaluation
    before: Case
    case: Case
    changed: frozenset[str]
    notion: str
    measure_of_target: str
    target_upward: bool
    utility: Utility = field(default_factory=Utility)

    @cached_property
    def comparison(self) -> Comparison:
        """The model so far against the baseline, paired; gates read its intervals, not its p-values."""
        return self.current.against(self.baseline, n_permutations=1)
