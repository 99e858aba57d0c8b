"""Serve Models for as long as the process runs."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence

import grpc

from conch.contracts.errors import Unavailable
from conch.contracts.pb.models.v1 import models_pb2_grpc
from conch.rollout.folders import Folders
from conch.rollout.publisher import Publisher
from conch.rollout.rpc.models import Models
from conch.rollout.rpc.uploads import Bounds

MOST_BYTES = 8 * 2**20
"""Of a message; a chunk is smaller, and so is what there is to tell."""


@contextlib.asynccontextmanager
async def serving_models(
    folders: Folders, publisher: Publisher, address: str, beside: Sequence[grpc.GenericRpcHandler] = ()
) -> AsyncIterator[int]:
    """The port. Uploads that an earlier process left go."""
    shutil.rmtree(folders.uploads, ignore_errors=True)
    models = Models(folders, publisher, Bounds())
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0)],
    )
    models_pb2_grpc.add_ModelsServicer_to_server(models, server)  # type: ignore[no-untyped-call]
    server.add_generic_rpc_handlers(beside)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise Unavailable(f"{address} cannot be listened at: {error}") from error
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=0)
        await models.close()
