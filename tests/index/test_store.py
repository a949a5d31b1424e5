"""The index on disk: stale means rebuilt, damaged means rebuilt, nothing is half-written."""

from __future__ import annotations

import numpy as np
import pytest

from fairmend.catalog.registry import Registry
from fairmend.core.errors import PluginError
from fairmend.index.passages import Catalog
from fairmend.index.store import KEPT, index_key, vectors


@pytest.fixture
def catalog(registry):
    return Catalog.of(registry)


def files(cache):
    return sorted((cache / "index").iterdir())


def same(a, b):
    names = ("faiss", "kinds", "topic", "affinity")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_passages_come_from_every_card(catalog):
    owners = [p.technique for p in catalog.passages]
    assert sorted(set(owners)) == list(range(len(catalog.techniques)))
    assert owners == sorted(owners)
    for i, card in enumerate(catalog.techniques):
        mine = [p for p in catalog.passages if p.technique == i]
        assert [p.text for p in mine if p.part == "question"] == list(card.questions)
        assert {p.part for p in mine} >= {"summary", "use_when", "nature"}


def test_made_once_then_read(catalog, encoder, cache):
    made = vectors(catalog, encoder)
    encoded = encoder.texts
    assert encoded >= len(catalog.passages) + len(catalog.kind_texts)
    read = vectors(catalog, encoder)
    assert encoder.texts == encoded
    assert same(made, read)
    assert len(files(cache)) == 1


def test_faiss_holds_the_passages_in_order(catalog, encoder):
    made = vectors(catalog, encoder)
    wanted = encoder.encode([p.text for p in catalog.passages])
    assert made.passages.ntotal == len(wanted)
    cosines, positions = made.passages.search(wanted[:5], 1)
    assert np.allclose(cosines, 1, atol=1e-5)
    assert [catalog.passages[i].text for i in positions[:, 0]] == [p.text for p in catalog.passages[:5]]


def test_affinity_is_the_best_passage_averaged_over_the_texts_of_a_kind(catalog, encoder):
    made = vectors(catalog, encoder)
    texts = [text for kind, text in catalog.kind_texts if kind == 2]
    mine = [p.text for p in catalog.passages if p.technique == 1]
    wanted = (encoder.encode(texts) @ encoder.encode(mine).T).max(axis=1).mean()
    assert made.affinity[2, 1] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_made_anew(catalog, encoder, cache, damage):
    made = vectors(catalog, encoder)
    (path,) = files(cache)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"empty": b"", "cut": content[:-100], "flipped": content, "text": b"not an index"}[damage]
    )
    encoded = encoder.texts
    assert same(vectors(catalog, encoder), made)
    assert encoder.texts > encoded
    assert same(vectors(catalog, encoder), made)
    assert len(files(cache)) == 1


def test_another_catalog_or_encoder_is_another_index(catalog, encoder, registry):
    fewer = Catalog.of(Registry(registry.plugins[:-1]))
    other = type(encoder)()
    other.name = "hashing-64 of another kind"
    changed = Catalog(
        (catalog.techniques[0].model_copy(update={"use_when": "Another text."}), *catalog.techniques[1:]),
        catalog.kinds,
    )
    keys = [
        index_key(c, e)
        for c, e in [(catalog, encoder), (fewer, encoder), (changed, encoder), (catalog, other)]
    ]
    assert len(set(keys)) == 4
    assert index_key(Catalog.of(registry), type(encoder)()) == keys[0]


def test_old_files_go(catalog, encoder, cache):
    for i in range(KEPT + 3):
        encoder.name = f"encoder {i}"
        vectors(catalog, encoder)
    assert len(files(cache)) == KEPT


def test_without_a_cache_it_works(catalog, encoder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FAIRMEND_CACHE", str(tmp_path / "file"))
    assert vectors(catalog, encoder).affinity.shape == (len(catalog.kinds), len(catalog.techniques))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda texts: np.ones((len(texts), 8)), "unit vectors"),
        (lambda texts: np.zeros((1, 8)), "one vector per text"),
        (lambda texts: np.full((len(texts), 8), np.nan), "unit vectors"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_named(catalog, encoder, cache, broken, message):
    encoder.encode = broken
    with pytest.raises(PluginError, match=message):
        vectors(catalog, encoder)
    assert not (cache / "index").exists()
