"""Selection-bias weighting: exact on discrete data, and Adult behind a known policy of acceptance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.tree import DecisionTreeClassifier

from fairmend.core.case import Case
from fairmend.core.errors import DataError, UsageError
from fairmend.core.models.learners import TabularClassifier
from fairmend.pipeline.run_technique import run_technique
from fairmend.plugins.datasets import bank
from fairmend.plugins.preprocessing import SelectionBiasWeighting

SATURATED = TabularClassifier(DecisionTreeClassifier(), "one-hot")


def weighted(X: pd.DataFrame, attributes: Any, population: Any, **parameters: Any) -> tuple[np.ndarray, dict]:
    technique = SelectionBiasWeighting(population, **parameters)
    given = parameters.pop("sample_weight", None)
    weights = technique.change(X, sensitive_features=attributes, sample_weight=given).sample_weight
    return weights, technique.diagnostics_


@pytest.fixture(scope="module")
def cells() -> tuple[pd.DataFrame, np.ndarray]:
    """People by two attributes, one with gaps, and a feature; and who is selected, by a share of each cell."""
    rng = np.random.default_rng(0)
    n = 12_000
    people = pd.DataFrame({
        "sex": rng.choice(["F", "M"], n),
        "race": rng.choice(np.array(["a", "b", None], dtype=object), n, p=[0.6, 0.3, 0.1]),
        "x": rng.integers(0, 4, n),
    })  # fmt: skip
    chance = 0.2 + 0.12 * people["x"] + 0.3 * (people["sex"] == "M") - 0.1 * (people["race"] == "b")
    return people, rng.random(n) < chance


def test_on_discrete_data_the_weights_are_those_of_the_cells(cells: Any) -> None:
    people, selected = cells
    known = people[selected]
    found, told = weighted(known[["x"]], known[["sex", "race"]], people, estimator=SATURATED)
    keys = ["sex", "race", "x"]
    of_all = people.fillna("none").groupby(keys).size()
    of_known = known.fillna("none").groupby(keys).size()
    expected = (
        (of_all / of_known)[pd.MultiIndex.from_frame(known.fillna("none")[keys])] * len(known) / len(people)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert told["represented"] == pytest.approx(1)
    assert told["absent"] == told["clipped"] == 0
    assert told["effective_rows"] == pytest.approx(found.sum() ** 2 / (found**2).sum())
    by_group = told["selected_by_group"]["M & missing"]
    gaps = (people["sex"] == "M") & people["race"].isna()
    assert by_group == pytest.approx(selected[gaps].mean())


def test_a_part_of_the_selected_and_a_sample_of_the_population_suffice(cells: Any) -> None:
    people, selected = cells
    known = people[selected]
    whole, _ = weighted(known[["x"]], known[["sex", "race"]], people, estimator=SATURATED)
    twice = pd.concat([people, people])
    again, told = weighted(known[["x"]], known[["sex", "race"]], twice, estimator=SATURATED)
    np.testing.assert_allclose(again, whole)
    assert told["represented"] == pytest.approx(1)


def test_a_constant_propensity_leaves_the_weights_equal(cells: Any) -> None:
    people, _ = cells
    thrice = pd.concat([people] * 3)
    found, told = weighted(people[["x"]], people[["sex", "race"]], thrice)
    np.testing.assert_allclose(found, 1, rtol=1e-6)
    assert told["represented"] == pytest.approx(1, rel=2e-3)
    assert told["selected_by_group"] == pytest.approx(dict.fromkeys(told["selected_by_group"], 1 / 3))


def test_weights_given_count_as_repeated_rows(cells: Any) -> None:
    people, selected = cells
    known = people[selected]
    times = np.random.default_rng(1).integers(1, 4, len(known))
    technique = SelectionBiasWeighting(people, SATURATED)
    found = technique.change(
        known[["x"]], sensitive_features=known[["sex", "race"]], sample_weight=times
    ).sample_weight
    many = known.loc[known.index.repeat(times)]
    repeated, _ = weighted(many[["x"]], many[["sex", "race"]], people, estimator=SATURATED)
    np.testing.assert_allclose(np.repeat(found / times, times), repeated)
    assert found.sum() == pytest.approx(times.sum())


def test_clipping_bounds_the_weights_and_is_told(cells: Any) -> None:
    people, selected = cells
    known = people[selected]
    free, before = weighted(known[["x"]], known[["sex", "race"]], people)
    bounded, told = weighted(known[["x"]], known[["sex", "race"]], people, clip=1.5)
    assert told["largest_weight"] == pytest.approx(free.max())
    assert told["clipped"] == pytest.approx((free > 1.5).mean())
    assert bounded.max() / bounded.min() == pytest.approx(1.5 / free.min())
    assert bounded.sum() == pytest.approx(len(known))
    assert told["effective_rows"] > before["effective_rows"]


@pytest.fixture(scope="module")
def applicants(adult: pd.DataFrame) -> pd.DataFrame:
    """20,000 people of Adult with a score of income, and the chance to be selected by a policy against women."""
    people = adult.sample(20_000, random_state=0).reset_index(drop=True)
    rich, woman = (people["income"] == ">50K").astype(int), people["sex"] == "Female"
    score = 0.35 * (people["education-num"] - 10) + 0.04 * (people["age"] - 40)
    score += 0.03 * (people["hours-per-week"] - 40) + (people["marital-status"] == "Married-civ-spouse")
    barrier = 2.0 * score * woman + 0.3 * score * ~woman - 1.0 * woman  # women must score higher to be seen
    return people.assign(rich=rich, score=score, chance=0.1 + 0.85 * expit(barrier))


FEATURES = ["age", "education-num", "hours-per-week", "marital-status"]


@pytest.mark.data
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_adult_weighted_rates_are_those_of_everyone(applicants: pd.DataFrame, seed: int) -> None:
    seen = np.random.default_rng(seed).random(len(applicants)) < applicants["chance"]
    known = applicants[seen]
    w, told = weighted(known[FEATURES], known["sex"], applicants)

    def figures(people: pd.DataFrame, w: np.ndarray) -> pd.Series:
        """Means of each sex, and true and false positive rates of a threshold on the score."""
        said = people.assign(w=w, selected=people["score"] > 1)
        parts = {}
        for sex, rows in said.groupby("sex"):
            for column in ("rich", "age", "education-num", "hours-per-week"):
                parts[sex, column] = np.average(rows[column], weights=rows["w"]) / applicants[column].std()
            for label, of_label in rows.groupby("rich"):
                parts[sex, f"rate {label}"] = np.average(of_label["selected"], weights=of_label["w"])
        return pd.Series({**parts, ("all", "women"): np.average(said["sex"] == "Female", weights=w)})

    truth = figures(applicants, np.ones(len(applicants)))
    censored, corrected = (figures(known, v) - truth for v in (np.ones(len(known)), w))
    assert censored.abs().max() > 0.3
    assert corrected.abs().max() < 0.25 * censored.abs().max()
    assert corrected.abs().mean() < 0.25 * censored.abs().mean()
    oracle = (1 / known["chance"]).to_numpy()
    assert np.corrcoef(w, oracle)[0, 1] > 0.9
    assert told["represented"] == pytest.approx(1, abs=0.1)


@pytest.mark.data
def test_on_adult_thresholds_leave_less_residual_unfairness(applicants: pd.DataFrame) -> None:
    def residual(people: pd.DataFrame, w: np.ndarray) -> float:
        """Gap in true positive rates among everyone, at thresholds with a rate of 0.7 among the people given."""
        rates = []
        for sex in ("Female", "Male"):
            rows = (people["sex"] == sex).to_numpy() & (people["rich"] == 1).to_numpy()
            order = np.argsort(people["score"].to_numpy()[rows])
            share = np.cumsum(w[rows][order]) / w[rows].sum()
            threshold = people["score"].to_numpy()[rows][order][np.searchsorted(share, 0.3)]
            rates.append((applicants.query("sex == @sex and rich == 1")["score"] >= threshold).mean())
        return rates[0] - rates[1]

    gaps = []
    for seed in range(4):
        seen = np.random.default_rng(seed).random(len(applicants)) < applicants["chance"]
        known = applicants[seen]
        w, _ = weighted(known[FEATURES], known["sex"], applicants)
        gaps.append([residual(known, np.ones(len(known))), residual(known, w)])
    before, after = np.mean(gaps, axis=0)
    assert before < -0.05  # the women whom the policy hid are turned away again
    assert abs(after) < 0.4 * abs(before)


def test_without_a_population_nothing_changes_and_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    X, given = pd.DataFrame({"x": range(6)}), np.arange(1.0, 7.0)
    technique = SelectionBiasWeighting()
    with caplog.at_level(logging.WARNING):
        change = technique.change(X, sensitive_features=list("aaabbb"), sample_weight=given)
    np.testing.assert_array_equal(change.sample_weight, given)
    assert "pass population=" in caplog.text
    assert technique.diagnostics_ == {"population_rows": 0}


def test_run_alone_it_requires_a_population_and_reads_a_file(tmp_path: Path) -> None:
    loans = bank(2000).drop(columns="application_id")
    granted = loans[loans["credit_score"] > loans["credit_score"].sample(frac=1, random_state=0).to_numpy()]
    roles = {"outcome": "approved", "protected": ("race",)}
    with pytest.raises(UsageError, match="requires the parameter population"):
        run_technique(SelectionBiasWeighting, granted, roles=roles)
    path = tmp_path / "everyone.csv"
    loans.drop(columns="approved").to_csv(path, index=False)
    done = run_technique(
        SelectionBiasWeighting,
        granted,
        roles=roles,
        parameters={"population": str(path)},
        learner="logistic_regression",
    )
    assert "Weights from" in done.text
    features, race = granted.drop(columns=["approved", "race"]), granted["race"]
    from_file, _ = weighted(features, race, str(path))
    from_frame, _ = weighted(features, race, loans)
    np.testing.assert_allclose(from_file, from_frame)
    assert np.ptp(from_file) > 0.5


def test_people_who_were_never_selected_are_told(cells: Any) -> None:
    people, selected = cells
    known = people[selected & people["race"].isin(["a", "b"])]
    _, told = weighted(known[["x"]], known["race"], people)
    assert told["absent"] == pytest.approx(people["race"].isna().mean())


@pytest.mark.parametrize(
    ("population", "said"),
    [
        (pd.DataFrame({"g": ["a", "b"]}), "the population lacks x, which"),
        (pd.DataFrame({"x": [1, 2]}), "the population lacks g, which"),
        (pd.DataFrame({"x": [1.0], "g": ["a"]}), "no row of the group 'b'"),
        (pd.DataFrame({"x": ["1", "2"], "g": ["a", "b"]}), "'x' holds numbers in the training data and text"),
        (pd.DataFrame({"x": [], "g": []}), "the population has no rows"),
        ("nowhere.csv", "nowhere.csv"),
    ],
)
def test_a_population_that_does_not_fit_is_refused(population: Any, said: str) -> None:
    X, g = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}), pd.Series(list("aabb"), name="g")
    with pytest.raises(DataError, match=said):
        weighted(X, g, population)


@pytest.mark.data
def test_in_a_case_the_model_is_trained_for_everyone(adult_case: Case) -> None:
    train = adult_case.train
    everyone = train.X.assign(**{str(c): train.sensitive[c].to_numpy() for c in train.sensitive})
    chance = expit((train.X["education-num"] - 11) / 2).to_numpy()
    kept = np.flatnonzero(np.random.default_rng(0).random(len(train)) < chance)
    censored = adult_case.replace(train=train.take(kept))
    after, effect = SelectionBiasWeighting(everyone).run(censored)
    assert effect.kind == "weights"
    assert not effect.changed_nothing
    assert effect.detail["population_rows"] == len(train)
    years = train.X["education-num"].to_numpy()
    before = years[kept].mean() - years.mean()
    assert abs(np.average(years[kept], weights=after.train.weights) - years.mean()) < 0.2 * before
