"""The forward pass of a BERT sentence encoder in numpy, so that a query need not import torch.

It reads the weights and the tokenizer of a sentence-transformers folder whose model is a BERT with mean pooling
and normalization, such as all-MiniLM-L6-v2, and returns the same vectors up to rounding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

BATCH = 32

Array = NDArray[np.float32]


class MiniLM:
    """A sentence encoder of the BERT family.

    Parameters
    ----------
    folder : Path
        Folder with ``config.json``, ``sentence_bert_config.json``, ``tokenizer.json`` and ``model.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        limits = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        self.heads: int = config["num_attention_heads"]
        self.layers: int = config["num_hidden_layers"]
        self.eps = np.float32(config["layer_norm_eps"])
        self.weights: dict[str, Array] = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(limits["max_seq_length"])
        self.tokenizer.enable_padding(pad_id=config["pad_token_id"])

    def encode(self, texts: Sequence[str]) -> Array:
        """Return unit vectors, shape (texts, dimensions)."""
        # Texts of similar length share a batch, so that little is computed on padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), self.weights["embeddings.word_embeddings.weight"].shape[1]), np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            out[batch] = self._forward([texts[i] for i in batch])
        return out

    def _forward(self, texts: list[str]) -> Array:
        """Return the mean of the last hidden states over the tokens of each text, normalized."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded])
        mask = np.array([e.attention_mask for e in encoded], dtype=np.float32)
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm("embeddings.LayerNorm", x)
        for layer in range(self.layers):
            prefix = f"encoder.layer.{layer}"
            attended = self._dense(f"{prefix}.attention.output.dense", self._attention(prefix, x, mask))
            x = self._norm(f"{prefix}.attention.output.LayerNorm", x + attended)
            hidden = gelu(self._dense(f"{prefix}.intermediate.dense", x))
            x = self._norm(f"{prefix}.output.LayerNorm", x + self._dense(f"{prefix}.output.dense", hidden))
        mean = (x * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        normalized: Array = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return normalized

    def _attention(self, prefix: str, x: Array, mask: Array) -> Array:
        """Return softmax(q k' / sqrt(d)) v of all heads, with padding masked."""
        rows, tokens, width = x.shape

        def heads(name: str) -> Array:
            projected = self._dense(f"{prefix}.attention.self.{name}", x)
            return projected.reshape(rows, tokens, self.heads, -1).swapaxes(1, 2)

        scores = heads("query") @ heads("key").swapaxes(2, 3) / np.float32(np.sqrt(width // self.heads))
        scores = np.where(mask[:, None, None, :] > 0, scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ heads("value")).swapaxes(1, 2).reshape(rows, tokens, width)

    def _dense(self, name: str, x: Array) -> Array:
        out: Array = x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return out

    def _norm(self, name: str, x: Array) -> Array:
        centered = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + self.eps)
        out: Array = centered / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return out


def gelu(x: Array) -> Array:
    """Return x Phi(x), with Phi the standard normal distribution function."""
    phi: Array = np.asarray(np.float32(0.5) * (1 + erf(x / np.float32(np.sqrt(2)))), dtype=np.float32)
    out: Array = x * phi
    return out
