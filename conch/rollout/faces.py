"""What the process that acts serves beside acting: conch.models.v1.Models, and its metrics."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.folders import Folders
from conch.rollout.metrics import serve_metrics
from conch.rollout.publisher import Publisher
from conch.rollout.rpc.serving import serving_models


@dataclass(frozen=True, slots=True)
class FaceAddresses:
    """host:port each; empty: not served."""

    models: str = ""
    metrics: str = ""


@contextlib.asynccontextmanager
async def serving_faces(
    folders: Folders, publisher: Publisher, addresses: FaceAddresses, beside: Sequence[grpc.GenericRpcHandler] = ()
) -> AsyncIterator[None]:
    """`beside` are services at the address of Models."""
    async with contextlib.AsyncExitStack() as faces:
        if addresses.metrics:
            _serve_metrics(folders, addresses.metrics)
        if addresses.models:
            await faces.enter_async_context(serving_models(folders, publisher, addresses.models, beside))
        yield


def _serve_metrics(folders: Folders, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise InvalidRequest(f"{address!r} is not an address: host:port is")
    try:
        serve_metrics(folders, host.strip("[]"), int(port))
    except OSError as error:
        raise Unavailable(f"{address} cannot be listened at: {error.strerror}") from None
