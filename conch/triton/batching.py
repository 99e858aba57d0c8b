"""Run the requests that Triton batched through one model, so that no request suffers for its neighbour.

Pure: knows the kinds of models, not Triton. The adapter turns Triton's requests into Calls and answers back.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.identity import Identity
from conch.models.base import Arrays, RaggedModel, Row, StackedModel

logger = logging.getLogger(__name__)

Answer = Arrays | ConchError


@dataclass(frozen=True, slots=True)
class Call:
    """One Triton request: arrays of shape (batch, *dims), checked against the spec."""

    inputs: Arrays
    identity: Identity

    @property
    def batch(self) -> int:
        sizes = {name: array.shape[0] for name, array in self.inputs.items()}
        if len(set(sizes.values())) != 1:
            raise InvalidRequest(f"inputs disagree on the batch size: {sizes}")
        return next(iter(sizes.values()))


def run(model: StackedModel | RaggedModel, calls: Sequence[Call]) -> list[Answer]:
    """One answer a call, in order: arrays with the batch dimension, or the error that is that call's own."""
    return run_ragged(model, calls) if isinstance(model, RaggedModel) else run_stacked(model, calls)


def run_stacked(model: StackedModel, calls: Sequence[Call]) -> list[Answer]:
    answers: list[Answer] = [Internal("not run")] * len(calls)
    for indices in _groups_of_one_shape(calls):
        group = [calls[index] for index in indices]
        for index, answer in zip(indices, _predict_stacked(model, group), strict=True):
            answers[index] = answer
    return answers


def _groups_of_one_shape(calls: Sequence[Call]) -> list[list[int]]:
    """Indices of calls that can be stacked: the same inputs, equal but for the batch dimension."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        key = tuple(sorted((name, array.shape[1:]) for name, array in call.inputs.items()))
        groups[key].append(index)
    return list(groups.values())


def _predict_stacked(model: StackedModel, calls: Sequence[Call]) -> list[Answer]:
    try:
        sizes = [call.batch for call in calls]
        stacked = {name: np.concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}
        outputs = model.predict(stacked)
        bounds = np.cumsum(sizes)[:-1]
        parts = {name: np.split(array, bounds) for name, array in outputs.items()}
    except Exception as error:  # noqa: BLE001 - an edge: what a model raises ends here
        if len(calls) == 1:
            return [_blamed(error, calls[0].identity)]
        # A refused batch is answered one by one, so that one bad request does not fail its neighbours.
        return [answer for call in calls for answer in _predict_stacked(model, [call])]
    return [{name: part[index] for name, part in parts.items()} for index in range(len(calls))]


def run_ragged(model: RaggedModel, calls: Sequence[Call]) -> list[Answer]:
    rows: list[Row] = []
    owners: list[int] = []
    refused: dict[int, ConchError] = {}
    for index, call in enumerate(calls):
        try:
            size = call.batch
        except ConchError as error:
            refused[index] = error
            continue
        for item in range(size):
            rows.append(Row({name: array[item] for name, array in call.inputs.items()}, call.identity))
            owners.append(index)
    by_call: dict[int, list[Answer]] = defaultdict(list)
    for owner, answer in zip(owners, _predict_rows(model, rows) if rows else [], strict=True):
        by_call[owner].append(answer)
    return [refused[index] if index in refused else _stack_rows(by_call[index]) for index in range(len(calls))]


def _predict_rows(model: RaggedModel, rows: Sequence[Row]) -> Sequence[Answer]:
    try:
        answers = model.predict(rows)
        if len(answers) != len(rows):
            raise RuntimeError(f"{len(answers)} answers for {len(rows)} rows")
    except Exception as error:  # noqa: BLE001 - an edge: what a model raises ends here
        if len(rows) == 1:
            return [_blamed(error, rows[0].identity)]
        return [answer for row in rows for answer in _predict_rows(model, [row])]
    return answers


def _stack_rows(answers: Sequence[Answer]) -> Answer:
    """Rows of one request as one answer; a request is refused whole when one of its rows is."""
    arrays: list[Arrays] = []
    for answer in answers:
        if isinstance(answer, ConchError):
            return answer
        arrays.append(answer)
    if not arrays:
        return InvalidRequest("the batch dimension is 0, at least 1 row is needed")
    try:
        return {name: np.stack([row[name] for row in arrays]) for name in arrays[0]}
    except ValueError:
        return InvalidRequest(f"the {len(arrays)} rows of one request have answers of unequal length: send a row each")


def _blamed(error: Exception, identity: Identity) -> ConchError:
    """The error as the caller may see it; a bug's details stay in our log."""
    if isinstance(error, ConchError):
        return error
    logger.error("predict failed, request %s", identity.request_id or "-", exc_info=error)
    return Internal("internal error")
