"""The choice among variants: shorter where accuracy is within noise, and only what passes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fairmend.pipeline.run.ablation import FULL, POST_ALONE, AblationVariant, simplest
from fairmend.pipeline.run.record import Variant


class Machine:
    """Compares models by their accuracies; ``noise`` is half the width of every interval."""

    def __init__(self, noise):
        self.noise = noise
        self.spec = SimpleNamespace(notion="demographic_parity")
        self.policy = SimpleNamespace(
            target=lambda notion: SimpleNamespace(metric="demographic_parity_ratio")
        )

    def judged(self, accuracy):
        def against(best):
            change = accuracy - best.accuracy
            return {"accuracy": SimpleNamespace(interval=(change - self.noise, change + self.noise))}

        return SimpleNamespace(accuracy=accuracy, against=against)


def variants(**found):
    """Make variants of (accuracy, number of steps, whether it passes); the full one is called full."""
    out = {}
    for key, (accuracy, steps, passes) in found.items():
        name = {"alone": POST_ALONE}.get(key, key)
        variant = Variant(name, ("s",) * steps, accuracy, 0.9, None, None, {}, {}, passes)
        out[name] = AblationVariant(variant, accuracy, steps)
    return out


@pytest.mark.parametrize(
    ("found", "noise", "chosen"),
    [
        ({"full": (0.86, 3, True), "alone": (0.855, 1, True)}, 0.01, POST_ALONE),
        ({"full": (0.86, 3, True), "alone": (0.80, 1, True)}, 0.01, FULL),
        ({"full": (0.86, 3, True), "alone": (0.86, 1, False)}, 0.01, FULL),
        ({"full": (0.86, 3, False), "alone": (0.86, 1, True)}, 0.01, FULL),
        ({"full": (0.86, 3, True), "a": (0.855, 2, True), "b": (0.858, 2, True)}, 0.01, "b"),
        ({"full": (0.86, 1, True), "alone": (0.86, 1, True)}, 0.01, POST_ALONE),
        ({"full": (0.80, 3, True), "a": (0.86, 2, True)}, 0.01, "a"),
    ],
    ids=[
        "shorter and within noise",
        "shorter and worse",
        "shorter but fails",
        "the full one fails",
        "equal length: the more accurate",
        "equal in all: post-processing alone",
        "shorter and better",
    ],
)
def test_the_simplest_that_passes_within_noise(found, noise, chosen):
    name, reason = simplest(Machine(noise), variants(**found))
    assert name == chosen
    assert name == FULL or reason.startswith(f"{name} passes every required check with")
