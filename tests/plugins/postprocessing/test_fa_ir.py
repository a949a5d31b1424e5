from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fairmend.base import DataError, ParameterError
from fairmend.core.errors import UnknownNameError
from fairmend.core.metrics.tasks.ranking import failure_probability, places, ranked_group_fairness
from fairmend.plugins.postprocessing import FaIr
from fairmend.plugins.postprocessing._fa_ir import fair_order, m_table

# What the tests of the authors' package (fairsearchcore, tests/test_fair.py) expect.
AUTHORS = [
    (10, 0.2, 0.15, [0] * 8 + [1] * 2),
    (20, 0.25, 0.1, [0] * 8 + [1] * 6 + [2] * 5 + [3]),
    (30, 0.3, 0.05, [0] * 8 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 4 + [5] * 3),
]


def ranked(place: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Return columns in the order of a ranking."""
    return [column[np.argsort(place)] for column in columns]


def test_table_of_the_paper() -> None:
    table, level = m_table(12, 0.5, 0.1, False)
    assert table == (0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4)
    assert level == 0.1


@pytest.mark.parametrize(("k", "p", "alpha", "expected"), AUTHORS)
def test_tables_of_the_authors_package(k: int, p: float, alpha: float, expected: list[int]) -> None:
    assert list(m_table(k, p, alpha, False)[0]) == expected


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_each_prefix_is_a_binomial_test(p: float, alpha: float) -> None:
    m, alpha_c = m_table(60, p, alpha, True)
    assert 0 < alpha_c <= alpha
    for i, least in enumerate(m, start=1):
        assert binom.cdf(least, i, p) > alpha_c
        assert least == 0 or binom.cdf(least - 1, i, p) <= alpha_c


def test_adjusted_level_is_the_failure_share_of_fair_rankings() -> None:
    # p 0.25, k 20: the authors' level .0781 fails with .1052, above the .1 that was asked; ours stays below
    assert failure_probability(20, 0.25, 0.0781) == pytest.approx(0.10515, abs=1e-5)
    rng = np.random.default_rng(0)
    for k, p, alpha in [(20, 0.25, 0.1), (50, 0.5, 0.1), (100, 0.3, 0.05)]:
        m, alpha_c = m_table(k, p, alpha, True)
        drawn = (rng.random((20_000, k)) < p).cumsum(axis=1)
        share = (drawn < np.array(m)).any(axis=1).mean()
        assert share == pytest.approx(failure_probability(k, p, alpha_c), abs=0.01)
        assert share <= alpha + 0.01
        unadjusted = (drawn < np.array(m_table(k, p, alpha, False)[0])).any(axis=1).mean()
        assert unadjusted > 1.3 * alpha


def test_worked_by_hand() -> None:
    # eight candidates, the two protected last: m = 0 0 0 1 1 1 2 2 moves them to places 4 and 7
    scores, groups = [9, 8, 7, 6, 5, 4, 3, 2], list("mmmmmmff")
    fair = FaIr(k=8, p=0.5, adjust=False).fit(scores, sensitive_features=groups)
    assert fair.diagnostics_["protected_group"] == "f"
    assert fair.rank(scores, sensitive_features=groups).tolist() == [1, 2, 3, 5, 6, 8, 4, 7]
    # where nothing is required, or enough are there, the order is that of the scores; of equals f goes first
    loose = FaIr(k=8, p=0.01).fit(scores, sensitive_features=groups)
    assert loose.rank(scores, sensitive_features=groups).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert loose.rank([1.0, 1.0, 0.5], sensitive_features=["m", "f", "f"]).tolist() == [2, 1, 3]


def test_no_fair_ranking_selects_better_candidates() -> None:
    rng = np.random.default_rng(1)
    k = 7
    m = m_table(k, 0.6, 0.2, False)[0]
    assert max(m) >= 3
    for _ in range(60):
        scores, protected = rng.random(12).round(2), rng.random(12) < 0.5
        if protected.sum() < m[-1]:
            continue
        order, met = fair_order(scores, protected, m)
        assert met
        q_1, q_0 = (np.sort(scores[rows])[::-1] for rows in (protected, ~protected))
        best = -np.inf
        for count in range(min(k, len(q_1)) + 1):
            for where in combinations(range(k), count):
                held = np.isin(np.arange(k), where)
                if k - count <= len(q_0) and (held.cumsum() >= m).all():
                    best = max(best, q_1[:count].sum() + q_0[: k - count].sum())
        assert scores[order[:k]].sum() == pytest.approx(best)


@pytest.mark.data
@pytest.mark.parametrize("attribute", ["race", "sex"])
@pytest.mark.parametrize("k", [100, 1000])
def test_compas_of_the_paper(compas: pd.DataFrame, attribute: str, k: int) -> None:
    # least risk first, as in the paper: African-Americans by race; by sex the model sees a fair list already
    groups = compas[attribute].where(compas[attribute].isin(["African-American", "Male", "Female"]), "other")
    risk = compas["decile_score"] + compas["priors_count"].rank(pct=True) / 2
    scores = -risk.to_numpy()
    fair = FaIr(k=k).fit(scores, sensitive_features=groups)
    name = fair.diagnostics_["protected_group"]
    assert name == {"race": "African-American", "sex": "Male"}[attribute]
    place = fair.rank(scores, sensitive_features=groups)
    protected = (groups == name).to_numpy()
    (by_score,) = ranked(places(scores), protected)
    after, q = ranked(place, protected, scores)
    p = fair.diagnostics_["p"]
    assert p == pytest.approx(protected.mean())
    assert ranked_group_fairness(after, p, k=k).fair
    if attribute == "race":
        assert not ranked_group_fairness(by_score, p, k=k).fair
        assert after[:k].sum() > by_score[:k].sum()
    for group in (True, False):
        assert (np.diff(q[after == group]) <= 0).all()
    assert sorted(place) == list(range(1, len(scores) + 1))


@pytest.mark.data
@pytest.mark.parametrize("age", [25, 35])
def test_german_credit_of_the_paper(german: pd.DataFrame, age: int) -> None:
    # as in the paper, young applicants are protected; credit worthiness is the chance that a plain model gives
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    numbers = StandardScaler().fit_transform(german[["month", "credit_amount", "age", "number_of_credits"]])
    scores = LogisticRegression().fit(numbers, german["credit"] == 1).decision_function(numbers)
    young = (german["age"] < age).to_numpy()
    groups = np.where(young, "young", "older")
    utility = {}
    for p in (0.05, young.mean(), min(young.mean() + 0.2, 0.9)):
        fair = FaIr(k=100, p=float(p)).fit(scores, sensitive_features=groups)
        assert fair.diagnostics_["protected_group"] == "young"
        after, q = ranked(fair.rank(scores, sensitive_features=groups), young, scores)
        assert ranked_group_fairness(after, float(p), k=100).fair
        utility[float(p)] = q[:100].sum()
    assert list(utility.values()) == sorted(utility.values(), reverse=True)
    assert not ranked_group_fairness(ranked(places(scores), young)[0], float(young.mean()), k=100).fair


def test_each_query_is_ranked_by_itself_whatever_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    n = 300
    query, groups = rng.choice(["x", "y", "z"], n, p=[0.6, 0.38, 0.02]), rng.choice(["a", "b"], n)
    scores = rng.normal(size=n) - 1.5 * (groups == "b")
    fair = FaIr(k=40, p=0.5).fit(scores, sensitive_features=groups)
    place = fair.rank(scores, sensitive_features=groups, query=query)
    for name in "xyz":
        rows = query == name
        alone = fair.rank(scores[rows], sensitive_features=groups[rows])
        np.testing.assert_array_equal(place[rows], alone)
        k = min(40, rows.sum())
        assert ranked_group_fairness(ranked(alone, groups[rows] == "b")[0], 0.5, k=int(k)).fair
    turned = fair.rank(scores[::-1], sensitive_features=groups[::-1], query=query[::-1])
    np.testing.assert_array_equal(turned[::-1], place)


def test_too_few_protected_candidates_are_told(caplog: pytest.LogCaptureFixture) -> None:
    scores, groups = np.arange(40.0), np.array(["f"] * 2 + ["m"] * 38)
    fair = FaIr(k=40, p=0.5).fit(scores, sensitive_features=groups)
    place = fair.rank(scores, sensitive_features=groups)
    assert "1 queries have fewer protected candidates" in caplog.text
    required = np.array(fair.diagnostics_["m"])
    assert sorted(place[:2]) == [int(np.argmax(required >= 1)) + 1, int(np.argmax(required >= 2)) + 1]


def test_weights_count_candidates_in_the_share() -> None:
    groups, scores = ["a", "a", "b", "b"], [3.0, 4.0, 1.0, 2.0]
    fair = FaIr(k=4).fit(scores, sensitive_features=groups, sample_weight=[1, 1, 3, 3])
    assert fair.diagnostics_["p"] == 0.75
    named = FaIr(k=4, protected_group="a").fit(scores, sensitive_features=groups)
    assert (named.diagnostics_["protected_group"], named.diagnostics_["p"]) == ("a", 0.5)


def test_refuses_what_the_paper_does_not_cover() -> None:
    with pytest.raises(DataError, match="two groups"):
        FaIr().fit([1.0, 2.0, 3.0], sensitive_features=["a", "b", "c"])
    with pytest.raises(UnknownNameError, match="did you mean women"):
        FaIr(protected_group="woman").fit([1.0, 2.0], sensitive_features=["women", "men"])
    for bad in ({"p": 1.0}, {"k": 0}, {"alpha": 0.0}):
        with pytest.raises(ParameterError, match=next(iter(bad))):
            FaIr.with_parameters(**bad)


@pytest.fixture
def candidates(tmp_path):
    """A file of 200 candidates for two posts, with scores that are lower for women."""
    rng = np.random.default_rng(4)
    sex = rng.choice(["F", "M"], 200)
    frame = pd.DataFrame({"sex": sex, "post": rng.choice(["cook", "clerk"], 200)})
    frame["score"] = (rng.normal(50, 10, 200) - 8 * (sex == "F")).round(2)
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_from_the_command_line(cli, candidates, tmp_path) -> None:
    out = tmp_path / "ranked.csv"
    base = ("technique", "run", "102", "--data", candidates, "--protected", "sex", "--scores", "score")
    done = cli(*base, "--query", "post", "-p", "k=50", "-p", "p=0.5", "-o", out, "--json")
    assert done.code == 0, done.err
    table = pd.read_csv(out)
    before = pd.read_csv(candidates)
    pd.testing.assert_frame_equal(table[before.columns], before)
    for _, rows in table.groupby("post"):
        assert sorted(rows["place"]) == list(range(1, len(rows) + 1))
        women = (rows.sort_values("place")["sex"] == "F").to_numpy()
        assert ranked_group_fairness(women, 0.5, k=min(50, len(rows))).fair
    shares = done.json["share_of_top_10"]["F"]
    top = table[table["place"] <= 10]
    assert shares["after"] == pytest.approx((top["sex"] == "F").mean())
    assert shares["after"] >= shares["before"]
    assert "in 2 lists" in done.json["text"]
    one = cli(*base, "--json")
    assert "in 1 list;" in one.json["text"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--protected", "sex"], "requires --protected and --scores"),
        (["--scores", "score"], "requires --protected and --scores"),
        (["--scores", "score", "--protected", "sex", "--query", "posts"], "did you mean post"),
        (["--scores", "sex", "--protected", "sex"], "must be numbers, got text"),
        (["--scores", "score", "--protected", "post,sex"], "two groups"),
    ],
)
def test_contradictions_are_refused_in_one_line(cli, candidates, more: list[str], message: str) -> None:
    done = cli("technique", "run", "fa-ir", "--data", candidates, *more)
    assert done.code in (1, 2)
    assert len(done.errors) == 1
    assert message in done.errors[0]
    assert done.out == ""
