"""The forward pass in numpy gives the vectors of sentence-transformers."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.index.encoders import BundledEncoder, SentenceEncoder

TEXTS = (
    "approval rates differ between men and women",
    "",
    "Rényi, Plečko & Bühlmann (2017): naïve çalibration?",
    "a",
    "selection rate " * 400,  # longer than the model reads
)


@pytest.fixture(scope="module")
def encoder():
    return BundledEncoder()


@pytest.mark.slow
def test_vectors_are_those_of_sentence_transformers(encoder):
    wanted = SentenceEncoder(str(encoder.folder)).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS), wanted, atol=1e-5)


def test_vectors_are_unit_vectors_in_the_order_of_the_texts(encoder):
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], vectors, atol=1e-5)


def test_a_vector_does_not_depend_on_the_other_texts_of_its_batch(encoder):
    alone = encoder.encode(TEXTS[:1])
    np.testing.assert_allclose(encoder.encode(TEXTS)[:1], alone, atol=1e-5)


def test_texts_of_one_meaning_are_nearer_than_others(encoder):
    one, same, other = encoder.encode(
        ["selection rates differ by sex", "women are hired less often than men", "the weather this weekend"]
    )
    assert one @ same > one @ other + 0.2


def test_no_text_gives_no_vector(encoder):
    assert encoder.encode([]).shape == (0, 384)
