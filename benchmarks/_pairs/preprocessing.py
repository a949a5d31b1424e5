"""Pre-processing against AIF360 and imbalanced-learn."""

from __future__ import annotations

from typing import Any

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
