"""Fit BERT-Tiny to examples: AdamW, a warm-up and a cosine, batches of texts of about one length."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from training.bert import Parameters, Shape, initial, logits
from training.vocabulary import SPECIAL, UNKNOWN

logger = logging.getLogger(__name__)

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int = 2_000
    batch: int = 128
    peak_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.1
    word_dropout: float = 0.1
    """Share of word pieces that become [UNK]."""
    widths: tuple[int, ...] = (16, 32, 64)
    """Padded lengths, ascending: each is compiled once."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Batch:
    ids: Ids
    """(rows, one of the widths)"""
    labels: npt.NDArray[np.int32]


def fit(shape: Shape, schedule: Schedule, vectors: npt.NDArray[np.float32], batches: Sequence[Batch]) -> Parameters:
    """Walks through `batches` as often as `schedule.steps` takes, in a new order each time."""
    parameters: Any = jax.tree.map(jnp.asarray, initial(shape, schedule.seed))
    state = _optimizer(schedule).init(parameters)
    table = jnp.asarray(vectors)
    order = np.random.default_rng(schedule.seed)
    keys = jax.random.split(jax.random.key(schedule.seed), schedule.steps)
    turn: list[int] = []
    losses: list[Any] = []
    for number in range(schedule.steps):
        turn = turn or order.permutation(len(batches)).tolist()
        batch = batches[turn.pop()]
        parameters, state, loss = _step(
            parameters, state, table, batch.ids, batch.labels, keys[number], shape=shape, schedule=schedule
        )
        losses.append(loss)
        if (number + 1) % 250 == 0:
            logger.info("step %d of %d: loss %.4f", number + 1, schedule.steps, float(jnp.stack(losses[-250:]).mean()))
    return {name: np.asarray(value) for name, value in parameters.items()}


def _optimizer(schedule: Schedule) -> Any:
    rate = optax.warmup_cosine_decay_schedule(
        0.0, schedule.peak_rate, min(200, schedule.steps // 10), schedule.steps, schedule.peak_rate / 100
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=schedule.weight_decay))


@partial(jax.jit, static_argnames=("shape", "schedule"))
def _step(
    parameters: Any, state: Any, table: Any, ids: Any, labels: Any, key: Any, *, shape: Shape, schedule: Schedule
) -> tuple[Any, Any, Any]:
    words, inner = jax.random.split(key)
    lost = jax.random.bernoulli(words, schedule.word_dropout, ids.shape) & (ids >= len(SPECIAL))
    read = jnp.where(lost, SPECIAL.index(UNKNOWN), ids)

    def loss(parameters: Any) -> Any:
        found = logits(parameters, shape, table, read, schedule.dropout, inner)
        return optax.softmax_cross_entropy_with_integer_labels(found, labels).mean()

    value, gradients = jax.value_and_grad(loss)(parameters)
    updates, state = _optimizer(schedule).update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state, value


def batches_of(ids: Sequence[Sequence[int]], labels: Sequence[int], schedule: Schedule) -> list[Batch]:
    """Full batches of texts of one padded width; the few left over are not used."""
    found: list[Batch] = []
    for width, rows in _rows_of_widths(ids, schedule.widths):
        for start in range(0, len(rows) - schedule.batch + 1, schedule.batch):
            chosen = rows[start : start + schedule.batch]
            found.append(
                Batch(padded([ids[row] for row in chosen], width), np.array([labels[row] for row in chosen], np.int32))
            )
    return found


def padded(ids: Sequence[Sequence[int]], width: int) -> Ids:
    array = np.zeros((len(ids), width), np.int32)
    for row, one in enumerate(ids):
        array[row, : len(one)] = one
    return array


def predict(
    parameters: Parameters,
    shape: Shape,
    vectors: npt.NDArray[np.float32],
    ids: Sequence[Sequence[int]],
    widths: Sequence[int],
) -> npt.NDArray[np.float32]:
    """(texts, classes) logits, in order."""
    found = np.zeros((len(ids), shape.classes), np.float32)
    for width, rows in _rows_of_widths(ids, widths):
        for start in range(0, len(rows), 512):
            chosen = rows[start : start + 512]
            # Filled up to whole batches, so that each width is compiled once.
            array = np.ones((512, width), np.int32)
            array[: len(chosen)] = padded([ids[row] for row in chosen], width)
            found[chosen] = np.asarray(_compute(parameters, shape, vectors, array))[: len(chosen)]
    return found


_compute = jax.jit(logits, static_argnames=("shape",))


def _rows_of_widths(ids: Sequence[Sequence[int]], widths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    for shorter, width in pairwise((0, *widths)):
        yield width, [row for row, one in enumerate(ids) if shorter < len(one) <= width]
