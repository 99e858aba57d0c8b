"""Whom the suite tests: our own Triton and our edge, or the server that CONFORMANCE_URL names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.server import Server

URL = os.environ.get("CONFORMANCE_URL", "").rstrip("/")
GRPC = os.environ.get("CONFORMANCE_GRPC") or None
KEY = os.environ.get("CONFORMANCE_KEY") or None
OUR_MODELS = {"identity", "add_sub", "repeat", "witness"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cites(sections): where the protocol says what the test checks")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    if silent := [item.nodeid for item in ours if item.get_closest_marker("cites") is None]:
        raise pytest.UsageError(f"these cite no section of the protocol: {', '.join(silent)}")


def another() -> Server:
    return Server("url", URL if "://" in URL else f"http://{URL}", GRPC, KEY)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Our own servers; not started where another is named."""
    from tests.conformance.local import running

    with running(tmp_path_factory.mktemp("conformance")) as servers:
        yield servers


@pytest.fixture(scope="session", params=["url"] if URL else ["triton", "edge"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "url":
        return another()
    found: Server = getattr(request.getfixturevalue("local"), request.param)
    return found


@pytest.fixture(scope="session")
def compared(request: pytest.FixtureRequest) -> tuple[Server, ...]:
    """Our Triton, our edge, and our edge with an operator's key; of another server, that one."""
    if URL:
        return (with_our_models(another()),)
    local = request.getfixturevalue("local")
    return local.triton, local.edge, local.operator


@pytest.fixture(scope="session")
def grpc_server(server: Server) -> Server:
    if server.grpc is None:
        pytest.skip("no gRPC address was given: make conformance URL=… GRPC=host:port")
    return server


@pytest.fixture(scope="session")
def served(server: Server) -> list[str]:
    """Models that the server says are ready."""
    return ready_models(server)


@pytest.fixture(scope="session")
def ours(server: Server) -> Server:
    """A server with the suite's models: sharper questions can be asked."""
    return with_our_models(server)


def ready_models(server: Server) -> list[str]:
    index = server.post("/v2/repository/index", json={"ready": True})
    assert index.status_code == 200, index.text
    return [one["name"] for one in index.json() if one.get("state", "READY") == "READY"]


def with_our_models(server: Server) -> Server:
    if missing := OUR_MODELS - set(ready_models(server)):
        pytest.skip(f"{server.url} does not serve tests/conformance/models: {', '.join(sorted(missing))}")
    return server


@pytest.fixture(scope="session")
def ours_grpc(ours: Server, grpc_server: Server) -> Server:
    return grpc_server
