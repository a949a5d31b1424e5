"""Search by words: stemming, rarity, misspellings."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.index.lexical import Lexicon, stems

DOCUMENTS = [
    [("Disparate impact remover", 3.0), ("Feldman, M. (2015). Certifying disparate impact.", 1.0)],
    [("Platt scaling", 3.0), ("Platt, J. (1999). Probabilistic outputs of support vector machines.", 1.0)],
    [("Instance weighting (reweighing)", 3.0), ("Kamiran, F., & Calders, T. (2012).", 1.0)],
]


@pytest.mark.parametrize(
    "words",
    [
        "calibrate calibrated calibrates calibrating calibration calibrations calibrator",
        "equalize equalize equalized equalized",
        "weight weights weighted weighting",
        "threshold thresholds thresholding",
        "proxy proxies",
        "discriminate discrimination discriminating",
    ],
)
def test_forms_of_a_word_share_a_stem(words):
    assert len(set(stems(words))) == 1, stems(words)


def test_words_apart_keep_apart():
    assert len(set(stems("platt plate group grade odds order rank random"))) == 8


def test_figures_are_dropped_but_years_stay():
    assert stems("in 1999, 12 percent of 310 rows at 0.5") == ["1999", "percent", "row"]


def best(text):
    scores = Lexicon(DOCUMENTS).scores(text)
    return int(np.argmax(scores)), float(scores.max())


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("feldman remover", 0),
        ("platt 1999", 1),
        ("kamiran calders", 2),
        ("instance weigting", 2),
        ("disparite impact", 0),
        ("suport vectr machines", 1),
    ],
)
def test_names_authors_years_and_misspellings_are_found(text, document):
    found, score = best(text)
    assert found == document
    assert score > 0.35


def test_scores_are_shares_of_the_text():
    exact, more = best("platt scaling")[1], best("platt scaling of lentil soup")[1]
    assert 0 < more < exact <= 1
    assert best("lentil soup recipe")[1] == 0
    assert best("the of and")[1] == 0


def test_more_often_counts_more_but_saturates():
    lexicon = Lexicon([[("odds", 1.0)], [("odds", 4.0)], [("odds", 400.0)], [("rank", 1.0)]])
    once, often, ever, none = lexicon.scores("odds")
    assert 0 == none < once < often < 1
    assert ever < 1


def test_an_empty_catalog_has_no_scores():
    assert Lexicon([]).scores("anything").shape == (0,)
