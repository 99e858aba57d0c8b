import numpy as np
import pytest

from conch.clients.metadata import ModelMetadata, TensorMetadata
from conch.clients.model_config import parse_config
from conch.rollout.probes import ModelProbe, arrays_of, check_answer, probes_of
from conch.rollout.refusals import RefusedVersion

METADATA = ModelMetadata(
    "tiny",
    ("1",),
    (TensorMetadata("text", "BYTES", (1,)), TensorMetadata("pcm", "INT16", (-1,), optional=True)),
    (TensorMetadata("score", "FP32", (2,)), TensorMetadata("label", "BYTES", (1,))),
    max_batch_size=8,
)
PROBE = ModelProbe({"text": "hi"}, {"score": [0.5, 0.25], "label": ["yes"]})


def answer(score=(0.5, 0.25), label="yes", dtype=np.float32):
    return {"score": np.array([score], dtype), "label": np.array([[label]], object)}


def test_inputs_get_the_model_s_types_and_its_batch_dimension():
    arrays = arrays_of(METADATA, {"text": "hi", "pcm": [1, 2, 3]})
    assert arrays["text"].tolist() == [["hi"]]
    assert (arrays["pcm"].tolist(), arrays["pcm"].dtype) == ([[1, 2, 3]], np.int16)


@pytest.mark.parametrize("inputs", [{"txt": "hi"}, {"text": ["a", "b"]}, {"pcm": ["a"]}])
def test_inputs_that_the_model_cannot_take_are_refused(inputs):
    with pytest.raises(RefusedVersion, match="a probe"):
        arrays_of(METADATA, inputs)


def test_an_answer_as_expected_is_good():
    check_answer(METADATA, PROBE, answer())
    check_answer(METADATA, PROBE, answer(score=(0.505, 0.251)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"label": np.array([["yes"]], object)}, "lacks the output score"),
        (answer(score=(0.5, 0.25, 0.25)), r"shape \[1, 3\], its config says \[1, 2\]"),
        (answer(dtype=np.float64), "came as float64, its config says FP32"),
        (answer(score=(np.nan, np.inf)), "holds 2 values that are no numbers"),
        (answer(score=(0.9, 0.1)), r"score is 0\.9, 0\.1, the probe expects 0\.5, 0\.25"),
        (answer(label="no"), "label is no, the probe expects yes"),
    ],
    ids=["missing", "shape", "type", "not numbers", "numbers", "words"],
)
def test_another_answer_is_refused_with_what_differs(wrong, reason):
    with pytest.raises(RefusedVersion, match=reason):
        check_answer(METADATA, PROBE, wrong)


def test_what_cannot_be_asked_cannot_go_live(tmp_path):
    with pytest.raises(RefusedVersion, match="it cannot be probed"):
        probes_of(parse_config('name: "tiny"'), tmp_path)


def test_probes_are_the_example_and_those_of_the_files(tmp_path):
    (tmp_path / "probes.json").write_text(
        '[{"inputs": {"text": "a"}, "outputs": {"label": ["yes"]}, "tolerance": 0.5}]'
    )
    config = parse_config("""parameters [ { key: "example" value: { string_value: '{"text": "b"}' } } ]""")
    assert probes_of(config, tmp_path) == [
        ModelProbe({"text": "b"}),
        ModelProbe({"text": "a"}, {"label": ["yes"]}, 0.5),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"outputs": {}}]'])
def test_probes_that_cannot_be_read_are_refused(tmp_path, text):
    (tmp_path / "probes.json").write_text(text)
    with pytest.raises(RefusedVersion, match="probe"):
        probes_of(parse_config('name: "tiny"'), tmp_path)
