from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression

from fairmend.core.case import Case
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import (
    DataError,
    InsufficientDataError,
    ParameterError,
    UnknownNameError,
    UnseenGroupError,
    UsageError,
)
from fairmend.core.models.learners import make_learner
from fairmend.plugins.preprocessing import FairAdapt

CHAIN = CausalGraph.from_edges(
    [
        ("group", "edu"),
        ("group", "pay"),
        ("edu", "pay"),
        ("age", "pay"),
        ("edu", "y"),
        ("pay", "y"),
        ("age", "y"),
    ]
)
SHIFT = {"a": 0.0, "b": -1.0, "c": 0.7}


def world(
    n: int, seed: int, *, group: np.ndarray | None = None, curved: bool = False
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draw from a linear Gaussian model, or see the same noise in the world of another group."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    of_edu, of_pay, age, of_y = rng.normal(size=(4, n))
    group = drawn if group is None else group
    shift = np.array([SHIFT[g] for g in group])
    edu = 2 + shift + of_edu
    pay = 1 + 0.8 * edu + 0.5 * shift + 0.3 * age + of_pay
    if curved:
        pay = 4.0 * (edu > 2) + 0.5 * shift + np.where(edu > 2, 1.8, 0.3) * of_pay  # a step, and wider above
    y = (edu + pay + age + of_y > 4.5).astype(int)
    return pd.DataFrame({"age": age, "edu": edu, "pay": pay}), y, drawn


def adapted(X: pd.DataFrame, y: np.ndarray, group: Any, **parameters: Any) -> Any:
    return FairAdapt(**parameters).change(
        X, y, sensitive_features=pd.DataFrame({"group": group}), graph=CHAIN
    )


@pytest.mark.parametrize(("method", "error"), [("linear", 0.08), ("forest", 0.25)])
def test_in_a_linear_gaussian_world_it_is_the_counterfactual(method: str, error: float) -> None:
    n = 6000
    X, y, group = world(n, 0)
    counterfactual, _, _ = world(n, 0, group=np.repeat("a", n))
    change = adapted(X, y, group, method=method)
    for name in ("edu", "pay"):
        gap = (change.X[name] - counterfactual[name]).abs()
        was = (X[name] - counterfactual[name]).abs()
        assert gap.mean() < error * counterfactual[name].std()
        assert gap[group != "a"].mean() < 0.35 * was[group != "a"].mean()
        for g in "bc":
            assert change.X[name][group == g].corr(counterfactual[name][group == g]) > 0.97
    pd.testing.assert_series_equal(change.X["age"], X["age"])


def test_in_a_curved_world_the_forest_comes_closer_than_the_line() -> None:
    n = 6000
    X, y, group = world(n, 1, curved=True)
    counterfactual, _, _ = world(n, 1, group=np.repeat("a", n), curved=True)
    errors = {
        method: (adapted(X, y, group, method=method).X["pay"] - counterfactual["pay"])[group == "b"]
        .abs()
        .mean()
        for method in ("forest", "linear")
    }
    assert errors["forest"] < errors["linear"]
    assert errors["forest"] < 0.5 * (X["pay"] - counterfactual["pay"])[group == "b"].abs().mean()


@pytest.mark.parametrize("method", ["forest", "linear"])
def test_the_baseline_group_and_other_columns_stay_bit_by_bit(method: str) -> None:
    X, y, group = world(2000, 2)
    change = adapted(X, y, group, method=method)
    base = group == "a"
    pd.testing.assert_frame_equal(change.X[base], X[base])
    np.testing.assert_array_equal(change.y[base], y[base])
    assert (change.X["edu"] != X["edu"])[~base].all()
    other = adapted(X, y, group, method=method, baseline="b")
    pd.testing.assert_frame_equal(other.X[group == "b"], X[group == "b"])


def test_groups_meet_and_ranks_within_a_group_are_kept() -> None:
    X, y, group = world(6000, 3)
    change = adapted(X, y, group)
    for g in "bc":
        rows = group == g
        assert ks_2samp(X["edu"][rows], X["edu"][group == "a"]).statistic > 0.2
        assert ks_2samp(change.X["edu"][rows], X["edu"][group == "a"]).statistic < 0.02
        assert ks_2samp(change.X["pay"][rows], X["pay"][group == "a"]).statistic < 0.06
        order = np.argsort(X["edu"][rows].to_numpy())
        assert (np.diff(change.X["edu"][rows].to_numpy()[order]) >= 0).all()
        # Labels follow: the rate that this group would have had.
        assert y[rows].mean() != pytest.approx(y[group == "a"].mean(), abs=0.1)
        assert change.y[rows].mean() == pytest.approx(y[group == "a"].mean(), abs=0.05)


def test_worked_by_hand() -> None:
    # Levels of b are 1/8, 3/8, 5/8, 7/8; in a, the values 10 to 50 stand at 1/10, 3/10, 5/10, 7/10, 9/10.
    X = pd.DataFrame({"x": [10.5, 20.5, 30.5, 40.5, 50.5, 1.5, 2.5, 3.5, 4.5]})
    graph = CausalGraph.from_edges([("g", "x"), ("x", "y")])
    change = FairAdapt(min_group_rows=2, adapt_labels=False).change(
        X, [0, 1, 0, 1, 0, 1, 0, 1, 1], sensitive_features=pd.DataFrame({"g": list("aaaaabbbb")}), graph=graph
    )
    assert change.X["x"].tolist()[5:] == pytest.approx([11.75, 24.25, 36.75, 49.25])
    assert change.y is None


def test_resolving_columns_keep_their_influence() -> None:
    X, y, group = world(6000, 4)
    change = adapted(X, y, group, resolving=["edu"], method="linear")
    pd.testing.assert_series_equal(change.X["edu"], X["edu"])
    rows = group == "b"
    # Of the effect on pay, 0.8 times that on edu is accepted, and 0.5 is taken away.
    moved = (change.X["pay"] - X["pay"])[rows]
    assert moved.mean() == pytest.approx(0.5, abs=0.06)
    both = FairAdapt(resolving=["edu", "pay"], adapt_labels=False).change(
        X, y, sensitive_features=pd.DataFrame({"group": group}), graph=CHAIN
    )
    pd.testing.assert_frame_equal(both.X, X)


def test_new_rows_are_moved_by_what_was_learned_from_others() -> None:
    X, y, group = world(6000, 5)
    fitted = FairAdapt(method="linear").fit(
        X, y, sensitive_features=pd.DataFrame({"group": group}), graph=CHAIN
    )
    assert fitted.adapted_ == ("edu", "pay")
    n = 3000
    X_new, _, g_new = world(n, 6)
    counterfactual, _, _ = world(n, 6, group=np.repeat("a", n))
    out = fitted.transform(X_new, sensitive_features=pd.DataFrame({"group": g_new}))
    assert (out["pay"] - counterfactual["pay"]).abs().mean() < 0.1 * X["pay"].std()
    pd.testing.assert_frame_equal(out[g_new == "a"], X_new[g_new == "a"])
    one = fitted.transform(X_new.iloc[[7]], sensitive_features=pd.DataFrame({"group": g_new[[7]]}))
    pd.testing.assert_frame_equal(one, out.iloc[[7]])
    with pytest.raises(UnseenGroupError, match="seen at fit"):
        fitted.transform(X_new.iloc[:1], sensitive_features=pd.DataFrame({"group": ["d"]}))


def test_rows_and_columns_in_another_order_give_the_same() -> None:
    X, y, group = world(1500, 7)
    X = X.assign(edu=X["edu"].round(), kind=np.where(X["pay"] > 2, "high", "low"))
    graph = CausalGraph.from_edges([*(e[:2] for e in CHAIN.edges), ("group", "kind"), ("kind", "y")])
    order = np.random.default_rng(0).permutation(len(y))

    def run(X: pd.DataFrame, y: np.ndarray, group: np.ndarray) -> Any:
        frame = pd.DataFrame({"group": group})
        return FairAdapt(random_state=3).change(X, y, sensitive_features=frame, graph=graph)

    here, there = run(X, y, group), run(X[X.columns[::-1]].iloc[order], y[order], group[order])
    pd.testing.assert_frame_equal(here.X.iloc[order], there.X[X.columns])
    np.testing.assert_array_equal(here.y[order], there.y)


def test_categories_and_counts_take_the_shares_of_the_baseline() -> None:
    rng = np.random.default_rng(8)
    n = 8000
    group = rng.choice(["a", "b"], n, p=[0.6, 0.4])
    level = rng.binomial(2, np.where(group == "a", 0.7, 0.3))
    job = np.array(["manual", "office", "lead"])[level]
    jobs = pd.Series(job).astype("category")
    count = rng.poisson(np.where(group == "a", 4, 2) + level)
    y = (level + rng.normal(size=n) > 1).astype(int)
    X = pd.DataFrame({"job": job, "kind": jobs, "count": count, "id": rng.random(n)})
    graph = CausalGraph.from_edges(
        [("group", "job"), ("group", "kind"), ("job", "count"), ("group", "count"), ("job", "y")]
    )
    out = FairAdapt().change(X, y, sensitive_features=pd.DataFrame({"group": group}), graph=graph).X
    assert out.dtypes.to_dict() == X.dtypes.to_dict()
    base, rest = group == "a", group == "b"
    for name in ("job", "kind"):
        shares = out[name][rest].astype(str).value_counts(normalize=True)
        expected = X[name][base].astype(str).value_counts(normalize=True)
        assert shares.to_dict() == pytest.approx(expected.to_dict(), abs=0.02)
    # Nobody falls: the order of the categories is that of their share of favorable labels.
    place = {"manual": 0, "office": 1, "lead": 2}
    assert (out["job"].map(place) >= X["job"].map(place))[rest].all()
    assert set(out["count"]) <= set(X["count"])
    assert out["count"][rest].mean() == pytest.approx(X["count"][base].mean(), abs=0.15)


def test_each_column_is_moved_by_those_attributes_that_cause_it() -> None:
    rng = np.random.default_rng(9)
    n = 6000
    sex, race = rng.choice(["F", "M"], n, p=[0.4, 0.6]), rng.choice(["B", "W", None], n, p=[0.3, 0.6, 0.1])
    pay = rng.normal(size=n) - (sex == "F")
    area = rng.normal(size=n) - 2 * (race == "B")
    y = (pay + area > -1).astype(int)
    graph = CausalGraph.from_edges([("sex", "pay"), ("race", "area"), ("pay", "y"), ("area", "y")])
    X, groups = pd.DataFrame({"pay": pay, "area": area}), pd.DataFrame({"sex": sex, "race": race})
    out = FairAdapt().change(X, y, sensitive_features=groups, graph=graph).X
    pd.testing.assert_series_equal(out["pay"][sex == "M"], X["pay"][sex == "M"])
    pd.testing.assert_series_equal(out["area"][race == "W"], X["area"][race == "W"])
    assert (out["pay"] - X["pay"])[sex == "F"].mean() == pytest.approx(1, abs=0.1)
    assert (out["area"] - X["area"])[race == "B"].mean() == pytest.approx(2, abs=0.1)


def test_gaps_stay_gaps_and_an_attribute_among_the_features_is_set_to_the_baseline() -> None:
    X, y, group = world(1500, 10)
    holes = X.assign(group=group, edu=X["edu"].mask(np.arange(1500) % 9 == 0))
    graph = CausalGraph.from_edges([*(e[:2] for e in CHAIN.edges)])
    out = FairAdapt().change(holes, y, sensitive_features=pd.DataFrame({"group": group}), graph=graph).X
    np.testing.assert_array_equal(out["edu"].isna(), holes["edu"].isna())
    assert out["pay"].notna().all()
    assert set(out["group"]) == {"a"}


EDGES = [edge[:2] for edge in CHAIN.edges]


@pytest.mark.parametrize(
    ("graph", "parameters", "error", "message"),
    [
        (CausalGraph.from_edges(EDGES, undirected=[("age", "edu")]), {}, UsageError, "age -- edu has none"),
        (CausalGraph.from_edges(EDGES, hidden=[("age", "pay")]), {}, UsageError, "age and pay have a hidden"),
        (CausalGraph.from_edges([*EDGES, ("zip", "pay")]), {}, UsageError, "got y, zip: remove"),
        (CausalGraph.from_edges([*EDGES, ("zip", "pay")]), {"outcome": "y"}, UsageError, "got zip: remove"),
        (CausalGraph.from_edges([("edu", "y")]), {}, UsageError, "it has none of group"),
        (CausalGraph.from_edges([("group", "edu")]), {}, UsageError, "got no such node"),
        (CausalGraph.from_edges([("group", "y"), ("y", "edu")]), {}, UsageError, "y -> edu"),
        (CHAIN, {"resolving": ["eduu"]}, UnknownNameError, "did you mean edu"),
        (CHAIN, {"baseline": "z"}, UnknownNameError, "'z'"),
        (CHAIN, {"outcome": "z"}, UnknownNameError, "'z'"),
        (CHAIN, {"min_group_rows": 600}, InsufficientDataError, "in the group 'b', and 600 are needed"),
        (CHAIN, {"method": "magic"}, ParameterError, "method"),
        (None, {}, DataError, "causal graph"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    graph: CausalGraph | None, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    X, y, group = world(1200, 11)
    with pytest.raises(error, match=message) as caught:
        FairAdapt(**parameters).change(X, y, sensitive_features=pd.DataFrame({"group": group}), graph=graph)
    assert "\n" not in str(caught.value)


@pytest.mark.data
def test_on_compas_decisions_of_a_model_come_together(compas: pd.DataFrame) -> None:
    frame = compas[compas["race"].isin(["African-American", "Caucasian", "Hispanic"])]
    columns = ["race", "sex", "age", "juv_fel_count", "priors_count", "c_charge_degree"]
    frame = frame[[*columns, "two_year_recid"]]
    edges = [("race", c) for c in ("juv_fel_count", "priors_count", "c_charge_degree", "two_year_recid")]
    edges += [("sex", "priors_count"), ("age", "juv_fel_count"), ("age", "priors_count")]
    edges += [("juv_fel_count", "priors_count"), ("priors_count", "c_charge_degree")]
    edges += [
        (c, "two_year_recid") for c in ("sex", "age", "juv_fel_count", "priors_count", "c_charge_degree")
    ]
    data = Dataset.from_frame(frame, Roles(outcome="two_year_recid", favorable=0, protected=("race",)))
    parts = data.split(seed=0)
    case = Case(
        parts["train"],
        parts["calibration"],
        parts["validation"],
        make_learner("logistic_regression"),
        graph=CausalGraph.from_edges(edges),
        seed=0,
    ).retrained()
    after, effect = FairAdapt(baseline="Caucasian").run(case)
    assert set(effect.kind.split(" and ")) == {"features", "labels"}
    assert {"juv_fel_count", "priors_count"} <= set(effect.detail["features"]["features"])

    def gap(case: Case) -> float:
        rows = parts["validation"]
        chosen = pd.Series(case.fitted().predict(rows.X, rows.sensitive)).groupby(
            rows.sensitive["race"].to_numpy()
        )
        rates = chosen.mean()
        return float(abs(rates["African-American"] - rates["Caucasian"]))

    assert gap(case) > 0.15
    assert gap(after) < 0.5 * gap(case)


def test_from_the_command_line(cli: Any, jobs_csv: Path, tmp_path: Path) -> None:
    graph, written = tmp_path / "graph.dot", tmp_path / "adapted.csv"
    graph.write_text("digraph { sex -> score -> hired; years -> hired }")
    asked = ["--data", jobs_csv, "--outcome", "hired", "--favorable", "yes", "--protected", "sex"]
    done = cli("technique", "run", "67", *asked, "--graph", graph, "-o", written)
    assert done.code == 0, done.err
    before, after = pd.read_csv(jobs_csv), pd.read_csv(written)
    men, women = before["sex"] == "M", before["sex"] == "F"
    assert before["score"][men].mean() - before["score"][women].mean() > 4
    assert abs(after["score"][men].mean() - after["score"][women].mean()) < 0.1
    pd.testing.assert_series_equal(after["years"], before["years"])
    assert set(after["hired"]) == {"yes", "no"}
    rate = (
        LogisticRegression().fit(after[["score", "years"]], after["hired"]).predict(after[["score", "years"]])
    )
    assert abs((rate[men] == "yes").mean() - (rate[women] == "yes").mean()) < 0.03
