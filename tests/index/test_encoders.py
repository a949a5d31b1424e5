"""The encoders: the bundled one is checked, others are found by name."""

from __future__ import annotations

import hashlib

import pytest

from fairmend.core.errors import MissingExtraError, PluginError
from fairmend.index import encoders
from fairmend.index.encoders import SHA256, BundledEncoder, SentenceEncoder, encoder_named
from fairmend.index.passages import Catalog
from fairmend.index.store import vectors


def test_the_default_is_the_bundled_model(registry):
    for name in (None, "all-MiniLM-L6-v2"):
        encoder = encoder_named(name, registry)
        assert isinstance(encoder, BundledEncoder)
        assert encoder.name == f"all-MiniLM-L6-v2@{SHA256[:12]}"


def test_the_bundled_weights_are_those_that_are_known():
    BundledEncoder().verify()


def test_other_weights_are_refused_before_anything_is_built(registry, tmp_path, monkeypatch, cache):
    package = tmp_path / "package"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(encoders, "PACKAGE", "package")
    with pytest.raises(PluginError, match=r"must contain model/model\.safetensors"):
        vectors(Catalog.of(registry), BundledEncoder())
    (package / "model" / "model.safetensors").write_bytes(b"weights of a stranger")
    found = hashlib.sha256(b"weights of a stranger").hexdigest()
    with pytest.raises(PluginError, match=rf"must have the SHA-256 {SHA256}, got {found}; reinstall"):
        vectors(Catalog.of(registry), BundledEncoder())
    assert not (cache / "index").exists()


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setattr(encoders, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(MissingExtraError, match="no-such-package-of-weights"):
        BundledEncoder()


def test_a_plugins_encoder_goes_by_its_name(registry):
    assert encoder_named("hashing", registry).name == "hashing-64"


def test_any_other_name_is_a_model(registry, tmp_path):
    assert isinstance(encoder_named("organization/some-model", registry), SentenceEncoder)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    first = SentenceEncoder(str(tmp_path / "model")).name
    assert first == SentenceEncoder(str(tmp_path / "model")).name
    (tmp_path / "model" / "weights").write_text("12")
    assert first != SentenceEncoder(str(tmp_path / "model")).name
