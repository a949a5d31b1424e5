"""Training by mini-batches: of one model, or of a model in turn with an adversary that reads its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmend.core.errors import NotFeasibleError

Losses = Callable[[Any, Any, Any], tuple[Any, Any]]
Direction = Callable[[Any, Any, float], Any]

_ADVERSARY_RATE = 0.01
_SETTLED = 0.02


@dataclass(frozen=True)
class BatchFit:
    """What the training of one model ended with.

    Attributes
    ----------
    parameters : list of tensor
        What was minimized over, in the order given.
    losses : list of float
        Mean loss of the batches, an epoch.
    steps : int
        Mini-batches that the parameters were moved by.
    """

    parameters: list[Any]
    losses: list[float]
    steps: int

    def diagnostics(self) -> dict[str, Any]:
        """Return how the training went: convergence, steps and loss curve."""
        return {"converged": _settled(self.losses), "iterations": self.steps, "losses": self.losses}


def minimize_by_batches(
    loss: Callable[[list[Any], Any], Any],
    parameters: Sequence[Any],
    n_rows: int,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: Any,
) -> BatchFit:
    """Minimize a loss by Adam, over mini-batches.

    Parameters
    ----------
    loss : callable
        Takes the parameters and places of rows; returns a tensor with one element.
    parameters : sequence of tensor of float
        First values; they are not changed in place.
    n_rows : int
        Number of rows.
    epochs, batch_size : int
        Passes over the rows, and rows a step.
    learning_rate : float
        Adam's step.
    generator : torch.Generator
        Source of the order of rows.

    Raises
    ------
    NotFeasibleError
        A loss is no longer finite.
    """
    import torch

    moved = [one.clone().requires_grad_() for one in parameters]
    optimizer = torch.optim.Adam(moved, lr=learning_rate)
    history: list[float] = []
    for epoch in range(1, epochs + 1):
        total = 0.0
        for rows in torch.randperm(n_rows, generator=generator).split(batch_size):
            optimizer.zero_grad()
            value = loss(moved, rows)
            value.backward()
            optimizer.step()
            total += len(rows) / n_rows * float(value.detach())
        history.append(total)
        _require_finite([total, *(float(one.detach().sum()) for one in moved)], epoch, epochs, learning_rate)
    return BatchFit([one.detach() for one in moved], history, epochs * -(-n_rows // batch_size))


@dataclass(frozen=True)
class AdversarialFit:
    """What the training of two players ended with.

    Attributes
    ----------
    W, U : tensor
        Weights of the model and of the adversary.
    losses : list of (float, float)
        Mean loss of the model and of the adversary, an epoch.
    final : (float, float)
        Both losses over all rows.
    gradient_norm : float
        Greatest absolute component of the model's direction over all rows.
    steps : int
        Mini-batches that the model was moved by.
    """

    W: Any
    U: Any
    losses: list[tuple[float, float]]
    final: tuple[float, float]
    gradient_norm: float
    steps: int

    @property
    def converged(self) -> bool:
        """Whether the loss of the model changed by at most 2 % in the last fifth of the epochs."""
        return _settled([loss for loss, _ in self.losses])

    def diagnostics(self) -> dict[str, Any]:
        """Return how the training went: convergence, steps, gradient norm and both loss curves."""
        return {
            "converged": self.converged,
            "iterations": self.steps,
            "gradient_norm": self.gradient_norm,
            "losses": [loss for loss, _ in self.losses],
            "adversary_losses": [loss for _, loss in self.losses],
        }


def train_against_adversary(
    losses: Losses,
    direction: Direction,
    W: Any,
    U: Any,
    n_rows: int,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: Any,
) -> AdversarialFit:
    """Move a model down a direction that both gradients make, and its adversary down its own loss.

    Parameters
    ----------
    losses : callable
        Takes W, U and places of rows; returns the loss of the model and of the adversary, tensors.
    direction : callable
        Takes the gradients of both losses in W and the square root of the epoch (from 1); returns the
        vector that is subtracted from W, times the learning rate over the epoch.
    W, U : tensor of float
        First weights, one vector a player.
    n_rows : int
        Number of rows.
    epochs, batch_size : int
        Passes over the rows, and rows a step.
    learning_rate : float
        Step of the model in the first epoch. The adversary's steps are Adam's.
    generator : torch.Generator
        Source of the order of rows.

    Raises
    ------
    NotFeasibleError
        A loss is no longer finite.
    """
    import torch

    W, U = W.clone().requires_grad_(), U.clone().requires_grad_()
    adversary = torch.optim.Adam([U], lr=_ADVERSARY_RATE)
    history: list[tuple[float, float]] = []
    for epoch in range(1, epochs + 1):
        pace = epoch**0.5
        sums = torch.zeros(2, dtype=W.dtype)
        for rows in torch.randperm(n_rows, generator=generator).split(batch_size):
            pair = losses(W, U, rows)
            g_P, g_A, U.grad = _gradients(pair, W, U)
            with torch.no_grad():
                W -= learning_rate / epoch * direction(g_P, g_A, pace)
            adversary.step()
            sums += len(rows) / n_rows * torch.stack(pair).detach()
        history.append((float(sums[0]), float(sums[1])))
        _require_finite(history[-1], epoch, epochs, learning_rate)
    pair = losses(W, U, slice(None))
    g_P, g_A, _ = _gradients(pair, W, U)
    norm = float(direction(g_P, g_A, epochs**0.5).abs().max())
    return AdversarialFit(
        W.detach(),
        U.detach(),
        history,
        (float(pair[0].detach()), float(pair[1].detach())),
        norm,
        epochs * -(-n_rows // batch_size),
    )


def _settled(curve: Sequence[float]) -> bool:
    recent = curve[-1 - max(1, len(curve) // 5) :]
    return len(recent) > 1 and max(recent) - min(recent) <= _SETTLED * abs(recent[-1])


def _require_finite(values: Sequence[float], epoch: int, epochs: int, learning_rate: float) -> None:
    if not np.isfinite(values).all():
        raise NotFeasibleError(
            f"the training diverged in epoch {epoch} of {epochs}; set a smaller learning_rate (it was {learning_rate:g})"
        )


def _gradients(pair: tuple[Any, Any], W: Any, U: Any) -> tuple[Any, Any, Any]:
    """Return the gradients of both losses in W, and of the adversary's in U."""
    import torch

    (g_P,) = torch.autograd.grad(pair[0], W, retain_graph=True)
    g_A, g_U = torch.autograd.grad(pair[1], (W, U))
    return g_P, g_A, g_U
