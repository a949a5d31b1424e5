from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit

from fairmend.core.errors import DataError, InsufficientDataError, ParameterError, UnknownNameError
from fairmend.core.metrics import GroupTable, evaluate
from fairmend.plugins.evaluation import CorrectedCrossValidation


def long_table(**models: Any) -> pd.DataFrame:
    """Return one row per model and split with the metric accuracy."""
    return pd.concat(
        pd.DataFrame({"model": name, "split": range(len(values)), "accuracy": values})
        for name, values in models.items()
    )


def test_worked_by_hand() -> None:
    plain, fair = np.array([0.80, 0.82, 0.81, 0.83]), np.array([0.79, 0.80, 0.80, 0.80])
    frame = long_table(plain=plain, fair=fair)
    (test,) = CorrectedCrossValidation(n_train=90, n_test=10).evaluate(candidates=frame)["tests"]
    d = fair - plain
    t = d.mean() / np.sqrt((1 / 4 + 10 / 90) * d.var(ddof=1))
    assert test["t"] == pytest.approx(t)
    assert test["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), 3))
    assert test["difference"] == pytest.approx(-0.0175)
    half = stats.t.ppf(0.975, 3) * d.mean() / t
    assert test["interval"] == pytest.approx([d.mean() - half, d.mean() + half])


def test_without_overlap_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12))
    (test,) = CorrectedCrossValidation("b", n_train=100, n_test=0).evaluate(candidates=long_table(a=a, b=b))[
        "tests"
    ]
    peer = stats.ttest_rel(a, b)
    assert test["t"] == pytest.approx(peer.statistic)
    assert test["p_value"] == pytest.approx(peer.pvalue)


def test_equal_learners_are_rarely_told_apart_where_the_plain_test_often_does() -> None:
    # two learners that read one of two equally good columns each, on 15 random splits of 120 rows
    rng = np.random.default_rng(1)
    corrected = plain = 0
    for _ in range(60):
        y = rng.integers(0, 2, 120)
        X = y[:, None] + 1.5 * rng.normal(size=(120, 2))
        accuracy = np.zeros((15, 2))
        for j, (train, test) in enumerate(ShuffleSplit(15, test_size=0.2, random_state=0).split(X)):
            cut = X[train].mean(axis=0)  # a stump at the mean of each column
            accuracy[j] = ((X[test] > cut) == y[test][:, None]).mean(axis=0)
        frame = long_table(first=accuracy[:, 0], second=accuracy[:, 1])
        (found,) = CorrectedCrossValidation(n_train=96, n_test=24).evaluate(candidates=frame)["tests"]
        corrected += found["p_value"] <= 0.05
        plain += stats.ttest_rel(*accuracy.T).pvalue <= 0.05
    assert plain >= 15
    assert corrected <= 12


@pytest.mark.data
def test_compares_learners_on_adult_in_accuracy_and_parity(adult: pd.DataFrame) -> None:
    part = adult.iloc[:3000]
    y = (part["income"] == ">50K").to_numpy().astype(int)
    groups = part[["sex", "race"]].astype(str).agg(" ".join, axis=1).to_numpy()
    X = part[["age", "education-num", "hours-per-week"]].to_numpy(float)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    rows = []
    for split, (train, test) in enumerate(ShuffleSplit(6, test_size=0.25, random_state=0).split(X)):
        for model, columns in {"all": [0, 1, 2], "age only": [0]}.items():
            fitted = LogisticRegression().fit(X[train][:, columns], y[train])
            chosen = fitted.predict_proba(X[test][:, columns])[:, 1] >= 0.3
            table = GroupTable.from_arrays(y[test], chosen, groups[test])
            rows.append({"model": model, "split": split, "n_train": len(train), "n_test": len(test),
                         **{m: evaluate(table, m) for m in ("accuracy", "demographic_parity_difference")}})  # fmt: skip
    frame = pd.DataFrame(rows)
    result = CorrectedCrossValidation("all").evaluate(candidates=frame)
    assert result["n_test"] == 750
    by_measure = {test["measure"]: test for test in result["tests"]}
    wide = frame.pivot_table("accuracy", "split", "model")
    d = (wide["age only"] - wide["all"]).to_numpy()
    assert by_measure["accuracy"]["t"] == pytest.approx(d.mean() / np.sqrt((1 / 6 + 1 / 3) * d.var(ddof=1)))
    assert by_measure["accuracy"]["p_holm"] >= by_measure["accuracy"]["p_value"]
    json.dumps(result, allow_nan=False)


def test_splits_without_a_value_are_excluded_in_pairs() -> None:
    frame = long_table(a=[0.8, np.nan, 0.7, 0.9], b=[0.7, 0.7, 0.65, np.nan])
    (test,) = CorrectedCrossValidation(n_train=80, n_test=20).evaluate(candidates=frame)["tests"]
    assert test["splits"] == 2
    assert test["difference"] == pytest.approx(-0.075)


def test_says_what_is_wrong_with_the_candidates() -> None:
    frame = long_table(a=[0.8, 0.7], b=[0.7, 0.6])
    sized = CorrectedCrossValidation(n_train=80, n_test=20)
    with pytest.raises(DataError, match="column n_train"):
        CorrectedCrossValidation().evaluate(candidates=frame)
    with pytest.raises(DataError, match="column 'split'"):
        sized.evaluate(candidates=frame.drop(columns="split"))
    with pytest.raises(DataError, match="occurs twice"):
        sized.evaluate(candidates=pd.concat([frame, frame]))
    with pytest.raises(UnknownNameError, match="model"):
        CorrectedCrossValidation("c", n_train=80, n_test=20).evaluate(candidates=frame)
    with pytest.raises(InsufficientDataError, match="at least 2"):
        sized.evaluate(candidates=frame[frame["split"] == 0])
    with pytest.raises(ParameterError, match="n_train"):
        CorrectedCrossValidation.with_parameters(n_train=0)


def test_reads_the_candidates_of_a_case(case: Any) -> None:
    frame = long_table(plain=[0.8, 0.7, 0.75], fair=[0.7, 0.69, 0.74])
    ready = case.with_result("candidates", frame.to_dict(orient="list"))
    after, effect = CorrectedCrossValidation(n_train=80, n_test=20).run(ready)
    assert after.results["corrected-cross-validation"]["baseline"] == "plain"
    assert effect.kind == "none"
