"""KServe's health over gRPC, as Triton's own client asks for it."""

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import Unavailable
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from gateway.addresses import Addresses

THEIRS = ModelSpec("theirs", (TensorSpec("text", DataType.BYTES, (1,)),), (TensorSpec("text", DataType.BYTES, (1,)),))

MODEL_READY = "/inference.GRPCInferenceService/ModelReady"


def dead(inputs: Arrays, call: CallOptions) -> Arrays:
    raise Unavailable("Stub process is not healthy")


@pytest.fixture
async def triton(gateway: Addresses) -> AsyncIterator[InferenceServerClient]:
    async with InferenceServerClient(gateway.grpc) as client:
        yield client


async def test_a_server_whose_models_answer_is_live_and_ready(triton: InferenceServerClient) -> None:
    assert await triton.is_server_live()
    assert await triton.is_server_ready()
    for model in ("whisper", "vad", "intent", "piper", "embedding", "voice_command"):
        assert await triton.is_model_ready(model)
        assert await triton.is_model_ready(model, "1")


async def test_a_model_that_triton_calls_ready_and_that_does_not_answer_is_not_ready(
    triton: InferenceServerClient, models: InProcessInference
) -> None:
    models.functions["intent"] = dead
    assert await models.ready("intent")
    assert not await triton.is_model_ready("intent")
    assert not await triton.is_model_ready("intent", "1")
    assert not await triton.is_server_ready()
    assert await triton.is_server_live()
    assert await triton.is_model_ready("embedding")


async def test_a_model_or_a_version_that_nobody_has_is_not_ready(triton: InferenceServerClient) -> None:
    assert not await triton.is_model_ready("nobody")
    assert not await triton.is_model_ready("")
    assert not await triton.is_model_ready("intent", "2")


async def test_the_version_asked_for_is_the_one_that_is_probed(
    triton: InferenceServerClient, models: InProcessInference
) -> None:
    await triton.is_model_ready("intent", "1")
    assert [asked.call.version for asked in models.asked] == ["1"]


async def test_a_model_without_a_probe_or_an_example_is_what_triton_says(
    triton: InferenceServerClient, models: InProcessInference
) -> None:
    models.functions["theirs"], models.specs["theirs"] = dead, THEIRS
    assert await triton.is_model_ready("theirs")
    assert await triton.is_server_ready()
    assert models.asked
    assert "theirs" not in {asked.model for asked in models.asked}


async def test_a_server_with_other_models_than_ours_is_ready(
    triton: InferenceServerClient, models: InProcessInference
) -> None:
    models.functions = {"theirs": dead}
    assert await triton.is_server_ready()
    assert not await triton.is_model_ready("intent")


@pytest.mark.parametrize("version", ["abc", "-1", "0", "1.0", "٣", "9" * 19, "9" * 5000], ids=lambda text: text[:4])
async def test_what_is_no_version_is_refused(triton: InferenceServerClient, version: str) -> None:
    with pytest.raises(InferenceServerException, match="a whole number above 0 is needed") as refused:
        await triton.is_model_ready("intent", version)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(MODEL_READY)(b"\x0a\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_other_calls_are_not_the_gateways(triton: InferenceServerClient) -> None:
    tensor = InferInput("text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([["call mai"]], dtype=object))
    with pytest.raises(InferenceServerException, match="ModelInfer is asked of Triton") as refused:
        await triton.infer("intent", [tensor])
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"
    with pytest.raises(InferenceServerException, match="RepositoryIndex is asked of Triton"):
        await triton.get_model_repository_index()
