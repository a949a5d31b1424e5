"""The audit against data whose truth is known: planted bias, no bias, the bank, the real data sets."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from fairmend.auditing import audit
from fairmend.core.data.dataset import Dataset
from fairmend.core.data.roles import Roles
from fairmend.core.errors import DataError, FairmendError, InsufficientDataError, UsageError
from fairmend.core.findings import Audit, Finding
from fairmend.core.models.learners import make_learner
from fairmend.plugins.datasets import bank, bank_roles

RAISED = {"low", "medium", "high"}


def people(n: int, seed: int, *, sex_on_label: float = 0.0) -> pd.DataFrame:
    """Draw people of two sexes and four regions whose outcome depends on their features, and on sex if asked."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], n),
            "region": rng.choice(["N", "E", "S", "W"], n, p=[0.4, 0.3, 0.2, 0.1]),
        }
    )
    for i in range(4):
        frame[f"x{i}"] = rng.normal(size=n)
    frame["job"] = rng.choice(list("abcdefgh"), n)
    score = frame.x0 + 0.7 * frame.x1 + frame.job.isin(list("abc")) - 0.4 - sex_on_label * (frame.sex == "F")
    return frame.assign(y=(rng.random(n) < 1 / (1 + np.exp(-score))).astype(int))


def dataset(frame: pd.DataFrame, protected: Sequence[str] = ("sex",), **roles: object) -> Dataset:
    return Dataset.from_frame(frame, Roles.model_validate({"outcome": "y", "protected": protected, **roles}))


def find(record: Audit, kind: str, attribute: str | None = None, column: str | None = None) -> Finding:
    """Return the one finding of a kind with a value."""
    found = [
        f
        for f in record.findings
        if f.kind == kind and f.value is not None and (f.attribute, f.column) == (attribute, column)
    ]
    assert len(found) == 1, [f.text for f in found]
    return found[0]


def of_kind(record: Audit, kind: str) -> list[Finding]:
    return [f for f in record.findings if f.kind == kind and f.severity in RAISED]


# -- no bias -----------------------------------------------------------------------------------


def test_fair_data_seldom_raise_an_alarm_and_never_above_low() -> None:
    alarms: list[list[Finding]] = []
    for seed in range(8):
        frame = people(1000, seed)
        right = (frame.x0 + frame.x1 > 0).astype(int)
        data = dataset(frame, ("sex", "region"))
        given = {"predictions": right} if seed % 2 else {"learner": "logistic_regression"}
        record = audit(data, seed=seed, n_boot=400, **given)  # type: ignore[arg-type]
        assert not [f.text for f in record.findings if f.severity in {"medium", "high"}]
        alarms.append([f for f in record.findings if f.severity in RAISED and "imbalance" not in f.kind])
    assert sum(map(bool, alarms)) <= 2  # five kinds, each wrong in at most 5 % of audits


# -- planted bias ------------------------------------------------------------------------------


def test_planted_gaps_are_found_with_the_rates_by_hand() -> None:
    frame = people(4000, 1)
    rng = np.random.default_rng(0)
    decided = (rng.random(4000) < np.where(frame.sex == "F", 0.3, 0.6)).astype(int)
    record = audit(dataset(frame), predictions=decided)
    gap = find(record, "outcome-disparity", "sex")
    female, male = (decided[frame.sex == s].mean() for s in "FM")
    assert gap.measure == "demographic_parity_ratio"
    assert gap.value == pytest.approx(female / male)
    assert (gap.severity, gap.group, gap.reference) == ("high", "F", "M")
    assert gap.interval is not None
    assert gap.interval[0] < gap.value < gap.interval[1] < 0.6
    assert gap.support == min((frame.sex == s).sum() for s in "FM")
    errors = find(record, "error-rate-disparity", "sex")
    rates = {(s, y): decided[(frame.sex == s) & (frame.y == y)].mean() for s in "FM" for y in (0, 1)}
    assert errors.value == pytest.approx(max(rates["M", y] - rates["F", y] for y in (0, 1)))
    assert errors.severity == "high"
    assert find(record, "base-rate-difference", "sex").severity not in RAISED


def test_high_rates_are_judged_by_their_difference() -> None:
    frame = people(6000, 2)
    decided = (np.random.default_rng(1).random(6000) < np.where(frame.sex == "F", 0.84, 0.98)).astype(int)
    gap = find(audit(dataset(frame), predictions=decided), "outcome-disparity", "sex")
    assert gap.measure == "demographic_parity_difference"
    assert gap.severity == "medium"


def test_planted_label_bias_is_a_base_rate_difference() -> None:
    frame = people(4000, 3, sex_on_label=1.8)
    record = audit(dataset(frame), learner=None)
    gap = find(record, "base-rate-difference", "sex")
    female, male = (frame.y[frame.sex == s].mean() for s in "FM")
    assert gap.value == pytest.approx(male - female)
    assert gap.severity == "high"
    assert record.subject == "labels"
    assert find(record, "outcome-disparity", "sex").severity in {"medium", "high"}
    assert not [f for f in record.findings if f.kind in {"error-rate-disparity", "group-miscalibration"}]


def test_planted_miscalibration_names_the_group_and_spares_the_other() -> None:
    rng = np.random.default_rng(4)
    frame = people(6000, 4)
    chance = rng.uniform(0.1, 0.9, 6000)
    frame["y"] = (rng.random(6000) < chance).astype(int)
    told = np.where(frame.sex == "F", np.clip(chance - 0.15, 0, 1), chance)
    record = audit(dataset(frame), scores=told)
    found = of_kind(record, "group-miscalibration")
    assert [(f.group, f.severity) for f in found] == [("F", "high")]
    assert found[0].value == pytest.approx(0.15, abs=0.03)


def test_planted_intersectional_bias_shows_in_the_crossing_alone() -> None:
    frame = people(8000, 5)
    frame["region"] = np.where(np.isin(frame.region, ["N", "S"]), "N", "S")
    lucky = (frame.sex == "F") ^ (frame.region == "N")
    decided = (np.random.default_rng(5).random(8000) < np.where(lucky, 0.6, 0.3)).astype(int)
    record = audit(dataset(frame, ("sex", "region")), predictions=decided)
    assert {f.group for f in of_kind(record, "intersectional-disparity")} == {"F & N", "M & S"}
    assert find(record, "outcome-disparity", "sex").severity not in RAISED
    assert find(record, "outcome-disparity", "region").severity not in RAISED
    assert find(record, "outcome-disparity", "sex & region").severity == "high"


def test_planted_mediator_is_told_from_a_difference_that_carries_nothing() -> None:
    rng = np.random.default_rng(6)
    n = 6000
    female = rng.random(n) < 0.5
    credit = rng.normal(size=n) - 0.8 * female
    shoe = rng.normal(size=n) - 2.0 * female
    frame = pd.DataFrame({"sex": np.where(female, "F", "M"), "credit": credit, "shoe": shoe})
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-1.5 * credit))).astype(int)
    record = audit(dataset(frame, mediators=("credit", "shoe")), learner=None)
    credit_found = find(record, "biased-mediator", "sex", "credit")
    gap = frame.y[~female].mean() - frame.y[female].mean()
    assert credit_found.severity == "high"
    assert credit_found.value == pytest.approx(gap, abs=0.03)  # all of the gap goes through it
    assert find(record, "biased-mediator", "sex", "shoe").severity == "none"
    assert find(record, "proxy-variable", "sex", "shoe").severity == "high"
    found = audit(dataset(frame), learner=None)
    assert [f.column for f in of_kind(found, "biased-mediator")] == ["credit"]
    assert "by association" in of_kind(found, "biased-mediator")[0].text
    assert any("No mediators are declared" in note for note in found.notes)


def test_resolving_variables_are_exempt_and_noted() -> None:
    frame = people(2000, 7)
    frame["height"] = np.where(frame.sex == "F", 165, 178) + np.random.default_rng(7).normal(0, 5, 2000)
    open_ = audit(dataset(frame), learner=None)
    assert find(open_, "proxy-variable", "sex", "height").severity == "high"
    exempt = audit(dataset(frame, resolving=("height",)), learner=None)
    assert "height" not in {f.column for f in exempt.findings}
    assert find(exempt, "proxy-variable", "sex").severity == "none"
    assert any("height" in note for note in exempt.notes)


def test_declared_proxies_are_reported_whatever_they_tell() -> None:
    record = audit(dataset(people(1000, 8), proxies=("x0",)), learner=None)
    assert find(record, "proxy-variable", "sex", "x0").severity == "none"


def test_imbalance_is_a_fact_of_the_data() -> None:
    frame = people(4000, 9)
    few = pd.concat([frame[frame.sex == "M"], frame[frame.sex == "F"].head(30)], ignore_index=True)
    rare = few[(few.y == 0) | (few.index % 30 == 0)]
    record = audit(dataset(rare), learner=None)
    size = find(record, "representation-imbalance", "sex")
    rows = rare.sex.value_counts()
    assert size.value == pytest.approx(rows["F"] / rows["M"])
    assert (size.severity, size.group) == ("high", "F")
    share = find(record, "class-imbalance")
    assert share.value == pytest.approx(rare.y.mean())
    assert share.severity == "medium"


def test_large_groups_of_a_small_share_are_low_at_most() -> None:
    sex = np.repeat(["F", "M"], [5_000, 60_000])
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": sex, "x": rng.normal(size=65_000), "y": rng.integers(0, 2, 65_000)})
    assert (
        find(audit(dataset(frame), learner=None, n_boot=200), "representation-imbalance", "sex").severity
        == "low"
    )


# -- support -----------------------------------------------------------------------------------


def test_a_small_cell_is_insufficient_evidence_and_does_not_hide_the_rest() -> None:
    frame = people(3000, 10)
    frame.loc[:19, "sex"] = "X"
    decided = np.where(
        frame.sex == "X", 0, np.where(frame.sex == "F", frame.x0 > 0.6, frame.x0 > -0.2)
    ).astype(int)
    record = audit(dataset(frame), predictions=decided)
    silent = [f for f in record.findings if f.kind == "outcome-disparity" and f.group == "X"]
    assert [(f.severity, f.value, f.support) for f in silent] == [("insufficient evidence", None, 20)]
    assert "X" in silent[0].text
    assert find(record, "outcome-disparity", "sex").group == "F"


def test_a_noisy_small_group_does_not_hide_a_sure_gap_between_large_ones() -> None:
    frame = people(6000, 11)
    frame.loc[:39, "sex"] = "X"
    rate = frame.sex.map({"F": 0.4, "M": 0.6, "X": 0.35}).to_numpy()
    decided = (np.random.default_rng(11).random(6000) < rate).astype(int)
    gap = find(audit(dataset(frame), predictions=decided), "outcome-disparity", "sex")
    assert gap.severity in {"medium", "high"}


def test_a_value_that_reaches_a_level_and_an_interval_that_does_not_is_not_a_finding() -> None:
    frame = people(160, 12)
    decided = (np.arange(160) % 20 < np.where(frame.sex == "F", 9, 11)).astype(int)
    gap = find(audit(dataset(frame), predictions=decided), "outcome-disparity", "sex")
    assert gap.severity == "insufficient evidence"
    assert "not significantly beyond" in gap.text


def test_weights_change_rates_as_repeated_rows_do() -> None:
    frame = people(800, 13)
    times = np.random.default_rng(13).integers(1, 4, 800)
    weighted = audit(dataset(frame.assign(w=times), weights="w"), predictions=frame.x0 > 0, n_boot=200)
    repeated = frame.loc[frame.index.repeat(times)].reset_index(drop=True)
    plain = audit(dataset(repeated), predictions=repeated.x0 > 0, n_boot=200)
    for kind in ("outcome-disparity", "error-rate-disparity", "base-rate-difference"):
        assert find(weighted, kind, "sex").value == pytest.approx(find(plain, kind, "sex").value)


# -- the record --------------------------------------------------------------------------------


def test_the_record_survives_json_and_the_same_seed_gives_the_same() -> None:
    data = dataset(people(300, 14), ("sex", "region"))
    told: list[str] = []
    first = audit(data, seed=3, n_boot=200, progress=told.append)
    text = json.dumps(first.to_json(), allow_nan=False)
    assert Audit.model_validate(json.loads(text)) == first
    assert json.dumps(audit(data, seed=3, n_boot=200).to_json()) == text
    other = audit(data, seed=4, n_boot=200, learner=None)
    assert other.measures["sex"]["base_rate"] == first.measures["sex"]["base_rate"]
    assert other.fingerprint == first.fingerprint
    assert list(first.measures) == ["sex", "region", "sex & region"]
    assert sum(first.groups.values()) == first.rows == 300
    assert told
    order = ["high", "medium", "low", "insufficient evidence", "none"]
    places = [order.index(f.severity) for f in first.findings]
    assert places == sorted(places)
    assert all(f.text.endswith(".") and "\n" not in f.text for f in first.findings)


def test_suspicious_features_are_noted() -> None:
    frame = people(1500, 15)
    frame["outcome_code"] = frame.y * 10
    frame["passport"] = [f"P{i:06d}" for i in range(1500)]
    frame["row"] = np.arange(1500)
    frame["seen"] = pd.date_range("2020-01-01", periods=1500).strftime("%Y-%m-%d")
    notes = " ".join(audit(dataset(frame), learner=None).notes)
    for name, word in (
        ("outcome_code", "AUC 1.000"),
        ("passport", "is unique in nearly every row"),
        ("row", "is unique in nearly every row"),
        ("seen", "dates"),
    ):
        assert f"{name} " in notes
        assert word in notes
    assert "x0" not in notes


# -- whose decisions ---------------------------------------------------------------------------


def test_predictions_may_be_flags_or_outcomes_and_a_model_gives_the_same() -> None:
    frame = people(800, 16).assign(y=lambda f: np.where(f.y == 1, "good", "bad"))
    data = dataset(frame, favorable="good")
    model = make_learner("logistic_regression").fit(data.X, data.y)
    by_name = make_learner("logistic_regression").fit(data.X, frame.y)
    flags = model.predict(data.X)
    records = [
        audit(data, predictions=flags, scores=model.predict_proba(data.X)[:, 1], n_boot=100),
        audit(
            data,
            predictions=np.where(flags == 1, "good", "bad"),
            scores=model.predict_proba(data.X)[:, 1],
            n_boot=100,
        ),
        audit(data, model=model, n_boot=100),
        audit(data, model=by_name, n_boot=100),
    ]
    figures = [r.measures["sex"] for r in records]
    assert all(f == figures[0] for f in figures[:3])
    assert figures[3]["selection_rate"] == figures[0]["selection_rate"]
    assert figures[3]["brier"]["value"] == pytest.approx(figures[0]["brier"]["value"], rel=1e-4)
    assert [r.subject for r in records] == ["given predictions"] * 2 + ["a fitted model"] * 2


def test_ambiguous_flags_are_noted() -> None:
    frame = people(400, 17)
    record = audit(dataset(frame, favorable=0), predictions=1 - frame.y, n_boot=100)
    assert any("Predictions of 1 were treated as favorable" in note for note in record.notes)
    assert record.measures["sex"]["accuracy"]["value"] == 1.0


class Mute:
    """A model that cannot predict."""


class Decider:
    """A model that decides and gives no probabilities."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return (X["x0"] > 0).astype(int).to_numpy()


def test_a_model_without_probabilities_is_audited_but_for_calibration() -> None:
    record = audit(dataset(people(400, 18)), model=Decider(), n_boot=100)
    assert any("calibration was not audited" in note for note in record.notes)
    assert "brier" not in record.measures["sex"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"predictions": [1, 0]}, DataError, "one value per row .200., got 2"),
        ({"scores": np.full(10, 0.5)}, DataError, "one value per row .200., got 10"),
        ({"scores": np.full(200, 1.5)}, DataError, r"scores must be probabilities in \[0, 1\]"),
        ({"predictions": np.full(200, np.nan)}, DataError, "missing in 200 rows"),
        ({"predictions": ["maybe"] * 200}, DataError, "'1' among them; got maybe"),
        ({"model": Mute()}, UsageError, "must have predict"),
        ({"model": Decider(), "predictions": np.ones(200)}, UsageError, "got both"),
        ({"learner": "gradient_bosting"}, FairmendError, "did you mean gradient_boosting"),
    ],
)
def test_bad_input_is_one_line(given: dict[str, object], error: type[Exception], message: str) -> None:
    data = dataset(people(200, 19))
    with pytest.raises(error, match=message) as caught:
        audit(data, **given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="99 rows; an audit needs at least 100"):
        audit(dataset(people(99, 20)))


def test_one_row_of_the_rarer_outcome_cannot_train_a_model() -> None:
    frame = people(200, 21).assign(y=0)
    frame.loc[0, "y"] = 1
    with pytest.raises(InsufficientDataError, match=r"too few rows of the rarer outcome \(1\)"):
        audit(dataset(frame))


# -- the bank: what is true is known -----------------------------------------------------------


def test_the_bank_shows_its_mediator_and_its_proxies() -> None:
    frame = bank(12_000)
    record = audit(
        Dataset.from_frame(frame, Roles(**bank_roles())), learner="logistic_regression", n_boot=500
    )
    credit = find(record, "biased-mediator", "race", "credit_score")
    rates = frame.groupby("race").approved.mean()
    assert credit.severity in {"medium", "high"}
    assert credit.value is not None
    assert credit.value > 0.5 * (rates["White"] - rates["Black"])
    assert credit.column == of_kind(record, "biased-mediator")[0].column  # the gravest of them
    assert find(record, "biased-mediator", "gender", "credit_score").severity == "none"
    zip_code = find(record, "proxy-variable", "race", "zip_code")
    assert (zip_code.severity, zip_code.group) == ("medium", "Black")
    assert find(record, "proxy-variable", "race", "redlining").severity in {"low", "medium"}
    assert find(record, "proxy-variable", "gender", "zip_code").severity == "none"
    assert find(record, "outcome-disparity", "race").group == "Black"
    assert find(record, "outcome-disparity", "gender").severity == "none"
    assert find(record, "base-rate-difference", "race").value == pytest.approx(rates.max() - rates.min())


def test_the_bank_shows_its_mediator_undeclared_too() -> None:
    roles = Roles(outcome="approved", protected=("race",), key="application_id", ignored=("gender",))
    record = audit(Dataset.from_frame(bank(12_000), roles), learner=None, n_boot=300)
    columns = [f.column for f in of_kind(record, "biased-mediator")]
    assert "credit_score" in columns
    assert not {"age", "loan_amount", "debt_to_income"} & set(columns)
