"""Tests of conditional independence against scipy, and their error rates on graphs with known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.multivariate.manova import MANOVA

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.causal.independence import check_implications, conditional_independence
from fairmend.core.errors import DataError, MissingColumnError, UsageError


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 1_500
    race = np.array(["White", "Black", "Hispanic", "Asian"])[rng.choice(4, n, p=[0.5, 0.25, 0.2, 0.05])]
    sex = rng.random(n) < 0.5
    income = rng.normal(size=n) + 0.3 * (race == "White")
    score = 0.5 * income + rng.normal(size=n)
    grade = np.array(list("abc"))[np.digitize(income + rng.normal(size=n), [-0.5, 0.8])]
    return pd.DataFrame({"race": race, "sex": sex, "income": income, "score": score, "grade": grade})


@pytest.mark.parametrize("given", [[], ["sex"], ["sex", "grade"]])
def test_g_test_is_the_sum_over_strata(frame: pd.DataFrame, given: list[str]) -> None:
    frame = frame.assign(rich=frame["income"] > 0.3)
    found = conditional_independence(frame, "race", "rich", given)
    statistic = dof = 0
    for _, part in frame.groupby(given) if given else [((), frame)]:
        table = pd.crosstab(part["race"], part["rich"])
        result = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        statistic, dof = statistic + result.statistic, dof + result.dof
    assert found.method == "g-test"
    assert found.statistic == pytest.approx(statistic)
    assert found.dof == dof
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, dof))
    assert found.effect == pytest.approx(np.sqrt(1 - np.exp(-statistic / len(frame))))


def test_fisher_z_is_the_partial_correlation(frame: pd.DataFrame) -> None:
    plain = conditional_independence(frame, "income", "score")
    assert plain.effect == pytest.approx(stats.pearsonr(frame["income"], frame["score"]).statistic)
    given = np.column_stack(
        [np.ones(len(frame)), frame["sex"], pd.get_dummies(frame["race"], drop_first=True)]
    )
    left = [v - given @ np.linalg.lstsq(given, v, rcond=None)[0] for v in (frame["income"], -frame["score"])]
    r = np.corrcoef(left)[0, 1]
    found = conditional_independence(frame.assign(score=-frame["score"]), "income", "score", ["sex", "race"])
    assert found.method == "fisher-z"
    assert found.dof == len(frame) - 4 - 3
    assert found.statistic == pytest.approx(np.arctanh(r) * np.sqrt(found.dof))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.statistic)))
    assert found.effect == pytest.approx(abs(r))


def test_wilks_lambda_agrees_with_manova(frame: pd.DataFrame) -> None:
    indicators = pd.get_dummies(frame["race"], dtype=float)[["Black", "Hispanic", "White"]]
    data = frame.join(indicators)
    result = MANOVA.from_formula("Black + Hispanic + White ~ score + income", data=data).mv_test()
    wilks = float(result.results["income"]["stat"].loc["Wilks' lambda", "Value"])
    found = conditional_independence(frame, "race", "income", ["score"])
    assert found.method == "wilks"
    assert found.dof == 3
    assert found.effect == pytest.approx(np.sqrt(1 - wilks))
    assert found.p_value == pytest.approx(
        stats.chi2.sf(-(len(frame) - 1 - 1 - (3 + 1 + 1) / 2) * np.log(wilks), 3)
    )


@pytest.mark.parametrize(
    ("x", "y", "given"),
    [
        ("race", "score", ["income"]),
        ("sex", "race", []),
        ("sex", "score", []),
        ("race", "score", ["income", "sex"]),
    ],
)
def test_level_is_kept_where_independence_holds(x: str, y: str, given: list[str]) -> None:
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        race = rng.choice(["White", "Black", "Asian"], 300)
        income = rng.normal(size=300) + (race == "White")
        data = pd.DataFrame({"race": race, "income": income, "sex": rng.random(300) < 0.4})
        data["score"] = income + rng.normal(size=300)
        p_values.append(conditional_independence(data, x, y, given).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_dependence_is_found_and_symmetric(frame: pd.DataFrame) -> None:
    frame = frame.assign(rich=frame["income"] > 0)
    for x, y, given in [("race", "income", []), ("income", "score", ["race"]), ("grade", "rich", ["sex"])]:
        forth, back = (
            conditional_independence(frame, x, y, given),
            conditional_independence(frame, y, x, given),
        )
        assert forth.p_value < 0.01
        assert forth.p_value == pytest.approx(back.p_value)


def test_nothing_left_to_vary_is_no_evidence(frame: pd.DataFrame) -> None:
    data = frame.assign(copy=frame["race"], double=2 * frame["income"], one="x", flat=3.0)
    for x, y, given in [
        ("race", "sex", ["copy"]),
        ("income", "score", ["double"]),
        ("one", "sex", []),
        ("flat", "income", []),
    ]:
        found = conditional_independence(data, x, y, given)
        assert np.isnan(found.p_value)
        assert found.dof == 0
    perfect = conditional_independence(data, "income", "double")
    assert perfect.p_value == 0
    assert perfect.effect == pytest.approx(1)
    assert conditional_independence(data, "race", "copy").p_value < 1e-100


def test_implications_of_the_true_graph_hold_and_of_a_wrong_one_fail(frame: pd.DataFrame) -> None:
    edges = [("race", "income"), ("income", "score"), ("income", "grade")]
    good = check_implications(CausalGraph.from_edges(edges, nodes=["race", "sex"]), frame)
    assert len(good) == 7
    assert all(result.adjusted_p_value > 0.01 for result in good)
    assert all(result.adjusted_p_value >= result.p_value for result in good)
    wrong = check_implications(CausalGraph.from_edges([("race", "income")], nodes=["score"]), frame)
    failed = {(r.claim.x, r.claim.y) for r in wrong if r.adjusted_p_value < 0.01}
    assert ("score", "income") in failed or ("income", "score") in failed
    only = check_implications(CausalGraph.from_edges(edges), frame, claims=[wrong[0].claim])
    assert [r.claim for r in only] == [wrong[0].claim]
    assert check_implications(CausalGraph.from_edges([("race", "income")]), frame) == ()


def test_planted_errors(frame: pd.DataFrame) -> None:
    with pytest.raises(MissingColumnError, match="did you mean race"):
        conditional_independence(frame, "rase", "sex")
    with pytest.raises(UsageError, match="each column once; got race, sex, race"):
        conditional_independence(frame, "race", "sex", ["race"])
    with pytest.raises(DataError, match="'income' must be finite"):
        conditional_independence(frame.assign(income=frame["income"].where(frame["sex"])), "income", "score")
