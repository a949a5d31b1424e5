"""Small data with planted bias, on which techniques are checked."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.vocabulary import Task

SEED = 20_240
ROWS_A_QUERY = 50


@dataclass(frozen=True)
class Problem:
    """Data to fit on and data to apply to, with labels, groups and scores of an outside model.

    Attributes
    ----------
    X, X_new : DataFrame
        Features: two numbers, a mediator, a category.
    y, y_new : ndarray
        Labels: 0 and 1; codes of three classes; real values; or relevance from 0 to 3.
    sensitive, sensitive_new : DataFrame
        Protected attributes.
    scores, scores_new : ndarray of float
        Scores of an outside model, miscalibrated by group where that is planted: probabilities of the
        favorable outcome, of each class in a row, or predicted values.
    task : {"binary", "multiclass", "regression", "ranking"}
        What kind of outcome it is.
    query, query_new : ndarray of int, or None
        Query of each row, of a ranking.
    """

    X: pd.DataFrame
    y: NDArray[Any]
    sensitive: pd.DataFrame
    scores: NDArray[np.float64]
    X_new: pd.DataFrame
    y_new: NDArray[Any]
    sensitive_new: pd.DataFrame
    scores_new: NDArray[np.float64]
    task: Task = "binary"
    query: NDArray[np.int64] | None = None
    query_new: NDArray[np.int64] | None = None

    def with_(self, **changes: Any) -> Problem:
        """Return the problem with these fields changed."""
        return replace(self, **changes)

    def rows(self, places: NDArray[Any]) -> Problem:
        """Return the problem with these rows to fit on, in this order."""
        return replace(
            self,
            X=self.X.take(places).reset_index(drop=True),
            y=self.y[places],
            sensitive=self.sensitive.take(places).reset_index(drop=True),
            scores=self.scores[places],
            query=None if self.query is None else self.query[places],
        )

    def dataset(self, *, new: bool = False) -> Dataset:
        """Return the data with their roles."""
        X, y, s = (self.X_new, self.y_new, self.sensitive_new) if new else (self.X, self.y, self.sensitive)
        frame = X.assign(**{c: s[c].to_numpy() for c in s.columns}, label=y)
        query = self.query_new if new else self.query
        if query is not None:
            frame = frame.assign(query=query)
        mediators = tuple(c for c in ("mediator",) if c in X.columns)
        roles = Roles(
            outcome="label",
            favorable=1 if self.task == "binary" else None,
            task=self.task,
            query=None if query is None else "query",
            protected=tuple(map(str, s.columns)),
            mediators=mediators,
        )
        return Dataset.from_frame(frame, roles)


def draw(
    n: int = 600,
    *,
    groups: tuple[str, ...] = ("a", "b"),
    shares: tuple[float, ...] | None = None,
    gap: float = 1.0,
    label_gap: float = 0.0,
    rare: float = 0.0,
    tilt: float = 0.0,
    second: bool = False,
    crossed: bool = False,
    task: Task = "binary",
    seed: int = SEED,
) -> tuple[pd.DataFrame, NDArray[Any], pd.DataFrame, NDArray[np.float64]]:
    """Draw people: groups, skill that is the same in each, a mediator that is not, a label, a score.

    Parameters
    ----------
    n : int
        Rows.
    groups, shares
        Names of the groups, disadvantaged first, and their shares.
    gap : float
        How much lower the mediator of the first group is, in standard deviations.
    label_gap : float
        How much lower the first group's chance of a favorable label is on the logit scale, beyond skill.
    rare : float
        Shift of all chances on the logit scale; negative makes favorable labels rare.
    tilt : float
        How much the score of the first group is too low on the logit scale.
    second : bool
        Whether there is a second protected attribute.
    crossed : bool
        Whether only one side of the first group is disadvantaged, so that neither attribute alone tells.
    task : {"binary", "multiclass", "regression", "ranking"}
        What becomes of the latent outcome, whose sign is the binary label: three classes cut at -1 and 1, the
        value itself, or a relevance from 0 to 3.
    seed : int
        Seed.
    """
    rng = np.random.default_rng(seed)
    place = rng.choice(len(groups), n, p=shares)
    side = rng.choice(["left", "right"], n) if second or crossed else None
    low = (place == 0) & (side == "left") if crossed else place == 0
    skill = rng.normal(size=n)
    mediator = skill * 0.8 + rng.normal(scale=0.6, size=n) - gap * low
    noise = rng.normal(size=n)
    logit = 1.4 * skill + 1.0 * (mediator + gap * low) - gap * low - label_gap * low + rare
    u = rng.random(n)
    y = _labels(task, u, logit)
    X = pd.DataFrame(
        {
            "skill": skill,
            "mediator": mediator,
            "noise": noise,
            "place": pd.Series(rng.choice(["north", "south", "west"], n), dtype=object),
        }
    )
    sensitive = pd.DataFrame({"group": pd.Series([groups[i] for i in place], dtype=object)})
    if side is not None:
        sensitive["side"] = pd.Series(side, dtype=object)
    score = _scores(task, logit + rng.normal(scale=0.5, size=n) - tilt * low)
    return X, y, sensitive, score


def _labels(task: Task, u: NDArray[np.float64], logit: NDArray[np.float64]) -> NDArray[Any]:
    if task == "binary":
        return (u < 1 / (1 + np.exp(-logit))).astype(np.int64)
    latent = logit - np.log(u / (1 - u))
    if task == "multiclass":
        return np.searchsorted([-1.0, 1.0], latent).astype(np.int64)
    return latent if task == "regression" else np.searchsorted([-1.0, 0.0, 1.0], latent).astype(float)


def _scores(task: Task, z: NDArray[np.float64]) -> NDArray[np.float64]:
    if task == "binary":
        return np.asarray(1 / (1 + np.exp(-z)))
    if task == "multiclass":
        low, middle = (1 / (1 + np.exp(z - cut)) for cut in (-1.0, 1.0))
        return np.column_stack([low, middle - low, 1 - middle])
    return z


@lru_cache(maxsize=32)
def _problem(options: tuple[tuple[str, Any], ...]) -> Problem:
    given = dict(options)
    seed = given.pop("seed", SEED)
    first = draw(**given, seed=seed)
    second = draw(**given, seed=seed + 1)
    task: Task = given.get("task", "binary")
    queries = (None, None)
    if task == "ranking":
        queries = tuple(np.arange(len(drawn[1])) // ROWS_A_QUERY for drawn in (first, second))  # type: ignore[assignment]
    return Problem(*first, *second, task, *queries)


def problem(**options: Any) -> Problem:
    """Return a problem drawn by :func:`draw`; equal options give equal problems, never the same object."""
    return copy.deepcopy(_problem(tuple(sorted(options.items()))))


# What is planted for each kind of finding: options of `draw`.
PLANTED: dict[str, dict[str, Any]] = {
    "outcome-disparity": {"gap": 1.2},
    "error-rate-disparity": {"gap": 3.0, "rare": 1.5},
    "base-rate-difference": {"gap": 0.6, "label_gap": 1.0},
    "group-miscalibration": {"gap": 0.0, "label_gap": 1.8},
    "biased-mediator": {"gap": 1.5},
    "proxy-variable": {"gap": 1.5},
    "representation-imbalance": {"gap": 1.2, "shares": (0.15, 0.85)},
    "class-imbalance": {"gap": 0.8, "rare": -2.2},
    "intersectional-disparity": {"gap": 3.0, "crossed": True},
}


def planted(kind: str, notion: str) -> dict[str, Any]:
    """Return the options of :func:`draw` for a kind of finding, held against a notion.

    Scores are miscalibrated where the labels differ for a reason that no feature shows, so a crossing of
    attributes is disadvantaged in that way where calibration is at stake.
    """
    if notion == "calibration":
        crossed = {"crossed": True} if kind == "intersectional-disparity" else {}
        return {**PLANTED["group-miscalibration"], **crossed}
    return PLANTED[kind]
