"""Speech in, intent out, through both steps of the voice_command ensemble in a real tritonserver."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from conch.contracts.specs import INTENTS
from conch.models.base import Array
from conch.stack.serving import Server

Spoken = Callable[[str], Array]


@pytest.fixture(scope="module")
def server(serving: Callable[..., Server]) -> Server:
    return serving("voice_command", "whisper", "intent")


def tensor(name: str, data_type: str, values: Array) -> InferInput:
    given = InferInput(name, list(values.shape), data_type)
    given.set_data_from_numpy(values)
    return given


def speech(pcm16: Array, rate: int = 16_000, **words: str) -> list[InferInput]:
    return [
        tensor("pcm16", "INT16", pcm16[np.newaxis]),
        tensor("sample_rate", "INT32", np.array([[rate]], np.int32)),
        *(tensor(name, "BYTES", np.array([[text.encode()]], dtype=object)) for name, text in words.items()),
    ]


async def listen(server: Server, inputs: Sequence[InferInput]) -> InferResult:
    async with InferenceServerClient(server.grpc) as client:
        return await client.infer("voice_command", list(inputs))


def word(result: InferResult, name: str) -> str:
    return str(result.as_numpy(name).item().decode())


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("Please send the cleaning crew to hall four.", "SUMMON_TEAM"),
        ("Please call my mother.", "DIAL_PERSON"),
        ("What will the weather be like tomorrow?", "GENERAL_QUERY"),
    ],
    ids=["summon", "dial", "query"],
)
async def test_a_spoken_sentence_is_transcribed_and_understood(
    server: Server, spoken: Spoken, said: str, intent: str
) -> None:
    result = await listen(server, speech(spoken(said), language="en"))
    assert word(result, "intent") == intent
    assert result.as_numpy("confidence").item() > 0.8
    assert result.as_numpy("intent_scores")[0].argmax() == INTENTS.index(intent)
    assert len(word(result, "text").split()) >= 4
    assert word(result, "spoken_language") == "en"
    assert word(result, "rejected") == ""
    assert result.as_numpy("speech_s").item() > 0.5


async def test_floats_in_place_of_integers_mean_the_same(server: Server, spoken: Spoken) -> None:
    pcm = spoken("Please call my mother.").astype(np.float32) / 32_768
    inputs = [tensor("pcm", "FP32", pcm[np.newaxis]), tensor("sample_rate", "INT32", np.array([[16_000]], np.int32))]
    result = await listen(server, inputs)
    assert word(result, "intent") == "DIAL_PERSON"


async def test_silence_has_no_text_and_no_intent_and_is_no_error(server: Server) -> None:
    result = await listen(server, speech(np.zeros(32_000, np.int16)))
    assert word(result, "text") == ""
    assert word(result, "intent") == ""
    assert result.as_numpy("confidence").item() == 0.0
    assert result.as_numpy("intent_scores").tolist() == [[0.0, 0.0, 0.0]]


async def test_a_prompt_reaches_the_recogniser(server: Server, spoken: Spoken) -> None:
    result = await listen(server, speech(spoken("Please call Priya Okafor."), language="en", prompt="Priya Okafor"))
    assert word(result, "intent") == "DIAL_PERSON"
    assert "Okafor" in word(result, "text")


async def test_an_error_of_a_step_names_the_step(server: Server) -> None:
    with pytest.raises(InferenceServerException, match="model whisper: "):
        await listen(server, speech(np.zeros(16_000, np.int16), rate=-1))
