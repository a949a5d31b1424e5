"""Hard limits and their reasons."""

from __future__ import annotations

import pytest

from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.core.metadata import Adjustment, TechniqueMetadata


def metadata(**changes) -> TechniqueMetadata:
    base = {
        "technique_id": "acme:thing", "slug": "thing", "name": "Thing", "stage": "post-processing", "family": "f",
        "summary": "Does a thing.", "citation": "Nobody (2020). Thing.", "modifies": ("decisions",),
        "use_when": "When it is needed.", "avoid_when": "When it is not.",
    }  # fmt: skip
    return TechniqueMetadata(**{**base, **changes})


@pytest.mark.parametrize(
    ("words", "facts", "reason"),
    [
        (["retraining=false"], {"stage": "in-processing", "needs_retraining": True}, "needs retraining"),
        (["protected_at_prediction=no"], {"needs_protected_at_prediction": True}, "for every decision"),
        (["randomized=false"], {"randomized": True}, "at random"),
        (["max_complexity=low"], {"complexity": "medium"}, "complexity is medium"),
        (["stage=causal"], {}, "its stage is post-processing"),
        (["task=ranking"], {}, "does not support the task ranking"),
        (["rows=50"], {"minimum_rows": 100}, "at least 100 rows"),
        (["groups=3"], {"arity": ("binary",)}, "supports exactly two groups"),
        (["max_weeks=1"], {"duration_weeks": (2, 3)}, "at least 2 weeks"),
        (["notion=calibration"], {}, "does not target calibration"),
    ],
)
def test_each_limit_excludes_with_its_reason(words, facts, reason):
    limits = Constraints.parse(words)
    assert reason in str(limits.reason(metadata(**facts)))
    assert Constraints().reason(metadata(**facts)) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["retraining=false", "stage=in-processing"], "contradict each other"),
        (["retraining=false", "retraining=true"], "contradict each other"),
        (["retrainin=false"], "did you mean retraining"),
        (["max_complexity=tiny"], "one of low, medium, high"),
        (["rows=many"], "a positive number"),
        (["retraining"], "of the form KEY=VALUE"),
    ],
)
def test_contradictions_and_unknown_words_are_usage_errors(words, message):
    with pytest.raises(UsageError, match=message) as caught:
        Constraints.parse(words)
    assert "\n" not in str(caught.value)


def test_metadata_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="stage is 'in-processing', not 'post-processing'"):
        metadata().derived({"stage": "in-processing"})
    with pytest.raises(ValueError, match="modifies must say what the change is"):
        metadata(stage="pre-processing", modifies=()).derived({"stage": "pre-processing"})
    with pytest.raises(ValueError, match="ends with a full stop"):
        metadata(use_when="no full stop at the end")
    with pytest.raises(ValueError, match="namespace:name"):
        metadata(technique_id="no-namespace")
    with pytest.raises(ValueError, match="extra"):
        metadata(color="blue")


def test_adjustments_stop_at_their_ends():
    weight = Adjustment(parameter="constraint_weight", stronger=0.2, minimum=0, maximum=1)
    assert weight.moved(0.5, "weaker") == 0.3
    assert weight.moved(0.3, "stronger") == 0.5
    assert weight.moved(0.95, "stronger") == 1.0
    assert weight.moved(1.0, "stronger") is None
    bound = Adjustment(parameter="bound", stronger=-0.01, minimum=0, maximum=0.1)
    assert bound.moved(0.05, "stronger") == 0.04
