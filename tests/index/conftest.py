"""A small catalog, an encoder without a model, and a cache of their own for the tests of the index."""

from __future__ import annotations

import hashlib
import re
import sys
import types

import numpy as np
import pytest

from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.data.roles import Roles
from fairmend.core.findings import Audit, Finding
from fairmend.core.hooks.markers import hookimpl
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.stages import Preprocessor


class HashingEncoder:
    """Counts of hashed words on the unit sphere: deterministic, and the same words are near."""

    name = "hashing-64"

    def __init__(self):
        self.texts = 0

    def encode(self, texts):
        self.texts += len(texts)
        out = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                out[row, int(hashlib.sha256(word.encode()).hexdigest(), 16) % 64] += 1
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


class Aligner(Preprocessor):
    """A third party's technique."""

    metadata = TechniqueMetadata(
        technique_id="acme:zip-aligner",
        slug="zip-aligner",
        name="Zip code aligner",
        family="transformation",
        summary="Coarsens zip codes until they no longer tell neighborhoods apart.",
        citation="Doe, J. (2024). Coarsening of places. Journal of Places.",
        addresses=("proxy-variable",),
        targets=("demographic_parity",),
        arity=("binary",),
        minimum_rows=50,
        use_when="Postal districts give away the ethnic origin of applicants.",
        avoid_when="The exact address is needed.",
        questions=("Can I blur zip codes so that they tell less about people?",),
    )

    def _fit(self, X, groups):
        return self

    def _transform(self, X, groups):
        return X


class ThirdParty:
    """What the plugin contributes."""

    @hookimpl
    def fairmend_techniques(self):
        return [Aligner]

    @hookimpl
    def fairmend_encoders(self):
        return {"hashing": HashingEncoder}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep every test's index in a folder of its own."""
    from fairmend.index import search

    monkeypatch.setenv("FAIRMEND_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "_indexes", {})
    return tmp_path


@pytest.fixture(scope="session")
def third_party():
    """Return the plugin of a third party, importable by name."""
    module = types.ModuleType("acme_fairmend")
    module.plugin = ThirdParty
    sys.modules[module.__name__] = module
    yield Plugin("acme", "acme_fairmend:plugin", "acme-fairmend", "1.0")
    del sys.modules[module.__name__]


@pytest.fixture(scope="session")
def registry(third_party):
    """Return a registry of what is built in and the third party's plugin."""
    builtin = [p for p in Registry.installed(cache=None).plugins if p.source == "fairmend"]
    return Registry((*builtin, third_party))


@pytest.fixture
def encoder():
    """Return an encoder without a model."""
    return HashingEncoder()


@pytest.fixture
def make_audit():
    """Return a maker of audits from findings, given as (kind, severity) pairs."""

    def make(*found, rows=10_000, groups=2, protected=("sex",)):
        findings = [
            Finding(
                kind=kind,
                severity=severity,
                measure="demographic_parity_ratio",
                value=0.6712,
                interval=(0.61, 0.7249),
                support=420,
                text=f"The ratio of {kind} is 0.67 [0.61, 0.72].",
            )
            for kind, severity in found
        ]
        return Audit(
            rows=rows,
            roles=Roles(outcome="approved", protected=protected),
            groups={f"group {i}": rows // groups for i in range(groups)},
            subject="labels",
            fingerprint="0" * 64,
            seed=0,
            measures={},
            findings=tuple(findings),
        )

    return make
