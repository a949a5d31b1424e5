"""Decisions on real data with several attributes, many groups and weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest


@dataclass
class Decided:
    """Labels, scores, decisions, protected attributes and weights of the same rows."""

    y_true: pd.Series
    y_score: np.ndarray
    y_pred: np.ndarray
    sensitive: pd.DataFrame | pd.Series
    weight: np.ndarray | None


def _decided(y_true: pd.Series, margin: pd.Series, sensitive, weighted: bool) -> Decided:
    score = 1 / (1 + np.exp(-(margin - margin.mean()) / margin.std()))
    weight = np.random.default_rng(7).gamma(2.0, size=len(y_true)) if weighted else None
    return Decided(y_true.astype(int), score.to_numpy(), (score > 0.55).to_numpy(int), sensitive, weight)


CASES = [
    "adult-sex",
    "adult-sex-race",
    "compas-race",
    "compas-sex-age",
    "german-age",
    "german-status-telephone",
]


@pytest.fixture(
    scope="module", params=[(c, w) for c in CASES for w in (False, True)], ids=lambda p: f"{p[0]}-{p[1]}"
)
def decided(request, data_dir) -> Decided:
    name, weighted = request.param
    if name.startswith("adult"):
        rows = request.getfixturevalue("adult")
        rows = (
            rows[rows["race"].isin(["Asian-Pac-Islander", "Black", "White"])]
            .iloc[::12]
            .reset_index(drop=True)
        )
        margin = rows["education-num"] + rows["hours-per-week"] / 10 + rows["age"] / 20
        sensitive = rows["sex"] if name == "adult-sex" else rows[["sex", "race"]]
        return _decided(rows["income"] == ">50K", margin, sensitive, weighted)
    if name.startswith("compas"):
        rows = request.getfixturevalue("compas")
        rows = (
            rows[rows["race"].isin(["African-American", "Caucasian", "Hispanic", "Other"])]
            .iloc[::4]
            .reset_index(drop=True)
        )
        sensitive = rows["race"] if name == "compas-race" else rows[["sex", "age_cat"]]
        return _decided(rows["two_year_recid"] == 0, -rows["decile_score"], sensitive, weighted)
    rows = request.getfixturevalue("german")
    sensitive = rows["age_group"] if name == "german-age" else rows[["personal_status", "telephone"]]
    margin = -rows["month"] / 12 - rows["credit_amount"] / 3000 + rows["age"] / 20
    return _decided(rows["credit"] == 1, margin, sensitive, weighted)
