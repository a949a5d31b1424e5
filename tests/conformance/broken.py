"""Techniques that are broken on purpose, each in one way that one check is meant for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from fairmend.base import DataChange, DataError, Groups, InsufficientDataError
from fairmend.core.technique import sample_weights
from fairmend.plugins.evaluation import ExpectedCalibrationError, IntersectionalEvaluation
from fairmend.plugins.inprocessing import FairnessConstrainedLR
from fairmend.plugins.postprocessing import (
    EqualizedCoverage,
    GroupThresholds,
    PlattScaling,
    SelectiveClassification,
    WassersteinFairRegression,
)
from fairmend.plugins.preprocessing import InstanceWeighting

BROKEN: dict[str, type] = {}


def breaks(check: str) -> Any:
    """Register a class as the one that a check is meant to catch; it keeps its parent's documentation."""

    def register(cls: type) -> type:
        if not cls.__doc__:
            cls.__doc__ = cls.__mro__[1].__doc__
        BROKEN[check] = cls
        return cls

    return register


def told(technique: type, **changes: Any) -> Any:
    return technique.metadata.model_copy(update=changes)


@breaks("metadata_complete")
class NoQuestions(InstanceWeighting):
    metadata = told(InstanceWeighting, questions=())


@breaks("known_findings")
class MisspeltFinding(InstanceWeighting):
    metadata = told(InstanceWeighting, addresses=("outcome-disparty",))


@breaks("citation_resolves")
class InventedCitation(InstanceWeighting):
    metadata = told(InstanceWeighting, citation="nobody2020nothing")


@breaks("parameters_documented")
class Undocumented(InstanceWeighting):
    """Weigh rows, and do not say by which parameters."""


@breaks("constructor_only_assigns")
class CheckingConstructor(InstanceWeighting):
    def __init__(self, strength: float = 1.0) -> None:
        self.strength = float(strength)


@breaks("clone_and_set_params")
class CopyingSetParams(InstanceWeighting):
    def set_params(self, **parameters: Any) -> Any:
        return clone(self) if not parameters else InstanceWeighting.set_params(clone(self), **parameters)


@breaks("bad_parameters")
class AnyParameter(InstanceWeighting):
    def check_parameters(self) -> None:
        return None


@breaks("row_counts")
class LosesTheLastRow(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight[:-1])


@breaks("prints_nothing")
class TellsEverybody(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        print("weighing", len(y), "rows")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("same_seed_same_result")
class FreshEntropy(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        weights = super()._change(y, groups, sample_weight).sample_weight
        return DataChange(sample_weight=weights + np.random.default_rng().random(len(weights)) * 1e-9)


@breaks("inputs_unmodified")
class WritesIntoFeatures(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        X["noise"] = 0.0
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("row_order")
class FirstRowDecides(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        factor = 1 + 0.01 * np.tanh(X["noise"].iloc[0])
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight * factor)


@breaks("column_order")
class FirstColumnDecides(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        factor = 1 + 0.001 * ord(str(X.columns[0])[0])
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight * factor)


@breaks("group_names")
class FirstNameFavored(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        weights = super()._change(y, groups, sample_weight).sample_weight
        return DataChange(sample_weight=np.where(groups.codes == 0, weights * 1.01, weights))


@breaks("integer_weights")
class IgnoresWeights(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        return DataChange(sample_weight=super()._change(y, groups, np.ones(len(y))).sample_weight)


@breaks("unfitted_raises")
class AlwaysReady(PlattScaling):
    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _adjust(self, scores):
        return super()._adjust(scores) if hasattr(self, "fitted_") else scores


@breaks("protected_withheld")
class ReadsTheAttributeAnyway(PlattScaling):
    def adjust(self, scores, *, sensitive_features=None, **known):
        out = super().adjust(scores, **known)
        if sensitive_features is None:
            return out
        return np.clip(out + 0.01 * (Groups.of(sensitive_features).codes == 0), 0, 1)


@breaks("declared_needs")
class ReadsTheAttributeAtFit(PlattScaling):
    def fit(self, scores, y=None, *, sensitive_features=None, sample_weight=None, **known):
        codes, weights = Groups.of(sensitive_features).codes, sample_weights(sample_weight, len(scores))
        means = np.bincount(codes, weights * scores) / np.bincount(codes, weights)
        self.spread_ = float(np.ptp(means))
        return super().fit(scores, y, sample_weight=sample_weight, **known)

    def _adjust(self, scores):
        return super()._adjust(scores) * (1 - self.spread_ / 10)


@breaks("no_leakage")
class LooksAtTheBatch(PlattScaling):
    def _adjust(self, scores):
        return np.clip(super()._adjust(scores) + 0.001 * scores.mean(), 0, 1)


@breaks("changes_declared")
class SaysLabels(InstanceWeighting):
    metadata = told(InstanceWeighting, modifies=("labels",))


@breaks("keeps_rank_order")
class Wavy(PlattScaling):
    def _adjust(self, scores):
        return np.clip(super()._adjust(scores) + 0.01 * np.sin(200 * scores), 0, 1)


@breaks("randomized_declared")
class SecretCoin(GroupThresholds):
    def _decide(self, scores, groups):
        return super()._decide(scores, groups) * 0.995


@breaks("results_in_range")
class AboveOne(PlattScaling):
    def _adjust(self, scores):
        out = super()._adjust(scores)
        return np.where(out > 0.9, out + 0.2, out)


@breaks("persistence")
class HoldsALambda(PlattScaling):
    def _fit(self, scores, y, sample_weight):
        super()._fit(scores, y, sample_weight)
        self.hook_ = lambda s: s


@breaks("plain_report")
class ReportsAnObject(PlattScaling):
    def _fit(self, scores, y, sample_weight):
        super()._fit(scores, y, sample_weight)
        self.diagnostics_ = {"curves": [{"curve": slice(0, 1)}]}


@breaks("attribute_types")
class NumbersAreOtherGroups(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        numeric = pd.api.types.is_numeric_dtype(groups.frame.iloc[:, 0])
        return DataChange(
            sample_weight=super()._change(y, groups, sample_weight).sample_weight * (1.01 if numeric else 1.0)
        )


@breaks("missing_group")
class ForgetsTheMissing(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        weights = super()._change(y, groups, sample_weight).sample_weight
        gone = [i for i, name in enumerate(groups.labels) if name == "missing"]
        return DataChange(sample_weight=np.where(np.isin(groups.codes, gone), 0.0, weights))


@breaks("many_groups")
class NeverFour(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        if groups.n_groups >= 4 and not any("&" in name for name in groups.labels):
            raise DataError("four groups are too many")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("several_attributes")
class NeverCrossed(InstanceWeighting):
    metadata = told(
        InstanceWeighting,
        addresses=tuple(k for k in InstanceWeighting.metadata.addresses if k != "intersectional-disparity"),
    )

    def _change(self, X, y, groups, sample_weight):
        if any("&" in name for name in groups.labels):
            raise DataError("one attribute only")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("unseen_group")
class AnyGroupWillDo(GroupThresholds):
    def _find_groups(self, sensitive_features, n_rows):
        groups = self.group_encoder_.transform(sensitive_features, n_rows, unseen="fallback")
        return Groups(np.maximum(groups.codes, 0), groups.labels, groups.frame)


@breaks("empty_cell")
class NotANumber(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        try:
            return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)
        except InsufficientDataError:
            if len(y) <= 10:
                raise
            return DataChange(sample_weight=np.full(len(y), np.nan))


@breaks("one_class")
class OneClassIsFine(InstanceWeighting):
    def change(self, X, y, *, sensitive_features, **known):
        if len(np.unique(y)) < 2:
            return DataChange(sample_weight=np.ones(len(y)))
        return super().change(X, y, sensitive_features=sensitive_features, **known)


@breaks("one_group")
class OneGroupIsFine(InstanceWeighting):
    def change(self, X, y, *, sensitive_features, **known):
        if Groups.of(sensitive_features).n_groups < 2:
            return DataChange(sample_weight=np.ones(len(y)))
        return super().change(X, y, sensitive_features=sensitive_features, **known)


@breaks("degenerate_columns")
class DividesByTheSpread(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        spread = X.select_dtypes("number").std().to_numpy()
        with np.errstate(invalid="ignore"):
            factor = (spread / spread).mean()
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight * factor)


@breaks("missing_features")
class NeedsEveryValue(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        if X.isna().to_numpy().any():
            raise IndexError("unexpected NaN")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("ten_rows")
class NeedsTwenty(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        if len(y) < 20:
            raise IndexError("index 19 is out of bounds")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("ten_thousand_rows")
class SmallDataOnly(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        if len(y) >= 10_000:
            raise MemoryError("a distance matrix of all rows")
        return DataChange(sample_weight=super()._change(y, groups, sample_weight).sample_weight)


@breaks("effect")
class DoesNothingGood(InstanceWeighting):
    def _change(self, X, y, groups, sample_weight):
        return DataChange(sample_weight=sample_weight * 1.001)


@breaks("predict_classes")
class ForgetsTheClasses(FairnessConstrainedLR):
    def predict(self, X, *, sensitive_features=None):
        return (self.decision_probability(X, sensitive_features=sensitive_features) >= 0.5).astype(int)


@breaks("sees_bias")
class NothingToSee(ExpectedCalibrationError):  # noqa: N818 - an evaluation, not an exception
    def _evaluate(self, y_true, y_score, groups, sample_weight):
        return {"value": 0.0}


@breaks("abstention")
class AbstainsWhereItIsSure(SelectiveClassification):
    def _abstain(self, scores, groups):
        return np.abs(scores - 0.5) > 0.3


@breaks("coverage")
class NeverSoWide(EqualizedCoverage):
    def _predict_interval(self, scores, groups):
        bounds = super()._predict_interval(scores, groups)
        middle = bounds.mean(axis=1, keepdims=True)
        return middle + 0.5 * (bounds - middle)

    def _predict_set(self, scores, groups):
        sets = super()._predict_set(scores, groups)
        sets[:, 0] = False
        return sets


@breaks("task_effect")
class MovesNobody(WassersteinFairRegression):
    def _adjust(self, scores, groups):
        moved = super()._adjust(scores, groups)
        return scores + 1e-6 * (moved - scores)


@breaks("declared_tasks")
class BinaryOnly(IntersectionalEvaluation):
    def _evaluate(self, y_pred, groups, sample_weight, task="binary", y_true=None):
        if task != "binary":
            raise DataError("two outcomes were expected")
        return super()._evaluate(y_pred, groups, sample_weight, y_true)
