"""Figures carry their support and intervals, and never look fair for lack of people."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fairmend.core.errors import UnknownNameError, UsageError
from fairmend.core.metrics import (
    GroupTable,
    Measurement,
    compare,
    conditional_parity,
    evaluate,
    measure,
    wilson,
)
from fairmend.core.metrics.inequality import generalized_entropy_index


def people(n: int = 3000, seed: int = 0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    sex, race = r.choice(["F", "M"], n), r.choice(["B", "W"], n, p=[0.3, 0.7])
    y = (r.random(n) < 0.4 + 0.1 * (sex == "M")).astype(int)
    score = np.clip(0.25 + 0.4 * y + 0.1 * (sex == "M") + 0.15 * r.normal(size=n), 0, 1)
    return pd.DataFrame({"sex": sex, "race": race, "y": y, "score": score, "d": (score > 0.5).astype(int)})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def measured(frame) -> Measurement:
    return measure(frame.y, frame.d, sensitive_features=frame[["sex", "race"]], y_score=frame.score)


def test_json_has_the_agreed_shape(measured):
    written = json.loads(json.dumps(measured.to_json(), allow_nan=False))
    for name in ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "selection_rate", "base_rate"):
        assert set(written[name]) == {"value", "interval", "support", "enough", "by_group"}, name
        assert set(written[name]["by_group"]) == {"F & B", "F & W", "M & B", "M & W"}
    assert set(written["expected_calibration_error"]["by_group"]["F & B"]) == {
        "value", "interval", "support", "enough",
    }  # fmt: skip
    for name in ("demographic_parity_ratio", "equalized_odds_difference", "predictive_parity_difference"):
        assert {"worst_group", "best_group"} < set(written[name])
        low, high = written[name]["interval"]
        assert low <= written[name]["value"] <= high
    assert written["accuracy"]["support"] == 3000
    assert sum(g["support"] for g in written["selection_rate"]["by_group"].values()) == 3000
    assert (
        "expected_calibration_error" not in measure([1, 0], [1, 0], sensitive_features=["a", "b"]).to_json()
    )


def test_calibration_is_seen_pooled_by_group_and_across(measured):
    by_group = measured.by_group("expected_calibration_error")
    shares = [figure.support / 3000 for figure in by_group.values()]
    pooled = measured.figure("expected_calibration_error")
    mean_of_groups = np.dot(shares, [figure.value for figure in by_group.values()])
    assert pooled.value <= mean_of_groups + 1e-12
    gap = measured.figure("expected_calibration_error_difference")
    values = {group: figure.value for group, figure in by_group.items()}
    assert gap.value == pytest.approx(max(values.values()) - min(values.values()))
    assert gap.worst_group == max(values, key=values.get)


def test_a_group_without_support_is_named_and_never_fair():
    """A group all but without people must not vanish: no difference of 0 with an interval of [0, 0]."""
    table = GroupTable(
        ("F", "M", "X"), np.array([[[200, 50], [50, 200]], [[180, 60], [60, 190]], [[3, 0], [0, 0]]])
    )
    figure = Measurement.of(table).figure("equal_opportunity_difference")
    assert not figure.enough
    assert figure.lacking == ("X",)
    alone = GroupTable(("F", "M"), np.array([[[200, 50], [50, 200]], [[3, 0], [0, 0]]]))
    vanished = Measurement.of(alone).figure("equalized_odds_difference")
    assert np.isnan(vanished.value)
    assert vanished.interval is None
    assert vanished.to_json()["value"] is None
    assert vanished.lacking == ("M",)


def test_rates_of_zero_still_have_a_width():
    nobody = GroupTable(("F", "M"), np.array([[[60, 0], [40, 0]], [[90, 0], [60, 0]]]))
    difference = Measurement.of(nobody).figure("demographic_parity_difference")
    assert difference.value == 0
    assert difference.interval[0] == 0
    assert difference.interval[1] > 0.02
    assert Measurement.of(nobody).figure("selection_rate", "F").interval[1] == pytest.approx(
        wilson(0, 100)[1]
    )
    one = GroupTable(("F", "M"), np.array([[[60, 0], [40, 0]], [[60, 30], [20, 40]]]))
    ratio = Measurement.of(one).figure("demographic_parity_ratio")
    assert ratio.value == 0
    assert 0.02 < ratio.interval[1] < 0.3


def test_the_worst_group_is_the_one_that_decides():
    table = GroupTable(
        ("F", "M", "X"), np.array([[[80, 20], [30, 70]], [[70, 30], [10, 90]], [[50, 50], [28, 72]]])
    )
    odds = Measurement.of(table).figure("equalized_odds_difference")
    assert odds.value == pytest.approx(0.3)
    assert (odds.worst_group, odds.best_group) == ("F", "X")
    ratio = Measurement.of(table).figure("demographic_parity_ratio")
    assert (ratio.worst_group, ratio.best_group) == ("F", "X")
    errors = Measurement.of(table).figure("false_negative_rate_difference")
    assert (errors.worst_group, errors.best_group) == ("F", "M")


def test_contrasts_name_every_group_against_a_reference(measured):
    against = measured.contrast("selection_rate", "M & W")
    rates = {group: figure.value for group, figure in measured.by_group("selection_rate").items()}
    assert against["M & W"].value == 0
    assert against["F & B"].value == pytest.approx(rates["F & B"] - rates["M & W"])
    assert against["F & B"].interval[1] < 0
    ratio = measured.contrast("selection_rate", "to_overall", "ratio")["F & W"]
    assert ratio.value == pytest.approx(rates["F & W"] / measured.figure("selection_rate").value)


def test_any_function_of_the_counts_gets_an_interval(measured):
    figure = measured.statistic(generalized_entropy_index)
    assert figure.interval[0] < figure.value < figure.interval[1]


def test_weights_and_bca_and_clusters_reach_the_figures(frame):
    weight = np.where(frame.sex == "F", 2.0, 1.0)
    arguments = {"sensitive_features": frame.sex, "n_boot": 500}
    weighted = measure(frame.y, frame.d, sample_weight=weight, **arguments)
    assert weighted.figure("accuracy").value == pytest.approx(
        np.average(frame.y == frame.d, weights=weight), abs=1e-12
    )
    bca = measure(frame.y, frame.d, method="bca", **arguments).figure("f1")
    plain = measure(frame.y, frame.d, **arguments).figure("f1")
    assert bca.value == plain.value
    assert bca.interval == pytest.approx(plain.interval, abs=0.01)
    twice = pd.concat([frame, frame])
    pairs = np.tile(np.arange(len(frame)), 2)
    doubled = measure(twice.y, twice.d, sensitive_features=twice.sex, cluster=pairs, n_boot=500)
    width = np.diff(doubled.figure("f1").interval)[0]
    assert width == pytest.approx(np.diff(plain.interval)[0], rel=0.15)


def test_unknown_figures_groups_and_senseless_requests(measured):
    with pytest.raises(UnknownNameError, match="no figure is called 'acuracy'; did you mean accuracy"):
        measured.figure("acuracy")
    with pytest.raises(UnknownNameError, match="no group is called 'Q'"):
        measured.figure("accuracy", "Q")
    with pytest.raises(
        UsageError, match="demographic_parity_ratio compares groups and has no value for 'F & B' alone"
    ):
        measured.figure("demographic_parity_ratio", "F & B")
    with pytest.raises(UsageError, match="brier needs scores; pass y_score"):
        measure([1, 0], [1, 0], sensitive_features=["a", "b"]).figure("brier")
    with pytest.raises(UsageError, match="brier_difference compares groups"):
        measured.figure("brier_difference", "F & B")
    with pytest.raises(UsageError, match="already compares groups"):
        measured.contrast("demographic_parity_difference")


def test_comparison_is_that_of_the_two_measurements(frame):
    after = np.where(frame.sex == "F", frame.score > 0.42, frame.score > 0.5).astype(int)
    found = compare(frame.y, frame.d, after, sensitive_features=frame.sex)
    for name, change in found.changes.items():
        before = evaluate(GroupTable.from_arrays(frame.y, frame.d, frame.sex), name)
        later = evaluate(GroupTable.from_arrays(frame.y, after, frame.sex), name)
        assert (change.before, change.after) == pytest.approx((before, later))
        assert change.interval[0] <= change.change <= change.interval[1]
        assert change.p_holm >= change.p_value
    parity = found["demographic_parity_difference"]
    assert parity.p_holm < 0.01
    assert parity.interval[1] < 0
    assert found.flipped == (frame.d != after).sum()
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert written["metrics"]["accuracy"]["p_value"] == found["accuracy"].p_value
    again = compare(frame.y, frame.d, after, sensitive_features=frame.sex)
    assert again.to_json() == found.to_json()


def test_no_change_is_no_evidence(frame):
    found = compare(frame.y, frame.d, frame.d, sensitive_features=frame.sex, n_boot=100, n_permutations=100)
    assert {change.p_value for change in found.changes.values()} == {1.0}
    assert {change.interval for change in found.changes.values()} == {(0.0, 0.0)}


def test_clustered_comparison_swaps_whole_clusters(frame):
    cluster = np.arange(len(frame)) // 3
    after = np.where((cluster % 10 == 0) & (frame.sex == "F"), 1, frame.d)
    rows = compare(frame.y, frame.d, after, sensitive_features=frame.sex, metrics=("selection_rate",))
    whole = compare(
        frame.y, frame.d, after, sensitive_features=frame.sex, metrics=("selection_rate",), cluster=cluster
    )
    assert rows["selection_rate"].change == pytest.approx(whole["selection_rate"].change)
    widths = [np.diff(found["selection_rate"].interval)[0] for found in (rows, whole)]
    assert widths[1] > widths[0]


def test_parity_within_strata_reverses_simpsons_gap():
    """Admissions as at Berkeley in 1973: a gap overall, none or the other way round within departments."""
    rows = {  # department: (admitted men, men, admitted women, women), Bickel, Hammel & O'Connell 1975
        "A": (512, 825, 89, 108), "B": (353, 560, 17, 25), "C": (120, 325, 202, 593),
        "D": (138, 417, 131, 375), "E": (53, 191, 94, 393), "F": (22, 373, 24, 341),
    }  # fmt: skip
    sex, department, admitted = [], [], []
    for name, (men_in, men, women_in, women) in rows.items():
        for value, taken, total in (("men", men_in, men), ("women", women_in, women)):
            sex += [value] * total
            department += [name] * total
            admitted += [1] * taken + [0] * (total - taken)
    pooled = measure(admitted, admitted, sensitive_features=sex).figure("demographic_parity_difference")
    assert pooled.worst_group == "women"
    assert pooled.value > 0.14
    within = conditional_parity(admitted, admitted, sensitive_features=sex, strata=department)
    assert within.by_stratum["A"].worst_group == "men"
    assert within.by_stratum["A"].value == pytest.approx(89 / 108 - 512 / 825)
    assert within.mean.value < pooled.value
    values = [within.by_stratum[d].value for d in rows]
    sizes = [men + women for _, men, _, women in rows.values()]
    assert within.mean.value == pytest.approx(np.average(values, weights=sizes))
    assert within.mean.lacking == ("B",)
    with pytest.raises(UsageError, match="selection_rate does not compare groups"):
        conditional_parity(
            admitted, admitted, sensitive_features=sex, strata=department, name="selection_rate"
        )
