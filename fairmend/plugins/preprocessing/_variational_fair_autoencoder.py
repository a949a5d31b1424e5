"""The variational fair autoencoder, Louizos, Swersky, Li, Welling & Zemel 2016."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval

from fairmend.base import (
    Adjustment,
    Floats,
    Groups,
    Ints,
    Preprocessor,
    TableEncoder,
    TechniqueMetadata,
    minimize_by_batches,
    row_hash,
)

_WIDEST = 8.0  # bound of the absolute logarithm of a variance


def network(layers: Any, x: Any) -> Any:
    """Return the output of a network with one hidden layer of rectified units; arrays or tensors."""
    W, b, V, c = layers
    return (x @ W + b).clip(0) @ V + c


def gaussian(layers: Any, x: Any) -> tuple[Any, Any]:
    """Return mean and logarithm of the variance, which are the halves of a network's output."""
    out = network(layers, x)
    half = out.shape[1] // 2
    return out[:, :half], out[:, half:].clip(-_WIDEST, _WIDEST)


def divergence(mean: Any, log_variance: Any, prior_mean: Any, prior_log_variance: Any) -> Any:
    """Return KL(N(mean, variance) || N(prior mean, prior variance)) of each row, with diagonal covariances."""
    gap = (mean - prior_mean) ** 2 / prior_log_variance.exp()
    ratio = log_variance - prior_log_variance
    return (ratio.exp() - ratio - 1 + gap).sum(1) / 2


def scaled(z: Any, weight: Any) -> Any:
    """Return columns divided by their weighted standard deviation."""
    share = weight / weight.sum().clip(1e-300)
    return z / (share @ (z - share @ z) ** 2 + 1e-12) ** 0.5


def random_features(z: Any, frequencies: Any, phases: Any, gamma: float) -> Any:
    """Return features whose inner products estimate the kernel exp(-|z - z'|^2 / gamma)."""
    return (2 / len(phases)) ** 0.5 * ((2 / gamma) ** 0.5 * z @ frequencies + phases).cos()


def group_discrepancy(features: Any, member: Any, weight: Any) -> Any:
    """Return the squared distance of mean features of a group and of all others, averaged over groups.

    Groups that have no row here, or all rows, do not count.

    Parameters
    ----------
    features : tensor, shape (n, D)
        Random features of the rows.
    member : tensor, shape (n, groups)
        1 for the group of a row.
    weight : tensor, shape (n,)
        Weights of the rows.
    """
    inside, outside = member.T * weight, (1 - member).T * weight
    both = (inside.sum(1) > 0) & (outside.sum(1) > 0)
    means = [part[both] @ features / part[both].sum(1, keepdim=True) for part in (inside, outside)]
    return ((means[0] - means[1]) ** 2).sum() / max(int(both.sum()), 1)


def elbo_terms(networks: Any, x: Any, s: Any, y: Any, binary: Any, noise: Any) -> tuple[Any, Any, Any, Any]:
    """Return both terms of the negative evidence bound and the loss of the label, by row; and the means of z1.

    Parameters
    ----------
    networks : sequence of five networks
        Of q(z1|x,s), q(z2|z1,y), p(z1|z2,y), p(x|z1,s) and q(y|z1).
    x, s, y : tensor
        Encoded features, and indicators of the group and of the label.
    binary : tensor of bool, shape (p,)
        Features that are indicators.
    noise : pair of tensors
        Standard normal draws, shapes (n, k).

    Returns
    -------
    reconstruction : tensor, shape (n,)
        -log p(x|z1,s): Bernoulli for indicators; Gaussian of variance 1, but for the constant, for numbers.
    kl : tensor, shape (n,)
        KL(q(z1|x,s) || p(z1|z2,y)) + KL(q(z2|z1,y) || N(0, I)).
    label : tensor, shape (n,)
        -log q(y|z1).
    mean : tensor, shape (n, k)
        The means of q(z1|x,s).
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

    encoder, upper, prior, decoder, labeler = networks
    m1, v1 = gaussian(encoder, torch.hstack([x, s]))
    z1 = m1 + (v1 / 2).exp() * noise[0]
    m2, v2 = gaussian(upper, torch.hstack([z1, y]))
    z2 = m2 + (v2 / 2).exp() * noise[1]
    kl = divergence(m1, v1, *gaussian(prior, torch.hstack([z2, y])))
    kl = kl + divergence(m2, v2, torch.zeros_like(m2), torch.zeros_like(v2))
    out = network(decoder, torch.hstack([z1, s]))
    bernoulli = binary_cross_entropy_with_logits(out, x, reduction="none")
    reconstruction = torch.where(binary, bernoulli, (out - x) ** 2 / 2).sum(1)
    label = -(log_softmax(network(labeler, z1), 1) * y).sum(1)
    return reconstruction, kl, label, m1


class VariationalFairAutoencoder(Preprocessor):
    """Replace all features by latent numbers that predict the label, reconstruct the row given its group, and hide the group.

    Parameters
    ----------
    n_latent : int, default=10
        Dimensions of z1, the representation, and of z2.
    parity_weight : float, default=100.0
        beta, the weight of the discrepancy of groups.
    label_weight : float, default=10.0
        alpha, the weight of predicting the label.
    hidden_units : int, default=50
        Width of the hidden layer of each network.
    n_random_features : int, default=500
        Random Fourier features, D, drawn anew for each batch.
    epochs : int, default=30
        Passes over the data.
    batch_size : int, default=256
        Rows per step. Choose it so that a batch holds some rows of each group.
    learning_rate : float, default=0.003
        Adam's step.
    random_state : int or None, default=None
        Seed of first weights, batches, noise and random features; None means 0.

    Attributes
    ----------
    encoder_ : TableEncoder
        Standardizes numbers and turns categories into indicators.
    places_ : ndarray of int, shape (groups,)
        Place of each group among the encoder's indicators of groups.
    layers_ : list of ndarray
        Weights and intercepts of both layers of q(z1|x,s).
    diagnostics_ : dict
        ``converged`` (the loss changed by at most 2 % in the last fifth of the epochs), ``iterations`` (steps),
        ``losses`` (per epoch); and at the end, over all rows, ``reconstruction``, ``divergence`` (near 0, the
        representation holds nothing), ``label`` and ``discrepancy``.

    Notes
    -----
    The supervised model with two latent variables: z1 is drawn from p(z1|z2,y) and the row from p(x|z1,s), so that what
    only the group s explains need not be in z1. Five networks of one hidden layer minimize the negative evidence bound,
    plus alpha times the loss of q(y|z1), plus beta times the squared maximum mean discrepancy (MMD) of groups, whose Gaussian
    kernel is estimated by random features. Each group is compared with all others, and groups count equally.
    The result is the mean of q(z1|x,s).

    Departures: the discrepancy is that of these means, scaled to variance 1, with gamma = 2 ``n_latent``; that of noisy
    draws leaves the means, which are handed on, apart. Terms are means over rows, so that weights do not depend on
    the number of rows. Labels are always known. The discrepancy sees a smooth kernel: a linear model hardly tells groups
    apart, boosted trees on the latent numbers often still do, since the encoder reads the group. So measure what the final
    model does. Linear in rows; training takes seconds for thousands of rows. The same seed gives the same numbers on the same machine.

    References
    ----------
    C. Louizos, K. Swersky, Y. Li, M. Welling and R. Zemel (2016), "The variational fair autoencoder", ICLR.

    Examples
    --------
    >>> from fairmend.plugins.datasets import bank
    >>> from fairmend.plugins.preprocessing import VariationalFairAutoencoder
    >>> loans = bank(1_000)
    >>> X, y, race = loans[["income", "credit_score", "debt_to_income"]], loans["approved"], loans["race"]
    >>> technique = VariationalFairAutoencoder(n_latent=2, epochs=5).fit(X, y, sensitive_features=race)
    >>> technique.transform(X, sensitive_features=race).shape
    (1000, 2)
    >>> technique.diagnostics_["discrepancy"] < 0.05
    True
    """

    metadata = TechniqueMetadata(
        technique_id=71,
        slug="variational-fair-autoencoder",
        name="Variational fair autoencoder",
        family="representation",
        summary="Replaces all features by latent numbers of an autoencoder that is told the group, with a penalty on what groups still differ in.",
        citation="louizos2016variational",
        addresses=("proxy-variable", "outcome-disparity"),
        targets=("demographic_parity",),
        tasks=("binary", "multiclass"),
        minimum_rows=2000,
        complexity="high",
        duration_weeks=(3, 6),
        compute="medium",
        legal_notes="The protected attribute is read for every decision, which is disparate treatment in some jurisdictions; latent numbers make it hard to give reasons for a decision.",
        use_when="Many rows and features are to be compressed by a neural network into numbers that keep the label and hide the group, also beyond differences in means.",
        avoid_when="The attribute may not be read at decision time, decisions must be explained by the original features, or rows are few.",
        questions=(
            "Which deep generative model learns latent codes that do not depend on a nuisance variable?",
            "Can an autoencoder compress my table so that the latent vector says nothing about age group?",
            "How do I penalize the maximum mean discrepancy between the embeddings of two populations?",
            "Is there a neural embedding that uses labels and is invariant to ethnicity in its whole distribution, not only its mean?",
            "How can a VAE with the sensitive variable as an input of encoder and decoder be used for fairness?",
            "We want latent factors for several classifiers, without gender; which network should be trained?",
        ),
        adjustments=(Adjustment(parameter="parity_weight", stronger=50.0, minimum=0.0, maximum=1000.0),),
        alternatives=(68, 70, 43),
    )
    exemptions: ClassVar[dict[str, str]] = {
        "integer_weights": "repeated rows change the mini-batches; within one batch weights act as repetition",
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_latent": [Interval(Integral, 1, None, closed="left")],
        "parity_weight": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
        "n_random_features": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        n_latent: int = 10,
        parity_weight: float = 100.0,
        label_weight: float = 10.0,
        hidden_units: int = 50,
        n_random_features: int = 500,
        epochs: int = 30,
        batch_size: int = 256,
        learning_rate: float = 0.003,
        random_state: int | None = None,
    ) -> None:
        self.n_latent = n_latent
        self.parity_weight = parity_weight
        self.label_weight = label_weight
        self.hidden_units = hidden_units
        self.n_random_features = n_random_features
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Return parameters that are quick to run, for the conformance suite."""
        return {"n_latent": 3, "hidden_units": 10, "n_random_features": 100, "epochs": 5}

    def _fit(self, X: pd.DataFrame, y: Ints, groups: Groups, sample_weight: Floats) -> None:
        import torch

        # Training must depend neither on the order of rows or columns nor on names of groups.
        X = X[sorted(X.columns, key=str)]
        hashes = row_hash(X)
        sums = np.zeros(groups.n_groups, hashes.dtype)
        np.add.at(sums, groups.codes, hashes)
        self.places_ = sums.argsort().argsort()
        codes = self.places_[groups.codes]
        order = np.lexsort((sample_weight, codes, y, hashes))
        self.encoder_ = TableEncoder("one-hot").fit(X.iloc[order])
        encoded = self.encoder_.transform(X.iloc[order])
        x, w = torch.tensor(encoded), torch.tensor(sample_weight[order])
        s = torch.tensor(np.eye(groups.n_groups)[codes[order]])
        label = torch.tensor(np.eye(int(y.max()) + 1)[y[order]])
        binary = torch.tensor(np.isin(encoded, (0, 1)).all(axis=0))
        random = torch.Generator().manual_seed(self.random_state or 0)
        k, h, D = self.n_latent, self.hidden_units, self.n_random_features
        p, a, c = x.shape[1], s.shape[1], label.shape[1]

        def normal(*shape: int) -> Any:
            return torch.randn(shape, generator=random, dtype=x.dtype)

        sizes = [(p + a, 2 * k), (k + c, 2 * k), (k + c, 2 * k), (k + a, p), (k, c)]
        start = [
            part
            for i, o in sizes
            for part in (
                normal(i, h) / i**0.5,
                torch.zeros(h).to(x),
                normal(h, o) / h**0.5,
                torch.zeros(o).to(x),
            )
        ]

        def losses(layers: list[Any], rows: Any) -> Any:
            """Return the means of the reconstruction, the divergence, the label and the discrepancy."""
            networks = [layers[4 * i : 4 * i + 4] for i in range(len(sizes))]
            noise = normal(len(x[rows]), k), normal(len(x[rows]), k)
            *terms, mean = list(elbo_terms(networks, x[rows], s[rows], label[rows], binary, noise))
            phases = 2 * np.pi * torch.rand(D, generator=random, dtype=x.dtype)
            seen = random_features(scaled(mean, w[rows]), normal(k, D), phases, gamma=2.0 * k)
            means = [w[rows] @ term / w[rows].sum().clip(1e-300) for term in terms]
            return torch.stack([*means, group_discrepancy(seen, s[rows], w[rows])])

        weights = torch.tensor([1.0, 1.0, self.label_weight, self.parity_weight], dtype=x.dtype)
        fit = minimize_by_batches(
            lambda layers, rows: losses(layers, rows) @ weights,
            start,
            len(x),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            generator=random,
        )
        self.layers_ = [one.numpy() for one in fit.parameters[:4]]
        names = ("reconstruction", "divergence", "label", "discrepancy")
        final = losses(fit.parameters, slice(None)).tolist()
        self.diagnostics_ = {**fit.diagnostics(), **dict(zip(names, final, strict=True))}

    def _transform(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        encoded = self.encoder_.transform(X[sorted(X.columns, key=str)])
        told = np.eye(len(self.places_))[self.places_[groups.codes]]
        means = network(self.layers_, np.hstack([encoded, told]))[:, : self.n_latent]
        return pd.DataFrame(means, index=X.index, columns=[f"z{i}" for i in range(self.n_latent)])
