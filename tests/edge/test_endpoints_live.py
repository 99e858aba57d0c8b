"""Servers that leave the edge and come back while it runs."""

from collections.abc import Callable
from typing import Any

import grpc

from conch.edge.settings import Address
from conch.stack.envoy import fronting

METADATA = "/inference.GRPCInferenceService/ServerMetadata"


def test_a_server_that_is_to_leave_gets_no_new_calls_until_it_is_back(
    make_edge: Callable[..., Any], make_stand_in: Callable[..., Any], make_caller: Callable[..., Any], until: Any
) -> None:
    with make_stand_in("one") as one, make_stand_in("two") as two, fronting(make_edge(one, two)) as running:
        caller = make_caller(running)
        with grpc.insecure_channel(caller.grpc_address) as channel:
            call = channel.unary_unary(METADATA)
            until(lambda: _answering(call, caller) == {"one", "two"})

            leaving = [Address.parse(two.grpc), Address.parse(two.http)]
            assert running.edge.publish_endpoints(leaving)
            assert not running.edge.publish_endpoints(leaving)
            until(lambda: _answering(call, caller) == {"one"})
            assert _answering(call, caller) == {"one"}

            assert running.edge.publish_endpoints()
            until(lambda: _answering(call, caller) == {"one", "two"})


def _answering(call: Any, caller: Any) -> set[str]:
    """Over gRPC and over HTTP."""
    names = set()
    for _ in range(20):
        _, done = call.with_call(b"", timeout=10)
        names.add(dict(done.trailing_metadata())["standing-in"])
        names.add(caller.get("/v2").json()["by"])
    return names
