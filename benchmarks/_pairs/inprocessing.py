"""In-processing against fairlearn and the script of the prejudice remover's authors, which AIF360 ships."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

from _pairs.data import drawn
from _pairs.pair import Calls, pair
from fairmend.plugins import inprocessing as ours


@pair("reductions-exponentiated-gradient", "fairlearn", 10_000)
def reductions_exponentiated_gradient(rows: int) -> Calls:
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient

    data, learner = drawn(rows), LogisticRegression(max_iter=1000)
    technique = ours.ReductionsExponentiatedGradient(learner, "demographic_parity")
    peer = ExponentiatedGradient(learner, DemographicParity(difference_bound=0.01))
    return (
        lambda: technique.fit(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit(data.X, data.y, sensitive_features=data.sensitive["group"]),
    )


@pair("fair-regression-reductions", "fairlearn", 3_000)
def fair_regression_reductions(rows: int) -> Calls:
    from fairlearn.reductions import BoundedGroupLoss, ExponentiatedGradient, SquareLoss

    data = drawn(rows, groups=3)
    slope = np.linspace(-1.0, 1.5, 3)[data.sensitive["group"].str[-1].astype(int)]
    y = slope * data.X["x0"].to_numpy() + 0.5 * data.X["x1"].to_numpy()
    y = y / y.std()
    loss = (y - LinearRegression().fit(data.X, y).predict(data.X)) ** 2
    bound = 0.95 * np.max([loss[where].mean() for where in data.sensitive.groupby("group").indices.values()])
    technique = ours.FairRegressionReductions(LinearRegression(), upper_bound=bound, nu=1e-4)
    parity = BoundedGroupLoss(SquareLoss(y.min(), y.max()), upper_bound=bound)
    peer = ExponentiatedGradient(LinearRegression(), parity, nu=1e-4)
    return (
        lambda: technique.fit(data.X, y, sensitive_features=data.sensitive),
        lambda: peer.fit(data.X, y, sensitive_features=data.sensitive["group"]),
    )


@pair("adversarial-debiasing", "fairlearn", 5_000)
def adversarial_debiasing(rows: int) -> Calls:
    """Linear predictor and adversary, the same number of passes and size of batch."""
    from fairlearn.adversarial import AdversarialFairnessClassifier

    data = drawn(rows)
    matrix = data.X.to_numpy(np.float32)
    technique = ours.AdversarialDebiasing(epochs=8, batch_size=128)
    peer = AdversarialFairnessClassifier(
        backend="torch", predictor_model=[], adversary_model=[], epochs=8, batch_size=128, random_state=0
    )
    return (
        lambda: technique.fit(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit(matrix, data.y, sensitive_features=data.sensitive["group"]),
    )


def published() -> Any:
    """Return the class of the paper's authors."""
    found = importlib.util.find_spec("aif360")
    path = (
        Path(str(found and found.origin)).parent
        / "algorithms/inprocessing/kamfadm-2012ecmlpkdd/fadm/lr/pr.py"
    )
    spec = importlib.util.spec_from_file_location("kamishima_pr", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LRwPRType4


@pair("prejudice-remover", "aif360", 2_000)
def prejudice_remover(rows: int) -> Calls:
    data = drawn(rows)
    technique, peer = ours.PrejudiceRemover(eta=1.0), published()(eta=1.0, C=1.0)
    matrix = np.column_stack([data.X, data.codes])
    return (
        lambda: technique.fit(data.X, data.y, sensitive_features=data.sensitive),
        lambda: peer.fit(matrix, data.y),
    )
