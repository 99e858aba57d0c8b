"""KServe's health over HTTP: Triton's statuses, and a reason beside each no."""

import httpx
import pytest
from tritonclient.http.aio import InferenceServerClient

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import Unavailable
from gateway.addresses import Addresses

PATHS = [
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/intent/ready",
    "/v2/models/intent/versions/1/ready",
]


def dead(inputs: Arrays, call: CallOptions) -> Arrays:
    raise Unavailable("Stub process is not healthy")


@pytest.mark.parametrize("path", PATHS)
async def test_yes_is_200_without_a_body(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_no_is_400_with_the_reason_in_kserves_shape(http: httpx.AsyncClient, models: InProcessInference) -> None:
    models.functions["intent"] = dead
    for path in PATHS[1:]:
        answer = await http.get(path)
        reason = {"error": "model intent: Stub process is not healthy"}
        assert (answer.status_code, answer.json()) == (400, reason), path
    assert (await http.get(PATHS[0])).status_code == 200


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v2/models/nobody/ready", "model nobody is not at ready state"),
        ("/v2/models/nobody/versions/3/ready", "model nobody version 3 is not at ready state"),
        ("/v2/models/intent/versions/2/ready", "model intent version 2 is not at ready state"),
        ("/v2/models/intent/versions/0/ready", "version is '0', a whole number above 0 is needed"),
        ("/v2/models/intent/versions/abc/ready", "version is 'abc', a whole number above 0 is needed"),
    ],
)
async def test_what_nobody_has_is_400_as_tritons_answer_is(http: httpx.AsyncClient, path: str, reason: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (400, {"error": reason})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/health/well", 404), ("GET", "/v2/models/intent/infer", 404), ("POST", "/v2/health/live", 405)],
)
async def test_what_is_not_health_is_refused_in_kserves_shape(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


async def test_tritons_own_client_understands(gateway: Addresses, models: InProcessInference) -> None:
    models.functions["embedding"] = dead
    async with InferenceServerClient(gateway.http) as triton:
        assert await triton.is_server_live()
        assert not await triton.is_server_ready()
        assert await triton.is_model_ready("intent")
        assert await triton.is_model_ready("intent", "1")
        assert not await triton.is_model_ready("embedding")
        assert not await triton.is_model_ready("nobody")
