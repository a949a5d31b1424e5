from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from fairmend.core.case import Case
from fairmend.core.errors import UnknownNameError
from fairmend.plugins.preprocessing import SituationTesting


def relabeled(X: Any, y: Any, attributes: Any, **parameters: Any) -> tuple[np.ndarray, SituationTesting]:
    technique = SituationTesting(**parameters)
    return technique.change(X, y, sensitive_features=attributes).y, technique


def by_brute_force(
    X: pd.DataFrame, y: np.ndarray, group: np.ndarray, reference: str, k: int
) -> dict[int, float]:
    """Luong, Ruggieri and Turini's diff, row by row and feature by feature."""
    scale = {c: X[c].std(ddof=0) for c in X if pd.api.types.is_numeric_dtype(X[c])}

    def distance(i: int, j: int) -> float:
        return sum(
            abs(X[c].iloc[i] - X[c].iloc[j]) / scale[c] if c in scale else float(X[c].iloc[i] != X[c].iloc[j])
            for c in X
        )

    diff = {}
    for i in np.flatnonzero((group != reference) & (y == 0)):
        shares = []
        for g in (group[i], reference):
            others = [j for j in np.flatnonzero(group == g) if j != i]
            near = sorted(others, key=lambda j: distance(i, j))[:k]
            shares.append(np.mean([y[j] == 0 for j in near]))
        diff[int(i)] = shares[0] - shares[1]
    return diff


@pytest.mark.data
def test_equal_to_brute_force_with_three_groups(compas: pd.DataFrame) -> None:
    people = compas[compas["race"].isin(["African-American", "Caucasian", "Hispanic"])].sample(
        150, random_state=0
    )
    noise = np.random.default_rng(0).normal(size=150) / 100  # distances become distinct
    X = people[["age", "priors_count", "c_charge_degree"]].assign(noise=noise)
    y = (people["two_year_recid"] == 0).to_numpy().astype(int)
    race = people["race"].to_numpy()
    labels, technique = relabeled(X, y, race, k=7, threshold=0.2, reference="Caucasian")
    expected = by_brute_force(X, y, race, "Caucasian", 7)
    found = technique.differences_
    assert set(np.flatnonzero(~np.isnan(found))) == set(expected)
    assert [found[i] for i in expected] == pytest.approx(list(expected.values()))
    changed = {i for i, value in expected.items() if value >= 0.2}
    assert changed
    assert set(np.flatnonzero(labels != y)) == changed
    assert (labels[labels != y] == 1).all()


@pytest.mark.data
def test_equal_to_the_neighbors_of_scikit_learn(adult: pd.DataFrame) -> None:
    people = adult.sample(2500, random_state=1)
    X = people[["age", "education-num", "hours-per-week", "fnlwgt"]]
    y = (people["income"] == ">50K").to_numpy().astype(int)
    women = (people["sex"] == "Female").to_numpy()
    _, technique = relabeled(X, y, people["sex"])
    assert technique.diagnostics_["reference"] == "Male"
    Z = StandardScaler().fit_transform(X)
    men = KNeighborsClassifier(16, metric="manhattan").fit(Z[~women], y[~women] == 0)
    own = KNeighborsClassifier(17, metric="manhattan").fit(Z[women], y[women] == 0)
    rows = women & (y == 0)
    # The 17 nearest women include the row itself, which is unfavorable.
    p_1 = (own.predict_proba(Z[rows])[:, 1] * 17 - 1) / 16
    expected = p_1 - men.predict_proba(Z[rows])[:, 1]
    np.testing.assert_allclose(technique.differences_[rows], expected, atol=1e-12)
    assert np.abs(expected).max() <= 1


@pytest.mark.data
def test_a_threshold_above_one_changes_nothing_and_a_lower_one_more(german: pd.DataFrame) -> None:
    X, y = german.drop(columns=["credit", "age", "age_group"]), (german["credit"] == 1).to_numpy().astype(int)
    young = german["age_group"] == "25 or under"
    changed, gaps = [], []
    for threshold in (1.01, 0.3, 0.1, 0.05):
        labels, _ = relabeled(X, y, german["age_group"], threshold=threshold)
        changed.append(int((labels != y).sum()))
        gaps.append(float(labels[~young].mean() - labels[young].mean()))
        assert (labels[~young] == y[~young]).all()
    assert changed[0] == 0
    assert changed == sorted(changed)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < gaps[0] - 0.05


def test_planted_discrimination_is_found_row_by_row() -> None:
    rng = np.random.default_rng(0)
    x, a = rng.normal(size=1200), rng.integers(0, 2, 1200)
    fair = (x > 0).astype(int)
    wronged = (a == 1) & (x > 0.3) & (x < 1.5)
    y = np.where(wronged, 0, fair)
    labels, technique = relabeled(pd.DataFrame({"x": x}), y, np.where(a == 1, "b", "a"), threshold=0.9)
    assert technique.diagnostics_["by_group"]["b"]["relabeled"] == (labels != y).sum()
    assert (labels[~wronged] == y[~wronged]).all()
    assert labels[wronged & (x > 0.4) & (x < 1.4)].mean() > 0.97


def test_equal_rows_do_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.integers(0, 3, 300), "c": rng.choice(["u", "v"], 300)})
    y, a = rng.integers(0, 2, 300), rng.choice(["a", "b"], 300)
    order = rng.permutation(300)
    here, _ = relabeled(X, y, a)
    there, _ = relabeled(X.iloc[order], y[order], a[order])
    np.testing.assert_array_equal(here[order], there)


def test_missing_values_and_attributes_among_the_features() -> None:
    X = pd.DataFrame({"x": [1.0, np.nan, 3, 4] * 10, "c": ["u", None, "v", "v"] * 10, "sex": ["f", "m"] * 20})
    y = [0, 1, 1, 0] * 10
    sex = X["sex"].rename("sex")
    with_it, _ = relabeled(X, y, sex, k=3)
    without, _ = relabeled(X.drop(columns="sex"), y, sex, k=3)
    np.testing.assert_array_equal(with_it, without)


def test_an_unknown_reference_names_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="no group is called 'mem'; did you mean men"):
        relabeled(np.zeros((4, 1)), [0, 1, 0, 1], ["men", "men", "women", "women"], reference="mem")


@pytest.mark.data
def test_in_a_case_labels_change_and_scores_come_closer(adult_case: Case) -> None:
    after, effect = SituationTesting(threshold=0.2).run(adult_case)
    assert effect.kind == "labels"
    assert effect.detail["to_unfavorable"] == 0
    told = effect.detail["by_group"].values()
    assert sum(group["relabeled"] for group in told) == effect.detail["to_favorable"] > 0

    def spread(case: Case) -> float:
        groups = case.validation.groups
        return float(np.ptp(groups.counts(case.fitted().scores(case.validation.X)) / groups.counts()))

    assert spread(after) < spread(adult_case)


def test_from_the_command_line(cli: Any, jobs_csv: Path, tmp_path: Path) -> None:
    written = tmp_path / "jobs.csv"
    asked = ["--data", jobs_csv, "--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
    done = cli("technique", "run", "40", *asked, "-p", "threshold=0.2", "-o", written, "--json")
    assert done.code == 0, done.err
    before, after = pd.read_csv(jobs_csv), pd.read_csv(written)
    changed = before["hired"] != after["hired"]
    assert set(before["sex"][changed]) == {"F"}
    assert done.json["effect"]["detail"]["by_group"]["F"]["relabeled"] == changed.sum()
