"""The search, with an encoder that needs no model."""

from __future__ import annotations

import json
import re
import sys
import types

import pytest

from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.constraints import Constraints
from fairmend.core.errors import PluginError, UsageError
from fairmend.core.hooks.markers import hookimpl
from fairmend.index import query
from fairmend.index.search import index_of


def ask(registry, text, top=10, **limits):
    return query(text, registry=registry, constraints=Constraints(**limits), top=top, encoder="hashing")


def slugs(answer):
    return [result.slug for result in answer.results]


def test_the_record_has_the_promised_shape(registry):
    answer = ask(registry, "instance weighting of groups and labels", retraining=False)
    found = json.loads(json.dumps(answer.to_json()))
    assert list(found) == ["schema_version", "query", "results", "excluded"]
    assert found["results"]
    for result in found["results"]:
        assert list(result) == ["technique_id", "slug", "name", "stage", "score", "why", "citation"]
        assert 0 < result["score"] <= 1
    assert found["excluded"]
    for left_out in found["excluded"]:
        assert list(left_out) == ["technique_id", "slug", "reason"]


def test_scores_fall_and_top_bounds(registry):
    answer = ask(registry, "calibration of scores by group with platt scaling")
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert len(ask(registry, "calibration of scores by group with platt scaling", top=2).results) == 2


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("reweighing kamiran calders", "instance-weighting"),
        ("instance weigthing", "instance-weighting"),
        ("zafar constrained logistic regression", "fairness-constrained-lr"),
        ("guo pleiss temperature scaling", "temperature-scaling"),
        ("31", "instance-weighting"),
        ("technique 31", "instance-weighting"),
        ("what does technique 31 do?", "instance-weighting"),
        ("instance-weighting", "instance-weighting"),
        ("acme zip aligner", "zip-aligner"),
    ],
)
def test_names_authors_and_ids_lead_to_the_technique(registry, text, slug):
    assert slugs(ask(registry, text))[0] == slug


def test_a_number_in_a_sentence_is_no_id(registry):
    assert (
        slugs(ask(registry, "isotonic calibration for 31 percent of the rows"))[0] == "isotonic-calibration"
    )


def test_a_third_partys_technique_is_found_at_once(registry, encoder):
    answer = ask(registry, "can I blur zip codes so that they tell less")
    assert slugs(answer)[0] == "zip-aligner"
    assert answer.results[0].technique_id == "acme:zip-aligner"
    assert answer.results[0].citation == "Doe, J. (2024). Coarsening of places. Journal of Places."
    without = index_of(Registry(registry.plugins[:-1]), encoder).catalog
    assert "zip-aligner" not in [card.slug for card in without.techniques]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"retraining": False}, "needs retraining"),
        ({"stage": "post-processing"}, "its stage is pre-processing"),
        ({"task": "ranking"}, "does not support the task ranking"),
        ({"rows": 10}, "needs at least 50 rows"),
        ({"groups": 3}, "supports exactly two groups, got 3"),
        ({"notion": "calibration"}, "does not target calibration"),
    ],
)
def test_constraints_exclude_with_a_reason(registry, limits, reason):
    answer = ask(registry, "zip code aligner", **limits)
    assert "zip-aligner" not in slugs(answer)
    assert {e.slug: e.reason for e in answer.excluded}["zip-aligner"] == reason


def test_no_result_breaks_a_constraint_and_only_near_misses_are_named(registry):
    text = "calibration of probabilities by group"
    free = ask(registry, text, top=4)
    answer = ask(registry, text, top=4, protected_at_prediction=False, retraining=False)
    cards = {card.metadata.slug: card.metadata for card in registry.cards()}
    for slug in slugs(answer):
        assert not cards[slug].needs_retraining
        assert not cards[slug].needs_protected_at_prediction
    assert {e.slug for e in answer.excluded} <= set(slugs(free))
    assert set(slugs(free)) - {e.slug for e in answer.excluded} <= set(slugs(answer))


def test_why_holds_only_what_the_catalog_holds(registry):
    answer = ask(registry, "group platt scaling calibration of scores")
    kinds = {k.description for _, answers in registry.collect("fairmend_finding_kinds") for k in answers}
    for result in answer.results:
        card = registry.card(result.technique_id).metadata
        held = [*card.passages(), *kinds, card.summary]
        assert result.why
        for sentence in result.why:
            assert card.name in sentence
            assert sentence.endswith("]")
            assert any(text in sentence for text in held), sentence


def test_nothing_on_topic_gives_an_empty_answer(registry):
    answer = ask(registry, "sourdough croissant zucchini")
    empty = {"schema_version": 1, "query": "sourdough croissant zucchini", "results": [], "excluded": []}
    assert answer.to_json() == empty


@pytest.mark.parametrize("text", ["", "   ", "?!"])
def test_no_words_is_an_error(registry, text):
    with pytest.raises(UsageError, match="at least one word"):
        ask(registry, text)


def test_top_below_one_is_an_error(registry):
    with pytest.raises(UsageError, match="top must be at least 1"):
        ask(registry, "calibration", top=0)


def test_odd_texts_do_no_harm(registry):
    for text in ("99999", "x" * 20_000, "偏見のあるデータ", "calibration \x00 \n\t", "#31", "a b c"):
        ask(registry, text)


def test_the_index_stays_open(registry):
    first = index_of(registry, "hashing")
    ask(registry, "calibration")
    assert index_of(registry, "hashing") is first


def test_the_same_question_gives_the_same_answer(registry):
    assert ask(registry, "calibration by group").to_json() == ask(registry, "calibration by group").to_json()


def test_who_describes_a_kind_again_is_left_out(registry, monkeypatch):
    kinds = [k for _, answers in registry.collect("fairmend_finding_kinds") for k in answers]

    class Twice:
        @hookimpl
        def fairmend_finding_kinds(self):
            return kinds[:1]

    module = types.ModuleType("twice_fairmend")
    module.plugin = Twice
    monkeypatch.setitem(sys.modules, module.__name__, module)
    twice = Registry((*registry.plugins, Plugin("twice", "twice_fairmend:plugin", "twice", "1")))
    assert ask(twice, "calibration").results
    assert re.search(r"claims the finding kind .* the plugin fairmend\.catalog", twice.problems["twice"])


def test_what_is_no_encoder_is_an_error(registry, monkeypatch):
    answers = {"fairmend_encoders": [("acme", {"broken": dict})]}
    monkeypatch.setattr(type(registry), "collect", lambda self, hook: answers.get(hook, []))
    with pytest.raises(PluginError, match="must have a name and encode"):
        query("calibration", registry=registry, encoder="broken")
