"""Audits of regressions, rankings and classes: planted gaps are found, their absence is not, figures are those of the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import fairmend.api as api
from fairmend.core.errors import FairmendError
from fairmend.core.findings import Audit

N = 1500


def people(seed: int = 0, gap: float = 1.0) -> pd.DataFrame:
    """Return people of three groups, the last of 12 rows, whose score is lower by a gap in group a."""
    r = np.random.default_rng(seed)
    group = np.r_[r.choice(["a", "b"], N - 12, p=[0.4, 0.6]), ["few"] * 12]
    skill = r.normal(size=N)
    value = skill + r.normal(scale=0.5, size=N) - gap * (group == "a")
    grade = np.array(["low", "middle", "high"])[np.searchsorted([-0.7, 0.7], value)]
    return pd.DataFrame(
        {
            "group": group,
            "skill": skill,
            "test": value + r.normal(scale=0.3, size=N),
            "value": value,
            "grade": grade,
        }
    )


def audited(frame: pd.DataFrame, outcome: str, **options) -> Audit:
    ignored = tuple({"value", "grade"} - {outcome, options.get("scores"), options.get("predictions")})
    return api.audit(frame, outcome=outcome, protected="group", ignored=ignored, **options)


def found(audit: Audit) -> dict[str, str]:
    """Return the gravest severity of each kind, for groups that have enough rows."""
    out: dict[str, str] = {}
    for finding in audit.findings:
        if finding.group != "few":
            out.setdefault(finding.kind, finding.severity)
    return out


REGRESSION = ("mean-prediction-gap", "distribution-gap", "error-gap")
RAISED = {"low", "medium", "high"}


def test_a_planted_gap_of_a_regression_is_found_with_support_and_interval():
    audit = audited(people(), "value", learner="linear_regression")
    assert audit.roles.task == "regression"
    kinds = found(audit)
    assert kinds["mean-prediction-gap"] in {"medium", "high"}
    assert kinds["distribution-gap"] in {"medium", "high"}
    mean = next(f for f in audit.findings if f.kind == "mean-prediction-gap" and f.value is not None)
    frame = people()
    assert (mean.group, mean.reference) == ("a", "b")
    assert mean.support == (frame["group"] == "a").sum()
    assert mean.interval is not None
    assert mean.interval[0] <= mean.value <= mean.interval[1]
    few = [f for f in audit.findings if f.group == "few" and f.severity == "insufficient evidence"]
    assert {f.kind for f in few} >= set(REGRESSION)


def test_without_a_gap_nothing_is_raised_in_twenty_draws():
    raised = []
    for seed in range(20):
        frame = people(seed, gap=0.0)
        kinds = found(audited(frame, "value", scores="test"))
        raised += [kind for kind in REGRESSION if kinds[kind] in RAISED]
    assert len(raised) <= 1


def test_errors_that_lean_against_one_group_are_found():
    frame = people(gap=0.0)
    frame["test"] = (
        frame["value"] - 0.6 * (frame["group"] == "a") + np.random.default_rng(1).normal(scale=0.2, size=N)
    )
    kinds = found(audited(frame, "value", predictions="test"))
    assert kinds["error-gap"] in {"medium", "high"}


def test_recorded_values_are_audited_without_errors():
    from fairmend.auditing import audit

    frame = people()
    data = api.dataset(frame.drop(columns="grade"), outcome="value", protected="group")
    labels = audit(data, learner=None)
    assert labels.subject == "labels"
    assert "error-gap" not in labels.kinds()
    text = next(f.text for f in labels.findings if f.kind == "mean-prediction-gap" and f.value is not None)
    assert text.startswith("Recorded outcomes average")


def test_a_planted_gap_of_a_ranking_is_found_and_turns_with_what_people_want():
    frame = people()
    top = audited(frame, "value", scores="test", task="ranking")
    assert found(top)["underrepresentation-at-top"] in {"medium", "high"}
    assert next(f for f in top.findings if f.kind == "underrepresentation-at-top").group == "a"
    bottom = audited(frame, "value", scores="test", task="ranking", favorable="low")
    worst = next(f for f in bottom.findings if f.kind == "underrepresentation-at-top")
    assert worst.group == "b"


def test_a_ranking_without_a_gap_is_not_raised():
    raised = 0
    for seed in range(10):
        kinds = found(audited(people(seed, gap=0.0), "value", scores="test", task="ranking"))
        raised += kinds["exposure-gap"] in RAISED or kinds["underrepresentation-at-top"] in RAISED
    assert raised <= 1


def test_queries_are_ranked_apart():
    frame = people().assign(job=np.arange(N) // 50)
    audit = audited(frame, "value", scores="test", query="job")
    assert audit.roles.task == "ranking"
    assert "first 10 places" in next(f.text for f in audit.findings if f.kind == "underrepresentation-at-top")


def test_a_planted_gap_of_classes_is_found_in_each_class():
    audit = audited(people(), "grade", learner="logistic_regression")
    assert audit.roles.task == "multiclass"
    outcome = {
        f.outcome_class: f for f in audit.findings if f.kind == "class-outcome-gap" and f.severity in RAISED
    }
    assert {"low", "high"} <= set(outcome)
    assert (outcome["high"].group, outcome["low"].group) == ("a", "b")
    figures = audit.measures["group"]
    assert set(figures) >= {"accuracy", "macro_recall", "recall[high]", "log_loss"}
    assert figures["accuracy"]["by_group"]["few"]["enough"] is False


def test_classes_without_a_gap_are_not_raised():
    raised = 0
    for seed in range(10):
        kinds = found(audited(people(seed, gap=0.0), "grade", learner="logistic_regression"))
        raised += kinds["class-outcome-gap"] in RAISED
    assert raised <= 1


@pytest.mark.parametrize(
    ("outcome", "model"), [("value", LinearRegression()), ("grade", LogisticRegression())]
)
def test_a_model_of_ones_own_is_asked(outcome, model):
    frame = people()
    fitted = model.fit(frame[["skill", "test"]], frame[outcome])
    audit = audited(frame, outcome, model=fitted)
    assert audit.subject == "a fitted model"
    if outcome == "value":
        error = np.abs(fitted.predict(frame[["skill", "test"]]) - frame["value"]).mean()
        assert audit.measures["group"]["mean_absolute_error"]["value"] == pytest.approx(error)
    else:
        accuracy = fitted.score(frame[["skill", "test"]], frame["grade"])
        assert audit.measures["group"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_predicted_classes_are_read_by_name():
    frame = people().assign(said=lambda f: f["grade"])
    audit = audited(frame, "grade", predictions="said")
    assert audit.measures["group"]["accuracy"]["value"] == 1


REFUSED = {
    "an unknown class": (
        "grade",
        {"predictions": "word"},
        "'x' is not a class of the outcome 'grade': high, low, middle",
    ),
    "one column of scores of classes": (
        "grade",
        {"scores": "test"},
        "a probability of each of its 3 classes",
    ),
    "both for a regression": (
        "value",
        {"scores": "test", "predictions": "skill"},
        "give predictions or scores, not both",
    ),
    "text for a regression": (
        "value",
        {"predictions": "word"},
        "predictions of a regression must be numbers",
    ),
    "a classifier's learner": (
        "value",
        {"learner": "logistic_regression"},
        "learner of numbers.*'logistic_regression'",
    ),
    "gaps": ("value", {"predictions": "gaps"}, "missing or infinite in 1 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_predictions_are_refused_in_one_line(case):
    outcome, options, message = REFUSED[case]
    frame = people().assign(word="x", gaps=lambda f: f["test"].where(f.index > 0))
    with pytest.raises(FairmendError, match=message) as caught:
        audited(frame, outcome, **options)
    assert "\n" not in str(caught.value)


def test_the_record_of_an_audit_reads_back():
    audit = audited(people(), "grade", learner="logistic_regression")
    assert Audit(**audit.to_json()) == audit
    again = audited(people(), "grade", learner="logistic_regression")
    assert again.to_json() == audit.to_json()
