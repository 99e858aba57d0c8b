"""What the supervisor and publishers ask of a Triton over HTTP, with a deadline each: models, answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from conch.clients.loopback import loopback_client
from conch.contracts.errors import Unavailable

DEADLINE_S = 2.0


class Unanswered(Unavailable):
    """No answer within the deadline, no connection, or none of what was asked for."""


class Absent(Unanswered):
    """Nobody listens there: the server has ended, or has not loaded its models yet."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    name: str
    version: str
    state: str
    reason: str


class TritonHttp:
    def __init__(self, address: str) -> None:
        self._client = loopback_client(address, DEADLINE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def models(self) -> list[ListedModel]:
        listed = await self._json("POST", "/v2/repository/index")
        return [
            ListedModel(one["name"], one.get("version", ""), one.get("state", ""), one.get("reason", ""))
            for one in listed
        ]

    async def config(self, model: str) -> dict[str, Any]:
        config: dict[str, Any] = await self._json("GET", f"/v2/models/{model}/config")
        return config

    async def answered(self) -> dict[str, int]:
        """Requests that succeeded, by model, over all its versions since each was loaded."""
        statistics = (await self._json("GET", "/v2/models/stats"))["model_stats"]
        counts: dict[str, int] = {}
        for one in statistics:
            counts[one["name"]] = counts.get(one["name"], 0) + int(one["inference_stats"]["success"]["count"])
        return counts

    async def infer(self, config: Mapping[str, Any], inputs: Mapping[str, list[Any]], deadline_s: float) -> str:
        """Empty when the model inferred, else its error. `inputs` are flat, without the batch dimension."""
        path = f"/v2/models/{config['name']}"
        if config.get("model_transaction_policy", {}).get("decoupled"):
            # The inference end point refuses decoupled models.
            reply = await self._ask("POST", f"{path}/generate_stream", dict(inputs), deadline_s)
            return _error_of_stream(reply.text)
        # Whoever waits no longer is not answered: Triton drops the request from its queue.
        parameters = {"priority": 1, "timeout": int(deadline_s * 1e6)}
        body = {"inputs": _tensors(config, inputs), "parameters": parameters}
        reply = await self._ask("POST", f"{path}/infer", body, deadline_s)
        return "" if reply.is_success else _error_of(reply)

    async def _json(self, method: str, path: str) -> Any:
        reply = await self._ask(method, path)
        if not reply.is_success:
            raise Unanswered(f"{method} {path}: {_error_of(reply)}")
        return reply.json()

    async def _ask(self, method: str, path: str, body: object = None, deadline_s: float = DEADLINE_S) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=body, timeout=deadline_s)
        except httpx.HTTPError as error:
            kind = Absent if isinstance(error, httpx.ConnectError) else Unanswered
            raise kind(f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error


def _tensors(config: Mapping[str, Any], inputs: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    batch = [1] if config.get("max_batch_size", 0) > 0 else []
    tensors = []
    for tensor in config["input"]:
        if (values := inputs.get(tensor["name"])) is not None:
            dims = [int(dim) for dim in tensor["dims"]]
            shape = [len(values)] if -1 in dims else dims
            data_type = tensor["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES")
            tensors.append({"name": tensor["name"], "datatype": data_type, "shape": [*batch, *shape], "data": values})
    return tensors


def _error_of(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {reply.status_code}: {reply.text[:200]}"


def _error_of_stream(text: str) -> str:
    """Of server-sent events; the first that is an error."""
    for line in text.splitlines():
        data = line.removeprefix("data: ")
        if '"error"' in data:
            return str(json.loads(data)["error"])
    return ""
