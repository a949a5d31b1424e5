from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, UnknownNameError, UsageError
from fairmend.core.metrics import GroupTable, evaluate
from fairmend.core.metrics.pareto import hypervolume, non_dominated
from fairmend.plugins.evaluation import ParetoFrontier


def brute_force(points: np.ndarray) -> list[bool]:
    return [not any((other >= point).all() and (other > point).any() for other in points) for point in points]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_agrees_with_comparing_every_pair_with_ties_and_duplicates(k: int) -> None:
    rng = np.random.default_rng(k)
    for m in (1, 2, 7, 60):
        points = rng.integers(0, 6, (m, k)).astype(float)  # many ties, many equal points
        expected = brute_force(points)
        assert non_dominated(points).tolist() == expected
        order = rng.permutation(m)
        assert non_dominated(points[order]).tolist() == np.array(expected)[order].tolist()
        stretched = points.copy()
        stretched[:, 0] = np.exp(3 * stretched[:, 0]) - 50
        assert non_dominated(stretched).tolist() == expected


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_hypervolume_agrees_with_inclusion_and_exclusion(k: int) -> None:
    rng = np.random.default_rng(10 + k)
    for m in range(1, 6):
        points, reference = rng.random((m, k)), rng.random(k) * 0.3
        expected = 0.0
        for size in range(1, m + 1):
            for chosen in combinations(points, size):
                sides = np.maximum(np.min(chosen, axis=0) - reference, 0)
                expected += (-1) ** (size + 1) * sides.prod()
        assert hypervolume(points, reference) == pytest.approx(expected, abs=1e-12)


@pytest.fixture
def candidates() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "accuracy": [0.90, 0.88, 0.86, 0.86, 0.90, 0.80],
            "demographic_parity_difference": [0.20, 0.10, 0.12, 0.05, 0.20, np.nan],
        },
        index=["plain", "weighed", "beaten", "fair", "plain again", "broken"],
    )


def test_worked_by_hand(candidates: pd.DataFrame) -> None:
    result = ParetoFrontier(reference={"accuracy": 0.8, "demographic_parity_difference": 0.25}).evaluate(
        candidates=candidates
    )
    assert result["objectives"] == {"accuracy": "max", "demographic_parity_difference": "min"}
    assert result["frontier"] == ["plain", "weighed", "fair", "plain again"]  # equal models are both kept
    assert result["excluded"] == [{"model": "broken", "missing": ["demographic_parity_difference"]}]
    beaten = next(row for row in result["models"] if row["model"] == "beaten")
    assert beaten["dominated_by"] == ["weighed", "fair"]
    # strips of accuracy over .8: .06 wide down to .05, then .02 to .10, then .02 to .20
    assert result["hypervolume"] == pytest.approx(0.06 * 0.20 + 0.02 * 0.15 + 0.02 * 0.05)
    assert result["knee"] == "weighed"
    assert result["uncertainty"] == "none"
    json.dumps(result, allow_nan=False)


def test_one_model_is_its_own_frontier() -> None:
    result = ParetoFrontier().evaluate(candidates=pd.DataFrame({"accuracy": [0.7]}, index=["only"]))
    assert result["frontier"] == ["only"]
    assert result["hypervolume"] == 0


def test_noise_shows_in_the_share_of_draws(candidates: pd.DataFrame) -> None:
    wide = candidates.iloc[[0, 2, 3]].copy()
    for name, half in (("accuracy", 0.02), ("demographic_parity_difference", 0.05)):
        wide[f"{name}_low"], wide[f"{name}_high"] = wide[name] - half, wide[name] + half
    result = ParetoFrontier().evaluate(candidates=wide)
    assert result["uncertainty"] == "intervals"
    share = {row["model"]: row["share_non_dominated"] for row in result["models"]}
    assert share["plain"] > 0.95
    assert 0.05 < share["beaten"] < 0.95  # behind, but not beyond doubt
    assert share["beaten"] < share["fair"]
    sure = wide.assign(**{c: wide[c.rsplit("_", 1)[0]] for c in wide if c.endswith(("_low", "_high"))})
    certain = ParetoFrontier().evaluate(candidates=sure)
    assert [row["share_non_dominated"] for row in certain["models"]] == [1, 0, 1]


def test_paired_replicates_are_compared_draw_by_draw() -> None:
    shift = np.linspace(-0.1, 0.1, 21)  # common to both models: the order never changes
    frame = pd.DataFrame({"accuracy": [0.8, 0.79], "accuracy_replicates": [0.8 + shift, 0.79 + shift]})
    result = ParetoFrontier().evaluate(candidates=frame)
    assert [row["share_non_dominated"] for row in result["models"]] == [1, 0]
    frame["accuracy_replicates"] = [shift, shift[:5]]
    with pytest.raises(DataError, match="same number of replicates"):
        ParetoFrontier().evaluate(candidates=frame)


@pytest.mark.data
def test_thresholds_on_adult_trade_accuracy_for_parity(adult_predictions: Any) -> None:
    y, _, scores, sensitive = adult_predictions
    names = ["accuracy", "demographic_parity_ratio", "equalized_odds_difference"]
    rows = {}
    for threshold in np.linspace(0.05, 0.95, 19):
        table = GroupTable.from_arrays(y, scores >= threshold, sensitive)
        rows[f"{threshold:.2f}"] = {name: evaluate(table, name) for name in names}
    frame = pd.DataFrame(rows).T
    result = ParetoFrontier().evaluate(candidates=frame)
    usable = frame.dropna()
    assert len(result["excluded"]) == len(frame) - len(usable)
    signed = usable.to_numpy() * [1, 1, -1]
    expected = [str(name) for name, on in zip(usable.index, brute_force(signed), strict=True) if on]
    assert result["frontier"] == expected
    assert str(usable["accuracy"].idxmax()) in expected


def test_says_what_is_wrong_with_the_candidates(candidates: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="is unknown; set it"):
        ParetoFrontier().evaluate(candidates=candidates.assign(happiness=1.0))
    assert ParetoFrontier({"happiness": "max"}).evaluate(candidates=candidates.assign(happiness=1.0))
    with pytest.raises(UnknownNameError, match="accuracy"):
        ParetoFrontier(["acuracy"]).evaluate(candidates=candidates)
    with pytest.raises(UsageError, match="'max' or 'min'"):
        ParetoFrontier({"accuracy": "up"}).evaluate(candidates=candidates)
    with pytest.raises(UnknownNameError, match="objective"):
        ParetoFrontier(reference={"acuracy": 0.5}).evaluate(candidates=candidates)
    with pytest.raises(DataError, match="nothing to compare"):
        ParetoFrontier().evaluate(candidates=candidates.assign(accuracy=np.nan))
    with pytest.raises(DataError, match="candidates"):
        ParetoFrontier().evaluate()


def test_reads_the_candidates_of_a_case(run_in_case: Any, case: Any) -> None:
    with_candidates = case.with_result(
        "candidates", {"model": ["a", "b"], "accuracy": [0.8, 0.7], "selection_rate_ratio": [0.7, 0.9]}
    )
    after, effect = ParetoFrontier().run(with_candidates)
    assert after.results["pareto-frontier"]["frontier"] == ["a", "b"]
    assert effect.kind == "none"
    with pytest.raises(DataError, match="candidates"):
        run_in_case(ParetoFrontier())
