"""The vectors of the catalog: computed once, cached on disk, and recomputed when anything changes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from fairmend.catalog.card_cache import cache_folder
from fairmend.index.encoders import BundledEncoder, Encoder, unit_vectors
from fairmend.index.passages import Catalog

FORMAT = 1
KEPT = 8  # index files that stay on disk; each catalog and encoder has its own
_MARK = hashlib.sha256().digest_size  # a file starts with the checksum of the rest


@dataclass(frozen=True)
class Vectors:
    """The vectors of a catalog under one encoder.

    Attributes
    ----------
    faiss : ndarray of uint8
        The passages in a serialized FAISS inner-product index.
    kinds : ndarray, shape (kind texts, dimensions)
        Vectors of the texts of the finding kinds.
    topic : ndarray, shape (topic texts, dimensions)
        Vectors of the texts that define the field and what is outside it.
    affinity : ndarray, shape (kinds, techniques)
        Mean cosine of a technique's best passage with the texts of a finding kind.
    """

    faiss: NDArray[np.uint8]
    kinds: NDArray[np.float32]
    topic: NDArray[np.float32]
    affinity: NDArray[np.float32]

    @cached_property
    def passages(self) -> Any:
        """The FAISS index over the passages."""
        import faiss

        return faiss.deserialize_index(self.faiss)


def vectors(catalog: Catalog, encoder: Encoder) -> Vectors:
    """Return the vectors from disk; if they are missing, stale or damaged, compute and store them.

    Raises
    ------
    PluginError
        The checksum of the bundled encoder's weights is wrong, or an encoder does not return unit vectors.
    """
    path = cache_folder() / "index" / f"{index_key(catalog, encoder)[:32]}.index"
    found = _read(path)
    if found is None:
        if isinstance(encoder, BundledEncoder):
            encoder.verify()
        found = _build(catalog, encoder)
        _write(path, found)
    return found


def index_key(catalog: Catalog, encoder: Encoder) -> str:
    """Return the hash of everything that the vectors depend on."""
    parts = (f"format {FORMAT}", catalog.digest, *topic_texts().values(), encoder.name)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def topic_texts() -> dict[str, tuple[str, ...]]:
    """Return the texts inside the field (``field``) and outside it (``everyday``)."""
    text = resources.files("fairmend.index").joinpath("topic.yaml").read_text(encoding="utf-8")
    return {name: tuple(texts) for name, texts in yaml.safe_load(text).items()}


def _build(catalog: Catalog, encoder: Encoder) -> Vectors:
    import faiss

    passages = [passage.text for passage in catalog.passages]
    kinds = [text for _, text in catalog.kind_texts]
    topic = [text for texts in topic_texts().values() for text in texts]
    made = unit_vectors(encoder, [*passages, *kinds, *topic])
    of_passages, of_kinds, of_topic = np.split(made, np.cumsum([len(passages), len(kinds)]))
    index = faiss.IndexFlatIP(made.shape[1])
    index.add(of_passages)
    return Vectors(
        faiss.serialize_index(index), of_kinds, of_topic, _affinity(catalog, of_kinds, of_passages)
    )


def _affinity(
    catalog: Catalog, of_kinds: NDArray[np.float32], of_passages: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the similarity of techniques and finding kinds: best passage, mean over the kind's texts."""
    cosines = of_kinds @ of_passages.T
    starts = [
        i
        for i, p in enumerate(catalog.passages)
        if i == 0 or p.technique != catalog.passages[i - 1].technique
    ]
    best = np.maximum.reduceat(cosines, starts, axis=1) if starts else cosines
    kind = np.array([kind for kind, _ in catalog.kind_texts], dtype=int)
    rows = [best[kind == k].mean(axis=0) for k in range(len(catalog.kinds))]
    return np.array(rows, dtype=np.float32).reshape(len(catalog.kinds), len(catalog.techniques))


def _read(path: Path) -> Vectors | None:
    """Return the stored vectors, or None if there is no complete file."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    mark, body = content[:_MARK], content[_MARK:]
    if hashlib.sha256(body).digest() != mark:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        return Vectors(**stored)


def _write(path: Path, made: Vectors) -> None:
    """Write the file atomically; an index that cannot be stored is rebuilt next time."""
    buffer = io.BytesIO()
    np.savez(buffer, faiss=made.faiss, kinds=made.kinds, topic=made.topic, affinity=made.affinity)
    body = buffer.getvalue()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.replace(name, path)
        for old in sorted(path.parent.glob("*.index"), key=lambda f: f.stat().st_mtime)[:-KEPT]:
            old.unlink()
