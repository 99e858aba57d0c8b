"""Voice activity on speech that Piper made, whole and in pieces."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.specs import VAD_WINDOW
from conch.models.base import ModelContext
from conch.models.vad import Vad


@pytest.fixture(scope="module")
def vad(weights):
    return Vad.load(ModelContext(weights("vad")))


@pytest.fixture(scope="module")
def speech(spoken):
    """A second of silence, a sentence, a second of silence; whole windows."""
    said = spoken("Summon the maintenance team.").astype(np.float32) / 32768
    pcm = np.concatenate([np.zeros(16_000, np.float32), said, np.zeros(16_000, np.float32)])
    return pcm[: len(pcm) // VAD_WINDOW * VAD_WINDOW]


def test_speech_is_told_from_the_silence_around_it(vad, speech):
    probabilities = vad.predict({"pcm": speech[np.newaxis]})["probabilities"][0]
    assert len(probabilities) == len(speech) // VAD_WINDOW
    second = 16_000 // VAD_WINDOW
    assert probabilities[: second - 3].max() < 0.2
    assert (probabilities[second:-second] > 0.5).mean() > 0.7
    assert probabilities[-second // 2 :].max() < 0.2


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 70), max_size=6))
def test_a_stream_in_pieces_is_heard_as_in_one_call(vad, speech, cuts):
    whole = vad.predict({"pcm": speech[np.newaxis]})
    bounds = [cut * VAD_WINDOW for cut in sorted(set(cuts)) if cut * VAD_WINDOW < len(speech)]
    memory, probabilities = {}, []
    for piece in np.split(speech, bounds):
        answer = vad.predict({"pcm": piece[np.newaxis], **memory})
        memory = {"state": answer["next_state"], "context": answer["next_context"]}
        probabilities.append(answer["probabilities"][0])
    np.testing.assert_allclose(np.concatenate(probabilities), whole["probabilities"][0], atol=1e-5)
    np.testing.assert_allclose(memory["state"], whole["next_state"], atol=1e-4)
    np.testing.assert_array_equal(memory["context"], whole["next_context"])


def test_the_memory_matters(vad, speech):
    half = len(speech) // VAD_WINDOW // 2 * VAD_WINDOW
    first = vad.predict({"pcm": speech[np.newaxis, :half]})
    rest = speech[np.newaxis, half : half + 2 * VAD_WINDOW]
    forgetful = vad.predict({"pcm": rest})["probabilities"]
    without_context = vad.predict({"pcm": rest, "state": first["next_state"]})["probabilities"]
    remembering = vad.predict({"pcm": rest, "state": first["next_state"], "context": first["next_context"]})
    assert np.abs(remembering["probabilities"] - forgetful).max() > 1e-3
    assert np.abs(remembering["probabilities"] - without_context).max() > 1e-6


def test_streams_in_one_batch_do_not_hear_each_other(vad, speech):
    streams = np.stack([speech, np.zeros_like(speech), speech[::-1]])
    together = vad.predict({"pcm": streams})
    for index, stream in enumerate(streams):
        alone = vad.predict({"pcm": stream[np.newaxis]})
        for name, array in alone.items():
            np.testing.assert_array_equal(together[name][index], array[0])


@pytest.mark.parametrize("samples", [0, 1, 511, 513, 16_000])
def test_parts_of_windows_are_refused(vad, samples):
    with pytest.raises(InvalidRequest, match=f"pcm has {samples} samples, the model takes a multiple of 512"):
        vad.predict({"pcm": np.zeros((1, samples), np.float32)})


def test_a_call_of_more_than_a_minute_is_refused(vad):
    with pytest.raises(InvalidRequest, match=r"pcm is 60\.03 s, one call takes 60\.00 s"):
        vad.predict({"pcm": np.zeros((1, 1_876 * VAD_WINDOW), np.float32)})


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(Internal, match=r"silero_vad\.onnx is not in"):
        Vad.load(ModelContext(tmp_path))
