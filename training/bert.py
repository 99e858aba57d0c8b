"""BERT-Tiny as JAX computes it: two layers of width 128 over frozen word-piece vectors.

export.py builds the same computation as an ONNX graph; a test holds one against the other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Parameters = Mapping[str, Any]
"""By the names that the ONNX graph's tensors have."""

LAYER_NORM_EPSILON = 1e-6
MASKED = -1e4
"""Added to the attention that padding would get; float16 can hold it."""


@dataclass(frozen=True, slots=True)
class Shape:
    layers: int = 2
    width: int = 128
    heads: int = 2
    intermediate: int = 512
    positions: int = 64
    classes: int = 3

    @property
    def head(self) -> int:
        return self.width // self.heads


def initial(shape: Shape, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    parameters: dict[str, Any] = {}

    def dense(name: str, rows: int, columns: int) -> None:
        parameters[f"{name}.weight"] = rng.normal(0, 1 / math.sqrt(rows), (rows, columns)).astype(np.float32)
        parameters[f"{name}.bias"] = np.zeros(columns, np.float32)

    def norm(name: str) -> None:
        parameters[f"{name}.scale"] = np.ones(shape.width, np.float32)
        parameters[f"{name}.shift"] = np.zeros(shape.width, np.float32)

    parameters["positions"] = rng.normal(0, 0.02, (shape.positions, shape.width)).astype(np.float32)
    norm("embedding_norm")
    for layer in range(shape.layers):
        for part in ("query", "key", "value", "attended"):
            dense(f"layer{layer}.{part}", shape.width, shape.width)
        norm(f"layer{layer}.attention_norm")
        dense(f"layer{layer}.up", shape.width, shape.intermediate)
        dense(f"layer{layer}.down", shape.intermediate, shape.width)
        norm(f"layer{layer}.output_norm")
    dense("pooler", 2 * shape.width, shape.width)
    dense("classifier", shape.width, shape.classes)
    return parameters


def logits(parameters: Parameters, shape: Shape, vectors: Any, ids: Any, dropout: float = 0.0, key: Any = None) -> Any:
    """(batch, tokens) ids, 0 after each end, to (batch, classes); drops nothing unless it is given a key."""
    drop = _Dropout(dropout, key)
    real = ids != 0  # (batch, tokens)
    bias = jnp.where(real, 0.0, MASKED)[:, None, None, :]
    hidden = vectors[ids] + parameters["positions"][: ids.shape[1]]
    hidden = drop(_norm(parameters, "embedding_norm", hidden))  # (batch, tokens, width)
    for layer in range(shape.layers):
        attended = _attention(parameters, shape, f"layer{layer}", hidden, bias)
        hidden = _norm(parameters, f"layer{layer}.attention_norm", hidden + drop(attended))
        up = jax.nn.gelu(_dense(parameters, f"layer{layer}.up", hidden), approximate=False)
        down = _dense(parameters, f"layer{layer}.down", up)
        hidden = _norm(parameters, f"layer{layer}.output_norm", hidden + drop(down))
    weights = real[:, :, None].astype(hidden.dtype)
    mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    both = jnp.concatenate([hidden[:, 0], mean], axis=1)  # (batch, 2 * width)
    return _dense(parameters, "classifier", drop(jnp.tanh(_dense(parameters, "pooler", both))))


class _Dropout:
    """Each use draws from a key of its own."""

    def __init__(self, rate: float, key: Any) -> None:
        self._rate = rate
        self._key = key

    def __call__(self, values: Any) -> Any:
        if self._key is None or not self._rate:
            return values
        self._key, key = jax.random.split(self._key)
        kept = jax.random.bernoulli(key, 1 - self._rate, values.shape)
        return jnp.where(kept, values / (1 - self._rate), 0.0)


def _dense(parameters: Parameters, name: str, values: Any) -> Any:
    return values @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def _norm(parameters: Parameters, name: str, values: Any) -> Any:
    mean = values.mean(axis=-1, keepdims=True)
    variance = ((values - mean) ** 2).mean(axis=-1, keepdims=True)
    scaled = (values - mean) / jnp.sqrt(variance + LAYER_NORM_EPSILON)
    return scaled * parameters[f"{name}.scale"] + parameters[f"{name}.shift"]


def _attention(parameters: Parameters, shape: Shape, layer: str, hidden: Any, bias: Any) -> Any:
    batch, tokens, width = hidden.shape

    def heads(part: str) -> Any:
        projected = _dense(parameters, f"{layer}.{part}", hidden).reshape(batch, tokens, shape.heads, shape.head)
        return projected.transpose(0, 2, 1, 3)  # (batch, heads, tokens, head)

    scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / math.sqrt(shape.head) + bias
    mixed = jax.nn.softmax(scores, axis=-1) @ heads("value")
    return _dense(parameters, f"{layer}.attended", mixed.transpose(0, 2, 1, 3).reshape(batch, tokens, width))
