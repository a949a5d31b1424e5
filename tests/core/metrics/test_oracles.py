"""Every metric equals that of Fairlearn, scikit-learn and AIF360, on real data."""

from __future__ import annotations

import itertools

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as skm

from fairmend.core.metrics import GroupTable, ScoreTable, by_group, calibration, evaluate
from fairmend.core.metrics.rates import RATES

pytestmark = [
    pytest.mark.data,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

CLOSE = {"rtol": 0, "atol": 1e-12}

OF_SCIKIT_LEARN = {
    "selection_rate": fl.selection_rate,
    "true_positive_rate": fl.true_positive_rate,
    "true_negative_rate": fl.true_negative_rate,
    "false_positive_rate": fl.false_positive_rate,
    "false_negative_rate": fl.false_negative_rate,
    "accuracy": skm.accuracy_score,
    "zero_one_loss": skm.zero_one_loss,
    "balanced_accuracy": skm.balanced_accuracy_score,
    "precision": skm.precision_score,
    "recall": skm.recall_score,
    "f1": skm.f1_score,
}


def table_of(decided) -> GroupTable:
    return GroupTable.from_arrays(
        decided.y_true, decided.y_pred, decided.sensitive, sample_weight=decided.weight
    )


def one_column(sensitive) -> pd.Series:
    return sensitive.agg(" & ".join, axis=1) if isinstance(sensitive, pd.DataFrame) else sensitive


def test_rates_and_their_comparisons_equal_fairlearn(decided):
    frame = fl.MetricFrame(
        metrics=OF_SCIKIT_LEARN,
        y_true=decided.y_true,
        y_pred=decided.y_pred,
        sensitive_features=decided.sensitive,
        sample_params={name: {"sample_weight": decided.weight} for name in OF_SCIKIT_LEARN},
    )
    table = table_of(decided)
    comparisons = {
        ("group_min", "between_groups"): frame.group_min(),
        ("group_max", "between_groups"): frame.group_max(),
        ("difference", "between_groups"): frame.difference(),
        ("difference", "to_overall"): frame.difference(method="to_overall"),
        ("ratio", "between_groups"): frame.ratio(),
        ("ratio", "to_overall"): frame.ratio(method="to_overall"),
    }
    for name in OF_SCIKIT_LEARN:
        theirs = frame.by_group[name].sort_index().to_numpy()
        np.testing.assert_allclose(list(by_group(table, name).values()), theirs, **CLOSE, err_msg=name)
        assert evaluate(table, name) == pytest.approx(frame.overall[name], abs=1e-12, rel=0)
        for (form, method), values in comparisons.items():
            got = evaluate(table, f"{name}_{form}", method)
            assert got == pytest.approx(values[name], abs=1e-12, rel=0), (name, form, method)
    assert table.n_rows == len(decided.y_true)


@pytest.mark.parametrize(
    "decided",
    [("adult-sex-race", True), ("compas-race", False), ("german-status-telephone", True)],
    indirect=True,
    ids=lambda case: case[0],
)
@pytest.mark.parametrize("notion", ["demographic_parity", "equalized_odds", "equal_opportunity"])
def test_notions_equal_fairlearn(decided, notion):
    table = table_of(decided)
    settings = [{}, {"agg": "mean"}] if notion == "equalized_odds" else [{}]
    for form, more in itertools.product(("difference", "ratio"), settings):
        theirs = getattr(fl, f"{notion}_{form}")(
            decided.y_true,
            decided.y_pred,
            sensitive_features=one_column(decided.sensitive),
            sample_weight=decided.weight,
            **more,
        )
        name = f"{'average_absolute_odds' if more else notion}_{form}"
        assert evaluate(table, name) == pytest.approx(theirs, abs=1e-12, rel=0)


@pytest.mark.parametrize("decided", [("compas-race", True)], indirect=True, ids=["compas-race-weighted"])
def test_every_generated_metric_of_fairlearn_has_our_name(decided):
    generated = [
        name for name in dir(fl) if name.endswith(("_difference", "_ratio", "_group_min", "_group_max"))
    ]
    of_scores_or_numbers = (
        "roc_auc_score",
        "mean_absolute_error",
        "mean_squared_error",
        "r2_score",
        "log_loss",
    )
    generated = [name for name in generated if not name.startswith(of_scores_or_numbers)]
    table = table_of(decided)
    for name in generated:
        theirs = getattr(fl, name)(
            decided.y_true,
            decided.y_pred,
            sensitive_features=decided.sensitive,
            sample_weight=decided.weight,
        )
        assert evaluate(table, name) == pytest.approx(theirs, abs=1e-12, rel=0), name
    assert len(generated) >= 24


def test_two_group_metrics_equal_aif360(decided):
    aif = pytest.importorskip("aif360.sklearn.metrics")
    groups = one_column(decided.sensitive)
    first, second = sorted(groups.unique())[:2]
    keep = groups.isin([first, second]).to_numpy()
    index = pd.MultiIndex.from_arrays([np.arange(keep.sum()), groups[keep]], names=["row", "group"])
    y_true = pd.Series(decided.y_true.to_numpy()[keep], index=index)
    y_pred = pd.Series(decided.y_pred[keep], index=index)
    weight = None if decided.weight is None else decided.weight[keep]
    arguments = {"prot_attr": "group", "priv_group": second, "sample_weight": weight}
    table = GroupTable.from_arrays(y_true, y_pred, groups[keep], sample_weight=weight)
    rates = {name: by_group(table, name) for name in RATES}

    def signed(name: str) -> float:
        return rates[name][first] - rates[name][second]

    theirs = {
        "statistical parity": aif.statistical_parity_difference(y_true, y_pred, **arguments),
        "equal opportunity": aif.equal_opportunity_difference(y_true, y_pred, **arguments),
        "average odds": aif.average_odds_difference(y_true, y_pred, **arguments),
        "impact": aif.disparate_impact_ratio(y_true, y_pred, **arguments),
        "average odds error": aif.average_odds_error(y_true, y_pred, **arguments),
        "base rate": aif.base_rate(y_true, sample_weight=weight),
        "selection rate": aif.selection_rate(y_true, y_pred, sample_weight=weight),
    }
    mine = {
        "statistical parity": signed("selection_rate"),
        "equal opportunity": signed("true_positive_rate"),
        "average odds": signed("average_odds"),
        "impact": rates["selection_rate"][first] / rates["selection_rate"][second],
        "average odds error": evaluate(table, "average_absolute_odds_difference"),
        "base rate": evaluate(table, "base_rate"),
        "selection rate": evaluate(table, "selection_rate"),
    }
    assert mine == pytest.approx(theirs, abs=1e-12, rel=0)
    assert evaluate(table, "average_odds_difference") == pytest.approx(
        abs(theirs["average odds"]), abs=1e-12, rel=0
    )


def test_scores_equal_scikit_learn(decided):
    table = ScoreTable.from_arrays(
        decided.y_true, decided.y_score, decided.sensitive, sample_weight=decided.weight
    )
    arguments = (decided.y_true, decided.y_score, decided.sensitive)
    losses = calibration.log_loss(*arguments, sample_weight=decided.weight)
    areas = calibration.roc_auc(*arguments, sample_weight=decided.weight)
    brier = dict(zip(table.groups, calibration.brier(table.sums), strict=True))
    labels = one_column(decided.sensitive)
    for group in table.groups:
        at = (labels == group).to_numpy()
        weight = None if decided.weight is None else decided.weight[at]
        y, s = decided.y_true[at], decided.y_score[at]
        assert losses[group] == pytest.approx(skm.log_loss(y, s, sample_weight=weight), abs=1e-12, rel=0)
        assert areas[group][0] == pytest.approx(
            skm.roc_auc_score(y, s, sample_weight=weight), abs=1e-12, rel=0
        )
        assert brier[group] == pytest.approx(
            skm.brier_score_loss(y, s, sample_weight=weight), abs=1e-12, rel=0
        )


def test_published_error_rates_of_compas(compas):
    """ProPublica 2016: high risk is decile 5 or more; here the favorable outcome is 1."""
    table = GroupTable.from_arrays(compas["two_year_recid"] == 0, compas["decile_score"] < 5, compas["race"])
    wrongly_high = by_group(table, "false_negative_rate")
    wrongly_low = by_group(table, "false_positive_rate")
    assert wrongly_high["African-American"] == pytest.approx(0.4485, abs=5e-5)
    assert wrongly_high["Caucasian"] == pytest.approx(0.2345, abs=5e-5)
    assert wrongly_low["African-American"] == pytest.approx(0.2799, abs=5e-5)
    assert wrongly_low["Caucasian"] == pytest.approx(0.4772, abs=5e-5)
    for group, fpr in by_group(table, "false_positive_rate").items():  # Chouldechova 2017, eq. 2.6
        p, ppv = by_group(table, "base_rate")[group], by_group(table, "precision")[group]
        fnr = by_group(table, "false_negative_rate")[group]
        assert fpr == pytest.approx(p / (1 - p) * (1 - ppv) / ppv * (1 - fnr), abs=1e-12)
