from pathlib import Path

import pytest

from conch.stack.daemon import Order
from conch.stack.service import Site, StackSettings
from conch.stack.services.envoy import Envoy
from conch.stack.services.gateway import Gateway
from conch.stack.state import StateFolder
from conch.tracing import ENDPOINT_VARIABLE


def test_an_order_arrives_as_it_was_given():
    settings = StackSettings(gpu=True, otlp="h:4317", otlp_http="h:4318")
    order = Order("/state", ("redis",), {"redis.redis": 0}, settings, ("llm",))
    assert Order.decode(order.encode()) == order


@pytest.mark.parametrize(("otlp", "told"), [("127.0.0.1:4317", "http://127.0.0.1:4317"), ("", "")])
def test_the_gateway_and_the_edge_are_told_where_spans_go_whatever_they_inherit(tmp_path: Path, otlp: str, told: str):
    addresses = {
        "redis": {"redis": "127.0.0.1:1"},
        "triton": {"grpc": "127.0.0.1:2", "http": "127.0.0.1:3", "metrics": "127.0.0.1:4"},
        "edge": {face: f"127.0.0.1:{5 + index}" for index, face in enumerate(Envoy.ports)},
        "gateway": {"grpc": "127.0.0.1:9", "http": "127.0.0.1:10"},
    }
    site = Site(StateFolder(tmp_path), StackSettings(otlp=otlp), addresses)
    environment = Gateway().launch(site).environment
    assert environment[ENDPOINT_VARIABLE] == told
    assert environment["CONCH_GATEWAY_SCRAPE_TRITONS"] == '["127.0.0.1:4"]'
    assert environment["CONCH_GATEWAY_SCRAPE_EDGE"] == addresses["edge"]["internal"]
