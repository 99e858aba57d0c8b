"""What a body asks a model: one row of inputs by name, or a list of rows; and the answers in the same form.

    {"text": "call John"}                            → {"intent": "DIAL_PERSON", "confidence": 0.99}
    [{"text": "call John"}, {"text": "summon Bob"}]  → [{"intent": ...}, {"intent": ...}]

No name is taken by us, so none of a model's inputs can stand in the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.contracts.errors import InvalidRequest, TooMuch
from gateway.any_model import Row
from gateway.http.infer.values import from_array, to_array


@dataclass(frozen=True, slots=True)
class Asked:
    rows: Sequence[Row]
    listed: bool
    """A list of rows was sent, and a list is the answer."""


def read_rows(document: JsonValue, metadata: ModelMetadata, most_rows: int) -> Asked:
    if isinstance(document, dict):
        return Asked([_row(document, metadata)], listed=False)
    if not isinstance(document, list):
        raise InvalidRequest("the body is neither an object of inputs by name nor a list of such objects")
    if not document:
        raise InvalidRequest("the body is a list of 0 rows, at least 1 is needed")
    if len(document) > most_rows:
        raise TooMuch(f"the body has {len(document)} rows, at most {most_rows} are taken in one call")
    if metadata.decoupled and len(document) > 1:
        raise InvalidRequest(f"the body has {len(document)} rows, a decoupled model takes 1: its answers are many")
    return Asked([_named(index, one, metadata) for index, one in enumerate(document)], listed=True)


def told(row: Row, metadata: ModelMetadata) -> JsonValue:
    """The answer to one row."""
    known = {tensor.name: tensor for tensor in metadata.outputs}
    return {
        name: from_array(known.get(name) or TensorMetadata(name, "", array.shape), array) for name, array in row.items()
    }


def _named(index: int, value: JsonValue, metadata: ModelMetadata) -> Row:
    try:
        if not isinstance(value, dict):
            raise InvalidRequest("is not an object of inputs by name")
        return _row(value, metadata)
    except InvalidRequest as error:
        where = InvalidRequest(f"row {index}: {error.message}")
        raise (where.about(error.field) if error.field else where) from None


def _row(values: dict[str, JsonValue], metadata: ModelMetadata) -> Row:
    known = [tensor.name for tensor in metadata.inputs]
    for name in values:
        if name not in known:
            names = ", ".join(known)
            raise InvalidRequest(f"input {name[:64]} is not one of model {metadata.name}: {names}").about(name[:64])
    row = {}
    for tensor in metadata.inputs:
        # Many programs write null for what they leave out.
        if values.get(tensor.name) is not None:
            row[tensor.name] = to_array(tensor, values[tensor.name])
        elif not tensor.optional:
            raise InvalidRequest(f"input {tensor.name} is missing").about(tensor.name)
    return row
