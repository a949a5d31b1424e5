"""The bank: is it the model that it says it is, and does it look like the playbook's bank?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.roles import Roles
from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.plugins.datasets import bank, bank_graph, bank_roles, true_effects
from fairmend.plugins.datasets._bank import EQUATIONS, LEVELS


def changed(before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    return {c for c in before.columns if not before[c].equals(after[c])}


def test_same_seed_same_data_and_another_seed_other_data() -> None:
    pd.testing.assert_frame_equal(bank(500, random_state=3), bank(500, random_state=3))
    assert changed(bank(500, random_state=3), bank(500, random_state=4)) == set(EQUATIONS)


def test_shape_types_and_key() -> None:
    frame = bank(3_000)
    assert list(frame.columns) == ["application_id", *EQUATIONS]
    assert frame["application_id"].is_unique
    assert not frame.isna().to_numpy().any()
    for name, levels in LEVELS.items():
        assert set(frame[name]) == set(levels)
    assert set(frame["approved"]) == {0, 1}
    assert frame["zip_code"].between(1, 50).all()
    assert frame["credit_score"].between(300, 850).all()
    assert frame["loan_amount"].between(5_000, 50_000).all()
    assert frame["age"].between(21, 74).all()


def test_every_group_of_race_and_gender_is_there_in_a_small_bank() -> None:
    counts = pd.crosstab(bank(2_000)["race"], bank(2_000)["gender"])
    assert counts.shape == (4, 2)
    assert counts.to_numpy().min() >= 30


def test_graph_and_roles_fit_the_data() -> None:
    graph, roles = CausalGraph.from_mapping(bank_graph()), Roles(**bank_roles())
    graph.validate(bank(10).columns, roles.outcome)
    derived = graph.roles(roles.protected, roles.outcome, resolving=roles.resolving)
    assert set(derived.mediators) == {*roles.mediators, *roles.resolving, *roles.proxies}
    assert set(derived.non_descendants) == {"age", "loan_amount", "debt_to_income"}
    assert derived.confounders == ()
    # the arrows of the playbook's own drawing
    drawn = {edge[:2] for edge in graph.edges}
    for path in ("race education income credit_score approved", "race zip_code income approved"):
        assert set(zip(path.split(), path.split()[1:], strict=False)) <= drawn
    for path in ("race redlining credit_score approved", "gender employment_history income approved"):
        assert set(zip(path.split(), path.split()[1:], strict=False)) <= drawn


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("race", "Black"),
        ("gender", "Male"),
        ("credit_score", 700),
        ("zip_code", 3),
        ("age", 40),
        ("approved", 1),
    ],
)
def test_do_sets_the_column_and_changes_only_its_descendants(name: str, value: object, seed: int) -> None:
    graph = CausalGraph.from_mapping(bank_graph())
    before = bank(2_000, random_state=seed)
    after = bank(2_000, random_state=seed, interventions={name: value})
    assert (after[name] == value).all()
    assert changed(before, after) == {name, *graph.descendants(name)}


def test_do_with_the_natural_values_changes_nothing() -> None:
    frame = bank(1_000)
    for name in ("race", "income", "approved"):
        assert not changed(frame, bank(1_000, interventions={name: frame[name].to_numpy()}))
    same_race = bank(1_000, interventions={"race": "White"})[frame["race"] == "White"]
    pd.testing.assert_frame_equal(same_race, frame[frame["race"] == "White"])


def test_noise_and_equations_give_back_the_data() -> None:
    frame, noise = bank(1_000, random_state=5, return_noise=True)
    forced, same_noise = bank(1_000, random_state=5, interventions={"race": "Asian"}, return_noise=True)
    pd.testing.assert_frame_equal(noise, same_noise)
    pd.testing.assert_frame_equal(forced, bank(1_000, random_state=5, interventions={"race": "Asian"}))
    rebuilt = EQUATIONS["credit_score"](frame["income"], frame["redlining"], noise["credit_score"])
    assert (rebuilt == frame["credit_score"]).all()


def test_effects_add_up_and_agree_with_the_integral_over_the_last_noise() -> None:
    effects = true_effects(n_rows=200_000, random_state=1)
    assert effects.total == pytest.approx(effects.direct + effects.indirect, abs=1e-12)
    # approved = 1[u < P(approved | causes)]: get the probability back from the equation by bisection
    # and average it instead of the drawn decision
    rows = 20_000
    worlds = {r: bank(rows, random_state=2, interventions={"race": r}) for r in ("White", "Black")}
    mediators = {
        c: worlds["White"][c] for c in worlds["White"] if c not in ("application_id", "race", "approved")
    }
    worlds["mixed"] = bank(rows, random_state=2, interventions={"race": "Black", **mediators})
    mean = {name: approval_probability(frame).mean() for name, frame in worlds.items()}
    assert effects.direct == pytest.approx(mean["mixed"] - mean["White"], abs=0.004)
    assert effects.indirect == pytest.approx(mean["Black"] - mean["mixed"], abs=0.012)
    assert effects.direct < -0.01
    assert effects.indirect < -0.1


def approval_probability(frame: pd.DataFrame) -> np.ndarray:
    codes = pd.Categorical(frame["race"], categories=LEVELS["race"]).codes
    causes = [frame[c].to_numpy() for c in ("zip_code", "employment_history", "income", "credit_score")]
    causes += [frame[c].to_numpy() for c in ("loan_amount", "debt_to_income")]
    low, high = np.zeros(len(frame)), np.ones(len(frame))
    for _ in range(40):
        middle = (low + high) / 2
        yes = EQUATIONS["approved"](codes, *causes, middle).astype(bool)
        low, high = np.where(yes, middle, low), np.where(yes, high, middle)
    return low


def test_gender_acts_through_employment_history_alone() -> None:
    effects = true_effects("gender", "Female", "Male", n_rows=100_000)
    assert effects.direct == 0
    assert effects.total == effects.indirect < -0.005
    through = true_effects("gender", "Female", "Male", mediators=("employment_history",), n_rows=100_000)
    assert through == effects
    assert true_effects("age", 60, 60, n_rows=1_000).total == 0


def test_rates_of_the_walkthrough() -> None:
    train, test = bank(20_000, random_state=0), bank(100_000, random_state=1)
    features = train.columns.drop(["application_id", "race", "gender", "approved"])
    model = HistGradientBoostingClassifier(random_state=0).fit(train[features], train["approved"])
    decision = model.predict(test[features])
    rate = pd.Series(decision).groupby(test["race"].to_numpy()).mean()
    assert 0.83 <= rate["White"] <= 0.88
    assert 0.64 <= rate["Black"] <= 0.69
    assert 0.72 <= rate.min() / rate.max() <= 0.79
    assert 0.85 <= (decision == test["approved"]).mean() <= 0.875
    assert rate.idxmin() == "Black"


def test_zip_code_tells_race_and_innocent_columns_do_not() -> None:
    frame = bank(20_000)
    pair = frame[frame["race"].isin(["White", "Black"])]
    black = pair["race"] == "Black"
    area = {c: roc_auc_score(black, -pair[c]) for c in ("zip_code", "debt_to_income", "loan_amount", "age")}
    assert area.pop("zip_code") > 0.8
    assert all(abs(value - 0.5) < 0.02 for value in area.values())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_rows": 0}, UsageError, "n_rows >= 1"),
        ({"random_state": -1}, UsageError, "random_state=-1"),
        ({"interventions": {"rase": "Black"}}, UnknownNameError, "did you mean race"),
        (
            {"interventions": {"race": "black"}},
            UsageError,
            r"takes White, Black, Hispanic, Asian; got 'black'",
        ),
        ({"interventions": {"race": [None] * 20}, "n_rows": 20}, UsageError, "got None"),
        ({"interventions": {"income": [1.0, 2.0]}}, UsageError, r"20,000 of them; got shape \(2,\)"),
        ({"interventions": {"income": "much"}}, UsageError, "finite numbers; got 'much'"),
        ({"interventions": {"income": np.nan}}, UsageError, "finite numbers; got nan"),
    ],
)
def test_planted_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bank(**arguments)  # type: ignore[call-overload]


def test_effects_refuse_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean income"):
        true_effects(mediators=("incom",), n_rows=10)
    with pytest.raises(UnknownNameError, match="'color'"):
        true_effects("color", 1, 0, n_rows=10)
