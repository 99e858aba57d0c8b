"""Have a Triton load and unload models, over gRPC.

Over HTTP a load holds up every connection that its thread serves until it ends: callers', and the edge's health checks.
"""

from typing import TYPE_CHECKING, Protocol

from conch.clients.triton_http import Unanswered

if TYPE_CHECKING:
    from tritonclient.grpc.aio import InferenceServerClient


class LoadTimeout(Unanswered):
    """It was not done in time, and may never be: that model is wedged until its stub or the server ends."""


class Loads(Protocol):
    """Each returns what Triton has against it; empty when it is done. Raises Unanswered."""

    async def load(self, model: str, deadline_s: float) -> str: ...

    async def unload(self, model: str, deadline_s: float) -> str: ...


class TritonLoads(Loads):
    """A connection for each call: calls are rare, and a server that was started again has another."""

    def __init__(self, grpc: str) -> None:
        self._grpc = grpc

    async def load(self, model: str, deadline_s: float) -> str:
        return await self._call("load", model, deadline_s)

    async def unload(self, model: str, deadline_s: float) -> str:
        """Triton has begun to, when it returns."""
        return await self._call("unload", model, deadline_s)

    async def _call(self, what: str, model: str, deadline_s: float) -> str:
        # A supervisor that heals nobody needs no tritonclient.
        from tritonclient.utils import InferenceServerException

        async with _client(self._grpc) as client:
            try:
                if what == "load":
                    await client.load_model(model, client_timeout=deadline_s)
                else:
                    await client.unload_model(model, client_timeout=deadline_s)
            except InferenceServerException as error:
                status, message = error.status() or "", error.message() or "no reason was given"
                if status.endswith("DEADLINE_EXCEEDED"):
                    raise LoadTimeout(f"{what} of {model}: no answer within {deadline_s:g} s") from error
                if status.endswith(("UNAVAILABLE", "CANCELLED")):
                    raise Unanswered(f"{what} of {model}: {message}") from error
                return message
        return ""


def _client(grpc: str) -> "InferenceServerClient":
    from tritonclient.grpc.aio import InferenceServerClient

    return InferenceServerClient(grpc, channel_args=[("grpc.use_local_subchannel_pool", 1)])
