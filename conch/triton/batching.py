"""Run the requests that Triton batched through one model, so that no request suffers for its neighbour.

Pure: knows the kinds of models, not Triton. The adapter turns Triton's requests into Calls and answers back.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from conch.contracts.errors import ConchError, DeadlineExceeded, Internal, InvalidRequest, Unavailable
from conch.contracts.identity import Identity
from conch.models.base import Array, Arrays, RaggedModel, Row, StackedModel

logger = logging.getLogger(__name__)

Answer = Arrays | ConchError

Executed = Callable[[int], None]
"""Told the rows of every batch that a model is given."""

SHARED_FAULTS = (Unavailable, DeadlineExceeded)
"""Not any one request's fault: asking again, one by one, would only multiply the wait."""


@dataclass(frozen=True, slots=True)
class Call:
    """One Triton request: arrays of shape (batch, *dims), checked against the spec."""

    inputs: Arrays
    identity: Identity
    wanted: frozenset[str] = frozenset()
    """Outputs that are asked for; empty: all."""

    def __post_init__(self) -> None:
        sizes = {name: array.shape[0] for name, array in self.inputs.items()}
        if not sizes:
            raise InvalidRequest("no input is given, at least 1 is needed")
        if len(set(sizes.values())) != 1:
            raise InvalidRequest(f"inputs disagree on the batch size: {sizes}")
        if self.batch == 0:
            raise InvalidRequest("the batch dimension is 0, at least 1 row is needed")

    @property
    def batch(self) -> int:
        return int(next(iter(self.inputs.values())).shape[0])

    def row(self, index: int) -> Row:
        return Row({name: array[index] for name, array in self.inputs.items()}, self.identity, self.wanted)


def run(model: StackedModel | RaggedModel, calls: Sequence[Call], executed: Executed) -> list[Answer]:
    """One answer a call, in order: arrays with the batch dimension, or the error that is that call's own."""
    if not calls:
        return []
    if isinstance(model, RaggedModel):
        return _run_ragged(model, calls, executed)
    return _run_stacked(model, calls, executed)


def blamed(error: Exception, identity: Identity) -> ConchError:
    """The error as the caller may see it; a bug's details stay in our log."""
    if isinstance(error, Internal):
        logger.error("%s, request %s, trace %s", error.message, identity.request_id or "-", identity.trace_id or "-")
    if isinstance(error, ConchError):
        return error
    logger.error("a bug, request %s, trace %s", identity.request_id or "-", identity.trace_id or "-", exc_info=error)
    return Internal("internal error")


def _run_stacked(model: StackedModel, calls: Sequence[Call], executed: Executed) -> list[Answer]:
    answers: dict[int, Answer] = {}
    for indices in _groups_of_one_shape(calls):
        group = [calls[index] for index in indices]
        answers.update(zip(indices, _predict_stacked(model, group, executed), strict=True))
    return [answers[index] for index in range(len(calls))]


def _groups_of_one_shape(calls: Sequence[Call]) -> list[list[int]]:
    """Indices of calls that can be stacked: the same inputs, equal but for the batch dimension."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        key = tuple(sorted((name, array.shape[1:]) for name, array in call.inputs.items()))
        groups[key].append(index)
    return list(groups.values())


def _predict_stacked(model: StackedModel, calls: Sequence[Call], executed: Executed) -> Sequence[Answer]:
    sizes = [call.batch for call in calls]
    executed(sum(sizes))
    try:
        outputs = model.predict(_stacked([call.inputs for call in calls]))
        return _split(outputs, sizes)
    except SHARED_FAULTS as error:
        return [error] * len(calls)
    except Exception as error:  # noqa: BLE001 - an edge: what a model raises ends here
        if len(calls) == 1:
            return [blamed(error, calls[0].identity)]
        _explain_retry(error, len(calls))
        return [answer for call in calls for answer in _predict_stacked(model, [call], executed)]


def _stacked(inputs: Sequence[Arrays]) -> Arrays:
    if len(inputs) == 1:
        return inputs[0]
    return {name: np.concatenate([arrays[name] for arrays in inputs]) for name in inputs[0]}


def _split(outputs: Arrays, sizes: Sequence[int]) -> list[Arrays]:
    """One part a call; a batch of the wrong size would go to the wrong callers without a word."""
    for name, array in outputs.items():
        if array.shape[:1] != (sum(sizes),):
            raise RuntimeError(f"output {name} has shape {list(array.shape)} for a batch of {sum(sizes)}")
    bounds = list(pairwise(accumulate(sizes, initial=0)))
    return [{name: array[start:end] for name, array in outputs.items()} for start, end in bounds]


def _run_ragged(model: RaggedModel, calls: Sequence[Call], executed: Executed) -> list[Answer]:
    rows = [call.row(index) for call in calls for index in range(call.batch)]
    answers = iter(_predict_rows(model, rows, executed))
    return [_one_answer([next(answers) for _ in range(call.batch)], call.identity) for call in calls]


def _predict_rows(model: RaggedModel, rows: Sequence[Row], executed: Executed) -> Sequence[Answer]:
    executed(len(rows))
    try:
        answers = model.predict(rows)
        if len(answers) != len(rows):
            raise RuntimeError(f"{len(answers)} answers for {len(rows)} rows")
        return answers
    except SHARED_FAULTS as error:
        return [error] * len(rows)
    except Exception as error:  # noqa: BLE001 - an edge: what a model raises ends here
        if len(rows) == 1:
            return [blamed(error, rows[0].identity)]
        _explain_retry(error, len(rows))
        return [answer for row in rows for answer in _predict_rows(model, [row], executed)]


def _one_answer(answers: Sequence[Answer], identity: Identity) -> Answer:
    """Rows of one request as one answer; a request is refused whole when one of its rows is."""
    rows: list[Arrays] = []
    for answer in answers:
        if isinstance(answer, ConchError):
            return answer
        rows.append(answer)
    try:
        return {name: _stack(name, [row[name] for row in rows]) for name in rows[0]}
    except Exception as error:  # noqa: BLE001 - an edge: what a model answers is read here
        return blamed(error, identity)


def _stack(name: str, arrays: Sequence[Array]) -> Array:
    if len(arrays) == 1:
        return arrays[0][np.newaxis]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        lengths = " and ".join(str(list(shape)) for shape in shapes[:2])
        raise InvalidRequest(f"rows of one request have answers of unequal shape, {name} {lengths}: send a row each")
    return np.stack(arrays)


def _explain_retry(error: Exception, size: int) -> None:
    # A bug that only a batch shows would be invisible: one by one its requests succeed.
    if not isinstance(error, ConchError):
        logger.error("predict failed on %d together, they are answered one by one", size, exc_info=error)
