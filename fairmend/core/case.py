"""The state of a pipeline: an immutable case, and the effect of a step on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from fairmend.core.causal.column_roles import column_roles
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import UsageError
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.models.learners import fit_weighted
from fairmend.core.serialization import to_plain

if TYPE_CHECKING:
    from fairmend.core.causal.graph import CausalGraph
    from fairmend.core.findings import Finding
    from fairmend.core.vocabulary import Notion


@dataclass(frozen=True)
class Effect:
    """What a step changed, and by how much; "nothing changed" is a valid result.

    Attributes
    ----------
    kind : str
        What was changed (features, weights, rows, labels, model, scores, decisions), or ``"none"`` for a step
        that only measures.
    share : float
        Share of affected rows.
    size : float or None
        Mean absolute change, in the unit that ``detail`` names.
    detail : mapping
        Details, ready for JSON.
    text : str
        One sentence for people.
    """

    kind: str
    share: float
    text: str
    size: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed_nothing(self) -> bool:
        """Whether a step that should change something changed nothing."""
        return self.kind != "none" and self.share == 0

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return {
            "kind": self.kind,
            "share": self.share,
            "size": self.size,
            "changed_nothing": self.changed_nothing,
            "text": self.text,
            "detail": to_plain(self.detail),
        }


@dataclass(frozen=True)
class OutOfFold:
    """What models that were not trained on some rows say of them.

    Attributes
    ----------
    scores : ndarray of shape (n,) or (n, k)
        Scores of the rows.
    frame : DataFrame of shape (n, p)
        Their features as the models read them.
    """

    scores: NDArray[np.float64]
    frame: pd.DataFrame


@dataclass(frozen=True)
class Case:
    """The state of a pipeline between two steps.

    The test data is not here: no step can use the data on which the final metrics are computed.

    Attributes
    ----------
    train, calibration, validation : Dataset
        Rows for training models, for fitting postprocessors, and for evaluating gates. With cross-fitting the
        first two are the same rows; see ``out_of_fold``.
    learner : unfitted classifier or regressor, or None
        Trained by steps that retrain; None where only a fitted model was given.
    model : FairModel or None
        The fitted model so far.
    graph : CausalGraph or None
        The causal graph, once there is one.
    findings : tuple of Finding
        What the audit found.
    notion : str
        The fairness notion of the run's target.
    seed : int
        Seed of everything random.
    repair, leave_out : tuple of str
        Columns that causal analyses recommend to repair, or to exclude from models.
    results : mapping of str to dict
        Results of analyses and evaluations, by slug.
    cross_fitted : bool
        Whether the calibration rows are those that the model was trained on.
    out_of_fold : OutOfFold or None
        With cross-fitting, out-of-fold scores of the calibration rows.
    """

    train: Dataset
    calibration: Dataset
    validation: Dataset
    learner: Any = None
    model: FairModel | None = None
    graph: CausalGraph | None = None
    findings: tuple[Finding, ...] = ()
    notion: Notion = "demographic_parity"
    seed: int = 0
    repair: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cross_fitted: bool = False
    out_of_fold: OutOfFold | None = None

    def replace(self, **changes: Any) -> Case:
        """Return the case with these fields changed."""
        return replace(self, **changes)

    def with_result(self, slug: str, result: Mapping[str, Any]) -> Case:
        """Return the case with one more result."""
        return replace(self, results={**self.results, slug: to_plain(result)})

    def retrained(self, transformers: tuple[Any, ...] | None = None) -> Case:
        """Return the case with the learner retrained on ``train``.

        Parameters
        ----------
        transformers : tuple of Preprocessor, optional
            Transformers from raw features to those of ``train``; by default those of the current model.

        Raises
        ------
        UsageError
            There is no learner to train, only a fitted model.
        """
        if self.learner is None:
            raise UsageError(
                "this step retrains the model, but only a fitted model was given; pass a learner, or exclude such steps with the constraint retraining=false"
            )
        if transformers is None:
            transformers = self.model.transformers if self.model else ()
        estimator = fit_weighted(clone(self.learner), self.train.X, self.train.y, self.train.weights)
        model = FairModel(
            self.features,
            tuple(self.train.sensitive.columns),
            estimator,
            transformers,
            seed=self.seed,
            task=self.train.task,
        )
        return replace(self, model=model)

    @property
    def proxies(self) -> tuple[str, ...]:
        """The declared proxies, and the features that the causal graph makes proxies."""
        roles = self.train.roles
        if self.graph is None or self.graph.undirected:
            return roles.proxies
        found = column_roles(self.graph, roles, findings=self.findings)
        drawn = [c for c, role in found.items() if role in {"proxy", "mediator and proxy"}]
        return tuple(dict.fromkeys((*roles.proxies, *drawn)))

    @property
    def features(self) -> tuple[str, ...]:
        """The features as they came, of which a rule trained on ``train`` is made; no step changes them."""
        return tuple(self.validation.X.columns)

    def fitted(self) -> FairModel:
        """Return the current model; raise if there is none.

        Raises
        ------
        UsageError
            No model has been trained or given yet.
        """
        if self.model is None:
            raise UsageError("there is no model yet; train one first, or pass a fitted one")
        return self.model

    def calibration_scores(self) -> OutOfFold:
        """Return scores of the calibration rows by models that were not trained on them."""
        if self.out_of_fold is not None:
            return self.out_of_fold
        frame, scores = self.fitted().transform_and_score(self.calibration.X, self.calibration.sensitive)
        return OutOfFold(scores, frame)

    @cached_property
    def validation_decisions(self) -> NDArray[Any]:
        """Decisions (or classes, or values) of the model on the validation rows."""
        data = self.validation
        return self.fitted().predict(data.X, data.sensitive, data.key)

    def decisions_changed(self, after: FairModel) -> float:
        """Return the share of validation rows whose decision (or class, or value) another model changes."""
        data = self.validation
        now = after.predict(data.X, data.sensitive, data.key)
        return float(np.mean(~np.isclose(self.validation_decisions, now, rtol=0, atol=1e-12)))
