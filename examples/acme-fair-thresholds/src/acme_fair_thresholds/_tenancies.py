"""Applications for flats, drawn at random, with a planted disadvantage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def tenancies(n_rows: int, random_state: int) -> dict[str, Any]:
    """Return applications with their roles: newcomers earn as much and have a shorter credit history.

    Parameters
    ----------
    n_rows : int
        Applications to draw.
    random_state : int
        Seed.
    """
    rng = np.random.default_rng(random_state)
    newcomer = rng.random(n_rows) < 0.4
    income = rng.normal(3000, 700, n_rows)
    history = np.maximum(rng.normal(8, 3, n_rows) - 3 * newcomer, 0)
    household = rng.integers(1, 6, n_rows)
    logit = (income - 3000) / 500 + (history - 6) / 2 - (household - 3) / 3
    accepted = rng.random(n_rows) < 1 / (1 + np.exp(-logit))
    frame = pd.DataFrame(
        {
            "origin": np.where(newcomer, "newcomer", "local"),
            "income": income.round(),
            "history": history.round(1),
            "household": household,
            "accepted": np.where(accepted, "yes", "no"),
        }
    )
    roles = {"outcome": "accepted", "favorable": "yes", "protected": ["origin"], "mediators": ["history"]}
    return {"frame": frame, "roles": roles}
