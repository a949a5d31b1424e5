"""The cases of the judgement benchmark: data sets with an outcome, drawn problems, and some stories.

Every case has an identifier from which it can be made again: ``law/race/demographic_parity/0`` is the
law data with the protected attribute race, a notion and a seed; ``drawn/proxies/17`` is a drawn problem.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import _problems
import numpy as np
import pandas as pd
from _problems import NOTIONS, Problem
from _reference import BOUNDS, METRICS, cells, fitted, readable, values

ROOT = Path(os.environ.get("FAIRMEND_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

# Data that are no case, and why.
LEFT_OUT = {
    "darfur": "the outcomes are attitudes in a survey, not decisions about the people asked",
    "pleiss/health": "184 rows: 37 rows of test data support no verdict",
    "law_school_fya, outcome ZFYA": "a real value; pipelines serve binary outcomes",
}


@dataclass(frozen=True)
class Case:
    """What a run gets.

    Attributes
    ----------
    name : str
        Identifier.
    family : str
        Row of the table that it counts in.
    frame : DataFrame
        The data.
    roles : dict
        Roles of the columns.
    notion : str
        What the run aims at.
    seed : int
        Seed of the run.
    options : dict
        Other options of the run, such as the learner.
    problem : Problem or None
        Where the data were drawn: the distribution.
    fresh_rows : int
        Rows of the large fresh sample of it.
    """

    name: str
    family: str
    frame: pd.DataFrame
    roles: dict[str, Any]
    notion: str
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
    fresh_rows: int = _problems.FRESH_ROWS


@dataclass(frozen=True)
class Source:
    """A data set with an outcome, and the protected attributes that it is run with."""

    read: Callable[[], pd.DataFrame]
    roles: dict[str, Any]
    attributes: dict[str, dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / name)


@cache
def _adult() -> pd.DataFrame:
    parts = [_read(f"adult/adult_{part}.csv.gz") for part in ("train", "test")]
    frame = pd.concat(parts, ignore_index=True).dropna().reset_index(drop=True)
    return frame.assign(income=frame["income"].str.rstrip("."))


def _compas() -> pd.DataFrame:
    frame = _read("compas/compas_two_years.csv.gz")
    frame = frame[frame["days_b_screening_arrest"].between(-30, 30)].reset_index(drop=True)
    counts = ["juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"]
    frame = frame[["sex", "age", "age_cat", "race", *counts, "c_charge_degree", "two_year_recid"]]
    few = ~frame["race"].isin(["African-American", "Caucasian", "Hispanic"])
    return frame.assign(race=frame["race"].mask(few, "Other"))  # Asian and Native American: 42 rows


def _german() -> pd.DataFrame:
    frame = _read("german/german.csv")
    female = frame["personal_status"].isin(["A92", "A95"])
    return frame.assign(sex=np.where(female, "female", "male")).drop(columns="personal_status")


def _fya() -> pd.DataFrame:
    frame = _read("law/law_school_fya.csv").drop(columns=["row_id", "ZFYA"])
    few = ~frame["race"].isin(["White", "Black", "Asian"])
    return frame.assign(race=frame["race"].mask(few, "Other"))


def _pleiss(name: str) -> pd.DataFrame:
    frame = _read(f"pleiss/{name}.csv").drop(columns="Unnamed: 0")
    return frame.assign(label=frame["label"].astype(int), group=np.where(frame["group"] == 1, "one", "zero"))


SOURCES: dict[str, Source] = {
    "adult": Source(
        _adult,
        {"outcome": "income", "favorable": ">50K", "ignored": ("fnlwgt",)},
        {
            "sex": {"protected": ("sex",)},
            "race": {"protected": ("race",)},
            "sex+race": {"protected": ("sex", "race")},
        },
    ),
    "bank": Source(
        lambda: _read("bank/bank-full.csv.gz").drop(columns="duration"),
        {"outcome": "y", "favorable": "yes"},
        {
            "marital": {"protected": ("marital",)},
            "age": {"protected": ("age",), "cuts": {"age": (24.0, 59.0)}},
        },
    ),
    "law": Source(
        lambda: _read("law/law_school_bar.csv"),
        {"outcome": "pass_bar", "favorable": 1},
        {"race": {"protected": ("race",)}, "male": {"protected": ("male",)}},
    ),
    "law, first attempt": Source(
        _fya,
        {"outcome": "first_pf", "favorable": 1},
        {"race": {"protected": ("race",)}, "sex": {"protected": ("sex",)}},
    ),
    "compas": Source(
        _compas,
        {"outcome": "two_year_recid", "favorable": 0},
        {
            "race": {"protected": ("race",), "ignored": ("age_cat",)},
            "sex": {"protected": ("sex",), "ignored": ("age_cat",)},
            "age_cat": {"protected": ("age_cat",), "ignored": ("age",)},
        },
    ),
    "german": Source(
        _german,
        {"outcome": "credit", "favorable": 1},
        {
            "age": {"protected": ("age",), "cuts": {"age": (25.0,)}},
            "sex": {"protected": ("sex",)},
        },
    ),
    "pleiss, recidivism scores": Source(
        lambda: _pleiss("criminal_recidivism"),
        {"outcome": "label", "favorable": 0},
        {"group": {"protected": ("group",)}},
        {"scores": "favorable"},
    ),
    "pleiss, income scores": Source(
        lambda: _pleiss("income"),
        {"outcome": "label", "favorable": 1},
        {"group": {"protected": ("group",)}},
        {"scores": "favorable"},
    ),
}


def real(seeds: int) -> Iterator[str]:
    """Yield the cases of the data sets, all of the first seed before the second."""
    for seed in range(seeds):
        for name, source in SOURCES.items():
            for attribute in source.attributes:
                for notion in NOTIONS:
                    yield f"{name}/{attribute}/{notion}/{seed}"
        yield f"fico/race/demographic_parity/{seed}"
        yield f"fico/race/equal_opportunity/{seed}"


def drawn(number: int) -> Iterator[str]:
    """Yield drawn problems of all kinds."""
    yield from (f"drawn/{kind}/{seed}" for seed, kind in enumerate(_problems.mixed(number)))


def small(number: int) -> Iterator[str]:
    """Yield drawn problems of all kinds, of few rows and run with a fast learner."""
    yield from (f"small/{kind}/{10_000 + seed}" for seed, kind in enumerate(_problems.mixed(number)))


def null(number: int) -> Iterator[str]:
    """Yield that many problems of each kind that has nothing to mend."""
    for seed in range(number):
        yield f"null/null: no difference/{50_000 + seed}"
        yield f"null/null: already fair/{55_000 + seed}"


def tuned(number: int) -> Iterator[str]:
    """Yield problems with a difference that thresholds can mend, and rows enough to see it."""
    kinds = ("difference in features", "difference in labels", "label bias", "proxies")
    for seed in range(number):
        yield f"tuned/{kinds[seed % len(kinds)]}/{60_000 + seed}"


def find(name: str) -> Case:
    """Return the case of an identifier."""
    if name in STORIES:
        return STORIES[name](name)
    collection, *rest = name.split("/")
    if collection in COLLECTIONS:
        return COLLECTIONS[collection](name, rest[0], int(rest[1]))
    if collection == "fico":
        return _fico(name, rest[1], int(rest[2]))
    attribute, notion, seed = rest
    source = SOURCES[collection]
    frame, roles = source.read(), {**source.roles, **source.attributes[attribute]}
    options = dict(source.options)
    if options.get("scores") == "favorable":  # the file has scores of label 1
        scores = frame["prediction"] if source.roles["favorable"] == 1 else 1 - frame["prediction"]
        frame, options["scores"] = frame.assign(prediction=scores), "prediction"
    return Case(name, collection, frame, roles, notion, int(seed), options)


def of_problem(name: str, family: str, problem: Problem, **options: Any) -> Case:
    """Return the case of a drawn problem; where a fast learner serves, a smaller fresh sample does, too."""
    roles = {"outcome": "outcome", "favorable": 1, "protected": ("group",)}
    rows = 60_000 if options else _problems.FRESH_ROWS
    return Case(name, family, problem.table(), roles, problem.notion, 0, options, problem, rows)


def _of_drawn(name: str, kind: str, seed: int) -> Case:
    return of_problem(name, f"drawn: {kind}", _problems.problem(kind, seed))


def _of_small(name: str, kind: str, seed: int) -> Case:
    problem = _problems.problem(kind, seed, rows=(1_000, 3_000), base_rates=(0.15, 0.85), least_share=0.1)
    return of_problem(name, f"small: {kind}", problem, learner="logistic_regression")


def _of_null(name: str, kind: str, seed: int) -> Case:
    problem = _problems.problem(kind, seed, rows=(500, 20_000))
    return of_problem(name, kind, problem, learner="logistic_regression")


def _of_tuned(name: str, kind: str, seed: int) -> Case:
    """Return the first of a sequence of problems whose plain model clearly misses its target."""
    for attempt in range(100):
        problem = _tunable(kind, seed + 1_000 * attempt)
        sample = problem.fresh(20_000)
        y, groups = sample.frame["outcome"].to_numpy(), sample.frame["group"].to_numpy()
        X = readable(sample.frame.drop(columns=["group", "outcome"]))
        chance = fitted(X, y, 0, "logistic_regression").predict_proba(X)[:, 1]
        figures = values(cells((chance >= 0.5).astype(float), sample.probability, groups, sample.weight))
        bound, figure = BOUNDS[problem.notion], figures[METRICS[problem.notion]]
        if figure < bound - 0.1 if problem.notion == "demographic_parity" else figure > bound + 0.05:
            return of_problem(name, "tuned", problem, learner="logistic_regression")
    raise AssertionError(f"none of 100 problems needs mending: {name}")


def _tunable(kind: str, seed: int) -> Problem:
    rng = np.random.default_rng([seed, 4])
    least, difference = float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.6, 1.4))
    problem = _problems.problem(kind, seed, rows=(3_000, 10_000))
    behind = (0.0, -difference)
    return replace(
        problem,
        shares=(1 - least, least),
        base_rate=float(rng.uniform(0.2, 0.7)),
        signal=max(problem.signal, 1.0),
        shifts=behind if kind == "difference in features" else (0.0, -0.3 * difference),
        offsets=behind if kind in ("difference in labels", "proxies") else (0.0, 0.0),
        slopes=(1.0, 1.0),
        denied=(0.0, 0.3 * difference) if kind == "label bias" else (0.0, 0.0),
    )


COLLECTIONS: dict[str, Callable[[str, str, int], Case]] = {
    "drawn": _of_drawn,
    "small": _of_small,
    "null": _of_null,
    "tuned": _of_tuned,
}


@dataclass(frozen=True)
class Scored(Problem):
    """People who are drawn from tables of scores by group: the score is the one feature."""

    tables: Any = None

    def _drawn(self, groups: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
        score, likely, cumulative = self.tables
        at = np.empty(len(groups), dtype=int)
        for group in range(len(self.shares)):
            mine = groups == group
            at[mine] = np.searchsorted(cumulative[group], rng.random(int(mine.sum())))
        at = np.minimum(at, len(score) - 1)
        names = np.array(["White", "Black", "Hispanic", "Asian"])
        return pd.DataFrame({"score": score[at], "group": names[groups]}), likely[groups, at]


def _fico(name: str, notion: str, seed: int) -> Case:
    """Return 20,000 people drawn from the tables of scores and repayment of four groups."""
    folder = "fico/transrisk_{}_by_race_ssa.csv"
    shares = _read("fico/totals.csv").iloc[0, 1:].to_numpy(float)
    cumulative = _read(folder.format("cdf")).iloc[:, 1:].to_numpy(float).T / 100
    defaults = _read(folder.format("performance"))
    score, likely = defaults.iloc[:, 0].to_numpy(float), 1 - defaults.iloc[:, 1:].to_numpy(float).T / 100
    none = (0.0,) * 4
    problem = Scored(
        "fico", 70_000 + seed, 20_000, 0.5, tuple(shares / shares.sum()), 0.0,
        none, none, none, none, 0.0, notion, (score, likely, cumulative),
    )  # fmt: skip
    return of_problem(name, "fico", problem)


def _adult_coin(name: str) -> Case:
    rng = np.random.default_rng(0)
    frame = _adult().sample(8_000, random_state=0).reset_index(drop=True)
    frame = frame.assign(coin=rng.choice(["heads", "tails"], len(frame)))
    roles = {**SOURCES["adult"].roles, "protected": ("coin",)}
    return Case(name, "stories", frame, roles, "demographic_parity")


def _bank_story(seed: int) -> Callable[[str], Case]:
    def make(name: str) -> Case:
        from fairmend.plugins.datasets import bank, bank_roles

        return Case(name, "stories", bank(20_000), bank_roles(), "demographic_parity", seed)

    return make


def _story(kind: str, seed: int, **changes: Any) -> Callable[[str], Case]:
    def make(name: str) -> Case:
        return of_problem(name, "stories", replace(_problems.problem(kind, seed), **changes))

    return make


_TWO = {"slopes": (1.0, 1.0), "denied": (0.0, 0.0), "notion": "demographic_parity"}
# What once went wrong, one case each; the law and bank cases are the data themselves.
STORIES: dict[str, Callable[[str], Case]] = {
    "law-race-must-keep-its-skill": lambda name: replace(
        find("law/race/demographic_parity/0"), name=name, family="stories"
    ),
    "law-race-under-balanced-accuracy": lambda name: replace(
        find("law/race/demographic_parity/0"), name=name, family="stories", options={"utility": "balanced_accuracy"}
    ),
    "bank-marital-needs-thresholds-from-all-rows": lambda name: replace(
        find("bank/marital/demographic_parity/0"), name=name, family="stories"
    ),
    "60000-rows-need-a-margin": _story(
        "difference in features", 1, rows=60_000, base_rate=0.3, shares=(0.75, 0.25), signal=1.5,
        shifts=(0.0, -0.7), offsets=(0.0, 0.0), **_TWO,
    ),
    "a-model-that-selects-everyone-has-no-skill": _story(
        "no signal", 2, rows=5_000, base_rate=0.93, shares=(0.7, 0.3), shifts=(0.0, 0.0), offsets=(0.0, 0.0), **_TWO,
    ),
    "649-rows-with-nothing-to-mend": _story(
        "null: already fair", 3, rows=649, base_rate=0.85, shares=(0.6, 0.4), signal=3.0,
        shifts=(0.0, -0.05), offsets=(0.0, 0.0), **_TWO,
    ),
    "adult-with-a-coin-toss": _adult_coin,
    "2000-rows-support-the-cells": _story(
        "difference in labels", 4, rows=2_000, base_rate=0.4, shares=(0.7, 0.2, 0.1), signal=2.0,
        shifts=(0.0, -0.2, -0.4), offsets=(0.0, -0.4, -0.8), **{**_TWO, "slopes": (1.0,) * 3, "denied": (0.0,) * 3},
    ),
    "bank-of-the-demonstration": _bank_story(0),
    "bank-of-the-demonstration-seed-3": _bank_story(3),
}  # fmt: skip
