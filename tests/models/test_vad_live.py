"""Voice activity in a real tritonserver: streams carry their memory, and share batches."""

import asyncio

import httpx
import numpy as np
import pytest

from conch.clients.triton import TritonInference
from conch.contracts.errors import InvalidRequest
from conch.contracts.specs import VAD_WINDOW


@pytest.fixture(scope="module")
def server(serving):
    return serving("whisper", "vad")


@pytest.fixture
async def triton(server):
    async with TritonInference(server.grpc) as inference:
        yield inference


@pytest.fixture(scope="module")
def speech(spoken):
    pcm = np.pad(spoken("Summon the maintenance team.").astype(np.float32) / 32768, 16_000)
    return pcm[: len(pcm) // VAD_WINDOW * VAD_WINDOW]


async def listen(triton, pcm, **memory):
    return await triton.infer("vad", {"pcm": pcm[np.newaxis], **memory})


async def test_a_stream_in_pieces_is_heard_as_in_one_call(triton, speech):
    whole = await listen(triton, speech)
    memory, probabilities = {}, []
    for piece in np.split(speech, [VAD_WINDOW, 11 * VAD_WINDOW, 40 * VAD_WINDOW]):
        answer = await listen(triton, piece, **memory)
        memory = {"state": answer["next_state"], "context": answer["next_context"]}
        probabilities.append(answer["probabilities"][0])
    assert whole["probabilities"].max() > 0.8
    np.testing.assert_allclose(np.concatenate(probabilities), whole["probabilities"][0], atol=1e-5)
    np.testing.assert_allclose(memory["state"], whole["next_state"], atol=1e-4)
    np.testing.assert_array_equal(memory["context"], whole["next_context"])


async def test_streams_of_unequal_length_execute_together_and_apart(server, triton, speech):
    lengths = [VAD_WINDOW * (1 + index % 40) for index in range(120)]
    answers = await asyncio.gather(*(listen(triton, speech[:length]) for length in lengths))
    whole = (await listen(triton, speech))["probabilities"][0]
    for length, answer in zip(lengths, answers, strict=True):
        np.testing.assert_allclose(answer["probabilities"][0], whole[: length // VAD_WINDOW], atol=1e-5)
    async with httpx.AsyncClient() as http:
        stats = (await http.get(f"http://{server.http}/v2/models/vad/stats")).json()["model_stats"][0]
    assert stats["inference_count"] > stats["execution_count"]


async def test_a_part_of_a_window_is_refused_and_its_neighbours_are_not(triton, speech):
    good, bad = speech[: 4 * VAD_WINDOW], speech[: 4 * VAD_WINDOW + 1]
    answers = await asyncio.gather(*(listen(triton, pcm) for pcm in [good, bad] * 8), return_exceptions=True)
    for answer, refusal in zip(answers[::2], answers[1::2], strict=True):
        assert answer["probabilities"].shape == (1, 4)
        assert isinstance(refusal, InvalidRequest)
        assert "model vad: " in refusal.message
        assert "pcm has 2049 samples, the model takes a multiple of 512" in refusal.message
