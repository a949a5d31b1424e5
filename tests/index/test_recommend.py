"""Recommendation from an audit, with an encoder that needs no model."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

from fairmend.catalog.extras import is_missing
from fairmend.core.constraints import Constraints
from fairmend.core.errors import UsageError
from fairmend.index import recommend
from fairmend.index.store import vectors


@pytest.fixture
def advise(registry, encoder):
    def run(audit, notion="demographic_parity", **limits):
        return recommend(
            audit, registry=registry, constraints=Constraints(**limits), notion=notion, encoder=encoder
        )

    return run


def test_every_technique_is_ranked_or_excluded(registry, advise, make_audit):
    found = advise(make_audit(("outcome-disparity", "high")), retraining=False)
    ranked = [r.technique_id for r in found.results]
    excluded = [e.technique_id for e in found.excluded]
    assert sorted(map(str, ranked + excluded)) == sorted(
        str(c.metadata.technique_id) for c in registry.cards()
    )
    assert ranked
    assert excluded
    assert all(e.reason for e in found.excluded)


def test_the_record_has_the_promised_shape(advise, make_audit):
    found = json.loads(json.dumps(advise(make_audit(("outcome-disparity", "high")), groups=3).to_json()))
    assert list(found) == ["schema_version", "query", "results", "excluded"]
    for result in found["results"]:
        assert list(result) == [
            "technique_id",
            "slug",
            "name",
            "stage",
            "score",
            "why",
            "citation",
            "findings",
        ]
        assert 0 <= result["score"] <= 1


def test_an_answer_to_the_grave_finding_outranks_the_others(registry, advise, make_audit):
    found = advise(
        make_audit(("group-miscalibration", "high"), ("class-imbalance", "low")), notion="calibration"
    )
    best = registry.card(found.results[0].technique_id).metadata
    assert "group-miscalibration" in best.addresses
    assert "calibration" in best.targets
    last = registry.card(found.results[-1].technique_id).metadata
    assert not {"group-miscalibration", "class-imbalance"} & set(last.addresses)


def test_severity_decides(advise, make_audit):
    grave = advise(make_audit(("proxy-variable", "high"), ("group-miscalibration", "low")))
    mild = advise(make_audit(("proxy-variable", "low"), ("group-miscalibration", "high")))
    place = {
        name: [r.slug for r in found.results].index("zip-aligner")
        for name, found in (("g", grave), ("m", mild))
    }
    assert place["g"] < place["m"]


def test_the_notion_decides(registry, advise, make_audit):
    audit = make_audit(("outcome-disparity", "medium"), ("error-rate-disparity", "medium"))
    for notion in ("demographic_parity", "equal_opportunity"):
        (best, *_) = advise(audit, notion=notion).by_stage("post-processing")
        assert notion in registry.card(best.technique_id).metadata.targets


def test_why_quotes_the_gravest_finding_of_each_kind(advise, make_audit):
    found = advise(
        make_audit(("class-imbalance", "low"), ("proxy-variable", "medium"), ("proxy-variable", "high"))
    )
    mine = next(r for r in found.results if r.slug == "zip-aligner")
    assert mine.findings == ("proxy-variable",)
    assert mine.why == (
        "Zip code aligner addresses proxy-variable (high): The ratio of proxy-variable is 0.67 [0.61, 0.72]. [Doe, J. (2024). Coarsening of places. Journal of Places.]",
        "Zip code aligner targets demographic parity. [Doe, J. (2024). Coarsening of places. Journal of Places.]",
        "Zip code aligner is made for this situation: Postal districts give away the ethnic origin of applicants. [Doe, J. (2024). Coarsening of places. Journal of Places.]",
    )


def test_what_is_not_a_finding_counts_for_nothing(advise, make_audit):
    quiet = advise(make_audit(("proxy-variable", "none"), ("group-miscalibration", "insufficient evidence")))
    assert all(r.findings == () for r in quiet.results)
    assert quiet.query == "no finding; towards demographic parity"


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        ({"groups": 4}, "supports exactly two groups, got 4"),
        ({"protected": ("sex", "race")}, "supports exactly one protected attribute, got 2"),
        ({"rows": 40}, "needs at least 50 rows"),
    ],
)
def test_the_data_exclude_with_a_reason(advise, make_audit, audit, reason):
    found = advise(make_audit(("proxy-variable", "high"), **audit))
    assert {e.slug: e.reason for e in found.excluded}["zip-aligner"] == reason


def test_constraints_exclude_with_a_reason(registry, advise, make_audit):
    found = advise(make_audit(("outcome-disparity", "high")), retraining=False, protected_at_prediction=False)
    reasons = {e.slug: e.reason for e in found.excluded}
    assert reasons["instance-weighting"] == "needs retraining"
    assert reasons["group-thresholds"] == "reads the protected attribute for every decision"
    for result in found.results:
        card = registry.card(result.technique_id).metadata
        assert not card.needs_retraining
        assert not card.needs_protected_at_prediction


@pytest.fixture
def without_resampling(monkeypatch):
    """The package of the extra that SMOTE needs is not installed."""
    found = metadata.version

    def version(name):
        if name == "imbalanced-learn":
            raise metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(metadata, "version", version)
    is_missing.cache_clear()
    yield
    is_missing.cache_clear()


def test_a_technique_whose_extra_is_not_installed_is_excluded(advise, make_audit, without_resampling):
    found = advise(make_audit(("class-imbalance", "high")))
    reason = "needs the extra 'resampling', which is not installed: pip install 'fairmend[resampling]'"
    assert {e.slug: e.reason for e in found.excluded}["smote"] == reason
    assert "smote" not in {r.slug for r in found.results}


def test_a_technique_that_needs_what_only_a_person_can_give_is_excluded(advise, make_audit):
    found = advise(make_audit(("error-rate-disparity", "high")))
    reasons = {e.slug: e.reason for e in found.excluded}
    assert reasons["selection-bias-weighting"] == "needs population, which only a person can give"


def test_an_extra_that_is_installed_excludes_nothing(advise, make_audit):
    is_missing.cache_clear()
    assert not is_missing("resampling")
    assert "smote" in {r.slug for r in advise(make_audit(("class-imbalance", "high"))).results}


def test_causal_and_evaluation_techniques_accompany(advise, make_audit):
    found = advise(make_audit(("outcome-disparity", "high"), ("intersectional-disparity", "medium")))
    assert found.by_stage("evaluation")
    assert [r for stage in ("pre-processing",) for r in found.by_stage(stage)] == [
        r for r in found.results if r.stage == "pre-processing"
    ]


def test_a_finding_of_an_unknown_kind_does_no_harm(advise, make_audit):
    found = advise(make_audit(("kind-of-a-plugin-that-is-gone", "high"), ("outcome-disparity", "medium")))
    assert found.results[0].score > 0


def test_an_unknown_notion_is_an_error(advise, make_audit):
    with pytest.raises(UsageError, match="did you mean demographic_parity"):
        advise(make_audit(), notion="demographic_partiy")


def test_no_model_is_loaded_once_the_index_is_there(registry, encoder, advise, make_audit):
    audit = make_audit(("outcome-disparity", "high"))
    first = advise(audit).to_json()
    encoder.encode = None
    assert advise(audit).to_json() == first


def test_equals_are_ordered_by_the_stored_vectors(registry, encoder, advise, make_audit):
    from fairmend.index.passages import Catalog

    catalog = Catalog.of(registry)
    found = advise(make_audit(("outcome-disparity", "high")))
    row = [kind.kind for kind in catalog.kinds].index("outcome-disparity")
    near = vectors(catalog, encoder).affinity[row].round(3)
    position = {card.technique_id: i for i, card in enumerate(catalog.techniques)}
    pairs = list(zip(found.results, found.results[1:], strict=False))
    ties = [(a, b) for a, b in pairs if a.score == b.score]
    assert ties
    for a, b in ties:
        assert near[position[a.technique_id]] >= near[position[b.technique_id]]


def test_importing_the_index_loads_nothing_heavy():
    code = (
        "import sys, fairmend.index; "
        "print([m for m in ('torch', 'faiss', 'sentence_transformers', 'fairlearn', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
