"""The variational fair autoencoder: its terms by torch.distributions and sums, and what a probe finds on Adult."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.distributions import Bernoulli, Categorical, Independent, Normal, kl_divergence

from fairmend.core.errors import NotFeasibleError
from fairmend.core.models.learners import TableEncoder
from fairmend.core.models.torch_training import minimize_by_batches
from fairmend.plugins.preprocessing import VariationalFairAutoencoder
from fairmend.plugins.preprocessing._variational_fair_autoencoder import (
    divergence,
    elbo_terms,
    group_discrepancy,
    random_features,
    scaled,
)


def drawn(*shapes: tuple[int, ...], seed: int = 0) -> list[Any]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes]


def test_the_divergence_is_that_of_gaussians() -> None:
    m, v, m0, v0 = drawn((20, 3), (20, 3), (20, 3), (20, 3))
    expected = kl_divergence(*(Independent(Normal(a, (b / 2).exp()), 1) for a, b in ((m, v), (m0, v0))))
    torch.testing.assert_close(divergence(m, v, m0, v0), expected)


def test_the_terms_are_those_of_distributions_and_their_gradient_of_finite_differences() -> None:
    """Two features of each kind, two groups, three classes; the networks are written out in torch's layers."""
    n, p, k, h = 12, 4, 2, 5
    sizes = [(p + 2, 2 * k), (k + 3, 2 * k), (k + 3, 2 * k), (k + 2, p), (k, 3)]
    networks = [drawn((i, h), (h,), (h, o), (o,), seed=seed) for seed, (i, o) in enumerate(sizes)]
    x, *noise = drawn((n, p), (n, k), (n, k), seed=9)
    binary = torch.tensor([True, True, False, False])
    x[:, :2] = (x[:, :2] > 0).double()
    s, y = torch.eye(2).double()[torch.arange(n) % 2], torch.eye(3).double()[torch.arange(n) % 3]

    def of(i: int, *parts: Any) -> Any:
        W, b, V, c = networks[i]
        first = torch.nn.functional.linear(torch.hstack(parts), W.T, b)
        return torch.nn.functional.linear(torch.relu(first), V.T, c)

    def normal(i: int, *parts: Any) -> Any:
        mean, log_variance = of(i, *parts).split(k, 1)
        return Independent(Normal(mean, (log_variance.clip(-8, 8) / 2).exp()), 1)

    q1 = normal(0, x, s)
    z1 = q1.base_dist.loc + q1.base_dist.scale * noise[0]
    q2 = normal(1, z1, y)
    z2 = q2.base_dist.loc + q2.base_dist.scale * noise[1]
    kl = kl_divergence(q1, normal(2, z2, y))
    kl += kl_divergence(q2, Independent(Normal(torch.zeros(n, k), torch.ones(n, k)), 1))
    out = of(3, z1, s)
    log_x = Bernoulli(logits=out[:, :2]).log_prob(x[:, :2]).sum(1)
    log_x += (Normal(out[:, 2:], 1.0).log_prob(x[:, 2:]) + np.log(2 * np.pi) / 2).sum(1)
    log_y = Categorical(logits=of(4, z1)).log_prob(y.argmax(1))
    found = elbo_terms(networks, x, s, y, binary, noise)
    for ours, theirs in zip(found, (-log_x, kl, -log_y, q1.base_dist.loc), strict=True):
        torch.testing.assert_close(ours, theirs, check_dtype=False)

    flat = [layer.requires_grad_() for network in networks for layer in network]

    def total(*layers: Any) -> Any:
        parts = [layers[4 * i : 4 * i + 4] for i in range(5)]
        return sum(term.sum() for term in elbo_terms(parts, x, s, y, binary, noise)[:3])

    assert torch.autograd.gradcheck(total, flat, atol=1e-4, fast_mode=True)


def test_random_features_converge_to_the_exact_discrepancy() -> None:
    """Three groups with weights, and a fourth without rows; the exact one is a sum over pairs of rows."""
    gamma, (z,) = 4.0, drawn((60, 2))
    codes = np.arange(60) % 3
    z = z + torch.tensor(codes)[:, None] * 0.7
    w = torch.tensor(np.random.default_rng(0).integers(1, 4, 60).astype(float))
    member = torch.eye(4).double()[codes]
    kernel = (-((z[:, None] - z) ** 2).sum(2) / gamma).exp()
    exact = 0.0
    for a in range(3):
        signed = torch.where(torch.tensor(codes == a), w / w[codes == a].sum(), -w / w[codes != a].sum())
        exact += float(signed @ kernel @ signed) / 3
    errors = []
    for D in (100, 100_000):
        (frequencies,) = drawn((2, D))
        phases = 2 * np.pi * torch.rand(D, generator=torch.Generator().manual_seed(1)).double()
        features = random_features(z, frequencies, phases, gamma)
        errors.append(abs(float(group_discrepancy(features, member, w)) / exact - 1))
    assert errors[1] < 0.02
    assert errors[1] < errors[0]
    everyone = torch.ones(60, 1).double()
    assert float(group_discrepancy(features, everyone, w)) == 0


def test_scaled_columns_have_variance_one_with_weights_as_repetition() -> None:
    (z,) = drawn((30, 2))
    w = torch.arange(30).double() % 3
    repeated = z.repeat_interleave(w.long(), 0)
    torch.testing.assert_close(scaled(z, w), z / repeated.std(0, correction=0))


@pytest.mark.data
def test_a_probe_loses_the_group_and_keeps_the_label(adult: pd.DataFrame) -> None:
    """Sex on Adult: a linear probe falls towards chance as the weight grows; accuracy stays."""
    some = adult.sample(6_000, random_state=0).reset_index(drop=True)
    X = some[["age", "education-num", "hours-per-week", "capital-gain", "marital-status", "occupation"]]
    y, women = (some["income"] == ">50K").astype(int), (some["sex"] == "Female").astype(int)
    train, test = slice(0, 4_000), slice(4_000, None)

    def probed(Z: Any) -> tuple[float, float, float]:
        models = [
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(Z[train], t[train])
            for t in (women, y)
        ]
        decided = pd.Series(models[1].predict(Z[test]))
        return (
            float(roc_auc_score(women[test], models[0].predict_proba(Z[test])[:, 1])),
            float((decided.to_numpy() == y[test]).mean()),
            float(abs(np.diff(decided.groupby(women[test].to_numpy()).mean())[0])),
        )

    found = [probed(TableEncoder("one-hot").fit_transform(X))]
    for weight in (0.0, 100.0):
        technique = VariationalFairAutoencoder(parity_weight=weight, epochs=20)
        technique.fit(X[train], y[train], sensitive_features=women[train])
        found.append(probed(technique.transform(X, sensitive_features=women).to_numpy()))
    (before, accuracy, gap), (free, _, _), (after, kept, left) = found
    assert before > 0.8
    assert after < min(0.65, free - 0.04)
    assert kept > accuracy - 0.03
    assert left < 0.8 * gap


def test_missing_values_new_categories_many_groups_and_classes() -> None:
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"race": rng.choice(["a", "b", "c"], 600), "sex": rng.choice(["f", "m"], 600)})
    x = rng.normal(size=600) + 2 * (people["race"] == "a")
    X = pd.DataFrame({"x": x, "word": rng.choice(list("pqr"), 600)}).mask(rng.random((600, 2)) < 0.1)
    y = np.digitize(x + rng.normal(size=600), [0, 1])
    apart = []
    for weight in (0.0, 200.0):
        technique = VariationalFairAutoencoder(2, weight, hidden_units=20, epochs=20, n_random_features=200)
        technique.fit(X, y, sensitive_features=people)
        apart.append(technique.diagnostics_["discrepancy"])
    assert apart[1] < apart[0] / 3
    new = pd.DataFrame({"x": [np.nan, 1.0], "word": ["new", None]})
    Z = technique.transform(new, sensitive_features=people[:2])
    assert list(Z.columns) == ["z0", "z1"]
    assert np.isfinite(Z.to_numpy()).all()


def test_batches_lead_to_least_squares_and_divergence_is_refused() -> None:
    A, b = drawn((400, 3), (400,))
    settings: dict[str, Any] = {"epochs": 60, "batch_size": 50}
    start = [torch.zeros(3).double()]

    def loss(parameters: list[Any], rows: Any) -> Any:
        return ((A[rows] @ parameters[0] - b[rows]) ** 2).mean()

    fits = [
        minimize_by_batches(
            loss, start, 400, learning_rate=0.01, generator=torch.Generator().manual_seed(0), **settings
        )
        for _ in range(2)
    ]
    torch.testing.assert_close(fits[0].parameters[0], torch.linalg.lstsq(A, b).solution, atol=0.03, rtol=0)
    assert torch.equal(fits[0].parameters[0], fits[1].parameters[0])
    assert (start[0] == 0).all()
    assert fits[0].diagnostics()["iterations"] == 480
    assert len(fits[0].losses) == 60
    with pytest.raises(
        NotFeasibleError, match=r"diverged in epoch 1 of 60; set a smaller learning_rate \(it was 1e\+200\)"
    ):
        minimize_by_batches(loss, start, 400, learning_rate=1e200, generator=torch.Generator(), **settings)
