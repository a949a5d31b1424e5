"""The index on disk: stale means rebuilt, damaged means rebuilt, nothing is half-written."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.errors import PluginError
from fairmend.index.passages import Catalogue
from fairmend.index.store import KEPT, index_key, vectors


@pytest.fixture
def catalogue(registry):
    return Catalogue.of(registry)


def files(cache):
    return sorted((cache / "index").iterdir())


def same(a, b):
    names = ("faiss", "kinds", "topic", "affinity")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_passages_come_from_every_card(catalogue):
    owners = [p.technique for p in catalogue.passages]
    assert sorted(set(owners)) == list(range(len(catalogue.techniques)))
    assert owners == sorted(owners)
    for i, card in enumerate(catalogue.techniques):
        mine = [p for p in catalogue.passages if p.technique == i]
        assert [p.text for p in mine if p.part == "question"] == list(card.questions)
        assert {p.part for p in mine} >= {"summary", "use_when", "nature"}


def test_made_once_then_read(catalogue, encoder, cache):
    made = vectors(catalogue, encoder)
    encoded = encoder.texts
    assert encoded >= len(catalogue.passages) + len(catalogue.kind_texts)
    read = vectors(catalogue, encoder)
    assert encoder.texts == encoded
    assert same(made, read)
    assert len(files(cache)) == 1


def test_faiss_holds_the_passages_in_order(catalogue, encoder):
    made = vectors(catalogue, encoder)
    wanted = encoder.encode([p.text for p in catalogue.passages])
    assert made.passages.ntotal == len(wanted)
    cosines, positions = made.passages.search(wanted[:5], 1)
    assert np.allclose(cosines, 1, atol=1e-5)
    assert [catalogue.passages[i].text for i in positions[:, 0]] == [p.text for p in catalogue.passages[:5]]


def test_affinity_is_the_best_passage_averaged_over_the_texts_of_a_kind(catalogue, encoder):
    made = vectors(catalogue, encoder)
    texts = [text for kind, text in catalogue.kind_texts if kind == 2]
    mine = [p.text for p in catalogue.passages if p.technique == 1]
    wanted = (encoder.encode(texts) @ encoder.encode(mine).T).max(axis=1).mean()
    assert made.affinity[2, 1] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_made_anew(catalogue, encoder, cache, damage):
    made = vectors(catalogue, encoder)
    (path,) = files(cache)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"empty": b"", "cut": content[:-100], "flipped": content, "text": b"not an index"}[damage]
    )
    encoded = encoder.texts
    assert same(vectors(catalogue, encoder), made)
    assert encoder.texts > encoded
    assert same(vectors(catalogue, encoder), made)
    assert len(files(cache)) == 1


def test_another_catalogue_or_encoder_is_another_index(catalogue, encoder, registry):
    fewer = Catalogue.of(Registry(registry.plugins[:-1]))
    other = type(encoder)()
    other.name = "hashing-64 of another kind"
    changed = Catalogue(
        (catalogue.techniques[0].model_copy(update={"use_when": "Another text."}), *catalogue.techniques[1:]),
        catalogue.kinds,
    )
    keys = [
        index_key(c, e)
        for c, e in [(catalogue, encoder), (fewer, encoder), (changed, encoder), (catalogue, other)]
    ]
    assert len(set(keys)) == 4
    assert index_key(Catalogue.of(registry), type(encoder)()) == keys[0]


def test_old_files_go(catalogue, encoder, cache):
    for i in range(KEPT + 3):
        encoder.name = f"encoder {i}"
        vectors(catalogue, encoder)
    assert len(files(cache)) == KEPT


def test_without_a_cache_it_works(catalogue, encoder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FAIRMEND_CACHE", str(tmp_path / "file"))
    assert vectors(catalogue, encoder).affinity.shape == (len(catalogue.kinds), len(catalogue.techniques))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda texts: np.ones((len(texts), 8)), "unit vectors"),
        (lambda texts: np.zeros((1, 8)), "one vector a text"),
        (lambda texts: np.full((len(texts), 8), np.nan), "unit vectors"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_named(catalogue, encoder, cache, broken, message):
    encoder.encode = broken
    with pytest.raises(PluginError, match=message):
        vectors(catalogue, encoder)
    assert not (cache / "index").exists()
