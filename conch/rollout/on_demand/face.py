"""Where the edge asks for models on demand: gRPC without messages, beside conch.models.v1.Models."""

import math
import time
from typing import Any

import grpc

from conch.clients.status import code_of
from conch.contracts.errors import ConchError, TooMuch
from conch.contracts.on_demand import GOOD_HEADER, METHOD, MODEL_HEADER, PROBE_HEADER, RETRY_HEADER, SERVICE
from conch.rollout.on_demand.loader import RETRY_AFTER_S, Loader

Context = grpc.aio.ServicerContext[bytes, bytes]


class LoaderFace:
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    @property
    def handler(self) -> grpc.GenericRpcHandler:
        methods: dict[str, Any] = {METHOD: grpc.unary_unary_rpc_method_handler(self.answer)}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def answer(self, request: bytes, context: Context) -> bytes:
        """The edge counts from when it asked, so that the time that it waits here is in the answer."""
        asked_at = time.monotonic()
        said: dict[str, Any] = dict(context.invocation_metadata() or ())
        try:
            good_s = await self._loader.ask(str(said.get(MODEL_HEADER, "")), probe=said.get(PROBE_HEADER) == "true")
        except ConchError as error:
            wait_s = error.retry_after_s if isinstance(error, TooMuch) else None
            wait = math.ceil(RETRY_AFTER_S if wait_s is None else wait_s)
            message = f"{error.message}; retry after {wait} s" if isinstance(error, TooMuch) else error.message
            await context.abort(code_of(error), message, ((RETRY_HEADER, str(wait)),))
        good_ms = int((time.monotonic() - asked_at + good_s) * 1000) if good_s > 0 else 0
        await context.send_initial_metadata(((GOOD_HEADER, str(good_ms)),))
        return b""
