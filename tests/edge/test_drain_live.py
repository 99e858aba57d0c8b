"""What callers notice when an edge is drained and ends under load."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import httpx

from conch.stack.envoy import fronting
from conch.stack.services.envoy import drain

CALLERS = 4
NOT_LET_IN = ("refused", "Connection reset by peer")
"""The latter is what the kernel says to connections that nobody has accepted when the door shuts."""
METADATA = "/inference.GRPCInferenceService/ServerMetadata"


class Caller:
    """Asks as fast as it is answered, until it is not."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self.answers = 0
        self.refusal = ""
        self._ask = ask
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.refusal:
            try:
                self._ask()
            except (httpx.HTTPError, grpc.RpcError) as error:
                self.refusal = next((known for known in NOT_LET_IN if known in repr(error)), repr(error))
            else:
                self.answers += 1


def test_no_call_that_was_let_in_is_cut_off(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], until: Any
) -> None:
    with make_stand_in("triton") as triton, fronting(make_edge(triton)) as running:
        listening = running.edge.settings.listening
        channels = [
            grpc.insecure_channel(str(listening.grpc), options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(CALLERS)
        ]
        calls: list[Any] = [channel.unary_unary(METADATA) for channel in channels]
        webs = [httpx.Client(base_url=f"http://{listening.http}", trust_env=False) for _ in range(CALLERS)]
        callers = [
            *(Caller(partial(call, b"", timeout=20)) for call in calls),
            *(Caller(partial(_get, web)) for web in webs),
        ]
        until(lambda: min(caller.answers for caller in callers) > 10, 30)

        asyncio.run(drain(running.edge))
        running.process.terminate()
        running.process.wait()
        for caller in callers:
            caller.thread.join(30)
        assert {caller.refusal for caller in callers} <= set(NOT_LET_IN)
        assert triton.seen.count(METADATA) + triton.seen.count("/v2") == sum(caller.answers for caller in callers)
        for channel in channels:
            channel.close()
        for web in webs:
            web.close()


def _get(web: httpx.Client) -> None:
    web.get("/v2").raise_for_status()
