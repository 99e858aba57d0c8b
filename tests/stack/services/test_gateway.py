"""What the stack makes of a gateway's answers."""

from __future__ import annotations

import http.server
import threading
from collections import defaultdict
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from conch.contracts.on_demand import resting
from conch.stack.service import NotYet, Site
from conch.stack.services.gateway import Gateway, GatewayProbe
from conch.stack.state import StateFolder


class Refusing(grpc.GenericRpcHandler):
    """Every call but those of health."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def service(self, details):
        if "Health" in details.method:
            return None

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAVAILABLE, self._reason)

        return grpc.unary_unary_rpc_method_handler(refuse)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def refusing():
    """`refusing(reason)` is a probe of a gateway that understands nothing."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    servers = []

    def make(reason):
        server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Refusing(reason)])
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return GatewayProbe(f"127.0.0.1:{port}", f"127.0.0.1:{web.server_address[1]}")

    yield make
    for server in servers:
        server.stop(0)
    web.shutdown()
    thread.join()
    web.server_close()


def test_a_gateway_is_told_which_models_are_vital(tmp_path):
    site = Site(StateFolder(tmp_path), addresses=defaultdict(lambda: defaultdict(str)))
    assert Gateway().launch(site).environment["CONCH_GATEWAY_VITAL"] == "[]"
    (tmp_path / "rollout.toml").write_text('vital = ["whisper", "intent"]\n')
    assert Gateway().launch(site).environment["CONCH_GATEWAY_VITAL"] == '["intent", "whisper"]'


async def test_a_gateway_whose_model_is_on_demand_is_ready(refusing):
    await refusing(resting("intent")).ready()


async def test_a_gateway_whose_model_is_away_is_not(refusing):
    with pytest.raises(NotYet, match="the inference server is away"):
        await refusing("model intent: the inference server is away").ready()
