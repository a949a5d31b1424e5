"""The GROUP BY of a query engine counts what the arrays count."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import DataError, UsageError
from fairmend.core.metrics import GroupTable, PairedTable, ScoreTable, compare, measure

ibis = pytest.importorskip("ibis")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    r = np.random.default_rng(0)
    n = 4000
    frame = pd.DataFrame(
        {
            "sex": r.choice(["F", "M"], n),
            "region": r.choice([1.0, 2.0, np.nan], n),
            "y": r.integers(0, 2, n),
            "d": r.random(n) < 0.4,
            "e": r.integers(0, 2, n).astype(float),
            "s": r.random(n).round(2),
            "w": r.gamma(2.0, size=n),
        }
    )
    frame.loc[:20, "s"] = np.linspace(0, 1, 21)  # on the edges of the bins
    return frame


@pytest.fixture(scope="module")
def stored(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("engine") / "rows.parquet"
    frame.to_parquet(path)
    return ibis.duckdb.connect().read_parquet(path)


@pytest.mark.parametrize("weighted", [False, True])
def test_tables_are_the_same(frame, stored, weighted):
    weight = {"sample_weight": frame.w} if weighted else {}
    remote = {"sample_weight": stored.w} if weighted else {}
    pairs = [
        (
            GroupTable.from_arrays(frame.y, frame.d, frame[["sex", "region"]], **weight),
            GroupTable.from_arrays(stored.y, stored.d, stored[["sex", "region"]], **remote),
        ),
        (
            PairedTable.from_arrays(frame.y, frame.d, frame.e, frame.sex, **weight),
            PairedTable.from_arrays(stored.y, stored.d, stored.e, stored.sex, **remote),
        ),
        (
            ScoreTable.from_arrays(frame.y, frame.s, frame[["region"]], **weight),
            ScoreTable.from_arrays(stored.y, stored.s, {"region": stored.region}, **remote),
        ),
    ]
    for local, counted in pairs:
        assert local.groups == counted.groups
        np.testing.assert_array_equal(local.rows, counted.rows)
        np.testing.assert_allclose(local.counts, counted.counts, rtol=1e-12)
        if weighted:
            np.testing.assert_allclose(local.moments, counted.moments, rtol=1e-12)
    np.testing.assert_allclose(pairs[2][0].scores, pairs[2][1].scores, rtol=1e-9, atol=1e-12)


def test_the_same_call_gives_the_same_figures(frame, stored):
    local = measure(frame.y, frame.d, sensitive_features=frame[["sex", "region"]], n_boot=200)
    remote = measure(stored.y, stored.d, sensitive_features=stored[["sex", "region"]], n_boot=200)
    assert local.to_json() == remote.to_json()
    first = compare(frame.y, frame.d, frame.e, sensitive_features=frame.sex, n_boot=50, n_permutations=50)
    second = compare(
        stored.y, stored.d, stored.e, sensitive_features=[stored.sex], n_boot=50, n_permutations=50
    )
    assert first.to_json() == second.to_json()


def test_expressions_can_be_columns(stored):
    table = GroupTable.from_arrays(stored.y, stored.s > 0.5, (stored.region > 1).name("east"))
    assert table.groups == ("False", "True", "missing")
    assert table.n_rows == 4000


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (lambda t: (t.s, t.d, t.sex), DataError, r"y_true must hold 0 and 1 only, but \d+ rows do not"),
        (lambda t: (t.sex, t.d, t.sex), DataError, r"y_true must hold 0 and 1 only, but 4000 rows do not"),
        (
            lambda t: (t.y, [1, 0], t.sex),
            UsageError,
            r"y_pred must be a column of the same Ibis table, got list",
        ),
        (lambda t: (t.y, t.mutate(z=1).z, t.sex), UsageError, r"must come from one Ibis table, got 2"),
    ],
)
def test_bad_columns_are_named(stored, columns, error, message):
    with pytest.raises(error, match=message):
        GroupTable.from_arrays(*columns(stored))


def test_bad_weights_scores_and_clusters_are_named(stored):
    with pytest.raises(UsageError, match="sample_weight must be a column of the same Ibis table, got list"):
        GroupTable.from_arrays(stored.y, stored.d, stored.sex, sample_weight=[1.0] * 4000)
    with pytest.raises(DataError, match="sample_weight is negative or missing in 4000 rows"):
        GroupTable.from_arrays(stored.y, stored.d, stored.sex, sample_weight=-stored.w)
    with pytest.raises(DataError, match=r"y_score is not in \[0, 1\] in \d+ rows"):
        ScoreTable.from_arrays(stored.y, stored.s * 2, stored.sex)
    with pytest.raises(DataError, match=r"y_score is not in \[0, 1\] in \d+ rows"):
        ScoreTable.from_arrays(stored.y, stored.region, stored.sex)
    with pytest.raises(UsageError, match="cluster= needs the rows in memory"):
        GroupTable.from_arrays(stored.y, stored.d, stored.sex, cluster=stored.y)
    with pytest.raises(UsageError, match="equal-mass bins need the scores in memory"):
        ScoreTable.from_arrays(stored.y, stored.s, stored.sex, strategy="mass")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_spark_counts_the_same(frame, tmp_path):
    if shutil.which("java") is None:
        pytest.skip("SKIPPED FOR LACK OF JAVA: PySpark needs a Java runtime")
    from pyspark.sql import SparkSession

    frame.to_parquet(tmp_path / "rows.parquet")
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = ibis.pyspark.connect(session).read_parquet(str(tmp_path / "rows.parquet"))
        remote = measure(
            rows.y, rows.d, sensitive_features=rows[["sex", "region"]], sample_weight=rows.w, n_boot=50
        )
    finally:
        session.stop()
    local = measure(
        frame.y, frame.d, sensitive_features=frame[["sex", "region"]], sample_weight=frame.w, n_boot=50
    )
    assert remote.groups == local.groups
    np.testing.assert_array_equal(remote.table.rows, local.table.rows)
    np.testing.assert_allclose(remote.table.moments, local.table.moments, rtol=1e-12)
