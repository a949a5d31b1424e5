"""Data with roles: input checks and the split."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.data.table_reading import read_table
from fairmend.core.errors import (
    DataError,
    FairmendError,
    InsufficientDataError,
    MissingColumnError,
    UsageError,
)
from fairmend.core.text.validation import validated


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "age": rng.integers(18, 70, n),
            "sex": rng.choice(["F", "M"], n),
            "job": rng.choice(["a", "b", None], n),
            "pay": rng.normal(size=n),
            "w": rng.integers(1, 4, n),
            "hired": rng.choice(["yes", "no"], n),
        }
    )


def roles(**changes) -> Roles:
    return validated(
        Roles, {"outcome": "hired", "favorable": "yes", "protected": ("sex",), **changes}, "roles"
    )


def test_roles_say_what_a_model_reads(frame):
    data = Dataset.from_frame(frame, roles(weights="w", key="id"))
    assert list(data.X.columns) == ["age", "job", "pay"]
    assert data.y.tolist() == (frame["hired"] == "yes").astype(int).tolist()
    assert data.weights is not None
    assert data.weights.tolist() == frame["w"].tolist()
    inside = Dataset.from_frame(frame, roles(protected_in_model=True, ignored=("id", "w")))
    assert "sex" in inside.X.columns


def test_a_number_is_cut_at_given_points_or_at_its_quartiles_with_a_note(frame):
    given = Dataset.from_frame(frame, roles(protected=("age",), cuts={"age": (25,)}))
    assert set(given.sensitive["age"]) == {"<=25", ">25"}
    assert (given.sensitive["age"] == "<=25").sum() == (frame["age"] <= 25).sum()
    cut = Dataset.from_frame(frame, roles(protected=("age",)))
    assert cut.sensitive["age"].nunique() == 4
    assert "binned at its quartiles" in cut.notes[0]
    assert len(cut.roles.cuts["age"]) == 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: roles(outcome="hird"), MissingColumnError, "did you mean hired"),
        (lambda f: roles(protected=("gender",)), MissingColumnError, "no column is called 'gender'"),
        (
            lambda f: roles(favorable="maybe"),
            UsageError,
            "'maybe' is not a value of the outcome 'hired': no, yes",
        ),
        (lambda f: roles(favorable=None), UsageError, "say which value of 'hired' is the favorable one"),
        (lambda f: roles(weights="job"), DataError, "are not numbers"),
        (lambda f: roles(key="job"), DataError, "must identify each row"),
        (lambda f: roles(cuts={"sex": (1,)}), DataError, "is not a number"),
    ],
)
def test_wrong_roles_are_one_line_errors(frame, change, error, message):
    with pytest.raises(error, match=message) as caught:
        Dataset.from_frame(frame, change(frame))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.assign(hired="yes"), "has only one value"),
        (lambda f: f.assign(sex="F"), "has only one group"),
        (lambda f: f.assign(sex=None), "is empty"),
        (lambda f: f.assign(hired=f["hired"].where(f.index > 2)), "missing in 3 of 400 rows"),
        (lambda f: f.assign(pay=np.inf), "infinite"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f[["sex", "hired"]], "no feature columns remain"),
    ],
)
def test_data_that_cannot_serve_are_one_line_errors(frame, spoil, message):
    with pytest.raises(DataError, match=message) as caught:
        Dataset.from_frame(spoil(frame), roles())
    assert "\n" not in str(caught.value)


def test_a_column_has_one_role():
    with pytest.raises(UsageError, match="both as protected and as mediators"):
        roles(mediators=("sex",))


def test_files_that_are_no_table_are_errors(tmp_path):
    cases = {
        "empty.csv": b"",
        "head.csv": b"a,b\n",
        "binary.csv": bytes(range(256)) * 20,
        "not.csv.gz": b"plain",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FairmendError) as caught:
            read_table(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path / "absent.csv")


def test_csv_gz_and_parquet_read_alike(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame.to_parquet(tmp_path / "a.parquet")
    read = [Dataset.read(tmp_path / name, roles()) for name in ("a.csv", "a.csv.gz", "a.parquet")]
    assert read[0].fingerprint() == read[1].fingerprint()
    assert (read[0].y == read[2].y).all()
    assert read[0].groups.labels == read[2].groups.labels


def test_the_split_keeps_the_mix_and_every_row_once(frame):
    data = Dataset.from_frame(frame, roles(key="id"))
    parts = data.split(seed=1)
    assert sorted(np.concatenate([p.key for p in parts.values()]).tolist()) == frame["id"].tolist()
    for part in parts.values():
        for group in ("F", "M"):
            rows = (data.sensitive["sex"] == group).to_numpy()
            mine = (part.sensitive["sex"] == group).to_numpy()
            share = (mine & (part.y == 1)).sum() / len(part)
            assert share == pytest.approx((rows & (data.y == 1)).mean(), abs=1.5 / len(part))
    again = data.split(seed=1)
    assert all((parts[k].key == again[k].key).all() for k in parts)
    assert set(parts["train"].key) != set(data.split(seed=2)["train"].key)


def test_ten_rows_cannot_be_split(frame):
    with pytest.raises(
        InsufficientDataError, match="10 rows; a split into train, calibration, validation, test"
    ):
        Dataset.from_frame(frame.iloc[:10], roles()).split()


def test_the_fingerprint_changes_with_any_value(frame):
    data = Dataset.from_frame(frame, roles())
    other = frame.copy()
    other.loc[7, "pay"] += 1e-9
    assert data.fingerprint() != Dataset.from_frame(other, roles()).fingerprint()
    assert data.fingerprint() == Dataset.from_frame(frame.copy(), roles()).fingerprint()
