"""JSON to arrays and back: what goes in comes out, and what does not fit is refused with what disagrees."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conch.clients.metadata import TensorMetadata
from conch.contracts.errors import InvalidRequest
from gateway.http.infer.values import NUMPY_TYPES, bounds_of, from_array, to_array

NUMBERS = sorted(NUMPY_TYPES.keys() - {"BYTES", "BOOL"})
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


def tensor(data_type: str, *dims: int) -> TensorMetadata:
    return TensorMetadata("x", data_type, dims)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[TensorMetadata, Any]:
    """A tensor and an array that it takes; each of its dims is fixed or free."""
    data_type = draw(st.sampled_from(sorted(NUMPY_TYPES)))
    shape = draw(SHAPES)
    dims = tuple(draw(st.sampled_from([length, -1])) for length in shape)
    if 0 in shape:  # what is empty does not tell how long its lists would be
        dims = shape
    leaves = st.text() | st.binary() if data_type == "BYTES" else None
    plain = {"allow_nan": False, "allow_infinity": False} if data_type.startswith("FP") else {}
    dtype = NUMPY_TYPES[data_type]
    elements = leaves if leaves is not None else arrays.from_dtype(dtype, **plain)
    return tensor(data_type, *dims), draw(arrays.arrays(dtype, shape, elements=elements))


def as_text(value: Any) -> Any:
    """Bytes that are UTF-8 are text on the way out."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


@settings(deadline=None)
@given(tensors())
def test_an_array_survives_json_in_its_own_type(drawn: tuple[TensorMetadata, Any]) -> None:
    kind, array = drawn
    value = json.loads(json.dumps(from_array(kind, array), allow_nan=False))
    back = to_array(kind, value)
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    assert list(map(as_text, back.ravel().tolist())) == list(map(as_text, array.ravel().tolist()))


@settings(deadline=None)
@given(st.sampled_from(NUMBERS), st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_taken_as_it_is_or_refused(data_type: str, number: float) -> None:
    least, most = bounds_of(NUMPY_TYPES[data_type])
    whole = data_type.startswith("FP") or float(number).is_integer() if abs(number) < 1e300 else True
    if least <= number <= most and whole:
        taken = to_array(tensor(data_type, 1), number).item()
        assert taken == NUMPY_TYPES[data_type].type(number)
    else:
        with pytest.raises(InvalidRequest, match=r"input x holds .*, .*INT\d+ takes|input x holds .*, FP\d+ takes"):
            to_array(tensor(data_type, 1), number)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(NUMPY_TYPES)), st.lists(st.integers(-1, 3), min_size=1, max_size=3), json_values)
def test_whatever_is_sent_is_taken_or_refused_about_its_input(data_type: str, dims: list[int], value: Any) -> None:
    kind = tensor(data_type, *dims)
    outcome: Any = None
    try:
        outcome = to_array(kind, value)
    except InvalidRequest as refusal:
        outcome = refusal
    if isinstance(outcome, InvalidRequest):
        assert outcome.field == "x"
    else:
        assert outcome.dtype == NUMPY_TYPES[data_type]
        assert all(dim in (-1, length) for dim, length in zip(dims, outcome.shape, strict=True))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (tensor("INT16", 1), 40000, "input x holds 40000, INT16 takes -32768 to 32767"),
        (tensor("UINT8", -1), [1, -1], "input x holds -1, UINT8 takes 0 to 255"),
        (tensor("INT32", 1), 1.5, "input x holds 1.5, INT32 takes whole numbers"),
        (tensor("INT32", 1), True, "input x holds true, INT32 takes whole numbers"),
        (tensor("FP32", 1), 1e39, r"input x holds 1e\+39, FP32 takes -3.40.*e\+38 to 3.40"),
        (tensor("FP32", 1), None, "input x holds null, FP32 takes numbers"),
        (tensor("FP32", 1), 2**200, "input x holds a number of more than 128 bits, FP32 takes"),
        (tensor("BOOL", 1), 1, "input x holds 1, BOOL takes true or false"),
        (tensor("BYTES", 1), {"base64": "%"}, "input x has bytes that are not base64"),
        (tensor("BYTES", 1), {"base64": "eA==", "x": 1}, "input x holds an object, BYTES takes texts"),
        (tensor("FP32", 3), [1, 2], r"input x has shape \[2\], the model takes \[3\]"),
        (tensor("FP32", -1, 2), [[1, 2, 3]], r"input x has shape \[1, 3\], the model takes \[-1, 2\]"),
        (tensor("FP32", -1), [[1], [2]], r"input x has shape \[2, 1\], the model takes \[-1\]"),
        (tensor("FP32", -1, -1), [1], r"input x has shape \[1\], the model takes \[-1, -1\]"),
        (tensor("FP32", -1), 1, r"input x has no list but 1, the model takes \[-1\]"),
        (tensor("FP32", -1, -1), [[1], [2, 3]], "input x has lists of 1 and of 2 entries side by side"),
        (tensor("BF16", 1), 1, "input x is BF16, which JSON is not taken for"),
    ],
)
def test_what_does_not_fit_is_told_with_both_sides(kind: TensorMetadata, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        to_array(kind, value)


def test_a_single_element_may_stand_in_its_list_too() -> None:
    assert to_array(tensor("INT32", 1), 7).tolist() == to_array(tensor("INT32", 1), [7]).tolist() == [7]


def test_floats_are_told_in_their_own_precision_and_those_that_are_not_finite_as_null() -> None:
    assert from_array(tensor("FP32", -1), np.array([0.99, np.nan, np.inf], np.float32)) == [0.99, None, None]
    assert from_array(tensor("FP16", 1), np.array([0.1], np.float16)) == 0.1


def test_bytes_that_are_no_text_are_base64() -> None:
    array = np.array([b"\xff\x00", "text", b"text"], dtype=object)
    assert from_array(tensor("BYTES", -1), array) == [{"base64": "/wA="}, "text", "text"]
