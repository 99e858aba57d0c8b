import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.triton.tensors import NUMPY_TYPES, from_triton, refuse_numpy, to_triton

SPEC = ModelSpec(
    "sample",
    inputs=(
        TensorSpec("pcm", DataType.FP32, (-1,)),
        TensorSpec("state", DataType.FP32, (2, 3), optional=True),
        TensorSpec("text", DataType.BYTES, (1,), optional=True),
        TensorSpec("rate", DataType.INT32, (1,), optional=True),
    ),
    outputs=(
        TensorSpec("words", DataType.BYTES, (-1,)),
        TensorSpec("times", DataType.FP32, (-1, 2)),
        TensorSpec("count", DataType.INT32, (1,)),
    ),
)
PCM = np.zeros((2, 5), np.float32)
WORDS = np.array([["one", "zwei"], ["ba", "cà phê"]], dtype=object)
OUTPUTS = {"words": WORDS, "times": np.zeros((2, 2, 2), np.float32), "count": np.ones((2, 1), np.int32)}


def refusal(**arrays: np.ndarray) -> str:
    with pytest.raises(InvalidRequest) as refused:
        from_triton(SPEC, arrays)
    return refused.value.message


def broken(**arrays: np.ndarray | None) -> str:
    """What is said of a model that answers with these in place of what it should."""
    answer = {name: array for name, array in {**OUTPUTS, **arrays}.items() if array is not None}
    with pytest.raises(Internal) as fault:
        to_triton(SPEC, answer, batch=2)
    return fault.value.message


def test_what_fits_the_spec_passes_unchanged():
    taken = from_triton(SPEC, {"pcm": PCM, "rate": np.array([[1], [2]], np.int32)})
    assert taken["pcm"] is PCM
    assert taken.keys() == {"pcm", "rate"}


def test_an_absent_optional_input_stays_absent():
    assert "state" not in from_triton(SPEC, {"pcm": PCM})


def test_a_missing_input_is_named():
    assert refusal(rate=np.zeros((1, 1), np.int32)) == "input pcm is missing"


def test_an_input_that_the_model_does_not_have_is_named_with_those_it_has():
    assert refusal(pcm=PCM, volume=PCM) == "input volume is not one of pcm, state, text, rate"


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((2, 3, 2), "input state has shape [3, 2], the model takes [2, 3]"),
        ((2, 6), "input state has shape [6], the model takes [2, 3]"),
        ((2,), "input state has shape [], the model takes [2, 3]"),
        ((2, 2, 3, 1), "input state has shape [2, 3, 1], the model takes [2, 3]"),
    ],
)
def test_a_wrong_shape_is_told_with_the_right_one(shape, says):
    assert refusal(pcm=PCM, state=np.zeros(shape, np.float32)) == says


def test_a_scalar_has_no_batch_dimension():
    assert refusal(pcm=np.array(1.0, np.float32)) == "input pcm has shape [], the model takes [-1]"


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int16, np.bool_])
def test_a_wrong_type_is_told_with_the_right_one(dtype):
    assert refusal(pcm=PCM.astype(dtype)) == f"input pcm holds {np.dtype(dtype)}, the model takes float32"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_counted(value):
    pcm = PCM.copy()
    pcm[1, 2:4] = value
    assert refusal(pcm=pcm) == "input pcm has 2 of 10 values that are NaN or infinite"


def test_an_empty_row_is_the_model_s_to_judge():
    assert from_triton(SPEC, {"pcm": np.zeros((1, 0), np.float32)})["pcm"].shape == (1, 0)


def test_text_is_decoded():
    text = np.array([["cà phê".encode()], [b""]], dtype=object)
    assert from_triton(SPEC, {"pcm": PCM, "text": text})["text"].tolist() == [["cà phê"], [""]]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"ok \xff", "invalid start byte at byte 3"),
        ("ế".encode()[:2], "unexpected end of data at byte 0"),
        (b"\xed\xa0\x80", "invalid continuation byte at byte 0"),
    ],
    ids=["not UTF-8", "cut off", "a lone surrogate"],
)
def test_text_that_is_not_utf_8_is_refused_with_the_byte(sent, says):
    assert refusal(pcm=PCM, text=np.array([[b"fine"], [sent]], dtype=object)) == f"input text is not UTF-8: {says}"


@given(st.binary(max_size=20))
def test_text_passes_exactly_when_it_is_utf_8(sent):
    arrays = {"pcm": PCM, "text": np.array([[sent]], dtype=object)}
    try:
        wanted = sent.decode()
    except UnicodeDecodeError:
        with pytest.raises(InvalidRequest):
            from_triton(SPEC, arrays)
    else:
        assert from_triton(SPEC, arrays)["text"].item() == wanted


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)))
def test_floats_pass_exactly_when_shape_and_values_are_right(array):
    arrays = {"pcm": PCM, "state": array}
    if array.shape[1:] == (2, 3) and np.isfinite(array).all():
        assert from_triton(SPEC, arrays)["state"] is array
    else:
        with pytest.raises(InvalidRequest, match="input state"):
            from_triton(SPEC, arrays)


@pytest.mark.parametrize("data_type", list(DataType))
def test_every_type_of_the_specs_has_one_of_numpy(data_type):
    spec = ModelSpec("one", (TensorSpec("x", data_type, (1,)),), (TensorSpec("x", data_type, (1,)),))
    array = np.zeros((1, 1), NUMPY_TYPES[data_type])
    back = to_triton(spec, from_triton(spec, {"x": array}), batch=1)["x"]
    assert back.dtype == NUMPY_TYPES[data_type]


def test_outputs_go_out_in_the_order_and_type_of_the_spec():
    answer = {**OUTPUTS, "times": np.ones((2, 2, 2), np.float64), "count": np.ones((2, 1), np.int64), "spare": WORDS}
    sent = to_triton(SPEC, answer, batch=2)
    assert list(sent) == ["words", "times", "count"]
    assert sent["times"].dtype == np.float32
    assert sent["count"].dtype == np.int32
    assert sent["words"].tolist() == [[b"one", b"zwei"], [b"ba", "cà phê".encode()]]


def test_of_outputs_only_what_is_wanted_goes_out():
    sent = to_triton(SPEC, {**OUTPUTS, "times": None}, batch=2, wanted={"count", "words", "unheard of"})
    assert list(sent) == ["words", "count"]


def test_outputs_without_a_single_element_keep_their_shape():
    nothing = {**OUTPUTS, "words": np.empty((2, 0), dtype=object), "times": np.zeros((2, 0, 2), np.float32)}
    sent = to_triton(SPEC, nothing, batch=2)
    assert (sent["words"].shape, sent["times"].shape) == ((2, 0), (2, 0, 2))


def test_every_output_is_laid_out_as_triton_reads_it():
    sent = to_triton(SPEC, {**OUTPUTS, "times": np.zeros((2, 2, 3), np.float32).transpose(0, 2, 1)[:, ::2]}, batch=2)
    assert sent["times"].flags.c_contiguous


def test_an_output_that_was_not_computed_is_named():
    assert broken(count=None) == "output count was not computed"


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 3), (2,), ()])
def test_an_output_of_a_wrong_shape_is_told_with_the_right_one(shape):
    assert broken(times=np.zeros(shape, np.float32)) == (
        f"output times has shape {list(shape)}, the contract is [2, -1, 2]"
    )


def test_an_output_for_another_batch_is_told_with_the_right_one():
    assert broken(count=np.zeros((3, 1), np.int32)) == "output count has shape [3, 1], the contract is [2, 1]"


@pytest.mark.parametrize("dtype", [np.float32, object], ids=["fractions", "objects"])
def test_an_output_whose_values_would_be_cut_is_not_cast(dtype):
    array = np.zeros((2, 1), dtype)
    assert broken(count=array) == f"output count holds {array.dtype}, the contract is int32"


@pytest.mark.parametrize("version", ["2.0.0", "2.0.0rc1", "2.3.4", "3.0"])
def test_a_numpy_whose_outputs_would_be_empty_is_refused(version):
    with pytest.raises(Internal, match=f"numpy is {version}, Triton's python back end needs one below 2"):
        refuse_numpy(version)


def test_this_environment_s_numpy_is_taken():
    refuse_numpy(np.__version__)
