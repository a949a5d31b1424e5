"""Pre-processing against AIF360, Fairlearn, imbalanced-learn and concept-erasure."""

from __future__ import annotations

from typing import Any

import pandas as pd

from _pairs.data import Sample, drawn
from _pairs.pair import Calls, pair
from fairmend.plugins import preprocessing as ours


def labeled(data: Sample) -> Any:
    """Return drawn data in AIF360's form."""
    from aif360.datasets import BinaryLabelDataset

    frame = data.X.assign(group=data.codes.astype(float), y=data.y.astype(float))
    return BinaryLabelDataset(df=frame, label_names=["y"], protected_attribute_names=["group"])


@pair("instance-weighting", "aif360", 30_000)
def instance_weighting(rows: int) -> Calls:
    from aif360.algorithms.preprocessing import Reweighing

    data, technique = drawn(rows), ours.InstanceWeighting()
    theirs, peer = labeled(data), Reweighing([{"group": 1}], [{"group": 0}])
    return (
        lambda: technique.change(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit_transform(theirs),
    )


@pair("smote", "imbalanced-learn", 20_000)
def smote(rows: int) -> Calls:
    from imblearn.over_sampling import SMOTE

    data, technique, peer = drawn(rows), ours.Smote(random_state=0, target="all_equal"), SMOTE(random_state=0)
    crossed = 2 * data.codes + data.y
    return (
        lambda: technique.change(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit_resample(data.X, crossed),
    )


@pair("disparate-impact-remover", "aif360", 30_000)
def disparate_impact_remover(rows: int) -> Calls:
    """Continuous features, where both leave the same distributions; with ties AIF360 repairs buckets of values."""
    from aif360.algorithms.preprocessing import DisparateImpactRemover

    data = drawn(rows)
    technique = ours.DisparateImpactRemover(repair_level=1.0, target="lower_median")
    theirs, peer = labeled(data), DisparateImpactRemover(repair_level=1.0, sensitive_attribute="group")
    return (
        lambda: technique.fit_transform(data.X, sensitive_features=data.sensitive),
        lambda: peer.fit_transform(theirs),
    )


@pair("correlation-remover", "fairlearn", 45_000)
def correlation_remover(rows: int) -> Calls:
    from fairlearn.preprocessing import CorrelationRemover

    data, technique = drawn(rows, features=50), ours.CorrelationRemover()
    theirs, peer = data.X.assign(group=data.codes), CorrelationRemover(sensitive_feature_ids=["group"])
    return (
        lambda: technique.fit_transform(data.X, sensitive_features=data.sensitive),
        lambda: peer.fit_transform(theirs),
    )


@pair("leace", "concept-erasure", 45_000)
def leace(rows: int) -> Calls:
    import torch
    from concept_erasure import LeaceFitter

    data, technique = drawn(rows, features=50), ours.Leace()
    x, z = torch.tensor(data.X.to_numpy()), torch.nn.functional.one_hot(torch.tensor(data.codes))
    return (
        lambda: technique.fit_transform(data.X, sensitive_features=data.sensitive),
        lambda: LeaceFitter.fit(x, z).eraser(x),
    )


@pair("learning-fair-representations", "aif360", 1_000)
def learning_fair_representations(rows: int) -> Calls:
    """Ours to convergence from two starts; AIF360 stops after 5,000 evaluations, before it converges."""
    from aif360.algorithms.preprocessing import LFR

    data, technique = drawn(rows), ours.LearningFairRepresentations(random_state=0)
    theirs, peer = labeled(data), LFR([{"group": 1}], [{"group": 0}], seed=0)
    return (
        lambda: technique.fit(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit(theirs),
    )


@pair("optimized-preprocessing", "aif360", 3_000)
def optimized_preprocessing(rows: int) -> Calls:
    """The same program: two features of four values, the same distance and limits; ours draws the rows as well."""
    from aif360.algorithms.preprocessing.optim_preproc_helpers.opt_tools import OptTools

    data = drawn(rows)
    X = data.X[["x0", "x1"]].apply(lambda x: pd.qcut(x, 4, labels=False))
    theirs = X.assign(group=data.codes, y=data.y)
    technique = ours.OptimizedPreprocessing(["x0", "x1"], random_state=0)

    def distance(old: Any, new: Any) -> float:
        return float(sum(abs(old[name] - new[name]) for name in ("x0", "x1", "y")))

    def solved() -> Any:
        program = OptTools(df=theirs, features=["x0", "x1", "y", "group"])
        program.set_features(D=["group"], X=["x0", "x1"], Y=["y"])
        program.set_distortion(distance, clist=[1, 2])
        return program.optimize(epsilon=0.05, dlist=[0.3, 0], verbose=False)

    return lambda: technique.change(X, data.y, sensitive_features=data.sensitive), solved
